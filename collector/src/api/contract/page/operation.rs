//! One operation: what it takes, what it answers, and how it is asked with curl.

use serde_json::Value;

use super::schema::kind;
use super::text::{escaped, words};
use super::{fields, list};

/// Where the collector listens unless it is told otherwise.
const COLLECTOR: &str = "http://127.0.0.1:6121";

pub(super) fn article(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let told = |field: &str| operation[field].as_str().unwrap_or_default();
    let id = escaped(told("operationId"));
    let (name, summary) = (escaped(&method.to_uppercase()), words(told("summary")));
    let about = match told("description") {
        "" => String::new(),
        about => format!("<p>{}</p>", words(about)),
    };
    format!(
        "<article><h3 id=\"{id}\"><b class=\"{name}\">{name}</b> <code>{}</code></h3>\
         <p class=\"summary\">{summary}</p>{about}{}{}{}{}</article>",
        escaped(path),
        curl(path, method, operation),
        parameters(operation),
        body(operation),
        responses(document, operation),
    )
}

fn curl(path: &str, method: &str, operation: &Value) -> String {
    let mut command = "curl -s".to_owned();
    if method != "get" {
        command.push_str(&format!(" -X {}", method.to_uppercase()));
    }
    command.push_str(&format!(" '{COLLECTOR}{path}{}'", query(operation)));
    let example = &operation["requestBody"]["content"]["application/json"]["example"];
    if !example.is_null() {
        let body = serde_json::to_string(example).unwrap_or_default();
        command.push_str(" \\\n  -H content-type:application/json \\\n  -d '");
        command.push_str(&body);
        command.push('\'');
    }
    format!("<pre tabindex=\"0\"><code>{}</code></pre>", escaped(&command))
}

/// Of the parameters that have an example.
fn query(operation: &Value) -> String {
    let parameters = list(&operation["parameters"]).filter(|parameter| parameter["in"] == "query");
    let pairs: Vec<String> = parameters
        .filter_map(|parameter| Some((parameter["name"].as_str()?, parameter["example"].as_str()?)))
        .map(|(name, example)| format!("{name}={example}"))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn parameters(operation: &Value) -> String {
    let rows = list(&operation["parameters"]).map(|parameter| {
        let told = |field: &str| escaped(parameter[field].as_str().unwrap_or_default());
        let about = words(parameter["description"].as_str().unwrap_or_default());
        format!(
            "<tr><th scope=\"row\"><code>{}</code> \
                <i>{}</i></th><td>{}</td><td>{about}</td></tr>",
            told("name"),
            told("in"),
            kind(&parameter["schema"]),
        )
    });
    titled("Parameters", &rows.collect::<String>())
}

fn body(operation: &Value) -> String {
    let rows = fields(&operation["requestBody"]["content"]).map(|(media_type, content)| {
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td></tr>",
            escaped(media_type),
            kind(&content["schema"])
        )
    });
    titled("Body", &rows.collect::<String>())
}

fn responses(document: &Value, operation: &Value) -> String {
    let rows = fields(&operation["responses"]).map(|(status, response)| {
        let response = resolved(document, response);
        let content = fields(&response["content"]).map(|(_, content)| kind(&content["schema"]));
        format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            escaped(status),
            content.collect::<Vec<_>>().join(" or "),
            words(response["description"].as_str().unwrap_or_default()),
        )
    });
    titled("Answers", &rows.collect::<String>())
}

/// The common refusals stand once in the document.
fn resolved<'a>(document: &'a Value, response: &'a Value) -> &'a Value {
    let path = response["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(response)
}

fn titled(title: &str, rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<details><summary>{title}</summary><div \
            class=\"wide\"><table>{rows}</table></div></details>"
    )
}
