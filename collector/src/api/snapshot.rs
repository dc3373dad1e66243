//! Everything at one `(epoch, seq)`.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::registry::moment::Moment;
use crate::registry::view::View;

use super::hosts::view;
use super::problem::{Checked, Problem};
use super::{Api, beside, json};

/// Which view.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Wanted {
    #[schemars(with = "Option<View>")]
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
    let text = beside(move || {
        let snapshot = api.registry.snapshot(Moment::now());
        Ok(format!("{{{}}}", snapshot.fields(view)))
    });
    text.await.map(json)
}
