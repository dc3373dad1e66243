//! The JSON Schema of a change as it is told: what stands in `data` follows from `type`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::catalog::catalogs::{Rejected, Reloaded};
use crate::registry::alert::Alert;
use crate::registry::encode::Envelope;
use crate::registry::view::host::{HostSummary, HostView, OpenSessionView};
use crate::registry::view::service::{ModelView, ServiceSummary, ServiceView};

use super::{Change, ChangeKind};

impl JsonSchema for Change {
    fn schema_name() -> Cow<'static, str> {
        "Change".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut change = Envelope::json_schema(generator);
        let families: Vec<Value> = families(generator)
            .into_iter()
            .map(|(entities, data)| of_family(entities, &data).to_value())
            .collect();
        change.insert("oneOf".to_owned(), families.into());
        change
    }
}

/// What is told of the key of an agent, and not of its host.
const OF_AGENTS: &[&str] = &["host.pending", "host.approved", "host.revoked"];

/// The types or their first parts, and what `data` is with them. What is gone is `null`.
fn families(generator: &mut SchemaGenerator) -> Vec<(&'static [&'static str], Vec<Schema>)> {
    let null = || json_schema!({ "type": "null" });
    let g = generator;
    vec![
        (OF_AGENTS, vec![null()]),
        (
            &["host", "gpu"],
            vec![g.subschema_for::<HostView>(), g.subschema_for::<HostSummary>(), null()],
        ),
        (&["session"], vec![g.subschema_for::<OpenSessionView>(), null()]),
        (
            &["service"],
            vec![g.subschema_for::<ServiceView>(), g.subschema_for::<ServiceSummary>(), null()],
        ),
        (&["model"], vec![g.subschema_for::<ModelView>(), null()]),
        (&["alert"], vec![g.subschema_for::<Alert>()]),
        (&["catalog.reloaded"], vec![g.subschema_for::<Reloaded>()]),
        (&["catalog.rejected"], vec![g.subschema_for::<Rejected<'_>>()]),
        (&["fleet"], vec![mass()]),
    ]
}

fn mass() -> Schema {
    json_schema!({
        "description": "How many went, or were away.",
        "type": "object",
        "properties": {
            "n_hosts": { "type": "integer", "minimum": 0 },
            "n_services": { "type": "integer", "minimum": 0 },
        },
    })
}

fn of_family(entities: &[&str], data: &[Schema]) -> Schema {
    let is_of = |kind: &&ChangeKind| {
        let word = kind.word();
        let family = word.split('.').next().filter(|_| !kind.is_of_agent());
        [Some(word), family].into_iter().flatten().any(|part| entities.contains(&part))
    };
    let words: Vec<&str> = ChangeKind::ALL.iter().filter(is_of).map(|kind| kind.word()).collect();
    json_schema!({ "properties": { "type": { "enum": words }, "data": { "anyOf": data } } })
}
