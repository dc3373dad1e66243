//! Joins the parts: opens the store, restores, listens, sweeps, checks, and ends in order.

mod parts;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::alerts::{Kept, Silences};
use crate::api::guard::{Guarded, Routes};
use crate::api::health::{self, Readiness};
use crate::api::live::Feed;
use crate::api::{self, Api};
use crate::auth::AllowedHosts;
use crate::catalog::Catalogs;
use crate::catalog::catalogs::Trigger;
use crate::config::Config;
use crate::dashboard;
use crate::history::{History, Recorder};
use crate::ingest::Desk;
use crate::journal::HeartbeatAlerts;
use crate::metrics::meters::Meters;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::reload::{Reloader, Signals};
use crate::seal::{KeyError, Seal};
use crate::series::{self, HistoryState, SampleHistory};
use crate::serve::{BindError, Listeners};
use crate::store::{Loaded, OpenError, Store};

use parts::Parts;

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Why the collector does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key that seals credentials cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A port cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Nobody reads what is announced.
    #[error("failed to say where it listens")]
    Announce(#[source] std::io::Error),
    /// A part of the collector broke, which is a bug: it ends, to be started anew.
    #[error("a part of the collector broke")]
    Broken(#[source] tokio::task::JoinError),
}

impl RunError {
    /// 2 where the configuration is to blame, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Open(_) | Self::Key(_) | Self::Bind(_) => 2,
            Self::Announce(_) | Self::Broken(_) => 1,
        }
    }
}

/// Runs until it is told to stop, and says on `out` where it listens.
///
/// # Errors
///
/// [`RunError`].
pub async fn run(
    config: Config,
    signals: Signals,
    out: &mut (dyn Write + Send),
) -> Result<(), RunError> {
    let (listeners, stop) = (Listeners::bind(&config.listen)?, signals.stop.clone());
    let (store, loaded) = Store::open(&config.data_dir)?;
    let store = Arc::new(store);
    let seal = Arc::new(Seal::of_dir(&config.data_dir)?);
    let registry = restored(&config, &loaded);
    let catalogs = catalogs(&config, &loaded, &registry, &seal).await;
    let (series, keeper) = SampleHistory::of_dir(&config.data_dir, &config.history);
    let (history_state, history_seen) = watch::channel(HistoryState::Ok);
    let readiness = Arc::new(Readiness::new(store.watch_state(), history_seen));
    readiness.set_restored();

    let recorder = Recorder::new(Arc::clone(&registry), Arc::clone(&store));
    let api = Api::from(api::Parts {
        registry: Arc::clone(&registry),
        seal,
        desk: Desk::new(&loaded.collector_id),
        tasks: TaskTracker::new(),
        stop: stop.clone(),
        store: Arc::clone(&store),
        history: History::new(&store),
        series,
        feed: Feed::new(Arc::clone(&registry)),
        heartbeat_alerts: HeartbeatAlerts::of_data_dir(&config.data_dir),
        alerts: Arc::new(Kept::of_docs(&loaded.alerts)),
        silences: Arc::new(Silences::of_docs(&loaded.silences, Arc::clone(&registry))),
        meters: Arc::new(Meters::new(store.watch_state(), recorder.backlog())),
        catalogs,
    });
    let own = listeners.addresses().map_err(RunError::Announce)?;
    let link = link_to(&own);
    let mut parts = Parts::new(stop.clone());
    parts.watch(&config, &api, &own);
    parts.keep(&api);
    parts.spawn_until_kept(|kept| recorder.run(kept));
    let samples = series::Recorder::new(Arc::clone(&registry), keeper, history_state);
    parts.spawn_until_kept(|kept| samples.run(kept));
    parts.tell(&config, &api, &link);
    parts.spawn(Reloader::new(signals, &config, Arc::clone(&api.catalogs)).run());

    let routes = Routes::new()
        .merge(health::routes(readiness))
        .merge(dashboard::routes())
        .merge(api::routes(api.clone()));
    let app = Guarded::new(routes, AllowedHosts::new(config.public_names));
    listeners.announce(out).map_err(RunError::Announce)?;
    let served = parts.serve_until_broken(listeners, app).await;
    end_connections(&api.tasks).await;
    let outcome = served.and(parts.end().await);
    tell_the_end(&api);
    drop(api);
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close().await;
    }
    outcome
}

/// What was counted, in the last line.
fn tell_the_end(api: &Api) {
    let registry = &api.registry;
    let (n_samples, n_unlisted) = (registry.n_samples(), registry.n_unlisted());
    let (n_let_go, dropped) = (registry.n_let_go(), api.desk.dropped.all());
    tracing::info!(n_samples, n_unlisted, n_let_go, ?dropped, "stopped");
}

/// What the folders of the catalogs hold. One that cannot be loaded does not keep the collector
/// from starting, as a mistake in a file would else end it at the next reboot: it says so in the
/// log and in the list of catalogs, and the services that its files declared before stay.
async fn catalogs(
    config: &Config,
    loaded: &Loaded,
    registry: &Arc<Registry>,
    seal: &Arc<Seal>,
) -> Arc<Catalogs> {
    let (registry, seal) = (Arc::clone(registry), Arc::clone(seal));
    let catalogs = Catalogs::new(&config.catalog, &loaded.catalog_entries, registry, seal);
    let catalogs = Arc::new(catalogs);
    catalogs.reload_all(Trigger::Start).await;
    catalogs
}

/// Where people on this machine open the page.
#[must_use]
pub fn link_to(listen: &[SocketAddr]) -> String {
    listen.first().map_or_else(String::new, |address| format!("http://{address}/"))
}

/// The registry as it was when the collector stopped.
fn restored(config: &Config, loaded: &Loaded) -> Arc<Registry> {
    let registry = Registry::new(config.liveness.clone()).with_checks(config.checks.clone());
    let registry = registry.with_notice(config.notice.as_deref());
    let registry = registry.with_boot_id(boot_id()).with_recent(config.history.recent);
    let registry = Arc::new(registry);
    let n_unreadable = registry.restore(&loaded.hosts, &loaded.services, Moment::now());
    let (n_hosts, n_services) = (loaded.hosts.len(), loaded.services.len());
    tracing::info!(n_hosts, n_services, n_unreadable, "restored");
    registry
}

/// Since which boot this machine runs; `None` where the system does not tell.
fn boot_id() -> Option<String> {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot_id.trim().to_owned()).filter(|boot_id| !boot_id.is_empty())
}

/// Connections were told to end; those that do not within the grace are dropped.
async fn end_connections(connections: &TaskTracker) {
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!(n_left = connections.len(), "connections did not end in time");
    }
}
