//! Joins the parts: opens the store, restores, listens, sweeps, checks, and ends in order.

mod parts;
mod urls;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::alerts::{Kept, Silences};
use crate::api::guard::{Guarded, Routes};
use crate::api::health::{self, Readiness};
use crate::api::live::Feed;
use crate::api::{self, Api};
use crate::auth::{Access, AllowedHosts, HostName};
use crate::catalog::Catalogs;
use crate::catalog::catalogs::Trigger;
use crate::config::Config;
use crate::dashboard;
use crate::enrol::{Docs, Enrolment, KeyState, RevokedError};
use crate::history::{History, Recorder};
use crate::ingest::Desk;
use crate::journal::HeartbeatAlerts;
use crate::metrics::meters::Meters;
use crate::registry::Registry;
use crate::registry::moment::Moment;
use crate::reload::{Reloader, Signals};
use crate::seal::{KeyError, Seal};
use crate::series::{self, HistoryState, SampleHistory};
use crate::serve::{BindError, ControlSocket, Listeners, Walls};
use crate::store::{Loaded, OpenError, Store};
use crate::tls::{Keys, KeysError};

pub use urls::link_to;

use parts::Parts;
use urls::join_url;

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
    /// The key with which TLS is spoken cannot be had.
    #[error(transparent)]
    Tls(#[from] KeysError),
    /// Nobody knows which keys of agents were revoked.
    #[error(transparent)]
    Revoked(#[from] RevokedError),
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
            Self::Open(_) | Self::Key(_) | Self::Tls(_) | Self::Revoked(_) | Self::Bind(_) => 2,
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
    let (mut listeners, stop) = (Listeners::bind(&config.listen)?, signals.stop.clone());
    let (store, loaded) = Store::open(&config.data_dir)?;
    let store = Arc::new(store);
    let seal = Arc::new(Seal::of_dir(&config.data_dir)?);
    let keys = secure(&config, &mut listeners)?;
    open_control(&config, &mut listeners);
    let addresses = listeners.addresses().map_err(RunError::Announce)?;
    let registry = restored(&config, &loaded);
    let enrolment = enrolment(&config, &loaded, &store, &registry)?;
    let catalogs = catalogs(&config, &loaded, &registry, &seal).await;
    let (series, keeper) = SampleHistory::of_dir(&config.data_dir, &config.history);
    let (history_state, history_seen) = watch::channel(HistoryState::Ok);
    let readiness = Arc::new(Readiness::new(store.watch_state(), history_seen));
    readiness.set_restored();

    let tasks = TaskTracker::new();
    let access = Access::new(&config, &loaded, Arc::clone(&store), tasks.clone());
    let recorder = Recorder::new(Arc::clone(&registry), Arc::clone(&store));
    let api = Api::from(api::Parts {
        registry: Arc::clone(&registry),
        seal,
        enrolment,
        join_url: join_url(&config, &addresses).into(),
        desk: Desk::new(&loaded.collector_id).with_keys(keys.clone()),
        tasks,
        stop: stop.clone(),
        store: Arc::clone(&store),
        access: Arc::new(access),
        audit: Arc::new(store.reader()),
        history: History::new(&store),
        series,
        feed: Feed::new(Arc::clone(&registry)),
        heartbeat_alerts: HeartbeatAlerts::of_data_dir(&config.data_dir),
        alerts: Arc::new(Kept::of_docs(&loaded.alerts)),
        silences: Arc::new(Silences::of_docs(&loaded.silences, Arc::clone(&registry))),
        meters: Arc::new(Meters::new(store.watch_state(), recorder.backlog())),
        catalogs,
    });
    let link = link_to(&config, &addresses);
    let mut parts = Parts::new(stop.clone());
    parts.watch(&config, &api, &addresses);
    parts.keep(&api);
    parts.spawn_until_kept(|kept| recorder.run(kept));
    let samples = series::Recorder::new(Arc::clone(&registry), keeper, history_state);
    parts.spawn_until_kept(|kept| samples.run(kept));
    parts.tell(&config, &api, &link);
    let reloader = Reloader::new(signals, &config, Arc::clone(&api.catalogs), keys.clone());
    parts.spawn(reloader.run());

    let walls = walls(&config, &api);
    parts.announce(&config, &addresses, keys);
    let app = guarded(config, &api, readiness);
    listeners.announce(out).map_err(RunError::Announce)?;
    invite_first_admin(&api.access, &link, out).map_err(RunError::Announce)?;
    let served = parts.serve_until_broken(listeners, app, walls).await;
    end(api, parts, store, served).await
}

/// Ends what is left, what is kept last.
async fn end(
    api: Api,
    parts: Parts,
    store: Arc<Store>,
    served: Result<(), RunError>,
) -> Result<(), RunError> {
    end_connections(&api.tasks).await;
    let outcome = served.and(parts.end().await);
    tell_the_end(&api);
    drop(api);
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close().await;
    }
    outcome
}

