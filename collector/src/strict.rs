//! Forms that are read strictly, of requests and of files alike: what is wrong is told by the name
//! of its field, and nothing that was not understood is ignored.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::registry::declare::bounds::OutOfBounds;

/// Reads a tree into a form, whose type denies unknown fields.
///
/// # Errors
///
/// Where it is not of this form: which field, why, and what was expected. A text that stands in
/// the wrong place is not repeated.
pub fn read<T: DeserializeOwned>(tree: Value) -> Result<T, OutOfBounds> {
    serde_path_to_error::deserialize(tree)
        .map_err(|error| wrong(&error.path().to_string(), error.inner()))
}

fn refused(
    field: impl Into<Cow<'static, str>>,
    why: impl Into<Cow<'static, str>>,
    expected: impl Into<Cow<'static, str>>,
) -> OutOfBounds {
    OutOfBounds { field: field.into(), why: why.into(), expected: expected.into() }
}

fn wrong(path: &str, error: &serde_json::Error) -> OutOfBounds {
    let words = error.to_string();
    let (says, expected) = words.rsplit_once(", expected ").unwrap_or((&words, ""));
    // A text is not repeated: it may be a secret that stands in the wrong place.
    let says = says.split_once(" \"").map_or(says, |(says, _)| says);
    let named = says.split('`').nth(1).unwrap_or_default();
    let inside = if path == "." { String::new() } else { format!("{path}.") };
    if says.starts_with("missing field") {
        let field = format!("{inside}{named}");
        return refused(field, format!("{named:?} is missing"), "a value");
    }
    if says.starts_with("unknown field") {
        // The path of an unknown field ends in its own name.
        let field = if path == "." { named.to_owned() } else { path.to_owned() };
        let expected = if expected.is_empty() { "no such field" } else { expected };
        let detail = format!("{named:?} is not known here");
        return refused(field, detail, expected.replace('`', ""));
    }
    let field = if path == "." { "body".to_owned() } else { path.to_owned() };
    refused(field, found_in_words(says), expected_in_words(expected))
}

/// What stands there, told without the words of the language that this is written in.
fn found_in_words(says: &str) -> String {
    if says == "invalid value: string" {
        return "it is not known here".to_owned();
    }
    let value = |found: &str| found.split('`').nth(1).map(str::to_owned);
    if let Some(found) = says.strip_prefix("invalid value: ") {
        return format!("{} is out of range", value(found).unwrap_or_else(|| found.to_owned()));
    }
    let Some(found) = says.strip_prefix("invalid type: ") else { return says.to_owned() };
    let found = value(found).unwrap_or_else(|| match found {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        "string" => "a text".to_owned(),
        other => other.to_owned(),
    });
    format!("it is {found}")
}

fn expected_in_words(expected: &str) -> String {
    let words = match expected {
        "" => "another value",
        "a map" | "map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        known if known.starts_with("struct ") => "an object",
        known => return known.replace('`', ""),
    };
    words.to_owned()
}
