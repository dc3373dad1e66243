//! The frames of the live feed and of the stream of events, the answer of a poll, and what a
//! snapshot has: all are written piece by piece, so that no type tells them.

use serde_json::{Map, Value, json};

use crate::api::events::Notice;
use crate::api::live::frames::{Error, HostSample, ServiceSample};
use crate::registry::alert::Alert;
use crate::registry::change::Change;
use crate::registry::model::FleetModel;
use crate::registry::snapshot::{Counts, Fleet};
use crate::registry::view::View;
use crate::registry::view::host::{HostSummary, HostView};
use crate::registry::view::service::{ServiceSummary, ServiceView};

use super::components::Components;

/// What every snapshot has.
pub(super) const SNAPSHOT_FIELDS: [&str; 9] =
    ["epoch", "seq", "at", "notice", "hosts", "services", "fleet_models", "alerts", "counts"];

/// What these fields are, as `Snapshot::fields` writes them.
pub(super) fn snapshot_fields(components: &mut Components) -> Value {
    let hosts = [components.told::<HostView>(), components.told::<HostSummary>()];
    let services = [components.told::<ServiceView>(), components.told::<ServiceSummary>()];
    json!({
        "epoch": { "type": "string", "description": "This run of the collector." },
        "seq": seq("The number of the last change that it holds."),
        "at": { "type": "string", "format": "date-time", "description": "When it was taken." },
        "notice": {
            "type": ["string", "null"],
            "description": "What the operator wants to be said of this collector, \"staging\", say.",
        },
        "hosts": { "type": "array", "items": { "anyOf": hosts } },
        "services": { "type": "array", "items": { "anyOf": services } },
        "fleet_models": { "type": "array", "items": components.told::<FleetModel>() },
        "alerts": { "type": "array", "items": components.told::<Alert>() },
        "counts": components.told::<Counts>(),
    })
}

fn seq(about: &str) -> Value {
    json!({ "type": "integer", "format": "uint64", "minimum": 0, "description": about })
}

/// A frame of the live feed.
pub(super) fn live(components: &mut Components) -> Value {
    let frames = [
        snapshot(components),
        change(components),
        samples(components),
        tagged("fleet", components.told::<Fleet>()),
        tagged("error", components.told::<Error>()),
    ];
    json!({ "description": "A frame of the live feed, told by its `type`.", "oneOf": frames })
}

/// A frame of the stream of events over a WebSocket.
pub(super) fn stream(components: &mut Components) -> Value {
    let frames = [
        change(components),
        components.told::<Notice>(),
        tagged("error", components.told::<Error>()),
    ];
    json!({ "description": "A frame of the stream, told by its `type`.", "oneOf": frames })
}

/// What a poll is answered.
pub(super) fn poll(components: &mut Components) -> Value {
    json!({
        "description": "What changed, oldest first.",
        "type": "object",
        "properties": {
            "epoch": { "type": "string", "description": "This run of the collector." },
            "seq": seq("The number of the last change that was looked at."),
            "events": { "type": "array", "items": components.told::<Change>() },
            "next": { "type": "string", "description": "Both: the next `since`." },
        },
        "required": ["epoch", "seq", "events", "next"],
    })
}

fn tagged(word: &str, mut schema: Value) -> Value {
    schema["properties"] = json!({ "type": { "const": word } });
    schema
}

fn frame(word: &str, about: &str, mut fields: Map<String, Value>) -> Value {
    fields.insert("type".to_owned(), json!({ "const": word }));
    let required: Vec<&String> = fields.keys().collect();
    json!({
        "description": about, "type": "object", "required": required, "properties": fields,
    })
}

fn object(fields: Value) -> Map<String, Value> {
    fields.as_object().cloned().unwrap_or_default()
}

fn snapshot(components: &mut Components) -> Value {
    let mut fields = object(snapshot_fields(components));
    fields.insert("view".to_owned(), components.told::<View>());
    frame("snapshot", "Everything; the first frame, and whenever a viewer fell behind.", fields)
}

fn change(components: &mut Components) -> Value {
    frame("change", "One change.", object(json!({ "change": components.told::<Change>() })))
}

fn samples(components: &mut Components) -> Value {
    let fields = object(json!({
        "seq": seq("All changes up to it were sent before."),
        "samples": { "type": "array", "items": components.told::<HostSample>() },
        "services": { "type": "array", "items": components.told::<ServiceSample>() },
    }));
    frame("samples", "What moved of the hosts and services that are watched.", fields)
}