/// All that is answered, behind the guard.
fn guarded(config: Config, api: &Api, readiness: Arc<Readiness>) -> Guarded {
    let routes = Routes::new()
        .merge(health::routes(readiness))
        .merge(dashboard::routes())
        .merge(api::routes(api.clone()));
    let hosts = AllowedHosts::new(config.public_names).with_machine(HostName::of_machine());
    Guarded::with_access(routes, hosts, Arc::clone(&api.access))
}

/// Says how somebody becomes the first admin, where one is needed.
fn invite_first_admin(
    access: &Access,
    link: &str,
    out: &mut (dyn Write + Send),
) -> std::io::Result<()> {
    let Some(code) = access.first_admin_code() else { return Ok(()) };
    let code = code.expose();
    writeln!(
        out,
        "first admin: open {link}#/sign-in and enter {code} (once, within 1 h of this start)"
    )?;
    out.flush()
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

/// The key with which TLS is spoken where that is spoken at all; the ports speak it from now on.
fn secure(config: &Config, listeners: &mut Listeners) -> Result<Option<Arc<Keys>>, RunError> {
    if !config.listen.iter().any(|&address| config.speaks_tls(address)) {
        return Ok(None);
    }
    let keys = Arc::new(Keys::open(config)?);
    let secured = listeners.secure(&keys.server_config()?, |address| config.speaks_tls(address));
    secured.map_err(RunError::Announce)?;
    Ok(Some(keys))
}

/// Some file systems have no sockets: the collector does without, and only its subcommands miss it.
fn open_control(config: &Config, listeners: &mut Listeners) {
    match ControlSocket::bind(&config.data_dir) {
        Ok(socket) => listeners.take_control(socket),
        Err(error) => tracing::warn!(
            %error, dir = %config.data_dir.display(),
            "the control socket cannot be opened: subcommands do not reach this collector"
        ),
    }
}

/// Up where credentials are demanded, with room for the hosts that are enrolled.
fn walls(config: &Config, api: &Api) -> Arc<Walls> {
    let turned = Arc::clone(&api.meters.turned);
    if !config.demands_credentials() {
        return Walls::down(turned);
    }
    let walls = Walls::up(turned);
    for agent in api.enrolment.iter().flat_map(|enrolment| enrolment.agents(Timestamp::now())) {
        if agent.state == KeyState::Approved {
            walls.know(agent.fingerprint, agent.from_address);
        }
    }
    walls
}

/// Who may come in, where credentials are demanded.
fn enrolment(
    config: &Config,
    loaded: &Loaded,
    store: &Arc<Store>,
    registry: &Arc<Registry>,
) -> Result<Option<Arc<Enrolment>>, RunError> {
    if !config.demands_credentials() {
        return Ok(None);
    }
    let rule = (config.enrol, config.auto_approve.clone());
    let docs = Docs { tokens: &loaded.join_tokens, keys: &loaded.agent_keys };
    let (store, registry) = (Arc::clone(store), Arc::clone(registry));
    Ok(Some(Arc::new(Enrolment::of_dir(&config.data_dir, rule, docs, store, registry)?)))
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
