//! Where a service is called, in one spelling: two spellings of one address are one service.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Longest URL that is taken, bytes.
pub const URL_BYTES: usize = 2048;

/// Longest name of a host, bytes.
const NAME_BYTES: usize = 253;
/// Longest part of one between two dots, bytes.
const LABEL_BYTES: usize = 63;

/// A URL that no service can have, in words that say what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It cannot be read.
    #[error("it cannot be read as a URL")]
    Unreadable,
    /// It is too long.
    #[error("it is longer than {URL_BYTES} bytes")]
    TooLong,
    /// It is for something else.
    #[error("its scheme is neither http nor https")]
    Scheme,
    /// It names no host.
    #[error("it names no host")]
    NoHost,
    /// It carries a secret, which would be told to everybody.
    #[error("it holds a user name or password")]
    Credentials,
    /// It is no base to which paths can be added.
    #[error("it holds a query or fragment")]
    Query,
    /// No name server can know its host.
    #[error("no host can have that name")]
    HostName,
    /// Its parts are divided as in no URL.
    #[error("it holds a backslash")]
    Backslash,
    /// Nobody can be called there.
    #[error("nobody can be called at that address")]
    Unspecified,
}

/// What a URL of a service looks like.
pub const EXPECTED: &str = "http://host:port or https://host:port, without user, query or fragment";

/// The URL of a service in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceUrl {
    url: Url,
    port: u16,
}

impl ServiceUrl {
    /// Reads a URL in any spelling: letters of any case, with or without scheme (then `http`),
    /// default port, trailing slash, or brackets, and numbers in any notation.
    ///
    /// # Errors
    ///
    /// [`BadUrl`], which says why no service can be called there.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let text = text.trim();
        if text.len() > URL_BYTES {
            return Err(BadUrl::TooLong);
        }
        if text.contains('\\') {
            return Err(BadUrl::Backslash);
        }
        let with_scheme = if text.contains("://") { text.to_owned() } else { with_http(text) };
        let mut url = Url::parse(&with_scheme).map_err(|_| BadUrl::Unreadable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadUrl::Query);
        }
        let host = match url.host().ok_or(BadUrl::NoHost)? {
            Host::Ipv6(v6) => v6.to_ipv4_mapped().map(Host::Ipv4).unwrap_or(Host::Ipv6(v6)),
            Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
            Host::Ipv4(v4) => Host::Ipv4(v4),
        };
        let is_nobody = match &host {
            Host::Ipv4(v4) => *v4 == Ipv4Addr::UNSPECIFIED,
            Host::Ipv6(v6) => *v6 == Ipv6Addr::UNSPECIFIED,
            Host::Domain(name) => name.is_empty(),
        };
        if is_nobody {
            return Err(BadUrl::Unspecified);
        }
        if matches!(&host, Host::Domain(name) if !is_host_name(name)) {
            return Err(BadUrl::HostName);
        }
        // Most are in their one spelling already.
        let host = host.to_string();
        if url.host_str() != Some(&host) {
            url.set_host(Some(&host)).map_err(|_| BadUrl::NoHost)?;
        }
        if url.path() != "/" && url.path().ends_with('/') {
            let path = url.path().trim_end_matches('/').to_owned();
            url.set_path(&path);
        }
        let port = url.port_or_known_default().ok_or(BadUrl::Unreadable)?;
        Ok(Self { url, port })
    }

    /// `host:port`, by which a service is told from others; IPv6 in brackets.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.port)
    }

    /// The id of a service that is known by this URL alone: its key, and its path if it has one.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}{}", self.key(), self.path())
    }

    /// Its path without a trailing slash; empty for none. Behind one address many services can
    /// stand at paths of their own, so a URL with a path never joins another entry.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The URL in its one spelling, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The host: a name in lower case, or an address.
    #[must_use]
    pub fn host(&self) -> Option<Host<&str>> {
        self.url.host()
    }

    /// The port, told or implied.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether whoever calls it calls the machine that it is on itself.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(v4)) => v4.is_loopback(),
            Some(Host::Ipv6(v6)) => v6.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }
}

/// Whether a name has the form of one that name servers know (RFC 1123); `_` is let through.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= NAME_BYTES && name.split('.').all(is_label)
}

