//! The lists of models that servers tell, into the models of the register. Strangers write them:
//! what is kept of them is bounded, and what is no word is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use herdbook_shared::limits::{BYTES_MAX, MODEL_CAPABILITIES, MODELS, WORD_BYTES};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::registry::service::Model;

/// One model is told in far less.
const MODEL_BYTES_MAX: usize = 16 * 1024;
/// An expiry this far ahead means that the server was told to keep the model.
const CENTURY_MS: i64 = 100 * 365 * 24 * 3600 * 1000;

/// The elements of one list, as many as are kept, and how many more there were.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    kept: Vec<&'a RawValue>,
    n_more: u64,
}

impl Told<'_> {
    /// One after the other, so that never more than one of them stands in memory as a tree.
    fn each(&self) -> impl Iterator<Item = Value> {
        let read = |raw: &&RawValue| {
            let text = raw.get();
            if text.len() > MODEL_BYTES_MAX { Value::Null } else { read_any(text) }
        };
        self.kept.iter().map(read)
    }
}

fn read_any(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// All models of a server.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Inventory {
    /// By name.
    pub(super) models: Vec<Model>,
    pub(super) n_left_out: u64,
    pub(super) expires: Vec<(Arc<str>, Timestamp)>,
}

/// The version that a server tells.
pub(super) fn version(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    word(&answer["version"])
}

/// The list that stands under `key` in an object.
pub(super) fn list<'a>(body: &'a [u8], key: &'static str) -> Option<Told<'a>> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let told = Under(key).deserialize(&mut json).ok()??;
    json.end().ok()?;
    Some(told)
}

/// What Ollama tells: what is installed, and what is in memory.
pub(super) fn ollama(installed: &Told<'_>, loaded: Option<&Told<'_>>, now: Timestamp) -> Inventory {
    let mut inventory = Inventory { n_left_out: installed.n_more, ..Inventory::default() };
    let mut by_name = BTreeMap::new();
    for told in installed.each() {
        inventory.take(&mut by_name, installed_model(&told));
    }
    for told in loaded.iter().flat_map(|loaded| loaded.each()) {
        let Some(unlisted) = installed_model(&told) else {
            inventory.n_left_out += 1;
            continue;
        };
        let with_tag = format!("{}:latest", unlisted.name);
        let known = by_name.remove(&unlisted.name).or_else(|| by_name.remove(&with_tag));
        // What one that the list lacks takes on disk is not known.
        let model = known.unwrap_or(inventory::Model { size_bytes: None, ..unlisted });
        let model = loaded_model(model, &told, now);
        if let Some(at) = model.expires_at {
            inventory.expires.push((model.name.as_str().into(), at));
        }
        by_name.insert(model.name.clone(), model);
    }
    inventory.keep(by_name);
    inventory
}

/// What servers in the manner of OpenAI tell: names, and at times how long a context may be.
pub(super) fn openai(told: &Told<'_>) -> Inventory {
    let mut inventory = Inventory { n_left_out: told.n_more, ..Inventory::default() };
    let mut by_name = BTreeMap::new();
    for told in told.each() {
        let context_length =
            bytes(&told["max_model_len"]).or_else(|| bytes(&told["context_length"]));
        let model = word(&told["id"]).map(|name| inventory::Model {
            name,
            context_length,
            ..inventory::Model::default()
        });
        inventory.take(&mut by_name, model);
    }
    inventory.keep(by_name);
    inventory
}

impl Inventory {
    fn take(
        &mut self,
        by_name: &mut BTreeMap<String, inventory::Model>,
        model: Option<inventory::Model>,
    ) {
        match model {
            Some(model) => drop(by_name.insert(model.name.clone(), model)),
            None => self.n_left_out += 1,
        }
    }

    /// Where there are too many, those in memory stay.
    fn keep(&mut self, by_name: BTreeMap<String, inventory::Model>) {
        let n_over = by_name.len().saturating_sub(MODELS);
        let mut n_to_leave = n_over;
        let kept = by_name.into_values().filter(|model| {
            let is_left = n_to_leave > 0 && !model.warm;
            n_to_leave -= usize::from(is_left);
            !is_left
        });
        self.models = kept.take(MODELS).map(Model::from).collect();
        self.n_left_out += n_over as u64;
    }
}

fn installed_model(told: &Value) -> Option<inventory::Model> {
    let details = &told["details"];
    let is_remote = told["remote_host"].is_string() || told["remote_model"].is_string();
    let capabilities = told["capabilities"].as_array().into_iter().flatten();
    Some(inventory::Model {
        name: word(&told["name"]).or_else(|| word(&told["model"]))?,
        digest: word(&told["digest"]).map(|digest| digest.trim_start_matches("sha256:").to_owned()),
        // What stands on disk for a remote model is a pointer to it.
        size_bytes: bytes(&told["size"]).filter(|_| !is_remote),
        parameters: word(&details["parameter_size"]),
        quantization: word(&details["quantization_level"]),
        family: word(&details["family"]),
        context_length: bytes(&details["context_length"]).filter(|n| *n > 0),
        capabilities: capabilities.filter_map(word).take(MODEL_CAPABILITIES).collect(),
        remote: is_remote,
        ..inventory::Model::default()
    })
}

fn loaded_model(model: inventory::Model, told: &Value, now: Timestamp) -> inventory::Model {
    let expires = told["expires_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let is_kept = expires.is_some_and(|at| at.ms_since(now) > CENTURY_MS);
    let whole = bytes(&told["size"]).filter(|whole| *whole > 0);
    let vram = bytes(&told["size_vram"]);
    inventory::Model {
        warm: true,
        // More than the whole, or of no whole, is nonsense.
        vram_bytes: vram.filter(|vram| whole.is_some_and(|whole| *vram <= whole)),
        loaded_context_length: bytes(&told["context_length"]).filter(|n| *n > 0),
        // Go writes the year 1 where it has no instant.
        expires_at: expires.filter(|at| !is_kept && at.unix_ms() > 0),
        keep: is_kept.then(|| "forever".to_owned()),
        ..model
    }
}

/// A word within its bound. A longer one is none: a name that is cut would be another name.
pub(super) fn word(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_word = !text.is_empty() && text.len() <= WORD_BYTES && !text.contains(char::is_control);
    is_word.then(|| text.to_owned())
}

fn bytes(value: &Value) -> Option<u64> {
    value.as_u64().filter(|number| *number <= BYTES_MAX)
}

/// Reads the list under one key, whatever else there is.
struct Under(&'static str);

impl<'de> DeserializeSeed<'de> for Under {
    type Value = Option<Told<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Under {
    type Value = Option<Told<'de>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an object with a list {:?}", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut told = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.0 {
                told = Some(map.next_value_seed(Elements)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(told)
    }
}

/// Keeps as many elements as there may be models, and counts the rest.
struct Elements;

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = Told<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Told<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = Told<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list or null")
    }

    /// Some servers write `null` for an empty list.
    fn visit_unit<E>(self) -> Result<Told<'de>, E> {
        Ok(Told::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Told<'de>, A::Error> {
        let mut told = Told::default();
        while told.kept.len() < MODELS {
            match seq.next_element()? {
                Some(element) => told.kept.push(element),
                None => return Ok(told),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            told.n_more += 1;
        }
        Ok(told)
    }
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
