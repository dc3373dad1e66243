//! The API told by itself.

use serde_json::json;

use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::{own, text};

pub(super) fn topic() -> Topic {
    Topic {
        name: "This description",
        about: "The API, told to programs and to people.",
        operations: vec![
            Operation::get("/openapi.json", "getOpenApi", "This description, for programs")
                .answers(200, "OpenAPI 3.1.", own("OpenApi", |_| json!({ "type": "object" }))),
            Operation::get("/docs", "getDocs", "This description, for people").answers(
                200,
                "A page.",
                text("text/html"),
            ),
            Operation::get("/docs.css", "getDocsStyle", "How that page looks").answers(
                200,
                "Its style.",
                text("text/css"),
            ),
        ],
    }
}
