//! The document, put together.

use serde_json::{Map, Value, json};

use super::answers;
use super::components::{Components, OF_OPENAPI};
use super::operation::{Operation, Topic};
use super::operations;

const ABOUT: &str = "Hosts, services and models of a fleet; where a model runs best now; what \
    changed.\n\nIds in paths are one segment: `gpu-1:11434` is `gpu-1%3A11434`. Times are RFC 3339 \
    in UTC. Names of fields end in their unit. What is not known is `null`, and where that needs a \
    reason, `missing` beside it gives one. Fields may be added to answers at any time. What is \
    refused is answered with a problem (RFC 9457), whose `type` programs may compare; a method that \
    a path does not have is one of status 405. What is no HTTP at all, or has a request line or \
    headers that are too long, is answered with a bare 400 or 431.";

/// The document, and the names of schemas that mean two things, which a test holds to be none.
pub(super) fn document() -> (Value, Vec<String>) {
    let topics = operations::topics();
    let mut components = Components::at(OF_OPENAPI);
    let tags: Vec<Value> = topics
        .iter()
        .map(|topic| json!({ "name": topic.name, "description": topic.about }))
        .collect();
    let paths = paths(&topics, &mut components);
    let responses = answers::responses(&mut components);
    let (schemas, twice) = components.finish();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Herdbook collector",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The collector that tells this." }],
        // No credentials yet: requests of this machine are answered, and no others.
        "security": [],
        "tags": tags,
        "paths": paths,
        "components": { "schemas": schemas, "responses": responses },
    });
    (document, twice)
}

fn paths(topics: &[Topic], components: &mut Components) -> Map<String, Value> {
    let mut paths = Map::new();
    for topic in topics {
        for operation in &topic.operations {
            let methods = paths.entry(operation.document_path()).or_insert_with(|| json!({}));
            methods[operation.method] = told(operation, topic, components);
        }
    }
    paths
}

fn told(operation: &Operation, topic: &Topic, components: &mut Components) -> Value {
    operation.document(topic.name, components)
}
