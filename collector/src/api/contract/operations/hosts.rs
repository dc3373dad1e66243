//! Hosts, their sessions and what became of them.

use serde_json::json;

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{either, page, taken, told};
use crate::api::history::{Sessions, Statuses, Wanted};
use crate::api::hosts::Filter;
use crate::api::hosts::write::{ChangedHosts, HostForm};
use crate::api::list::Page;
use crate::api::problem::Kind;
use crate::api::samples::Range;
use crate::registry::view::host::{HostSummary, HostView};
use crate::series::SamplesTable;
use crate::store::{SessionRow, StatusRow};

pub(super) fn topic() -> Topic {
    Topic {
        name: "Hosts",
        about: "Machines with an agent, and what people say of them.",
        operations: vec![
            list(),
            change_many(),
            get(),
            change(),
            remove(),
            sessions(),
            history(),
            samples(),
        ],
    }
}

fn list() -> Operation {
    Operation::get("/api/v1/hosts", "listHosts", "List hosts")
        .about("In the order of their ids.")
        .query::<Filter>()
        .query::<Page>()
        .answers(200, "Hosts.", page("HostList", "hosts", either::<HostView, HostSummary>()))
}

fn change_many() -> Operation {
    Operation::patch("/api/v1/hosts", "changeHosts", "Change all hosts that a selector finds")
        .about("At least one parameter says which; one that is not known is refused.")
        .query_of::<Filter>(&["view"])
        .parameter("all", json!({ "const": true, "description": "All of the fleet." }))
        .example("label", "rack=b7")
        .takes(taken::<HostForm>(), json!({ "drain": true }))
        .answers(200, "Those that are other than before.", told::<ChangedHosts>())
        .kept()
}

fn get() -> Operation {
    Operation::get("/api/v1/hosts/{id}", "getHost", "Get a host")
        .answers(200, "The host.", told::<HostView>())
        .tagged()
}

fn change() -> Operation {
    Operation::patch("/api/v1/hosts/{id}", "changeHost", "Change what people say of a host")
        .about(
            "What is left out stays; `null` takes back what people said, and what the \
            agent tells shows again.",
        )
        .takes(taken::<HostForm>(), json!({ "labels": { "rack": "b7" }, "notes": "fan is loud" }))
        .answers(200, "The host.", told::<HostView>())
        .tells("ETag", "Its revision.")
        .if_match()
        .kept()
}

fn remove() -> Operation {
    Operation::delete("/api/v1/hosts/{id}", "removeHost", "Remove a host")
        .about("With what its agent told of services.")
        .answers_empty(204, "It is gone.")
        .refuses_when(Kind::Conflict, "Its agent is connected.")
        .if_match()
        .kept()
}

fn sessions() -> Operation {
    Operation::get("/api/v1/hosts/{id}/sessions", "listSessions", "List the connections of a host")
        .about("Newest first: from where, how long, why each ended.")
        .query::<Wanted>()
        .query::<Page>()
        .answers(200, "Its sessions.", told::<Sessions<SessionRow>>())
}

fn history() -> Operation {
    Operation::get("/api/v1/hosts/{id}/history", "getHostHistory", "What became of a host, and why")
        .about("Its changes of status of the last 30 days, newest first.")
        .query::<Page>()
        .answers(200, "Its changes of status.", told::<Statuses<StatusRow>>())
}

fn samples() -> Operation {
    Operation::get("/api/v1/hosts/{id}/samples", "listSamples", "What a host measured")
        .about(
            "As a table over any range that is kept. Rows become longer the further back the \
            range goes; `step_s` is how long they are.",
        )
        .query::<Range>()
        .answers(200, "Its samples.", told::<SamplesTable>())
}
