//! The bounds of what is declared, the same for requests and files. What passes here can be
//! stored, counted and shown without another thought about its size.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ::url::Host;
use herdbook_shared::limits;

use crate::checks::dial::{Loopback, refusal};
use crate::registry::service::record::Declared;
use crate::registry::service::{Check, Model};
use crate::registry::url::{self, ServiceUrl};

/// A service is picked before others by at most this much, or after them.
const PRIORITY_MAX: i32 = 1000;
/// Longest time between two beats, seconds.
const HEARTBEAT_INTERVAL_S_MAX: u64 = 86_400;
/// Longest time that a beat holds, seconds.
const TTL_S_MAX: u64 = 604_800;
/// Longest value of a header that checks send, bytes.
const HEADER_VALUE_BYTES: usize = 8 * 1024;

/// A declared value that is not allowed: which field, why, and what would have been right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct OutOfBounds {
    /// The field's path, `models[3].name`.
    pub field: Cow<'static, str>,
    /// What is wrong with it, in words.
    pub why: Cow<'static, str>,
    /// What is expected.
    pub expected: Cow<'static, str>,
}

type Checked = Result<(), OutOfBounds>;

pub(super) fn refuse<T>(
    field: impl Into<Cow<'static, str>>,
    why: impl Into<Cow<'static, str>>,
    expected: impl Into<Cow<'static, str>>,
) -> Result<T, OutOfBounds> {
    Err(OutOfBounds { field: field.into(), why: why.into(), expected: expected.into() })
}

/// Holds the bounds of a whole declaration. Returns where its service is called.
pub(super) fn whole(declared: &Declared) -> Result<ServiceUrl, OutOfBounds> {
    if declared.name.is_none() {
        return refuse("name", "it is missing", "a name");
    }
    if declared.r#type.is_none() {
        return refuse("type", "it is missing", "model, tool or agent");
    }
    fields(declared)?;
    if declared.check == Some(Check::Probe) {
        beats_of_nobody(declared.heartbeat_interval_s, declared.ttl_s)?;
    }
    let Some(text) = &declared.url else { return refuse("url", "it is missing", url::EXPECTED) };
    match ServiceUrl::parse(text) {
        Ok(url) if url.port() == 0 => refuse("url", "port 0 is no port", url::EXPECTED),
        Ok(url) => dialled(declared, url),
        Err(bad) => refuse("url", bad.to_string(), url::EXPECTED),
    }
}

/// A service that shall be asked stands at an address that the collector does ask.
fn dialled(declared: &Declared, url: ServiceUrl) -> Result<ServiceUrl, OutOfBounds> {
    let address = match url.host() {
        Some(Host::Ipv4(v4)) => Some(v4.into()),
        Some(Host::Ipv6(v6)) => Some(v6.into()),
        Some(Host::Domain(_)) | None => None,
    };
    let is_asked = declared.check != Some(Check::Heartbeat);
    let refusal = address.filter(|_| is_asked).and_then(|a| refusal(a, Loopback::Allowed));
    match refusal {
        Some(why) => refuse("url", format!("it is {why}, which is never asked"), url::EXPECTED),
        None => Ok(url),
    }
}

/// Who is asked does not beat, and what is said of its beats would never hold.
pub(super) fn beats_of_nobody(heartbeat_interval_s: Option<u64>, ttl_s: Option<u64>) -> Checked {
    let given = [("heartbeat_interval_s", heartbeat_interval_s), ("ttl_s", ttl_s)];
    match given.into_iter().find(|(_, seconds)| seconds.is_some()) {
        Some((field, _)) => refuse(
            field,
            "the service does not beat: it is asked",
            "a service whose check is heartbeat",
        ),
        None => Ok(()),
    }
}

/// Holds the bounds of the fields that are there.
pub(super) fn fields(declared: &Declared) -> Checked {
    declared.name.as_ref().map_or(Ok(()), |name| named("name", name))?;
    declared.kind.as_ref().map_or(Ok(()), |kind| named("kind", kind))?;
    if declared.check == Some(Check::Agent) {
        return refuse("check", "only what an agent finds is judged by one", "probe or heartbeat");
    }
    declared.caps.as_ref().map_or(Ok(()), |caps| words("caps", caps, limits::CAPABILITIES))?;
    declared.labels.as_ref().map_or(Ok(()), labels)?;
    declared.models.as_ref().map_or(Ok(()), |all| models(all))?;
    let priority_range = -PRIORITY_MAX..=PRIORITY_MAX;
    if declared.priority.is_some_and(|priority| !priority_range.contains(&priority)) {
        return refuse("priority", "it is out of range", "-1000 to 1000");
    }
    if declared.ctx_limit.is_some_and(|limit| !(1..limits::BYTES_MAX).contains(&limit)) {
        return refuse("ctx_limit", "it is out of range", "1 or more tokens, below 2^53");
    }
    if declared.cost_hint_usd_per_1k.is_some_and(|cost| !cost.is_finite() || cost < 0.0) {
        return refuse("cost_hint_usd_per_1k", "it is no cost", "0 or more");
    }
    seconds("heartbeat_interval_s", declared.heartbeat_interval_s, HEARTBEAT_INTERVAL_S_MAX)?;
    seconds("ttl_s", declared.ttl_s, TTL_S_MAX)?;
    beats(declared.heartbeat_interval_s, declared.ttl_s)
}

