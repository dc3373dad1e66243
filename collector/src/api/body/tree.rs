//! JSON as a tree in which no key stands twice: one of the two values would be ignored.

use std::cell::RefCell;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text makes no tree.
#[derive(Debug)]
pub(super) enum NoTree {
    /// It is no JSON.
    NoJson(serde_json::Error),
    /// A key, here by its path, stands twice.
    Twice(String),
}

/// Reads a whole text.
pub(super) fn read(bytes: &[u8]) -> Result<Value, NoTree> {
    let twice = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let node = Node { path: &Path::Root, twice: &twice };
    let value = node.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| twice.take().map_or(NoTree::NoJson(error), NoTree::Twice))
}

/// Where a value stands.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Place(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Path::Root, key) => f.write_str(key),
            Self::Key(outer, key) => write!(f, "{outer}.{key}"),
            Self::Place(outer, n) => write!(f, "{outer}[{n}]"),
        }
    }
}

#[derive(Clone, Copy)]
struct Node<'a> {
    path: &'a Path<'a>,
    twice: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    /// A zero has no sign: what is shown would otherwise be `-0.0`.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let is_negative_zero = value == 0.0 && value.is_sign_negative();
        Ok(if is_negative_zero { 0.into() } else { value.into() })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let path = Path::Place(self.path, values.len());
            match list.next_element_seed(Node { path: &path, ..self })? {
                Some(value) => values.push(value),
                None => return Ok(values.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let path = Path::Key(self.path, &key);
            if fields.contains_key(&key) {
                *self.twice.borrow_mut() = Some(path.to_string());
                return Err(A::Error::custom("a key stands twice"));
            }
            let value = object.next_value_seed(Node { path: &path, ..self })?;
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}
