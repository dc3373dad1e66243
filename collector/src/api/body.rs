//! Bodies of requests that write: JSON, read strictly. What is wrong is told by the name of its
//! field, and nothing that was not understood is ignored.

mod tree;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::problem::{Checked, Kind, Problem};
use tree::NoTree;

/// A body of this form; its type denies unknown fields.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Checked(bytes) = Checked::<Bytes>::from_request(request, state).await?;
        read(&bytes).map(Self)
    }
}

/// Reads a body.
///
/// # Errors
///
/// Where it is no JSON, or not of this form: the problem names the field and what was expected.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.is_empty() {
        let detail = "the request has no body";
        return Err(Problem::new(Kind::BadRequest, detail).about("body", OBJECT));
    }
    let tree = tree::read(bytes).map_err(no_tree)?;
    // A list of the same values would be taken for the fields in their order.
    if !tree.is_object() {
        return Err(Problem::bad_field("body", "it is no object", OBJECT));
    }
    serde_path_to_error::deserialize(tree)
        .map_err(|error| wrong(&error.path().to_string(), error.inner()))
}

const OBJECT: &str = "a JSON object";

fn no_tree(error: NoTree) -> Problem {
    match error {
        NoTree::NoJson(error) => {
            let detail = format!("the body is no JSON: {error}");
            Problem::new(Kind::BadRequest, detail).about("body", OBJECT)
        }
        NoTree::Twice(path) => Problem::bad_field(path, "it stands twice", "each field once"),
    }
}

fn wrong(path: &str, error: &serde_json::Error) -> Problem {
    let words = error.to_string();
    let (says, expected) = words.rsplit_once(", expected ").unwrap_or((&words, ""));
    // A text is not repeated: it may be a secret that stands in the wrong place.
    let says = says.split_once(" \"").map_or(says, |(says, _)| says);
    let named = says.split('`').nth(1).unwrap_or_default();
    let inside = if path == "." { String::new() } else { format!("{path}.") };
    if says.starts_with("missing field") {
        let field = format!("{inside}{named}");
        return Problem::bad_field(field, format!("{named:?} is missing"), "a value");
    }
    if says.starts_with("unknown field") {
        // The path of an unknown field ends in its own name.
        let field = if path == "." { named.to_owned() } else { path.to_owned() };
        let expected = if expected.is_empty() { "no such field" } else { expected };
        let detail = format!("{named:?} is not known here");
        return Problem::bad_field(field, detail, expected.replace('`', ""));
    }
    let field = if path == "." { "body".to_owned() } else { path.to_owned() };
    Problem::bad_field(field, found_in_words(says), expected_in_words(expected))
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Form {
        name: String,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        port: u16,
    }

    fn problem(text: &str) -> Value {
        serde_json::to_value(read::<Form>(text.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn what_is_wrong_is_told_by_the_name_of_its_field() {
        let cases = [
            (r#"{}"#, "name", "a value"),
            (r#"{"name":7}"#, "name", "a string"),
            (r#"{"name":"a","nmae":1}"#, "nmae", "name, inner"),
            (r#"{"name":"a","inner":{}}"#, "inner.port", "a value"),
            (r#"{"name":"a","inner":{"port":-1}}"#, "inner.port", "a whole number, 0"),
            (r#"{"name":"a","inner":{"port":1.5}}"#, "inner.port", "a whole number, 0"),
            (r#"{"name":"a","inner":"b"}"#, "inner", "an object"),
            (r#"{"name":"a","tags":{}}"#, "tags", "a list"),
            (r#"{"name":"a","name":"b"}"#, "name", "once"),
            (r#"{"name":"a","inner":{"port":1,"port":1}}"#, "inner.port", "once"),
            (r#"{"tags":["a",{"b":1,"b":2}]}"#, "tags[1].b", "once"),
            (r#"["a"]"#, "body", "a JSON object"),
            (r#"null"#, "body", "a JSON object"),
            (r#"{"name":"a","inner":{"prt":1}}"#, "inner.prt", "port"),
            (r#"[]"#, "body", "a JSON object"),
        ];
        for (text, field, expected) in cases {
            let problem = problem(text);
            assert_eq!((&problem["status"], &problem["field"]), (&json!(422), &json!(field)));
            assert!(problem["expected"].as_str().unwrap().contains(expected), "{problem}");
            let told = problem.to_string();
            for word in ["struct", "u16", "sequence", "map", "invalid", "variant"] {
                assert!(!told.contains(word), "{told}");
            }
        }
    }

    #[test]
    fn a_zero_has_no_sign() {
        let value: serde_json::Map<String, Value> = read(br#"{"a":-0.0,"b":-0}"#).unwrap();
        assert_eq!(Value::from(value).to_string(), r#"{"a":0,"b":0}"#);
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        for text in ["", "{", "name=a", r#"{"name":"a"} {}"#] {
            let problem = problem(text);
            assert_eq!((&problem["status"], &problem["field"]), (&json!(400), &json!("body")));
        }
    }
}
