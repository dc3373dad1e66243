//! `GET /api/v1/events/stream`: changes as they happen, as server-sent events, or over a WebSocket
//! where the request asks for one. Both resume after a cursor, and tell a `reset` where the ring
//! does not reach back to it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::Response;
use serde::Deserialize;

use crate::api::hosts::view;
use crate::api::live::line::Until;
use crate::api::problem::{Checked, Problem};
use crate::api::query::given;
use crate::api::{Api, owned};
use crate::auth::Lapse;
use crate::registry::Registry;
use crate::registry::view::View;

use super::cursor::Cursor;
use super::filter::{Filter, Words};
use super::follower::{Follower, Lost};
use super::{Room, socket, sse};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Largest message of a reader, bytes: it has nothing to say.
const MESSAGE_BYTES: usize = 4 * 1024;
const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What to tell. What is empty counts as not said.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stream {
    /// The cursor to go on from; the header `Last-Event-ID` counts more. Without either, the
    /// stream begins now.
    since: Option<String>,
    /// Types, or beginnings of types, with commas between.
    types: Option<String>,
    /// The id of a host.
    host: Option<String>,
    /// The id of a service, or another name of it.
    service: Option<String>,
    /// The name of a model.
    model: Option<String>,
    #[schemars(with = "Option<View>")]
    view: Option<String>,
}

/// Where a stream begins.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) follower: Follower,
    /// Why it does not begin where the reader had left.
    pub(super) lost: Option<Lost>,
    pub(super) view: View,
}

/// `GET /api/v1/events/stream`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed, the upgrade is none, or there are too many
/// streams.
pub async fn get(
    State(api): State<Api>,
    Extension(room): Extension<Room>,
    Checked(Query(wanted)): Checked<Query<Stream>>,
    headers: HeaderMap,
    lapse: Lapse,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let begin = wanted.begin(&api.registry, &headers)?;
    let upgrade = headers.contains_key(header::UPGRADE).then_some(upgrade).transpose()?;
    let (room, stop) = (room.for_stream()?, api.stop.clone());
    let Some(upgrade) = upgrade else { return Ok(sse::answer(begin, stop, room)) };
    let until = Until { stop, lapse };
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES);
    let (tasks, token) = (api.tasks.clone(), api.tasks.token());
    Ok(upgrade.on_upgrade(async move |socket| {
        owned(&tasks, "events", socket::run(socket, begin, until)).await;
        drop((token, room));
    }))
}

impl Stream {
    fn begin(&self, registry: &Arc<Registry>, headers: &HeaderMap) -> Result<Begin, Problem> {
        let view = view(given(&self.view), View::Full)?;
        let filter = Filter::read(self.words(), registry)?;
        let registry = Arc::clone(registry);
        let (follower, lost) = match self.cursor(headers)? {
            Some(cursor) => Follower::after(registry, &cursor, filter),
            None => (Follower::from_now(registry, filter), None),
        };
        Ok(Begin { follower, lost, view })
    }

    fn cursor(&self, headers: &HeaderMap) -> Result<Option<Cursor>, Problem> {
        let last_id = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
        let (field, text) = match last_id {
            Some(id) => ("Last-Event-ID", Some(id.to_str().unwrap_or("?"))),
            None => ("since", given(&self.since)),
        };
        text.map(|text| Cursor::read(field, text)).transpose()
    }

    fn words(&self) -> Words<'_> {
        let Self { types, host, service, model, .. } = self;
        let (types, host) = (given(types), given(host));
        Words { types, host, service: given(service), model: given(model) }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
