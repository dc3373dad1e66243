//! A table of TOML as the tree that forms are read from, and back from the path of a field to the
//! place in the text where it stands.

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::DeValue;

use crate::registry::declare::bounds::OutOfBounds;

/// The same as JSON.
///
/// # Errors
///
/// Where there is a value that JSON does not have.
pub(super) fn json(value: &Spanned<DeValue<'_>>) -> Result<Value, OutOfBounds> {
    tree(value.get_ref(), "")
}

fn tree(value: &DeValue<'_>, path: &str) -> Result<Value, OutOfBounds> {
    let no_number = || OutOfBounds {
        field: path.to_owned().into(),
        why: "it is no number that a service has".into(),
        expected: "a number".into(),
    };
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            Value::Number(number.map_err(|_| no_number())?.into())
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            Value::Number(number.ok_or_else(no_number)?)
        }
        DeValue::Array(values) => {
            let values = values.iter().enumerate();
            let values = values.map(|(n, value)| tree(value.get_ref(), &format!("{path}[{n}]")));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let mut map = Map::new();
            for (key, value) in table {
                let key = key.get_ref().to_string();
                let inside = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                map.insert(key, tree(value.get_ref(), &inside)?);
            }
            Value::Object(map)
        }
    })
}

/// Where a field such as `models[3].name` stands, bytes from the beginning: at its key, or as near
/// as the text comes to it.
pub(super) fn place(table: &Spanned<DeValue<'_>>, field: &str) -> Option<usize> {
    let (mut at, mut value) = (None, table.get_ref());
    for step in field.split(['.', '[']) {
        let next = match step.strip_suffix(']') {
            Some(index) => {
                let next = value.as_array()?.get(index.parse::<usize>().ok()?);
                next.map(|next| (next.span().start, next))
            }
            None => {
                let entries = value.as_table().into_iter().flatten();
                let mut named = entries.filter(|(key, _)| key.get_ref() == step);
                named.next().map(|(key, value)| (key.span().start, value))
            }
        };
        let Some((place, inner)) = next else { return at };
        (at, value) = (Some(place), inner.get_ref());
    }
    at
}
