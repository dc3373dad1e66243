//! Bodies of requests that write: JSON, read strictly. What is wrong is told by the name of its
//! field, and nothing that was not understood is ignored.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use super::problem::{Checked, Kind, Problem};

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
        return Err(Problem::new(Kind::BadRequest, detail).about("body", "a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        wrong(&path, error.inner())
    })?;
    json.end().map_err(|error| wrong(".", &error))?;
    Ok(value)
}

fn wrong(path: &str, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        let detail = format!("the body is no JSON: {error}");
        return Problem::new(Kind::BadRequest, detail).about("body", "a JSON object");
    }
    let words = error.to_string();
    let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
    let (says, expected) = words.rsplit_once(", expected ").unwrap_or((words, ""));
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
    let expected = if expected.is_empty() { "another value" } else { expected };
    Problem::bad_field(field, says.to_owned(), expected.replace('`', ""))
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
            (r#"{"name":"a","nmae":1}"#, "nmae", "name or inner"),
            (r#"{"name":"a","inner":{}}"#, "inner.port", "a value"),
            (r#"{"name":"a","inner":{"port":-1}}"#, "inner.port", "u16"),
            (r#"{"name":"a","inner":{"prt":1}}"#, "inner.prt", "port"),
            (r#"[]"#, "body", ""),
        ];
        for (text, field, expected) in cases {
            let problem = problem(text);
            assert_eq!((&problem["status"], &problem["field"]), (&json!(422), &json!(field)));
            assert!(problem["expected"].as_str().unwrap().contains(expected), "{problem}");
        }
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        for text in ["", "{", "name=a", r#"{"name":"a"} {}"#] {
            let problem = problem(text);
            assert_eq!((&problem["status"], &problem["field"]), (&json!(400), &json!("body")));
        }
    }
}
