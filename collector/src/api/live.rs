//! The live feed: a snapshot, then every change once and in order, and what moves of the hosts
//! that the viewer looks at. A viewer that cannot follow gets a new snapshot, never an end; one
//! that comes back with a cursor goes on without, where the ring reaches back to it.

pub mod frames;
pub mod pulse;
pub mod snapshots;

pub mod viewer;

pub(super) mod line;
mod watched;

#[cfg(test)]
pub(crate) mod pipe;

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Lapse;
use crate::registry::Registry;
use crate::registry::view::View;

use super::events::cursor::Cursor;
use super::events::filter::{Filter, Words};
use super::events::follower::Follower;
use super::hosts::view;
use super::problem::{Checked, Kind, Problem};
use super::query::given;
use super::{Api, owned};

use line::Until;
use pulse::Pulse;
use snapshots::Snapshots;
use viewer::Wanted;

/// Most viewers at one time.
pub const VIEWERS_MAX: usize = 1_000;
/// Largest message of a viewer, bytes: 500 hosts to watch, and room.
const MESSAGE_BYTES: usize = 64 * 1024;
const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What a viewer wants. What is empty counts as not said.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Watching {
    #[schemars(with = "Option<View>")]
    view: Option<String>,
    /// The `epoch:seq` up to which the viewer knows everything: no snapshot is sent where the
    /// changes since are still there.
    since: Option<String>,
    /// Types of changes, or beginnings of types, with commas between.
    types: Option<String>,
    /// The id of a host.
    host: Option<String>,
    /// The id of a service, or another name of it.
    service: Option<String>,
    /// The name of a model.
    model: Option<String>,
}

/// What all viewers share.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The register.
    pub registry: Arc<Registry>,
    /// What moves of the fleet, encoded once for all viewers.
    pub pulse: Pulse,
    /// Snapshots, encoded once for those who come together.
    pub snapshots: Snapshots,
    /// Room for viewers.
    room: Arc<Semaphore>,
}

impl Feed {
    /// A feed without viewers.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        let room = Arc::new(Semaphore::new(VIEWERS_MAX));
        Self { registry, pulse: Pulse::new(), snapshots: Snapshots::default(), room }
    }

    /// How many viewers there are.
    #[must_use]
    pub fn n_viewers(&self) -> usize {
        VIEWERS_MAX - self.room.available_permits()
    }

    /// Does until `stop` what is done once for all viewers.
    pub async fn run(self, stop: CancellationToken) {
        let pulse = self.pulse.run(self.registry, stop.clone());
        tokio::join!(pulse, self.snapshots.forget_old(stop));
    }
}

/// `GET /api/v1/live`, upgraded to a WebSocket.
///
/// # Errors
///
/// Where the request is no upgrade, a parameter has a value that is not allowed, or there are too
/// many viewers.
pub async fn upgrade(
    State(api): State<Api>,
    Checked(Query(watching)): Checked<Query<Watching>>,
    lapse: Lapse,
    Checked(upgrade): Checked<WebSocketUpgrade>,
) -> Result<Response, Problem> {
    let wanted = watching.wanted(&api.feed.registry)?;
    let room = Arc::clone(&api.feed.room).try_acquire_owned();
    let room = room.map_err(|_| Problem::new(Kind::Unavailable, "too many viewers"))?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES);
    let (feed, until) = (api.feed.clone(), Until { stop: api.stop.clone(), lapse });
    let (tasks, token) = (api.tasks.clone(), api.tasks.token());
    Ok(upgrade.on_upgrade(async move |socket| {
        owned(&tasks, "viewer", viewer::run(socket, wanted, feed, until)).await;
        drop((token, room));
    }))
}

impl Watching {
    fn wanted(&self, registry: &Arc<Registry>) -> Result<Wanted, Problem> {
        let Self { types, host, service, model, .. } = self;
        let (types, host, service, model) =
            (given(types), given(host), given(service), given(model));
        let filter = Filter::read(Words { types, host, service, model }, registry)?;
        let since = given(&self.since).map(|text| Cursor::read("since", text)).transpose()?;
        let known = since.and_then(|since| {
            let (follower, lost) = Follower::after(Arc::clone(registry), &since, Filter::default());
            lost.is_none().then(|| follower.cursor().seq())
        });
        Ok(Wanted { view: view(given(&self.view), View::Summary)?, filter, known })
    }
}

/// Encodes beside the thread that carries all sockets. `None` where that broke, which is a bug.
async fn beside<T: Send + 'static>(
    what: &'static str,
    encode: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let encoded = tokio::task::spawn_blocking(encode).await;
    encoded.inspect_err(|error| tracing::error!(%error, "{what} could not be encoded")).ok()
}
