//! What Ollama answers, read from bytes. Every field may be absent, `null` or nonsense: it is then
//! unknown, and the rest still counts. Only a body of another shape is refused.
//!
//! The names are those of Ollama's own types
//! (<https://github.com/ollama/ollama/blob/main/api/types.go>).

use std::fmt;

use herdbook_shared::limits;
use herdbook_shared::time::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::text;

/// The body is not what the route answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected JSON such as {expected}")]
pub(super) struct NotTheAnswer {
    pub(super) expected: &'static str,
}

/// One installed model, from `/api/tags`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    pub(super) name: String,
    pub(super) digest: Option<String>,
    pub(super) size_bytes: Option<u64>,
    pub(super) details: Details,
    pub(super) context_length: Option<u64>,
    pub(super) capabilities: Vec<String>,
    /// It runs on another machine; asking about it would leave the host.
    pub(super) remote: bool,
}

/// One loaded model, from `/api/ps`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) digest: Option<String>,
    pub(super) details: Details,
    /// In memory of both kinds, as the server reckons; not the size on disk.
    pub(super) memory_bytes: Option<u64>,
    pub(super) vram_bytes: Option<u64>,
    pub(super) context_length: Option<u64>,
    pub(super) expires_at: Option<Timestamp>,
}

/// What both lists tell of a model's make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) parameters: Option<String>,
    pub(super) quantization: Option<String>,
    pub(super) family: Option<String>,
}

/// What `/api/show` adds to the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) context_length: Option<u64>,
    pub(super) capabilities: Vec<String>,
}

/// A list with its bound held: what came after is only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) left_out: u64,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0 }
    }
}

/// The version; its absence means that this is no Ollama.
pub(super) fn version(body: &[u8]) -> Result<String, NotTheAnswer> {
    let refusal = NotTheAnswer { expected: r#"{"version":"0.33.0"}"# };
    let answer: Value = serde_json::from_slice(body).map_err(|_| refusal)?;
    word(&answer, "version").ok_or(refusal)
}

/// The installed models.
pub(super) fn installed(body: &[u8]) -> Result<List<Installed>, NotTheAnswer> {
    models(body)
}

/// The loaded models.
pub(super) fn loaded(body: &[u8]) -> Result<List<Loaded>, NotTheAnswer> {
    models(body)
}

/// One model in detail.
pub(super) fn shown(body: &[u8]) -> Result<Shown, NotTheAnswer> {
    let refusal = NotTheAnswer { expected: r#"{"model_info":{…},"capabilities":[…]}"# };
    let answer: Value = serde_json::from_slice(body).map_err(|_| refusal)?;
    if !answer.is_object() {
        return Err(refusal);
    }
    let info = &answer["model_info"];
    let architecture = info["general.architecture"].as_str().unwrap_or_default();
    Ok(Shown {
        context_length: count(info, &format!("{architecture}.context_length")),
        capabilities: capabilities(&answer),
    })
}

fn models<T: FromValue>(body: &[u8]) -> Result<List<T>, NotTheAnswer> {
    let refusal = NotTheAnswer { expected: r#"{"models":[{"name":"llama3.1:8b",…}]}"# };
    // Serde would read a struct from a list too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(refusal);
    }
    let answer: Models<T> = serde_json::from_slice(body).map_err(|_| refusal)?;
    Ok(answer.models.unwrap_or_default())
}

/// The list may be `null`, but not absent: an error in JSON must not look like an empty list.
#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "T: FromValue"))]
struct Models<T> {
    #[serde(deserialize_with = "Option::deserialize")]
    models: Option<List<T>>,
}

/// Reads one element of a list; `None` where it names no model.
trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

/// No model takes as much to tell. A larger one would be many times larger once it is read.
const ELEMENT_BYTES_MAX: usize = 64 * 1024;

fn element<T: FromValue>(raw: &RawValue) -> Option<T> {
    let text = Some(raw.get()).filter(|text| text.len() <= ELEMENT_BYTES_MAX)?;
    T::from_value(&serde_json::from_str(text).ok()?)
}

/// One element at a time is held in full, so that a long list costs no more than its bound.
impl<'de, T: FromValue> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(std::marker::PhantomData<T>);
        impl<'de, T: FromValue> Visitor<'de> for Elements<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of models")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<List<T>, A::Error> {
                let mut list = List::default();
                while list.items.len() < limits::MODELS
                    && let Some(raw) = elements.next_element::<&RawValue>()?
                {
                    list.items.extend(element::<T>(raw));
                }
                while elements.next_element::<IgnoredAny>()?.is_some() {
                    list.left_out += 1;
                }
                Ok(list)
            }
        }
        deserializer.deserialize_seq(Elements(std::marker::PhantomData))
    }
}

impl FromValue for Installed {
    fn from_value(value: &Value) -> Option<Self> {
        let name = name(value)?;
        Some(Self {
            digest: digest(value),
            size_bytes: count(value, "size"),
            details: details(value),
            context_length: count(&value["details"], "context_length"),
            capabilities: capabilities(value),
            remote: is_remote(value, &name),
            name,
        })
    }
}

impl FromValue for Loaded {
    fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            name: name(value)?,
            digest: digest(value),
            details: details(value),
            memory_bytes: count(value, "size"),
            vram_bytes: count(value, "size_vram"),
            context_length: count(value, "context_length"),
            expires_at: value["expires_at"].as_str().and_then(|at| at.parse().ok()),
        })
    }
}

fn name(value: &Value) -> Option<String> {
    word(value, "name").or_else(|| word(value, "model"))
}

fn word(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().and_then(text::word)
}

fn digest(value: &Value) -> Option<String> {
    let digest = word(value, "digest")?;
    Some(digest.strip_prefix("sha256:").map_or(digest.clone(), str::to_owned))
}

/// A whole number that the wire can carry; a negative, broken or absurd one is unknown.
fn count(value: &Value, key: &str) -> Option<u64> {
    value[key].as_u64().filter(|n| *n <= limits::BYTES_MAX)
}

fn details(value: &Value) -> Details {
    let details = &value["details"];
    Details {
        parameters: word(details, "parameter_size"),
        quantization: word(details, "quantization_level"),
        family: word(details, "family"),
    }
}

fn capabilities(value: &Value) -> Vec<String> {
    let words = value["capabilities"].as_array().into_iter().flatten();
    words.filter_map(|w| w.as_str().and_then(text::word)).take(limits::MODEL_CAPABILITIES).collect()
}

fn is_remote(value: &Value, name: &str) -> bool {
    let has_origin = ["remote_host", "remote_model"].iter().any(|key| word(value, key).is_some());
    has_origin || name.ends_with("-cloud") || name.ends_with(":cloud")
}

#[cfg(test)]
mod tests;
