//! Everything at one `(epoch, seq)`.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::registry::moment::Moment;
use crate::registry::view::View;

use super::hosts::view;
use super::problem::{Checked, Kind, Problem};
use super::{Api, json};

/// Which view.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    view: Option<String>,
}

impl Wanted {
    /// The view that is wanted.
    ///
    /// # Errors
    ///
    /// Where there is no such view.
    pub fn view(&self, default: View) -> Result<View, Problem> {
        view(self.view.as_deref(), default)
    }
}

/// `GET /api/v1/snapshot`
///
/// # Errors
///
/// Where there is no such view.
pub async fn get(
    State(api): State<Api>,
    Checked(Query(wanted)): Checked<Query<Wanted>>,
) -> Result<Response, Problem> {
    let view = wanted.view(View::Full)?;
    let snapshot = api.registry.snapshot(Moment::now());
    // A large fleet takes milliseconds to encode: not on the thread that carries all sockets.
    let text = tokio::task::spawn_blocking(move || format!("{{{}}}", snapshot.fields(view))).await;
    text.map(json).map_err(|_| Problem::new(Kind::Internal, "the snapshot could not be encoded"))
}
