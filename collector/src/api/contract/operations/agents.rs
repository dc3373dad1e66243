//! Where agents connect.

use crate::api::contract::operation::{Operation, Topic};
use crate::api::problem::Kind;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Agents",
        about: "The wire of agents; its frames are in docs/schemas.",
        operations: vec![connect()],
    }
}

fn connect() -> Operation {
    Operation::get("/api/v1/agent", "connectAgent", "Report a host, as its agent")
        .answers_empty(101, "The connection is a WebSocket from here on.")
        .refuses_when(Kind::UpgradeRequired, "The request is no upgrade to a WebSocket.")
}
