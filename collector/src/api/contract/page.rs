//! The description as a page: what `/openapi.json` tells, in HTML that runs nothing and loads
//! nothing but its style. Everything that comes from the document is escaped.

mod operation;
mod schema;
mod text;

use serde_json::Value;

use text::{escaped, slug, words};

/// Writes the page.
pub(super) fn render(document: &Value) -> String {
    let mut page = String::with_capacity(256 * 1024);
    page.push_str(HEAD);
    page.push_str(&navigation(document));
    page.push_str("<main id=\"content\">");
    page.push_str(&introduction(document));
    for tag in list(&document["tags"]) {
        page.push_str(&topic(document, tag));
    }
    page.push_str("<section><h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in fields(&document["components"]["schemas"]) {
        page.push_str(&schema::section(name, schema));
    }
    page.push_str("</section></main></body></html>\n");
    page
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
    <meta name=\"color-scheme\" content=\"light dark\"><title>Herdbook API</title>\
    <link rel=\"stylesheet\" href=\"docs.css\"></head><body>\
    <a class=\"skip\" href=\"#content\">To the content</a>";

fn introduction(document: &Value) -> String {
    let info = &document["info"];
    let version = escaped(info["version"].as_str().unwrap_or_default());
    let about = info["description"].as_str().unwrap_or_default();
    let paragraphs: String =
        about.split("\n\n").map(|text| format!("<p>{}</p>", words(text))).collect();
    format!(
        "<header><h1>Herdbook API <small>{version}</small></h1>{paragraphs}\
         <p>For programs: <a href=\"openapi.json\">openapi.json</a>.</p></header>"
    )
}

fn navigation(document: &Value) -> String {
    let mut links = String::from("<nav aria-label=\"Operations\"><ul>");
    for tag in list(&document["tags"]) {
        let name = tag["name"].as_str().unwrap_or_default();
        links.push_str(&format!("<li><a href=\"#{}\">{}</a><ul>", slug(name), escaped(name)));
        for (path, method, operation) in operations(document, name) {
            let id = operation["operationId"].as_str().unwrap_or_default();
            let (id, path) = (escaped(id), escaped(path));
            let method = escaped(&method.to_uppercase());
            links.push_str(&format!(
                "<li><a href=\"#{id}\"><b class=\"{method}\">{method}</b> {path}</a></li>"
            ));
        }
        links.push_str("</ul></li>");
    }
    links + "<li><a href=\"#schemas\">Schemas</a></li></ul></nav>"
}

fn topic(document: &Value, tag: &Value) -> String {
    let name = tag["name"].as_str().unwrap_or_default();
    let about = words(tag["description"].as_str().unwrap_or_default());
    let heading = format!("<h2 id=\"{}\">{}</h2><p>{about}</p>", slug(name), escaped(name));
    let all = operations(document, name);
    let articles = all
        .iter()
        .map(|(path, method, operation)| operation::article(document, path, method, operation));
    format!("<section>{heading}{}</section>", articles.collect::<String>())
}

/// The operations of a topic: path, method and the rest, in the order of the document.
fn operations<'a>(document: &'a Value, tag: &str) -> Vec<(&'a str, &'a str, &'a Value)> {
    let of_path = |(path, methods): (&'a str, &'a Value)| {
        fields(methods).map(move |(method, operation)| (path, method, operation))
    };
    let all = fields(&document["paths"]).flat_map(of_path);
    all.filter(|(.., operation)| list(&operation["tags"]).any(|name| name == tag)).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_document_says_is_text_and_never_markup() {
        let evil = "<script>alert(1)</script>\"'&";
        let response = json!({ "description": evil, "content": { (evil): { "schema": {
            "type": "object", "description": evil, "enum": [evil], "format": evil,
            "properties": { (evil): { "$ref": evil } },
        } } } });
        let parameter = json!({ "name": evil, "in": evil, "description": evil });
        let operation = json!({
            "operationId": evil, "tags": [evil], "summary": evil, "description": evil,
            "parameters": [parameter], "responses": { (evil): response },
            "requestBody": { "content": { (evil): { "example": evil } } },
        });
        let page = render(&json!({
            "info": { "version": evil, "description": evil },
            "tags": [{ "name": evil, "description": evil }],
            "paths": { (evil): { (evil): operation } },
            "components": { "schemas": { (evil): { "properties": { (evil): { "const": evil } } } } },
        }));
        assert!(page.contains("&lt;script&gt;"));
        for markup in ["<script", "alert(1)</script>", "\"'&<", "<SCRIPT"] {
            assert!(!page.contains(markup), "{markup}");
        }
    }
}
