//! The URL of a target. Most hold a secret, so none is ever shown.

use std::fmt;

use url::{Host, Position, Url};

use crate::checks::dial::{self, Loopback};

/// Longest URL, bytes.
const BYTES_MAX: usize = 2048;

/// Where alerts are sent.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl(Url);

impl TargetUrl {
    /// What may be one, for whoever gives another text.
    pub const EXPECTED: &'static str = "an http or https URL without user name or fragment, and \
        not one of a link-local, metadata or multicast address";

    /// Reads a text; `None` where it is not what is expected.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.as_str().len() <= BYTES_MAX)?;
        let is_http = matches!(url.scheme(), "http" | "https");
        let is_bare = url.username().is_empty() && url.password().is_none();
        let is_dialled = match url.host()? {
            Host::Ipv4(v4) => dial::refusal(v4.into(), Loopback::Allowed).is_none(),
            Host::Ipv6(v6) => dial::refusal(v6.into(), Loopback::Allowed).is_none(),
            Host::Domain(name) => !name.is_empty(),
        };
        let is_good = is_http && is_bare && is_dialled && url.fragment().is_none();
        is_good.then_some(Self(url))
    }

    /// The API of an Alertmanager whose first page is at this URL.
    #[must_use]
    pub fn alerts_of_alertmanager(&self) -> Self {
        const PATH: &str = "/api/v2/alerts";
        let mut url = self.0.clone();
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix(PATH).unwrap_or(path);
        url.set_path(&format!("{path}{PATH}"));
        Self(url)
    }

    /// Where ntfy takes JSON, and the topic that this URL names.
    #[must_use]
    pub fn topic_of_ntfy(&self) -> Option<(Self, String)> {
        let mut url = self.0.clone();
        let topic = url.path_segments()?.next_back().filter(|topic| !topic.is_empty())?.to_owned();
        url.path_segments_mut().ok()?.pop().push("");
        Some((Self(url), topic))
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(super) fn host(&self) -> Option<Host<&str>> {
        self.0.host()
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// Host and port, for the header.
    pub(super) fn authority(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> TargetUrl {
        TargetUrl::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn what_may_be_told_of_alerts_and_what_never() {
        for good in [
            "https://hooks.slack.com/services/T0/B0/x",
            "http://127.0.0.1:9093",
            "http://[::1]:9093/",
            "http://10.0.0.7/hook?key=x",
        ] {
            url(good);
        }
        for bad in [
            "",
            "hooks.slack.com",
            "ftp://a/b",
            "file:///etc/passwd",
            "http://",
            "http://user@a/",
            "http://:pass@a/",
            "http://a/#x",
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://100.100.100.200/",
            "http://224.0.0.1/",
            "http://0.0.0.0/",
        ] {
            assert_eq!(TargetUrl::parse(bad), None, "{bad}");
        }
        assert_eq!(TargetUrl::parse(&format!("http://a/{}", "x".repeat(BYTES_MAX))), None);
        assert_eq!(format!("{:?}", url("http://a/secret")), "[secret]");
    }

    #[test]
    fn an_alertmanager_is_named_by_its_page_or_its_api() {
        for text in ["http://a:9093", "http://a:9093/", "http://a:9093/api/v2/alerts"] {
            assert_eq!(url(text).alerts_of_alertmanager().target(), "/api/v2/alerts");
        }
        let below = url("https://a/am/").alerts_of_alertmanager();
        assert_eq!((below.authority(), below.target()), ("a", "/am/api/v2/alerts"));
    }

    #[test]
    fn ntfy_takes_json_beside_its_topics() {
        let (at, topic) = url("https://ntfy.sh/gpu-alerts").topic_of_ntfy().unwrap();
        assert_eq!((at.target(), &*topic), ("/", "gpu-alerts"));
        let (at, topic) = url("https://a:8443/ntfy/t?auth=x").topic_of_ntfy().unwrap();
        assert_eq!((at.authority(), at.target(), &*topic), ("a:8443", "/ntfy/?auth=x", "t"));
        for none in ["https://ntfy.sh", "https://ntfy.sh/t/"] {
            assert_eq!(url(none).topic_of_ntfy(), None, "{none}");
        }
    }
}
