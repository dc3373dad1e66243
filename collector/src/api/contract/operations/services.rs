//! Services: registering, beating, changing and removing them.

use serde_json::json;

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{either, page, taken, told};
use crate::api::history::Statuses;
use crate::api::list::Page;
use crate::api::problem::Kind;
use crate::api::services::Filter;
use crate::api::services::change::{Draining, Part, Promotion};
use crate::api::services::heartbeat;
use crate::registry::declare::form::Form;
use crate::registry::declare::patch::ServicePatch;
use crate::registry::view::service::{ServiceSummary, ServiceView};
use crate::store::StatusRow;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Services",
        about: "Anything at a URL: what an agent found, a person added or registered itself.",
        operations: vec![
            list(),
            register(),
            get(),
            change(),
            remove(),
            beat(),
            promote(),
            drain(),
            history(),
        ],
    }
}

fn list() -> Operation {
    let entry = either::<ServiceView, ServiceSummary>();
    Operation::get("/api/v1/services", "listServices", "List services")
        .about("In the order of their ids.")
        .query::<Filter>()
        .query::<Page>()
        .answers(200, "Services.", page("ServiceList", "services", entry))
}

fn register() -> Operation {
    let example = json!({
        "name": "finder", "type": "tool", "url": "http://10.0.0.9:8888", "caps": ["search"],
        "heartbeat_interval_s": 60, "ttl_s": 90,
    });
    Operation::post("/api/v1/services", "registerService", "Add a service, or register yourself")
        .about(
            "With `heartbeat_interval_s`, `ttl_s` or `check: heartbeat` it promises to \
            beat; else the collector asks it. The same one again is changed to what is said \
            now.",
        )
        .header("If-None-Match", "`*`: refused with 409 if it is there already.")
        .takes(taken::<Form>(), example)
        .answers(201, "It is new.", told::<ServiceView>())
        .answers(200, "It was there, and is now as you say.", told::<ServiceView>())
        .tells("ETag", "Its revision.")
        .tells("Location", "Its path.")
        .refuses_when(Kind::Conflict, "It is there already, or was added with another `type`.")
        .kept()
}

fn get() -> Operation {
    Operation::get("/api/v1/services/{id}", "getService", "Get a service")
        .about("Under its id or any of its aliases.")
        .answers(200, "The service.", told::<ServiceView>())
        .tagged()
}

/// What is said of changes of one service.
fn changed(operation: Operation) -> Operation {
    operation
        .answers(200, "The service.", told::<ServiceView>())
        .tells("ETag", "Its revision.")
        .if_match()
        .kept()
}

fn change() -> Operation {
    let operation =
        Operation::patch("/api/v1/services/{id}", "changeService", "Change a service by hand")
            .about(
                "It lies over what all sources say. What is left out stays; `null` takes the \
            change back.",
            )
            .takes(taken::<ServicePatch>(), json!({ "priority": 5, "labels": { "team": "a" } }))
            .refuses_when(Kind::Conflict, "Its host drains, and it with it.");
    changed(operation)
}

fn remove() -> Operation {
    let operation = Operation::delete("/api/v1/services/{id}", "removeService", "Remove a service")
        .about(
            "Answered with the service as it was, or, where another source still tells \
            of it, as it stays.",
        )
        .query::<Part>()
        .refuses_when(Kind::Conflict, "It would come back by itself; `detail` says what to do.");
    changed(operation)
}

fn beat() -> Operation {
    let example = json!({ "status": "ok", "p95_ms": 123.4, "queue_depth": 2, "load": 0.35 });
    Operation::put("/api/v1/services/{id}/heartbeat", "beat", "Say that a service lives")
        .takes(taken::<heartbeat::Form>(), example)
        .answers(200, "When the next beat is due.", told::<heartbeat::Answer>())
        .refuses_when(Kind::NotFound, "The register does not know it: register again.")
        .refuses_when(Kind::Conflict, "Somebody else judges this service.")
}

fn promote() -> Operation {
    let operation =
        Operation::post("/api/v1/services/{id}/promote", "promoteService", "Give a service a role")
            .takes(taken::<Promotion>(), json!({ "role": "production" }));
    changed(operation)
}

fn drain() -> Operation {
    let operation = Operation::post(
        "/api/v1/services/{id}/drain",
        "drainService",
        "Empty a service, or end that",
    )
    .about("What it has it finishes; `pick` gives it nothing new. Without a body it drains.")
    .may_take(taken::<Draining>(), json!({ "drain": true }))
    .refuses_when(Kind::Conflict, "Its host drains: end the drain of the host.");
    changed(operation)
}

fn history() -> Operation {
    let summary = "What became of a service, and why";
    Operation::get("/api/v1/services/{id}/history", "getServiceHistory", summary)
        .about("Its changes of status of the last 30 days, newest first.")
        .query::<Page>()
        .answers(200, "Its changes of status.", told::<Statuses<StatusRow>>())
}
