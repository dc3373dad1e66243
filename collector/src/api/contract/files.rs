//! What is committed: `docs/openapi.json`, and in `docs/schemas` a JSON Schema for each frame of the
//! wire, of the feed and of the stream of events, for a change, for an alert, for the lines of both
//! logs of alerts and for the body of a webhook. Agents are described as what is read of them, all
//! else as what is written.
//!
//! `make contracts` writes them; without it a test says which differ from the types.

use std::path::Path;

use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use serde_json::{Map, Value};

use crate::api::live::frames::ViewerMessage;
use crate::journal::{AlertLine, HeartbeatAlert};
use crate::notify::WebhookBody;
use crate::registry::alert::Alert;
use crate::registry::change::Change;

use super::components::Components;
use super::frames::{live, stream};
use super::{DOCUMENT, pretty};

/// Where a JSON Schema has its parts.
const PARTS: &str = "/$defs";

/// Every schema that is kept as a file of its own, by name.
pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let of_agent = |word| file(word, |components| components.taken::<AgentMessage>(), Some(word));
    let of_collector =
        |word| file(word, |components| components.told::<CollectorMessage>(), Some(word));
    vec![
        ("hello", of_agent("hello")),
        ("inventory", of_agent("inventory")),
        ("sample", of_agent("sample")),
        ("goodbye", of_agent("goodbye")),
        ("welcome", of_collector("welcome")),
        ("refused", of_collector("refused")),
        ("change", file("change", Components::told::<Change>, None)),
        ("alert", file("alert", Components::told::<Alert>, None)),
        ("alert_line", file("alert_line", Components::told::<AlertLine>, None)),
        ("heartbeat_alert", file("heartbeat_alert", Components::told::<HeartbeatAlert>, None)),
        ("webhook", file("webhook", Components::told::<WebhookBody>, None)),
        ("live", file("live", live, None)),
        ("stream", file("stream", stream, None)),
        ("watch", file("watch", Components::taken::<ViewerMessage>, Some("watch"))),
    ]
}

/// One schema with all that it refers to. With a word, the one that has it as its `type`.
fn file(name: &str, schema: impl FnOnce(&mut Components) -> Value, word: Option<&str>) -> Value {
    let mut components = Components::at(PARTS);
    let schema = schema(&mut components);
    let (definitions, _) = components.finish();
    let mut schema = resolved(&definitions, &schema);
    if let Some(word) = word {
        let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
        let is_it = |variant: &Value| variant["properties"]["type"]["const"] == word;
        schema = variants.into_iter().find(is_it).unwrap_or_default();
    }
    let used = used(&definitions, &schema);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["$id"] = format!("urn:herdbook:schema:{name}").into();
    if !used.is_empty() {
        schema["$defs"] = used.into();
    }
    schema
}

fn resolved(definitions: &Map<String, Value>, schema: &Value) -> Value {
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(schema).clone()
}

/// The definitions that a schema refers to, and those that they refer to.
fn used(definitions: &Map<String, Value>, schema: &Value) -> Map<String, Value> {
    let mut used = Map::new();
    let mut waiting = references(schema);
    while let Some(name) = waiting.pop() {
        if let Some(found) = definitions.get(&name).filter(|_| !used.contains_key(&name)) {
            waiting.extend(references(found));
            used.insert(name, found.clone());
        }
    }
    used
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Array(list) => list.iter().flat_map(references).collect(),
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            let own = own.and_then(|path| path.rsplit('/').next()).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        _ => Vec::new(),
    }
}

/// Every committed file, by its path under `docs/`.
fn committed() -> Vec<(String, String)> {
    let schemas = schemas().into_iter();
    let schemas = schemas.map(|(name, schema)| (format!("schemas/{name}.json"), pretty(&schema)));
    schemas.chain([("openapi.json".to_owned(), pretty(&DOCUMENT))]).collect()
}

#[test]
fn the_committed_files_are_what_the_types_say() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let is_to_write = std::env::var_os("HERDBOOK_WRITE_CONTRACTS").is_some();
    let mut differing = Vec::new();
    for (path, text) in committed() {
        let file = docs.join(&path);
        if is_to_write {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        if std::fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            differing.push(path);
        }
    }
    assert!(differing.is_empty(), "run `make contracts` and look at what changed: {differing:?}");
}

#[test]
fn no_other_schema_is_committed() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let known = committed();
    for entry in std::fs::read_dir(docs).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.iter().any(|(path, _)| *path == format!("schemas/{name}")), "{name}");
    }
}
