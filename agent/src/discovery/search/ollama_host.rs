//! Where people say that Ollama is: `OLLAMA_HOST` as Ollama itself reads it, and `--ollama URL`.
//!
//! Ollama's reading forgives nearly everything, so it never fails here either. The flag is
//! Herdbook's own and refuses what it does not understand.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Ollama's port.
pub(in crate::discovery) const OLLAMA_PORT: u16 = 11434;

/// An address or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::discovery) enum Host {
    /// An address, ready to be contacted.
    Address(IpAddr),
    /// To be looked up; `localhost`, say.
    Name(String),
}

impl Host {
    fn from_text(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_ascii_lowercase()), Self::Address)
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::discovery) struct Place {
    pub(in crate::discovery) host: Host,
    pub(in crate::discovery) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{port}"),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}:{port}"),
            Host::Name(name) => write!(f, "{name}:{port}"),
        }
    }
}

/// Reads `OLLAMA_HOST` as Ollama does; an address that stands for all of them becomes loopback.
/// `None` where it is empty or names no port that can be contacted.
pub(in crate::discovery) fn ollama_host(value: &str) -> Option<Place> {
    let value = value.trim().trim_matches(['"', '\'']).trim();
    if value.is_empty() {
        return None;
    }
    let (default_port, rest) = match value.split_once("://") {
        Some(("http", rest)) => (80, rest),
        Some(("https", rest)) => (443, rest),
        Some((_, rest)) => (OLLAMA_PORT, rest),
        None => (OLLAMA_PORT, value),
    };
    let host_and_port = rest.split_once('/').map_or(rest, |(before, _path)| before);
    let (host, port) = match split_port(host_and_port) {
        Some((host, port)) => (host, port.parse().unwrap_or(default_port)),
        None => (host_and_port.trim_matches(['[', ']']), default_port),
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    (port != 0).then(|| Place { host: connectable(Host::from_text(host)), port })
}

/// Splits `host:port`; `None` where there is no port, as in a bare IPv6 address.
fn split_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']').map(|host| (host, port)),
        None if host.contains(':') => None,
        None => Some((host, port)),
    }
}

/// A server that listens on all addresses is reached on loopback.
fn connectable(host: Host) -> Host {
    match host {
        Host::Address(IpAddr::V4(address)) if address.is_unspecified() => {
            Host::Address(Ipv4Addr::LOCALHOST.into())
        }
        Host::Address(IpAddr::V6(address)) if address.is_unspecified() => {
            Host::Address(Ipv6Addr::LOCALHOST.into())
        }
        other => other,
    }
}

/// A server that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OllamaUrl(Place);

impl OllamaUrl {
    pub(in crate::discovery) fn place(&self) -> &Place {
        &self.0
    }
}

impl fmt::Display for OllamaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// The text names no server that the agent could ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} {wrong}; expected http://HOST:PORT, such as http://127.0.0.1:11434")]
pub struct NotAnOllamaUrl {
    given: String,
    wrong: &'static str,
}

impl FromStr for OllamaUrl {
    type Err = NotAnOllamaUrl;

    fn from_str(text: &str) -> Result<Self, NotAnOllamaUrl> {
        place(text.trim()).map(Self).map_err(|wrong| {
            let given = text.chars().take(200).collect();
            NotAnOllamaUrl { given, wrong }
        })
    }
}

fn place(text: &str) -> Result<Place, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("has no scheme")?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => {}
        "https" => return Err("asks for https, but Ollama itself serves plain http"),
        _ => return Err("has a scheme other than http"),
    }
    let host_and_port = rest.strip_suffix('/').unwrap_or(rest);
    if host_and_port.contains('@') {
        return Err("holds a user name or password");
    }
    if host_and_port.contains(['/', '?', '#']) {
        return Err("has a path, query or fragment");
    }
    let bare_v6 = host_and_port.starts_with('[') && host_and_port.ends_with(']');
    let (host, port) = match split_port(host_and_port) {
        Some((host, port)) => (host, port.parse().map_err(|_| "has no port from 1 to 65535")?),
        None if bare_v6 => (host_and_port.trim_matches(['[', ']']), 80),
        None if host_and_port.contains(':') => return Err("has an IPv6 address without brackets"),
        None => (host_and_port, 80),
    };
    if port == 0 {
        return Err("has no port from 1 to 65535");
    }
    let host = connectable(Host::from_text(host));
    match &host {
        Host::Name(_) if host_and_port.starts_with('[') => {
            Err("has no IPv6 address in its brackets")
        }
        Host::Name(name) if !is_host_name(name) => Err("has no host name or address"),
        _ => Ok(Place { host, port }),
    }
}

