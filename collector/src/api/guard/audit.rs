//! What a request did, for the audit log: written before its answer is let out.

use axum::RequestExt;
use axum::extract::{RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::super::contract::operation_id;
use super::super::problem::{Kind, Problem};
use crate::auth::{Access, Caller, Noted};
use crate::store::{DETAIL_BYTES, WriteError};

/// Longest name of a field that is told.
const FIELD_CHARACTERS: usize = 64;

/// An extension of an answer: what the audit log tells of it, instead of the names of the fields
/// that were sent. Never a secret.
#[derive(Clone, Debug)]
pub struct Summary(pub String);

/// An operation that is being done.
pub(super) struct Deed {
    action: String,
    subject: Option<String>,
}

impl Deed {
    /// What a request asks of the route at this path.
    pub(super) async fn of(path: &str, request: &mut Request) -> Self {
        let method = request.method().as_str();
        let action = operation_id(method, path).map(str::to_owned);
        let action = action.unwrap_or_else(|| format!("{method} {path}"));
        let named = request.extract_parts::<RawPathParams>().await.ok();
        let named: Vec<_> = named.iter().flatten().map(|(_, value)| value.to_owned()).collect();
        let subject = (!named.is_empty()).then(|| named.join("/"));
        Self { action, subject }
    }

    /// Tells the log what was done, unless that stands there already or nothing was.
    pub(super) async fn told(
        self,
        access: &Access,
        caller: &Caller,
        body: &[u8],
        response: Response,
    ) -> Response {
        let is_noted = response.extensions().get::<Noted>().is_some();
        if is_noted || !response.status().is_success() {
            return response;
        }
        let summary = response.extensions().get::<Summary>().map(|summary| summary.0.clone());
        let detail = summary.unwrap_or_else(|| fields(body));
        let row = caller.audit(&self.action, self.subject.as_deref(), detail);
        match access.note(row).await {
            Ok(()) => response,
            Err(error) => untold(&error).into_response(),
        }
    }
}

/// The names of the fields that were sent, without what they hold.
fn fields(body: &[u8]) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return String::new() };
    let is_name = |name: &&String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        name.len() <= FIELD_CHARACTERS && name.chars().all(is_plain)
    };
    let mut names = fields.keys().filter(is_name).cloned().collect::<Vec<_>>().join(", ");
    names.truncate(DETAIL_BYTES);
    names
}

fn untold(error: &WriteError) -> Problem {
    match error {
        WriteError::DiskFull => Problem::new(
            Kind::StorageFull,
            "the disk of the collector is full: this was done, and the audit log does not tell \
             who did it; free some space there",
        ),
        WriteError::Io(_) | WriteError::Closed => Problem::new(
            Kind::Unavailable,
            "the collector cannot write to its database: this was done, and the audit log does \
             not tell who did it; the log says why",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_told_and_nothing_that_they_hold() {
        assert_eq!(fields(br#"{"notes": "secret", "drain": true}"#), "drain, notes");
        assert_eq!(fields(br#"{"a secret": 1, "notes": {"key": "secret"}}"#), "notes");
        assert_eq!(fields(b"[1]"), "");
        assert_eq!(fields(b""), "");
        let many = (0..1_000).map(|n| (format!("field{n}"), Value::Null)).collect();
        assert!(fields(&serde_json::to_vec(&Value::Object(many)).unwrap()).len() <= DETAIL_BYTES);
    }
}
