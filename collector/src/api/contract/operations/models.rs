//! Models over the fleet, and the fleet as a whole.

use serde_json::json;

use crate::api::contract::frames;
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{own, page, told};
use crate::api::list::Page;
use crate::api::snapshot::Wanted;
use crate::registry::graph::Whole;
use crate::registry::model::ListedModel;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Fleet",
        about: "Models over all hosts, everything at one moment, and the fleet as a graph.",
        operations: vec![list(), get(), snapshot(), graph()],
    }
}

fn list() -> Operation {
    Operation::get("/api/v1/models", "listModels", "List the models of the fleet")
        .about(
            "By name: which services have it, on how many hosts it is warm, whether its digest \
            differs between them, and what each of its builds is.",
        )
        .query::<Page>()
        .answers(200, "Models.", page("FleetModelList", "models", told::<ListedModel>()))
}

fn get() -> Operation {
    Operation::get("/api/v1/models/{name}", "getModel", "Get a model of the fleet")
        .about("A name without a tag that nothing has means the `:latest` of every Ollama.")
        .answers(200, "The model.", told::<ListedModel>())
}

fn snapshot() -> Operation {
    Operation::get("/api/v1/snapshot", "getSnapshot", "Everything at one moment")
        .query::<Wanted>()
        .answers(
            200,
            "The fleet.",
            own("Snapshot", |components| {
                json!({
                    "description": "Everything at one `(epoch, seq)`.",
                    "type": "object",
                    "properties": frames::snapshot_fields(components),
                    "required": frames::SNAPSHOT_FIELDS,
                })
            }),
        )
}

fn graph() -> Operation {
    Operation::get("/api/v1/graph", "getGraph", "The fleet as nodes and links")
        .about(
            "A `session` leads from a host to the collector, `runs` from a host to its \
            service, `serves` from a service to a model.",
        )
        .answers(200, "The graph.", told::<Whole>())
        .tagged()
}