/// A beat that holds for less than the time until the next one is due is always late.
pub(super) fn beats(heartbeat_interval_s: Option<u64>, ttl_s: Option<u64>) -> Checked {
    match (heartbeat_interval_s, ttl_s) {
        (Some(interval), Some(ttl)) if ttl < interval => refuse(
            "ttl_s",
            format!("{ttl} s is less than the heartbeat interval of {interval} s"),
            format!("at least {interval}"),
        ),
        _ => Ok(()),
    }
}

/// Holds the bounds of the header that checks send: none that says where a request goes, how long
/// it is, or what becomes of its connection.
pub(super) fn header(name: &str, value: &str) -> Checked {
    const FIELD: &str = "credential.header";
    const OURS: [&str; 8] = [
        "host",
        "connection",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    if name.is_empty() || name.len() > limits::WORD_BYTES || !name.bytes().all(is_token) {
        return refuse(FIELD, "it is no name of a header", "the name of a header");
    }
    let lower = name.to_ascii_lowercase();
    let is_ours = OURS.contains(&lower.as_str());
    if is_ours || lower.starts_with("content-") || lower.starts_with("proxy-") {
        return refuse(FIELD, "it is a header of the connection", "authorization, or another one");
    }
    let is_visible = |c: u8| matches!(c, b'\t' | b' '..=b'~');
    let is_value = !value.trim().is_empty() && value.len() <= HEADER_VALUE_BYTES;
    // The value itself is never repeated.
    if !is_value || !value.bytes().all(is_visible) {
        let expected = "visible ASCII, at most 8 KiB";
        return refuse("credential.value", "it is no value of a header", expected);
    }
    Ok(())
}

fn seconds(field: &'static str, value: Option<u64>, max: u64) -> Checked {
    match value {
        Some(s) if !(1..=max).contains(&s) => {
            refuse(field, format!("{s} s is out of range"), format!("1 to {max} seconds"))
        }
        _ => Ok(()),
    }
}

fn models(models: &[Model]) -> Checked {
    count("models", models.len(), limits::MODELS)?;
    models.iter().enumerate().try_for_each(|(n, model)| {
        let field = |name: &str| format!("models[{n}].{name}");
        named(field("name"), &model.name)?;
        let optional = [
            ("digest", &model.digest),
            ("parameters", &model.parameters),
            ("quantization", &model.quantization),
            ("family", &model.family),
        ];
        for (name, text) in optional {
            text.as_deref().map_or(Ok(()), |text| word(field(name), text))?;
        }
        let numbers = [
            ("size_bytes", model.size_bytes),
            ("vram_bytes", model.vram_bytes),
            ("context_length", model.context_length),
            ("loaded_context_length", model.loaded_context_length),
        ];
        if let Some((name, _)) = numbers.iter().find(|(_, n)| *n > Some(limits::BYTES_MAX)) {
            return refuse(field(name), "it is out of range", "at most 2^53");
        }
        words(field("capabilities"), &model.capabilities, limits::MODEL_CAPABILITIES)
    })
}

pub(super) fn labels(labels: &BTreeMap<String, String>) -> Checked {
    count("labels", labels.len(), limits::LABELS)?;
    for (key, value) in labels {
        named("labels", key)?;
        word(format!("labels.{key}"), value)?;
    }
    Ok(())
}

fn words<T: AsRef<str>>(field: impl Into<Cow<'static, str>>, words: &[T], n_max: usize) -> Checked {
    let field = field.into();
    count(field.clone(), words.len(), n_max)?;
    words.iter().enumerate().try_for_each(|(n, text)| named(format!("{field}[{n}]"), text.as_ref()))
}

fn count(field: impl Into<Cow<'static, str>>, n: usize, max: usize) -> Checked {
    if n > max {
        return refuse(field, format!("{n} are too many"), format!("at most {max}"));
    }
    Ok(())
}

fn named(field: impl Into<Cow<'static, str>>, text: &str) -> Checked {
    if text.trim().is_empty() {
        return refuse(field, "it is empty", "a word");
    }
    word(field, text)
}

fn word(field: impl Into<Cow<'static, str>>, text: &str) -> Checked {
    let max = limits::WORD_BYTES;
    if text.len() > max {
        return refuse(
            field,
            format!("{} bytes are too long", text.len()),
            format!("at most {max}"),
        );
    }
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return refuse(field, "it holds a control character", "no control characters");
    }
    Ok(())
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
