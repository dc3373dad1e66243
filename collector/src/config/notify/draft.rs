//! One target while its keys are read, in whichever order they stand.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::alerts::Rule;
use crate::config::error::ConfigError;
use crate::config::given::{Given, Unit};
use crate::notify::{Format, TargetUrl, Template};
use crate::registry::finding::Severity;
use crate::registry::service::Word;
use crate::secret::Secret;

use super::{Target, TargetKind, hidden, secret_file, text};

/// Most URLs of one Alertmanager.
const URLS_MAX: usize = 8;
/// Most headers.
const HEADERS_MAX: usize = 16;
/// Longest that one message may take.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Longest that alerts are gathered.
const GROUP_WAIT_MAX: Duration = Duration::from_hours(1);

const KEYS: &str = "kind, url, url_file, headers, token_file, format, template, min_severity, \
    rules, send_resolved, group_wait_s, timeout_s, link";

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Draft {
    kind: Option<Kind>,
    format: Option<Given>,
    template: Option<(Given, Template)>,
    urls: Option<(Given, Vec<TargetUrl>)>,
    headers: Vec<(HeaderName, Secret)>,
    token: Option<(Given, Secret)>,
    min_severity: Option<Severity>,
    rules: Option<BTreeSet<String>>,
    send_resolved: Option<(Given, SendResolved)>,
    group_wait: Option<Duration>,
    timeout: Option<Duration>,
    link: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Webhook,
    Alertmanager,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SendResolved(bool);

impl Draft {
    /// Takes one key in.
    pub(super) fn set(&mut self, key: &str, given: &Given) -> Result<(), ConfigError> {
        match key {
            "kind" => self.kind = Some(kind(given)?),
            "url" | "url_file" if self.urls.is_some() => {
                return Err(hidden(given, "either url or url_file"));
            }
            "url" => self.urls = Some((given.clone(), urls_of(given)?)),
            "url_file" => self.urls = Some((given.clone(), urls_of_file(given)?)),
            "headers" => self.headers = headers(given)?,
            "token_file" => self.token = Some((given.clone(), token(given)?)),
            "format" => self.format = Some(given.clone()),
            "template" => self.template = Some((given.clone(), template(given)?)),
            "min_severity" => self.min_severity = Some(severity(given)?),
            "rules" => self.rules = Some(rules(given)?),
            "send_resolved" => self.send_resolved = Some((given.clone(), send_resolved(given)?)),
            "group_wait_s" => {
                let expected = "a number of seconds from 0.1 to 3600";
                self.group_wait = Some(at_most(given, GROUP_WAIT_MAX, expected)?);
            }
            "timeout_s" => {
                let expected = "a number of seconds from 0.1 to 60";
                self.timeout = Some(at_most(given, TIMEOUT_MAX, expected)?);
            }
            "link" => self.link = Some(link(given)?),
            _ => {
                return Err(ConfigError::UnknownKey {
                    key: given.key.clone(),
                    origin: given.source.clone(),
                    expected: KEYS.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Looks at all keys together. `whole` is the table.
    pub(super) fn finish(mut self, name: &str, whole: &Given) -> Result<Target, ConfigError> {
        let kind = self.kind.ok_or_else(|| hidden(whole, "the key kind in it"))?;
        let urls = self.urls.take();
        let (origin, urls) = urls.ok_or_else(|| hidden(whole, "the key url or url_file in it"))?;
        let group_wait = match kind {
            Kind::Webhook => Duration::from_secs(10),
            Kind::Alertmanager => Duration::from_secs(1),
        };
        let headers = self.headers()?;
        let send_resolved = self.send_resolved.as_ref().is_none_or(|(_, SendResolved(yes))| *yes);
        let (kind, urls) = match kind {
            Kind::Webhook => self.webhook(&origin, urls)?,
            Kind::Alertmanager => self.alertmanager(&urls)?,
        };
        Ok(Target {
            name: name.into(),
            kind,
            urls,
            headers,
            min_severity: self.min_severity.unwrap_or(Severity::Warning),
            rules: self.rules,
            send_resolved,
            group_wait: self.group_wait.unwrap_or(group_wait),
            timeout: self.timeout.unwrap_or(Duration::from_secs(10)),
            link: self.link,
        })
    }

    fn headers(&mut self) -> Result<Arc<[(HeaderName, Secret)]>, ConfigError> {
        let mut headers = std::mem::take(&mut self.headers);
        if let Some((given, token)) = self.token.take() {
            if headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
                return Err(hidden(&given, "either token_file or a header authorization"));
            }
            headers.push((AUTHORIZATION, Secret::new(format!("Bearer {}", token.expose()))));
        }
        Ok(headers.into())
    }

    fn webhook(
        &mut self,
        origin: &Given,
        mut urls: Vec<TargetUrl>,
    ) -> Result<(TargetKind, Vec<TargetUrl>), ConfigError> {
        let ([url], format) = (&mut urls[..], self.format.take()) else {
            return Err(hidden(origin, "one URL: each webhook is a table of its own"));
        };
        let word = format.as_ref().map(|given| text(given, FORMATS)).transpose()?;
        let format = match (word, self.template.take()) {
            (None, Some((_, template))) => Format::Template(template),
            (Some(_), Some((given, _))) => return Err(hidden(&given, "either format or template")),
            (None | Some("json"), None) => Format::Json,
            (Some("slack"), None) => Format::Slack,
            (Some("discord"), None) => Format::Discord,
            (Some("ntfy"), None) => {
                let expected = "the URL of a topic, such as https://ntfy.sh/my-topic";
                let (at, topic) = url.topic_of_ntfy().ok_or_else(|| hidden(origin, expected))?;
                *url = at;
                Format::Ntfy { topic }
            }
            (Some(_), None) => return Err(hidden(format.as_ref().unwrap_or(origin), FORMATS)),
        };
        Ok((TargetKind::Webhook(format), urls))
    }

    fn alertmanager(
        &self,
        urls: &[TargetUrl],
    ) -> Result<(TargetKind, Vec<TargetUrl>), ConfigError> {
        let of_webhooks = [
            self.format.as_ref(),
            self.template.as_ref().map(|(given, _)| given),
            self.send_resolved.as_ref().map(|(given, _)| given),
        ];
        if let Some(given) = of_webhooks.into_iter().flatten().next() {
            return Err(hidden(given, "no such key, as it is for webhooks alone"));
        }
        let urls = urls.iter().map(TargetUrl::alerts_of_alertmanager).collect();
        Ok((TargetKind::Alertmanager, urls))
    }
}

const FORMATS: &str = "json, slack, discord or ntfy";

fn kind(given: &Given) -> Result<Kind, ConfigError> {
    const EXPECTED: &str = "webhook or alertmanager";
    match text(given, EXPECTED)? {
        "webhook" => Ok(Kind::Webhook),
        "alertmanager" => Ok(Kind::Alertmanager),
        _ => Err(hidden(given, EXPECTED)),
    }
}

fn severity(given: &Given) -> Result<Severity, ConfigError> {
    const EXPECTED: &str = "info, warning or critical";
    match text(given, EXPECTED)? {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "critical" => Ok(Severity::Critical),
        _ => Err(hidden(given, EXPECTED)),
    }
}

fn urls_of(given: &Given) -> Result<Vec<TargetUrl>, ConfigError> {
    let url = |given: &Given| match &given.value {
        toml::Value::String(text) => url(text, given),
        _ => Err(hidden(given, TargetUrl::EXPECTED)),
    };
    some(given, given.clone().elements().iter().map(url).collect::<Result<_, _>>()?)
}

/// One URL a line.
fn urls_of_file(given: &Given) -> Result<Vec<TargetUrl>, ConfigError> {
    let text = secret_file::read(given)?;
    let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
    some(given, lines.map(|line| url(line, given)).collect::<Result<_, _>>()?)
}

fn url(text: &str, given: &Given) -> Result<TargetUrl, ConfigError> {
    TargetUrl::parse(text.trim()).ok_or_else(|| hidden(given, TargetUrl::EXPECTED))
}

fn some(given: &Given, urls: Vec<TargetUrl>) -> Result<Vec<TargetUrl>, ConfigError> {
    let is_good = (1..=URLS_MAX).contains(&urls.len());
    if is_good { Ok(urls) } else { Err(hidden(given, "one URL, or at most 8 of one cluster")) }
}

fn headers(given: &Given) -> Result<Vec<(HeaderName, Secret)>, ConfigError> {
    const EXPECTED: &str = "at most 16 headers, as { name = \"value\" }";
    // These follow from the URL and the message.
    const OURS: [&str; 6] =
        ["host", "connection", "content-length", "content-type", "transfer-encoding", "expect"];
    let toml::Value::Table(table) = &given.value else { return Err(hidden(given, EXPECTED)) };
    let header = |(name, value): (&String, &toml::Value)| {
        let name: HeaderName = name.parse().ok()?;
        let value = value.as_str().filter(|value| HeaderValue::from_str(value).is_ok())?;
        let is_theirs = !OURS.contains(&name.as_str());
        is_theirs.then(|| (name, Secret::new(value.to_owned())))
    };
    let headers: Option<Vec<_>> = table.iter().map(header).collect();
    let headers = headers.filter(|headers| headers.len() <= HEADERS_MAX);
    headers.ok_or_else(|| hidden(given, EXPECTED))
}

fn token(given: &Given) -> Result<Secret, ConfigError> {
    let text = secret_file::read(given)?;
    let token = text.expose().trim();
    let is_good = !token.is_empty() && HeaderValue::from_str(token).is_ok();
    let expected = "the path of a file that holds one token";
    is_good.then(|| Secret::new(token.to_owned())).ok_or_else(|| hidden(given, expected))
}

fn template(given: &Given) -> Result<Template, ConfigError> {
    let toml::Value::String(text) = &given.value else {
        return Err(hidden(given, "a text that is JSON with {{fields}} in it"));
    };
    Template::parse(text).map_err(|error| hidden(given, error.expected()))
}

/// The words of all rules.
static RULES: LazyLock<String> = LazyLock::new(|| {
    let words: Vec<&str> = Rule::ALL.iter().map(|rule| rule.word()).collect();
    format!("a list of some of these: {}", words.join(", "))
});

fn rules(given: &Given) -> Result<BTreeSet<String>, ConfigError> {
    let toml::Value::Array(rules) = &given.value else { return Err(hidden(given, &RULES)) };
    let word = |rule: &toml::Value| Some(Rule::of_word(rule.as_str()?)?.word().to_owned());
    let rules: Option<BTreeSet<String>> = rules.iter().map(word).collect();
    rules.filter(|rules| !rules.is_empty()).ok_or_else(|| hidden(given, &RULES))
}

fn send_resolved(given: &Given) -> Result<SendResolved, ConfigError> {
    let given_bool = given.value.as_bool();
    given_bool.map(SendResolved).ok_or_else(|| hidden(given, "true or false"))
}

fn at_most(given: &Given, max: Duration, expected: &'static str) -> Result<Duration, ConfigError> {
    let duration = given.as_duration(Unit::Seconds).ok().filter(|duration| *duration <= max);
    duration.ok_or_else(|| hidden(given, expected))
}

fn link(given: &Given) -> Result<Arc<str>, ConfigError> {
    const EXPECTED: &str = "the http or https URL at which people open the page";
    let text = text(given, EXPECTED)?;
    let is_http = url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_http { Ok(text.into()) } else { Err(hidden(given, EXPECTED)) }
}
