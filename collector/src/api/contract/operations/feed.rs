//! What changes, as it happens.

use crate::api::contract::frames;
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{Shape, own, taken, text};
use crate::api::events::poll::Poll;
use crate::api::events::stream::Stream;
use crate::api::live::Watching;
use crate::api::live::frames::ViewerMessage;
use crate::api::problem::Kind;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Changes",
        about: "Every change once and in order, behind a snapshot.",
        operations: vec![live(), poll(), stream()],
    }
}

fn live() -> Operation {
    Operation::get("/api/v1/live", "watch", "Follow the fleet by WebSocket")
        .about(
            "Sends a snapshot, then every change. `since` spares the snapshot where the \
            changes since are still there; the filters are of changes alone. `x-sends` and \
            `x-takes` are the frames.",
        )
        .query::<Watching>()
        .answers_empty(101, "The connection is a WebSocket from here on.")
        .refuses_when(Kind::UpgradeRequired, "The request is no upgrade to a WebSocket.")
        .extension("x-sends", sends())
        .extension("x-takes", taken::<ViewerMessage>())
}

fn sends() -> Shape {
    own("LiveFrame", frames::live)
}

fn poll() -> Operation {
    Operation::get("/api/v1/events", "pollEvents", "Get what changed, or wait for it")
        .about(
            "A long poll: with `wait` it answers as soon as anything happened that is wanted, or \
            once that time is over. Come back with `next` as `since`.",
        )
        .query::<Poll>()
        .answers(200, "What changed; nothing where the time was over.", own("Events", frames::poll))
        .refuses_when(
            Kind::Gone,
            "`since` is of the past, or of another run: take a snapshot and go on from it.",
        )
}

fn stream() -> Operation {
    Operation::get("/api/v1/events/stream", "streamEvents", "Follow what changes")
        .about(
            "As server-sent events, or over a WebSocket where the request asks for an upgrade. \
            An event is named by the type of its change, which is its data, and has the cursor \
            as its id; the event `reset` says that changes were lost. `x-sends` are the frames \
            of a WebSocket.",
        )
        .query::<Stream>()
        .header("Last-Event-ID", "The cursor to go on from; counts more than `since`.")
        .answers(200, "Server-sent events, without end.", text("text/event-stream"))
        .answers_empty(101, "The connection is a WebSocket from here on.")
        .refuses_when(Kind::UpgradeRequired, "The upgrade is none to a WebSocket.")
        .extension("x-sends", own("StreamFrame", frames::stream))
}
