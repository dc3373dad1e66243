//! Models over the fleet: where each is, warm or cold.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;

use crate::registry::encode::{json as encode, push};
use crate::registry::lookup::{self, Listed};
use crate::registry::model::{listed_model, listed_models};
use crate::registry::service::latest_of;

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
        let Listed { epoch, seq, services } = api.registry.list_services(&lookup::Query::default());
        let models = listed_models(services.iter().map(Arc::as_ref));
        page.at((&epoch, seq), "models", &models, |listed| &listed.model.name, push)
    });
    text.await.map(json)
}

/// `GET /api/v1/models/{name}`; a name without a tag that nothing has as it is means the `:latest`
/// of every Ollama.
///
/// # Errors
///
/// Where no service has such a model.
pub async fn get(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
) -> Result<Response, Problem> {
    let text = beside(move || {
        let services = api.registry.services_of_model(&name);
        let of_name = |name: &str| listed_model(name, services.iter().map(Arc::as_ref));
        let model = of_name(&name).or_else(|| of_name(&latest_of(&name)?));
        let model = model.ok_or_else(|| Problem::not_found(format!("nothing has model {name:?}")));
        model.map(|model| encode(&model))
    });
    text.await.map(json)
}

#[cfg(test)]
#[path = "models/tests.rs"]
mod tests;
