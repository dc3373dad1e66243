//! `GET /metrics`: all series in Prometheus' text format, written while it is read. Not compressed:
//! Prometheus is near, and compressing takes several times as long as writing. Of that format only,
//! which every Prometheus reads, whatever else it asks for.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use crate::auth::Action;
use crate::metrics::exposition::Exposition;
use crate::metrics::fleet::Fleet;
use crate::metrics::text::CONTENT_TYPE;

use super::guard::Routes;
use super::problem::{Checked, Kind, Problem};
use super::{Api, beside};

/// The one path.
pub(super) fn routes() -> Routes<Api> {
    Routes::new().on(Action::ReadFleet, "/metrics", get(all))
}

/// Which series.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Wanted {
    /// Those of one host, by id or name.
    host: Option<String>,
}

/// `GET /metrics`
///
/// # Errors
///
/// Where there is no such host, or too many read already.
pub async fn all(
    State(api): State<Api>,
    Checked(Query(wanted)): Checked<Query<Wanted>>,
) -> Result<Response, Problem> {
    let room = api.meters.scrapes.clone().try_acquire_owned();
    let room = room.map_err(|_| Problem::new(Kind::Unavailable, "too many read all series now"))?;
    let rest = beside(move || {
        let fleet = match wanted.host {
            None => Fleet::whole(&api),
            Some(host) => Fleet::of_host(&api, &host)
                .ok_or_else(|| Problem::not_found(format!("there is no host {host:?}")))?,
        };
        Ok(Rest { exposition: Exposition::new(fleet), _room: room })
    });
    let body = Body::from_stream(stream::unfold(rest.await?, Rest::next));
    let kind = HeaderValue::from_static(CONTENT_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// What is still to be written of an answer.
struct Rest {
    exposition: Exposition,
    _room: OwnedSemaphorePermit,
}

impl Rest {
    /// Writes a piece beside the thread that carries all sockets, once its reader is ready for it:
    /// nothing waits, and a slow reader holds no thread.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let piece = spawn_blocking(move || (self.exposition.piece(), self)).await;
        match piece {
            Ok((piece, rest)) => Some((Ok(piece?.into()), rest)),
            Err(error) => {
                tracing::error!(%error, "the series could not be written");
                None
            }
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
