//! What changes, as it happens.

use crate::api::contract::frames;
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{Shape, own, taken};
use crate::api::live::frames::ViewerMessage;
use crate::api::problem::Kind;
use crate::api::snapshot::Wanted;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Changes",
        about: "Every change once and in order, behind a snapshot.",
        operations: vec![live()],
    }
}

fn live() -> Operation {
    Operation::get("/api/v1/live", "watch", "Follow the fleet by WebSocket")
        .about("Sends a snapshot, then every change. `x-sends` and `x-takes` are the frames.")
        .query::<Wanted>()
        .answers_empty(101, "The connection is a WebSocket from here on.")
        .refuses_when(Kind::UpgradeRequired, "The request is no upgrade to a WebSocket.")
        .extension("x-sends", sends())
        .extension("x-takes", taken::<ViewerMessage>())
}

fn sends() -> Shape {
    own("LiveFrame", frames::live)
}
