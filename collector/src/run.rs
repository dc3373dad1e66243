//! Joins the parts: opens the store, restores, listens, sweeps, and ends in order.

use std::io::Write;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::guard::{Guarded, Routes};
use crate::api::health::{self, Readiness};
use crate::auth::AllowedHosts;
use crate::config::Config;
use crate::serve::{BindError, Listeners, serve};
use crate::store::{OpenError, Store, StoreState};

/// Why the collector does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A port cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Nobody reads what is announced.
    #[error("failed to say where it listens")]
    Announce(#[source] std::io::Error),
}

impl RunError {
    /// 2 where the configuration is to blame, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Open(_) | Self::Bind(_) => 2,
            Self::Announce(_) => 1,
        }
    }
}

/// Runs until `stop`, and says on `out` where it listens.
///
/// # Errors
///
/// [`RunError`].
pub async fn run(
    config: Config,
    stop: CancellationToken,
    out: &mut (dyn Write + Send),
) -> Result<(), RunError> {
    let listeners = Listeners::bind(&config.listen)?;
    let (store, _loaded) = Store::open(&config.data_dir)?;
    let (_state, receiver) = watch::channel(StoreState::Ok);
    let readiness = Arc::new(Readiness::new(receiver));
    readiness.set_restored();
    let routes = Routes::new().merge(health::routes(readiness)).merge(crate::dashboard::routes());
    let app = Guarded::new(routes, AllowedHosts::new(config.public_names));
    listeners.announce(out).map_err(RunError::Announce)?;
    serve(listeners, app, stop).await;
    store.close().await;
    Ok(())
}
