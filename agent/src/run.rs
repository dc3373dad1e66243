//! Joins the parts: sources of what is known, the view of it, the link that tells it. Whoever
//! starts a task here ends it here.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use herdbook_shared::wire::PROTOCOL;
use herdbook_shared::wire::hello::{Hello, ProtocolRange};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::Settings;
use crate::discovery::{Discovery, DiscoverySettings};
use crate::enrol::{Membership, MembershipError};
use crate::gpu::{GpuSettings, GpuWatch};
use crate::identity::{Identity, IdentityError};
use crate::link::Link;
use crate::link::dial::TcpDial;
use crate::sampling::{self, Roots};

mod resume;

mod bounds;
mod gap;
mod observer;
mod placement;

pub(crate) use observer::Observer;
use resume::KernelClocks;

/// What is still running so long after the link has said goodbye is left behind.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Why the agent ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot know who it is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It cannot know its collector.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// It cannot find its own program, which it starts a second time for the GPUs.
    #[error("cannot tell where the agent's own program is")]
    Program(#[source] io::Error),
    /// A part of it panicked.
    #[error("a part of the agent died")]
    Died(#[source] JoinError),
}

/// Runs the agent until `stop`. One current-thread runtime carries all of it.
///
/// # Errors
///
/// Where it cannot start, or a part of it died.
pub async fn run(settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let identity = Identity::open(&settings.state_dir)?;
    let roots = Roots::under(&settings.host_root);
    let hello = hello(&settings, &identity, &roots);
    let membership = Membership::open(&settings, &hello.name)?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        host_id = identity.host_id.as_str(),
        name = hello.name,
        "starting"
    );
    if let Some(key) = membership.key() {
        info!("this agent's key is {}", key.fingerprint());
    }
    let mut sources = JoinSet::new();
    let sources_stop = CancellationToken::new();
    let (observer, resumed) = observe(&settings, roots, &mut sources, &sources_stop)?;
    let random = fastrand::Rng::new();
    let link = Link::new(TcpDial, observer, hello, membership, resumed, random);
    let ended = tokio::select! {
        () = link.run(stop) => Ok(()),
        died = first_death(&mut sources) => Err(RunError::Died(died)),
    };
    sources_stop.cancel();
    ended.and(end(sources).await)
}

/// Starts whatever watches the host. With the view comes how often the host has slept.
pub(crate) fn observe(
    settings: &Settings,
    roots: Roots,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Result<(Observer, watch::Receiver<u64>), RunError> {
    let program = std::env::current_exe().map_err(RunError::Program)?;
    let gpus = GpuWatch::start(gpu_settings(settings, program, &roots), tasks, stop.clone());
    let resumed = resume::watch(KernelClocks, tasks, stop.clone());
    let searched = discovery_settings(settings, &roots, resumed.count.clone());
    let found = Discovery::start(searched, tasks, stop.clone());
    let observer =
        Observer::new(roots, gpus, found, resumed.gap, settings.interval, Instant::now());
    Ok((observer, resumed.count))
}

/// How the GPUs are watched.
pub(crate) fn gpu_settings(settings: &Settings, program: PathBuf, roots: &Roots) -> GpuSettings {
    GpuSettings {
        program,
        nvml_lib: settings.nvml_lib.clone(),
        interval: settings.interval,
        roots: roots.clone(),
    }
}

/// Where model servers are looked for.
pub(crate) fn discovery_settings(
    settings: &Settings,
    roots: &Roots,
    resumed: watch::Receiver<u64>,
) -> DiscoverySettings {
    DiscoverySettings {
        ollama_urls: settings.ollama.clone(),
        ollama_host_env: settings.ollama_host.clone(),
        roots: roots.clone(),
        resumed,
    }
}

pub(crate) fn hello(settings: &Settings, identity: &Identity, roots: &Roots) -> Hello {
    let unnamed = || format!("host-{}", &identity.host_id.as_str()[..8]);
    let interval_ms = settings.interval.as_millis();
    Hello {
        protocol: ProtocolRange { min: PROTOCOL, max: PROTOCOL },
        capabilities: Vec::new(),
        host_id: identity.host_id.to_string(),
        instance_id: identity.instance_id,
        boot_id: sampling::boot_id(roots).unwrap_or_default(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        name: settings.name.clone().or_else(|| sampling::host_name(roots)).unwrap_or_else(unnamed),
        role: settings.role.clone(),
        labels: settings.labels.clone(),
        sample_interval_ms: u64::try_from(interval_ms).unwrap_or(u64::MAX),
        proof: None,
    }
}

/// Waits for a task that panics; one that ends in order is none.
async fn first_death(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(death)) => return death,
            None => std::future::pending().await,
        }
    }
}

/// Waits for what was told to stop, then stops waiting.
async fn end(mut tasks: JoinSet<()>) -> Result<(), RunError> {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(RunError::Died)?;
        }
        Ok(())
    };
    match timeout(STOP_DEADLINE, all).await {
        Ok(ended) => ended,
        Err(_) => {
            warn!("some parts did not stop within 5 s and are left behind");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_panics_is_noticed_and_one_that_ends_is_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            panic!("as the test wants");
        });
        assert!(first_death(&mut tasks).await.is_panic());
        tasks.spawn(async {});
        assert!(timeout(Duration::from_secs(60), first_death(&mut tasks)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_has_an_end() {
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        let start = Instant::now();
        end(tasks).await.unwrap();
        assert_eq!(start.elapsed(), STOP_DEADLINE);
    }

    #[tokio::test]
    async fn a_state_directory_that_is_none_ends_the_run_before_it_starts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let flags = crate::config::Flags {
            state_dir: Some(file.path().into()),
            ..crate::config::Flags::default()
        };
        let settings = Settings::load(&flags, &|_| None).unwrap();
        let ended = run(settings, CancellationToken::new()).await;
        assert!(matches!(ended, Err(RunError::Identity(_))));
    }
}
