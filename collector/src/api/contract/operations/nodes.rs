//! Hosts as nodes that send heartbeats.

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::told;
use crate::api::nodes::{Back, Filter, Heartbeats, Node, Nodes};

pub(super) fn topic() -> Topic {
    Topic {
        name: "Nodes",
        about: "Hosts as nodes that send heartbeats, for clients that know them so. Parameters \
            that are not known are ignored.",
        operations: vec![list(), get(), heartbeats()],
    }
}

fn list() -> Operation {
    Operation::get("/api/nodes", "listNodes", "List nodes")
        .about("All of them, in the order of their ids.")
        .query::<Filter>()
        .answers(200, "Nodes.", told::<Nodes>())
}

fn get() -> Operation {
    Operation::get("/api/nodes/{id}", "getNode", "Get a node").answers(
        200,
        "The node.",
        told::<Node>(),
    )
}

fn heartbeats() -> Operation {
    Operation::get("/api/nodes/{id}/heartbeats", "listNodeHeartbeats", "What a node sent")
        .about("The newest 3,600 of them, oldest first: minutes at first, then each sample.")
        .query::<Back>()
        .answers(200, "Its heartbeats.", told::<Heartbeats>())
}
