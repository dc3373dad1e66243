//! Schemas in words: `list of Host`, `text (date-time) or null`.

use serde_json::Value;

use super::text::{escaped, words};
use super::{fields, list};

/// A schema with its name and its fields.
pub(super) fn section(name: &str, schema: &Value) -> String {
    let name = escaped(name);
    let about = about(schema);
    let body = if schema["properties"].is_object() {
        table(schema)
    } else {
        format!("<p>{}</p>", kind(schema))
    };
    let any = if schema["oneOf"].is_array() && schema["properties"].is_object() {
        format!("<p>And one of these: {}</p>", any(&schema["oneOf"]))
    } else {
        String::new()
    };
    format!(
        "<article class=\"schema\"><h3 \
            id=\"schema-{name}\">{name}</h3>{about}{body}{any}</article>"
    )
}

/// A table of the fields of an object.
fn table(schema: &Value) -> String {
    let required: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
    let rows = fields(&schema["properties"]).map(|(name, field)| {
        let may = if required.contains(&name) { "" } else { " <i>may be absent</i>" };
        let about = words(field["description"].as_str().unwrap_or_default());
        format!(
            "<tr><th scope=\"row\"><code>{}</code>{may}</th><td>{}</td><td>{about}</td></tr>",
            escaped(name),
            kind(field)
        )
    });
    format!("<div class=\"wide\"><table>{}</table></div>", rows.collect::<String>())
}

fn about(schema: &Value) -> String {
    match schema["description"].as_str() {
        Some(text) => format!("<p>{}</p>", words(text)),
        None => String::new(),
    }
}

/// What a value is.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        let name = escaped(path.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(word) = schema.get("const") {
        return value(word);
    }
    if let Some(values) = schema["enum"].as_array() {
        return joined(values.iter().map(value));
    }
    for key in ["anyOf", "oneOf"] {
        if schema[key].is_array() {
            return any(&schema[key]);
        }
    }
    match &schema["type"] {
        Value::String(name) => of_type(name, schema),
        Value::Array(names) => {
            joined(names.iter().filter_map(Value::as_str).map(|name| of_type(name, schema)))
        }
        _ if schema["properties"].is_object() => table(schema),
        _ => "anything".to_owned(),
    }
}

fn any(schemas: &Value) -> String {
    joined(list(schemas).map(kind))
}

fn of_type(name: &str, schema: &Value) -> String {
    match name {
        "array" if schema["items"].is_object() => format!("list of {}", kind(&schema["items"])),
        "array" if schema["prefixItems"].is_array() => {
            let items: Vec<String> = list(&schema["prefixItems"]).map(kind).collect();
            format!("({})", items.join(", "))
        }
        "array" => "list".to_owned(),
        "object" if schema["properties"].is_object() => table(schema),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(&schema["additionalProperties"]))
        }
        "string" => match schema["format"].as_str() {
            Some(format) => format!("text ({})", escaped(format)),
            None => "text".to_owned(),
        },
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "null" => "<code>null</code>".to_owned(),
        other => escaped(other),
    }
}

fn value(value: &Value) -> String {
    format!("<code>{}</code>", escaped(&value.to_string()))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_told_in_words() {
        for (schema, expected) in [
            (
                json!({ "type": ["string", "null"], "format": "date-time" }),
                "text (date-time) or <code>null</code>",
            ),
            (
                json!({ "type": "array", "items": { "$ref": "#/components/schemas/Host" } }),
                "list of <a href=\"#schema-Host\">Host</a>",
            ),
            (
                json!({ "oneOf": [{ "const": "a" }, { "type": "integer" }] }),
                "<code>&quot;a&quot;</code> or whole number",
            ),
            (
                json!({ "type": "object", "additionalProperties": { "type": "number" } }),
                "object of number",
            ),
        ] {
            assert_eq!(kind(&schema), expected);
        }
    }
}
