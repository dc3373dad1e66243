//! Where the collector is: host, port, and the prefix under which a proxy may serve it.

use std::fmt;
use std::net::Ipv6Addr;

use super::layers::Wrong;

const EXPECTED: &str = "expected http://HOST:PORT, such as http://127.0.0.1:6121";
const PREFIX_BYTES: usize = 256;
const HOST_BYTES: usize = 253;

/// Where the collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl {
    host: String,
    port: u16,
    prefix: String,
}

impl CollectorUrl {
    /// The collector of this machine, [`super::DEFAULT_COLLECTOR`].
    #[must_use]
    pub fn local() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 6121, prefix: String::new() }
    }

    /// `http://host:port[/prefix]`, `ws://…`, or `host:port` alone.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        let wrong = |problem: &str| Wrong::new(text, format!("{problem}: {EXPECTED}"));
        let (authority, prefix) = match text.split_once("://") {
            Some((scheme, rest)) => {
                check_scheme(text, scheme)?;
                rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
            }
            None if text.contains(['/', '?', '#']) => {
                return Err(wrong("has a path but no scheme"));
            }
            None => (text, ""),
        };
        let (host, port) = split_port(authority).ok_or_else(|| wrong("names no port"))?;
        let host = plain_host(host).map_err(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| wrong("has a port that is not within 1 to 65535"))?;
        let prefix = plain_prefix(prefix).map_err(wrong)?;
        Ok(Self { host, port, prefix })
    }

    /// A URL that is known to be good.
    #[cfg(test)]
    pub(crate) fn parse_for_tests(text: &str) -> Self {
        Self::parse(text).unwrap()
    }

    /// The host's name or address, IPv6 without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The WebSocket URL of a path that begins with a slash.
    #[must_use]
    pub fn websocket(&self, path: &str) -> String {
        format!("ws://{}{}{path}", Authority(self), self.prefix)
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", Authority(self), self.prefix)
    }
}

struct Authority<'a>(&'a CollectorUrl);

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CollectorUrl { host, port, .. } = self.0;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn check_scheme(text: &str, scheme: &str) -> Result<(), Wrong> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Ok(()),
        "https" | "wss" => Err(Wrong::new(
            text,
            "asks for TLS, which comes with enrolment: until then reach a distant collector \
             through an SSH tunnel (ssh -N -L 6121:127.0.0.1:6121 COLLECTOR) and give \
             http://127.0.0.1:6121",
        )),
        _ => Err(Wrong::new(text, format!("has an unknown scheme: {EXPECTED}"))),
    }
}

/// Cuts at the colon of the port, which is not one within brackets.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = authority.rsplit_once(':')?;
    (!port.contains(']')).then_some((host, port))
}

fn plain_host(host: &str) -> Result<String, &'static str> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| "has a bad IPv6 address")?;
        return Ok(address.to_string());
    }
    if host.is_empty() {
        return Err("names no host");
    }
    if host.contains('@') {
        return Err("carries credentials, which nothing asks for");
    }
    if host.contains(':') {
        return Err("has an IPv6 address without brackets");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.len() > HOST_BYTES || !host.chars().all(allowed) {
        return Err("has a host that is no name or address");
    }
    Ok(host.to_ascii_lowercase())
}

fn plain_prefix(prefix: &str) -> Result<String, &'static str> {
    if prefix.contains(['?', '#']) {
        return Err("has a query or fragment");
    }
    if prefix.len() > PREFIX_BYTES || !prefix.chars().all(|c| c.is_ascii_graphic()) {
        return Err("has a path that is none");
    }
    Ok(prefix.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        CollectorUrl::parse(text).unwrap_err().problem
    }

    #[test]
    fn reads_every_spelling() {
        for (text, shown) in [
            ("http://gpu-1:6121", "http://gpu-1:6121"),
            ("HTTP://GPU-1:6121/", "http://gpu-1:6121"),
            ("ws://10.0.0.7:80/herd/", "http://10.0.0.7:80/herd"),
            ("localhost:6121", "http://localhost:6121"),
            ("[::1]:6121", "http://[::1]:6121"),
            ("http://[fd00:0::7]:1/a/b", "http://[fd00::7]:1/a/b"),
            (super::super::DEFAULT_COLLECTOR, "http://127.0.0.1:6121"),
        ] {
            assert_eq!(CollectorUrl::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn the_default_is_what_it_says() {
        assert_eq!(CollectorUrl::parse(super::super::DEFAULT_COLLECTOR), Ok(CollectorUrl::local()));
    }

    #[test]
    fn a_prefix_stands_before_the_path() {
        let url = CollectorUrl::parse("http://[::1]:80/herd").unwrap();
        assert_eq!(url.websocket("/api/v1/agent"), "ws://[::1]:80/herd/api/v1/agent");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("htp://gpu-1:6121", "unknown scheme"),
            ("http://:6121", "names no host"),
            (":6121", "names no host"),
            ("http://", "names no port"),
            ("gpu-1", "names no port"),
            ("http://gpu-1", "names no port"),
            ("http://[::1]", "names no port"),
            ("", "names no port"),
            ("http://gpu-1:99999", "not within 1 to 65535"),
            ("http://gpu-1:0", "not within 1 to 65535"),
            ("http://gpu-1:http", "not within 1 to 65535"),
            ("gpu-1:6121/herd", "has a path but no scheme"),
            ("/var/run/herdbook", "has a path but no scheme"),
            ("::1:6121", "without brackets"),
            ("http://[::g]:6121", "bad IPv6"),
            ("http://ada:secret@gpu-1:6121", "credentials"),
            ("http://gpu 1:6121", "no name or address"),
            ("http://gpu-1:6121/?a=1", "query"),
            ("http://gpu-1:6121/a b", "has a path that is none"),
        ] {
            let problem = problem(text);
            assert!(problem.contains(words), "{text}: {problem}");
            assert!(problem.contains("expected http://HOST:PORT"), "{text}: {problem}");
        }
    }

    #[test]
    fn tls_is_refused_with_what_to_do() {
        for text in ["https://gpu-1:6121", "wss://gpu-1:6121"] {
            assert!(problem(text).contains("SSH tunnel"));
        }
    }

    #[test]
    fn no_text_panics() {
        proptest::proptest!(|(text in "\\PC*")| { let _ = CollectorUrl::parse(&text); });
        proptest::proptest!(|(text in "(http://)?[\\[\\]:@/.a1]{0,12}")| {
            if let Ok(url) = CollectorUrl::parse(&text) {
                assert_eq!(CollectorUrl::parse(&url.to_string()), Ok(url));
            }
        });
    }
}
