//! Silences: of which alerts nobody is told.

use std::sync::Arc;

use serde_json::json;

use crate::alerts::Silence;
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{taken, told};
use crate::api::list::Page;
use crate::api::problem::Kind;
use crate::api::silences::{Request, Silences};

pub(super) fn topic() -> Topic {
    Topic {
        name: "Silences",
        about: "Of which alerts nobody is told, and until when. They change no alert.",
        operations: vec![list(), add(), remove()],
    }
}

fn list() -> Operation {
    Operation::get("/api/v1/silences", "listSilences", "List the silences that hold")
        .about("In the order of their ids.")
        .query::<Page>()
        .answers(200, "Silences.", told::<Silences>())
}

fn add() -> Operation {
    let example = json!({
        "matcher": { "rule": "host_offline", "label": "rack=b7" },
        "until": "2027-01-01T00:00:00Z", "comment": "the rack is moved",
    });
    Operation::post("/api/v1/silences", "addSilence", "Silence alerts")
        .about(
            "Those for which all that `matcher` says is so, which must be something; \
            `until` is a time to come, within a year.",
        )
        .takes(taken::<Request>(), example)
        .answers(201, "It holds.", told::<Arc<Silence>>())
        .refuses_when(Kind::Conflict, "There are 1,000 already.")
        .kept()
}

fn remove() -> Operation {
    Operation::delete("/api/v1/silences/{id}", "removeSilence", "End a silence")
        .about("It takes no parameters; one that is there is refused.")
        .answers_empty(204, "It holds no more.")
        .refuses(Kind::BadField)
        .kept()
}
