//! Where the collector is: host, port, and the prefix under which a proxy may serve it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::layers::Wrong;

const EXPECTED: &str = "expected https://HOST:PORT, or on the same machine http://127.0.0.1:6121";
const PREFIX_BYTES: usize = 256;
const HOST_BYTES: usize = 253;

/// Where the collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    prefix: String,
}

/// How the collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl CollectorUrl {
    /// The collector of this machine, [`super::DEFAULT_COLLECTOR`].
    #[must_use]
    pub fn local() -> Self {
        let host = "127.0.0.1".to_owned();
        Self { scheme: Scheme::Http, host, port: 6121, prefix: String::new() }
    }

    /// A collector that was found under this name; `None` where it is no name.
    pub(crate) fn found(host: &str, port: u16) -> Option<Self> {
        let host = host.trim_end_matches('.');
        let written = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Self::read(&format!("https://{written}:{port}")).ok()
    }

    /// Of a text that is no setting.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what was expected.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|wrong| format!("{:?} {}", wrong.value, wrong.problem))
    }

    /// `https://host:port[/prefix]`, `wss://…`; on this machine `http://…` and `ws://…` as well;
    /// or `host:port` alone.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        let wrong = |problem: &str| Wrong::new(text, format!("{problem}: {EXPECTED}"));
        let (scheme, (authority, prefix)) = match text.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                (Some(scheme_of(text, scheme)?), rest.split_at(end))
            }
            None if text.contains(['/', '?', '#']) => {
                return Err(wrong("has a path but no scheme"));
            }
            None => (None, (text, "")),
        };
        let (host, port) = split_port(authority).ok_or_else(|| wrong("names no port"))?;
        let host = plain_host(host).map_err(wrong)?;
        let port = port.parse().ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| wrong("has a port that is not within 1 to 65535"))?;
        let prefix = plain_prefix(prefix).map_err(wrong)?;
        let usual = if is_loopback(&host) { Scheme::Http } else { Scheme::Https };
        let scheme = scheme.unwrap_or(usual);
        if scheme == Scheme::Http && !is_loopback(&host) {
            return Err(Wrong::new(
                text,
                "would send everything over the network unencrypted: paste the join line that the \
                 collector prints (herdbook-collector token create) into herdbook-agent join, or \
                 give https://HOST:PORT",
            ));
        }
        Ok(Self { scheme, host, port, prefix })
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

    /// Whether it is spoken to over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The WebSocket URL of a path that begins with a slash, as it is asked for within TLS too.
    #[must_use]
    pub fn websocket(&self, path: &str) -> String {
        format!("ws://{}{}{path}", Authority(self), self.prefix)
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", Authority(self), self.prefix)
    }
}

struct Authority<'a>(&'a CollectorUrl);

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CollectorUrl { host, port, .. } = self.0;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn scheme_of(text: &str, scheme: &str) -> Result<Scheme, Wrong> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Ok(Scheme::Http),
        "https" | "wss" => Ok(Scheme::Https),
        _ => Err(Wrong::new(text, format!("has an unknown scheme: {EXPECTED}"))),
    }
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
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
            ("https://gpu-1:6121", "https://gpu-1:6121"),
            ("HTTPS://GPU-1:6121/", "https://gpu-1:6121"),
            ("wss://10.0.0.7:80/herd/", "https://10.0.0.7:80/herd"),
            ("ws://127.0.0.7:80/herd/", "http://127.0.0.7:80/herd"),
            ("https://127.0.0.1:6122", "https://127.0.0.1:6122"),
            ("localhost:6121", "http://localhost:6121"),
            ("gpu-1:6121", "https://gpu-1:6121"),
            ("[::1]:6121", "http://[::1]:6121"),
            ("https://[fd00:0::7]:1/a/b", "https://[fd00::7]:1/a/b"),
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
            assert!(problem.contains("expected https://HOST:PORT"), "{text}: {problem}");
        }
    }

    #[test]
    fn without_tls_nothing_leaves_the_machine() {
        for text in ["http://gpu-1:6121", "ws://10.0.0.7:80", "http://[fd00::7]:1"] {
            assert!(problem(text).contains("herdbook-agent join"), "{text}");
        }
        for text in ["http://localhost:1", "http://[::1]:1", "http://[::ffff:127.0.0.1]:1"] {
            assert!(!CollectorUrl::parse(text).unwrap().is_tls(), "{text}");
        }
    }

    #[test]
    fn what_is_found_is_spoken_to_over_tls() {
        let shown = |host| CollectorUrl::found(host, 6122).unwrap().to_string();
        assert_eq!(shown("gpu-0.example."), "https://gpu-0.example:6122");
        assert_eq!(shown("fd00::7"), "https://[fd00::7]:6122");
        assert_eq!(CollectorUrl::found("a b", 6122), None);
        assert_eq!(CollectorUrl::found("gpu-0", 0), None);
    }

    #[test]
    fn no_text_panics() {
        proptest::proptest!(|(text in "\\PC*")| { let _ = CollectorUrl::parse(&text); });
        proptest::proptest!(|(text in "(https?://)?[\\[\\]:@/.a1]{0,12}")| {
            if let Ok(url) = CollectorUrl::parse(&text) {
                assert_eq!(CollectorUrl::parse(&url.to_string()), Ok(url));
            }
        });
    }
}
