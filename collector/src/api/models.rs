//! Models over the fleet: where each is, warm or cold.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;

use crate::registry::encode::json as encode;
use crate::registry::model::{FleetModel, fleet_models};
use crate::registry::moment::Moment;

use super::list::Page;
use super::problem::{Checked, Problem};
use super::{Api, beside, json};

/// `GET /api/v1/models`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let text = beside(move || {
        let snapshot = api.registry.snapshot(Moment::now());
        let models = fleet_models(snapshot.services.iter().map(Arc::as_ref));
        page.of(&snapshot, "models", &models, |model| &model.name, encode)
    });
    text.await.map(json)
}

/// `GET /api/v1/models/{name}`; a name without a tag means `:latest` where nothing has it as it is.
///
/// # Errors
///
/// Where no service has such a model.
pub async fn get(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    let text = beside(move || {
        let model = find(&api, &name).or_else(|| find(&api, &format!("{name}:latest")));
        let model = model.ok_or_else(|| Problem::not_found(format!("nothing has model {name:?}")));
        model.map(|model| encode(&model))
    });
    text.await.map(json)
}

fn find(api: &Api, name: &str) -> Option<FleetModel> {
    let services = api.registry.services_of_model(name);
    let models = fleet_models(services.iter().map(Arc::as_ref));
    models.into_iter().find(|model| model.name == name)
}
