//! The live feed: a snapshot, then every change once and in order, and what moves of the hosts
//! that the viewer looks at. A viewer that cannot follow gets a new snapshot, never an end.

pub mod frames;
pub mod pulse;
pub mod viewer;

#[cfg(test)]
pub(crate) mod pipe;

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::response::Response;

use crate::registry::view::View;

use super::problem::{Checked, Kind, Problem};
use super::snapshot::Wanted;
use super::{Api, owned};

/// Largest message of a viewer, bytes: 500 hosts to watch, and room.
const MESSAGE_BYTES: usize = 64 * 1024;
const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// `GET /api/v1/live`, upgraded to a WebSocket.
///
/// # Errors
///
/// Where the request is no upgrade, there is no such view, or there are too many viewers.
pub async fn upgrade(
    State(api): State<Api>,
    Checked(Query(wanted)): Checked<Query<Wanted>>,
    Checked(upgrade): Checked<WebSocketUpgrade>,
) -> Result<Response, Problem> {
    let view = wanted.view(View::Summary)?;
    let room = Arc::clone(&api.viewers).try_acquire_owned();
    let room = room.map_err(|_| Problem::new(Kind::Unavailable, "too many viewers"))?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES);
    let token = api.tasks.token();
    Ok(upgrade.on_upgrade(async move |socket| {
        let viewer = viewer::run(socket, view, api.registry, api.pulse, api.stop);
        owned(&api.tasks, "viewer", viewer).await;
        drop((token, room));
    }))
}