fn is_host_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    // A name of digits and dots alone would be a mistyped IPv4 address.
    let has_letter = name.contains(|c: char| c.is_ascii_alphabetic());
    (1..=253).contains(&name.len()) && name.chars().all(allowed) && has_letter
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Option<String> {
        ollama_host(value).map(|place| place.to_string())
    }

    #[test]
    fn reads_ollama_host_as_ollama_does() {
        let table = [
            ("127.0.0.1", "127.0.0.1:11434"),
            ("1.2.3.4:4321", "1.2.3.4:4321"),
            ("example.com", "example.com:11434"),
            ("GPU-1:1234", "gpu-1:1234"),
            (":1234", "127.0.0.1:1234"),
            ("localhost:", "localhost:11434"),
            ("  127.0.0.1:1234\n", "127.0.0.1:1234"),
            ("\"1.2.3.4\"", "1.2.3.4:11434"),
            ("'1.2.3.4:5'", "1.2.3.4:5"),
            ("\" 1.2.3.4 \"", "1.2.3.4:11434"),
            ("http://1.2.3.4", "1.2.3.4:80"),
            ("https://1.2.3.4", "1.2.3.4:443"),
            ("http://1.2.3.4:4321", "1.2.3.4:4321"),
            ("https://example.com:4321/ollama", "example.com:4321"),
            ("ftp://1.2.3.4", "1.2.3.4:11434"),
            ("1.2.3.4:4321/", "1.2.3.4:4321"),
            ("1.2.3.4/a/b:c", "1.2.3.4:11434"),
            ("1.2.3.4:66000", "1.2.3.4:11434"),
            ("http://1.2.3.4:-1", "1.2.3.4:80"),
            ("1.2.3.4:port", "1.2.3.4:11434"),
            ("[::1]", "[::1]:11434"),
            ("::1", "[::1]:11434"),
            ("[::1]:4321", "[::1]:4321"),
            ("http://[fd00::7]", "[fd00::7]:80"),
            ("0.0.0.0", "127.0.0.1:11434"),
            ("0.0.0.0:4321", "127.0.0.1:4321"),
            ("[::]:4321", "[::1]:4321"),
            ("::", "[::1]:11434"),
        ];
        for (value, expected) in table {
            assert_eq!(read(value).as_deref(), Some(expected), "{value:?}");
        }
    }

    #[test]
    fn nothing_and_port_zero_name_no_server() {
        for value in ["", "  ", "\"\"", "127.0.0.1:0"] {
            assert_eq!(read(value), None, "{value:?}");
        }
    }

    #[test]
    fn accepts_urls() {
        let table = [
            ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
            ("HTTP://GPU-1.lan:1/", "http://gpu-1.lan:1"),
            ("http://[::1]:11434/", "http://[::1]:11434"),
            ("http://[::1]", "http://[::1]:80"),
            ("http://localhost", "http://localhost:80"),
            ("http://0.0.0.0:9", "http://127.0.0.1:9"),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<OllamaUrl>().unwrap().to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_url_and_says_what_was_given_and_expected() {
        let table = [
            ("", "has no scheme"),
            ("127.0.0.1:11434", "has no scheme"),
            ("http:/127.0.0.1", "has no scheme"),
            ("https://127.0.0.1:11434", "plain http"),
            ("htp://127.0.0.1", "other than http"),
            ("http://", "no host name"),
            ("http://:11434", "no host name"),
            ("http://127.0.0.1:0", "1 to 65535"),
            ("http://127.0.0.1:66000", "1 to 65535"),
            ("http://127.0.0.1:x", "1 to 65535"),
            ("http://::1:11434", "without brackets"),
            ("http://[127.0.0.x]:1", "in its brackets"),
            ("http://127.0.0.1:1/ollama", "path"),
            ("http://a:b@127.0.0.1:1", "password"),
            ("http://127.0.0.256:1", "no host name"),
            ("http://two words:1", "no host name"),
        ];
        for (text, wrong) in table {
            let error = text.parse::<OllamaUrl>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{text:?}: {error}");
            assert!(error.contains(&format!("{text:?}")), "{error}");
            assert!(error.contains("expected http://HOST:PORT"), "{error}");
        }
    }

    fn any_host() -> impl Strategy<Value = Host> {
        let address = any::<IpAddr>().prop_filter("it can be contacted", |a| !a.is_unspecified());
        prop_oneof![
            address.prop_map(Host::Address),
            "[a-z][a-z0-9-]{0,20}(\\.[a-z][a-z0-9-]{0,10}){0,2}".prop_map(Host::Name),
        ]
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_can_be_contacted(
            text in "(http://|https://|ftp://)?[]\\[0-9a-z:./@ \"]{0,30}", any in ".{0,40}"
        ) {
            for text in [text, any] {
                let url = text.parse::<OllamaUrl>().ok().map(|url| url.0);
                for place in ollama_host(&text).into_iter().chain(url) {
                    prop_assert_ne!(place.port, 0);
                    if let Host::Address(address) = place.host {
                        prop_assert!(!address.is_unspecified());
                    }
                }
            }
        }

        #[test]
        fn places_come_back_as_they_were_told(host in any_host(), port in 1_u16..) {
            let place = Place { host, port };
            prop_assert_eq!(ollama_host(&place.to_string()), Some(place.clone()));
            prop_assert_eq!(ollama_host(&format!("http://{place}/")), Some(place.clone()));
            let url = OllamaUrl(place);
            prop_assert_eq!(url.to_string().parse::<OllamaUrl>(), Ok(url));
        }
    }
}
