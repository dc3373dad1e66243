//! Bodies of requests that write: JSON, read strictly. What is wrong is told by the name of its
//! field, and nothing that was not understood is ignored.

mod tree;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::problem::{Checked, Kind, Problem};
use crate::strict;
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
    strict::read(tree).map_err(Problem::from)
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
