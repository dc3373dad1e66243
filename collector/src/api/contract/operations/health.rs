//! Whether the collector lives and is ready.

use serde_json::json;

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{Shape, own, told};
use crate::api::health::Report;

pub(super) fn topic() -> Topic {
    Topic {
        name: "Health",
        about: "For supervisors and load balancers.",
        operations: vec![
            Operation::get("/healthz", "getHealth", "Whether the collector lives").answers(
                200,
                "It does.",
                ok(),
            ),
            Operation::get("/health", "getHealthOfOld", "The same, for clients of old").answers(
                200,
                "It does.",
                ok(),
            ),
            ready(),
        ],
    }
}

fn ready() -> Operation {
    Operation::get("/readyz", "getReadiness", "Whether the collector is ready")
        .answers(200, "It serves; `status` says whether all is well.", told::<Report>())
        .answers(503, "It has not restored yet what it knew.", told::<Report>())
}

fn ok() -> Shape {
    own("Health", |_| {
        let status = json!({ "const": "ok" });
        json!({ "type": "object", "properties": { "status": status }, "required": ["status"] })
    })
}
