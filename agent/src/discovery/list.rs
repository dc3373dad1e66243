//! Reads lists of models out of bytes, one element at a time, so that a long list costs no more than
//! its bound. Every field may be absent, `null` or nonsense: it is then unknown, and the rest still
//! counts. Only a body of another shape is refused.

use std::fmt;

use herdbook_shared::limits;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::NotTheAnswer;
use super::text;

/// No model takes as much to tell. A larger one would be many times larger once it is read.
const ELEMENT_BYTES_MAX: usize = 64 * 1024;

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

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, left_out: 0 }
    }
}

/// How an element is read; `None` where it names no model.
pub(super) type Element<T> = fn(&Value) -> Option<T>;

/// The list under `key` of an object. It may be `null`, but not absent: an error in JSON must not
/// look like an empty list.
pub(super) fn under<T>(
    body: &[u8],
    key: &'static str,
    element: Element<T>,
    refusal: NotTheAnswer,
) -> Result<List<T>, NotTheAnswer> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = Object { key, element }.deserialize(&mut reader).ok().flatten();
    let list = read.ok_or(refusal)?;
    reader.end().map_err(|_| refusal)?;
    Ok(list)
}

struct Object<T> {
    key: &'static str,
    element: Element<T>,
}

impl<'de, T> DeserializeSeed<'de> for Object<T> {
    type Value = Option<List<T>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T> Visitor<'de> for Object<T> {
    type Value = Option<List<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of models")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut list = None;
        while let Some(key) = fields.next_key::<Key>()? {
            if key.is(self.key) {
                list = Some(fields.next_value_seed(Elements(self.element))?);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(list)
    }
}

/// A field's name, which need not be as short as ours.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

impl Key<'_> {
    fn is(&self, key: &str) -> bool {
        self.0 == key
    }
}

struct Elements<T>(Element<T>);

impl<'de, T> DeserializeSeed<'de> for Elements<T> {
    type Value = List<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<List<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T> Visitor<'de> for Elements<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or null")
    }

    fn visit_unit<E>(self) -> Result<List<T>, E> {
        Ok(List::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<List<T>, A::Error> {
        let mut list = List::default();
        while list.items.len() < limits::MODELS
            && let Some(raw) = elements.next_element::<&RawValue>()?
        {
            list.items.extend(element(raw, self.0));
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {
            list.left_out += 1;
        }
        Ok(list)
    }
}

fn element<T>(raw: &RawValue, read: Element<T>) -> Option<T> {
    let text = Some(raw.get()).filter(|text| text.len() <= ELEMENT_BYTES_MAX)?;
    read(&serde_json::from_str(text).ok()?)
}

/// A short word.
pub(super) fn word(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().and_then(text::word)
}

/// A whole number that the wire can carry; a negative, broken or absurd one is unknown.
pub(super) fn count(value: &Value, key: &str) -> Option<u64> {
    value[key].as_u64().filter(|n| *n <= limits::BYTES_MAX)
}

/// A list of short words.
pub(super) fn words(value: &Value, key: &str) -> Vec<String> {
    let words = value[key].as_array().into_iter().flatten();
    words.filter_map(|w| w.as_str().and_then(text::word)).take(limits::MODEL_CAPABILITIES).collect()
}