/// `gpu-1:8000`, and an IPv6 address without brackets, which can have no port.
fn with_http(text: &str) -> String {
    match text.parse::<Ipv6Addr>() {
        Ok(address) => format!("http://[{address}]"),
        Err(_) => format!("http://{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_one_address_is_one_key() {
        let spellings = [
            "http://gpu-1:80",
            "http://GPU-1",
            "HTTP://gpu-1/",
            "gpu-1",
            "gpu-1:80",
            "http://gpu-1.:80//",
            " http://gpu-1 ",
        ];
        for text in spellings {
            let url = ServiceUrl::parse(text).unwrap();
            assert_eq!((url.key().as_str(), url.as_str()), ("gpu-1:80", "http://gpu-1"), "{text}");
        }
        let key = |text| ServiceUrl::parse(text).unwrap().key();
        assert_eq!(key("https://gpu-1"), "gpu-1:443");
        assert_eq!(key("http://[FD00:0::7]:8000/"), "[fd00::7]:8000");
        assert_eq!(key("[fd00::7]:8000"), "[fd00::7]:8000");
        assert_eq!(key("fd00::7"), "[fd00::7]:80");
        assert_eq!(key("http://[::ffff:10.0.0.7]:1"), "10.0.0.7:1");
        assert_eq!(key("http://0x0a000007:1"), "10.0.0.7:1");
    }

    #[test]
    fn a_path_is_part_of_the_id_and_not_of_the_key() {
        let url = ServiceUrl::parse("https://models.example/team-a/").unwrap();
        assert_eq!(url.key(), "models.example:443");
        assert_eq!(url.id(), "models.example:443/team-a");
        assert_eq!(url.as_str(), "https://models.example/team-a");
    }

    #[test]
    fn what_is_in_its_one_spelling_stays_and_all_else_gets_there() {
        let spellings = [
            ("http://gpu-1:8000", "http://GPU-1.:8000/"),
            ("http://10.0.0.7:8000/a", "http://[::ffff:10.0.0.7]:8000/a//"),
            ("http://[fd00::7]:8000/a", "[FD00:0::7]:8000/b/../a/"),
            ("https://gpu-1/a//b", "https://gpu-1:443/a//b/"),
            ("http://gpu-1/a%20b", "gpu-1/a b/"),
            ("http://gpu-1", "gpu-1///"),
            ("http://xn--bcher-kva/a", "http://b\u{fc}cher/./a/"),
        ];
        for (one, other) in spellings {
            assert_eq!(ServiceUrl::parse(one).unwrap().as_str(), one);
            assert_eq!(
                ServiceUrl::parse(other).unwrap(),
                ServiceUrl::parse(one).unwrap(),
                "{other}"
            );
        }
    }

    #[test]
    fn what_is_no_address_of_a_service_says_why() {
        let why = |text: &str| ServiceUrl::parse(text).unwrap_err();
        assert_eq!(why("ftp://gpu-1"), BadUrl::Scheme);
        assert_eq!(why("http://user:secret@gpu-1"), BadUrl::Credentials);
        assert_eq!(why("http://gpu-1/?q=1"), BadUrl::Query);
        assert_eq!(why("http://gpu-1/#top"), BadUrl::Query);
        assert_eq!(why("http://0.0.0.0:1"), BadUrl::Unspecified);
        assert_eq!(why("http://[::]:1"), BadUrl::Unspecified);
        assert_eq!(why("http://gpu-1:99999"), BadUrl::Unreadable);
        assert_eq!(why(""), BadUrl::Unreadable);
        for text in ["http:\\\\gpu-1", "http://gpu-1\\a", "gpu-1:1/a\\b"] {
            assert_eq!(why(text), BadUrl::Backslash, "{text}");
        }
        let long = ["a"; 127].join(".") + "b";
        let label = "a".repeat(64);
        for name in ["a..b", ".a", "-a", "a-", "a.-b", "a-.b", &long, &label] {
            assert_eq!(why(&format!("http://{name}:1")), BadUrl::HostName, "{name}");
        }
        for name in ["a-b", "xn--ls8h", "_a.b", &long[..253], &label[1..]] {
            assert!(ServiceUrl::parse(name).is_ok(), "{name}");
        }
        assert_eq!(why(&format!("http://{}", "a".repeat(URL_BYTES))), BadUrl::TooLong);
    }

    #[test]
    fn loopback_has_many_names() {
        for text in ["127.0.0.1:1", "http://[::1]:1", "localhost:1", "a.localhost", "127.9.9.9"] {
            assert!(ServiceUrl::parse(text).unwrap().is_loopback(), "{text}");
        }
        assert!(!ServiceUrl::parse("http://10.0.0.7").unwrap().is_loopback());
    }
}
