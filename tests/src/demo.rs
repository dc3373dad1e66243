//! The demo: a believable fleet without hardware. A real collector, and simulated agents over the
//! real wire, whose hosts load and unload models, get hot, lose a GPU, fall silent and come back.
//!
//! Read in this order: what there is ([`models`], [`hardware`], [`roster`]), how it behaves
//! ([`gpu`], [`share`], [`server`], [`body`], [`host`]), what happens to it ([`clock`], [`story`]),
//! and who talks to the collector ([`link`], [`callers`], [`folders`], [`collector`]).

mod models;

mod hardware;
mod roster;

mod gpu;
mod share;

mod server;

mod body;
mod host;

mod clock;
mod story;

mod callers;
mod collector;
mod folders;
mod link;

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep_until;

use callers::Answering;
use clock::Clock;
use collector::Collector;
use host::DemoHost;
use link::{Link, Shared};
pub use server::Pace;
use story::{Happening, Story};

/// Over how long the hosts join, for each that there is, and at most.
const JOIN_EACH: Duration = Duration::from_millis(40);
const JOIN_AT_MOST: Duration = Duration::from_secs(10);

/// A demo as it was asked for.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Where the collector listens.
    pub listen: SocketAddr,
    /// How many hosts there are.
    pub n_hosts: usize,
    /// From what everything follows.
    pub seed: u64,
    /// How many times faster than a clock things happen.
    pub speed: u32,
    /// Whether anything happens but that values move.
    pub pace: Pace,
}

/// Why there is no demo, or no longer.
#[derive(Debug)]
pub enum DemoError {
    /// Something about its folder, or this machine.
    Folder(std::io::Error),
    /// The collector could not be started.
    Start {
        /// Which program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The collector ended, and said why.
    Refused(ExitStatus),
    /// The collector did not come up in time.
    Slow,
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(_) => f.write_str("cannot set the demo up"),
            Self::Start { program, .. } => {
                write!(f, "cannot start {}, which `make demo` builds", program.display())
            }
            Self::Refused(status) => {
                write!(f, "the collector ended ({status}), and said why above")
            }
            Self::Slow => f.write_str("the collector did not start in time"),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder(source) | Self::Start { source, .. } => Some(source),
            Self::Refused(_) | Self::Slow => None,
        }
    }
}

impl DemoError {
    /// 2 where the collector could not start as told, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(status) if status.code() == Some(2) => 2,
            _ => 1,
        }
    }
}

impl Demo {
    /// Runs until `stop` or until the collector ends, and says on `out` where the page is. Whatever
    /// it started has ended then, and its folder is gone.
    ///
    /// # Errors
    ///
    /// [`DemoError`].
    pub async fn run(
        &self,
        stop: impl Future<Output = ()>,
        out: &mut (dyn Write + Send),
    ) -> Result<(), DemoError> {
        let dir = tempfile::Builder::new().prefix("herdbook-demo-").tempdir();
        let dir = dir.map_err(DemoError::Folder)?;
        let answering = Answering::start().await.map_err(DemoError::Folder)?;
        folders::write(dir.path(), answering.address()).map_err(DemoError::Folder)?;
        let mut stop = std::pin::pin!(stop);
        let Some(mut collector) = self.collector(dir.path(), &mut stop).await? else {
            return dir.close().map_err(DemoError::Folder);
        };
        let url = format!("http://{}", collector.address());
        writeln!(out, "\n  The demo: {url}/\n  Ctrl-C ends it, and nothing of it is kept.\n")
            .and_then(|()| out.flush())
            .map_err(DemoError::Folder)?;
        let mut fleet = self.fleet(collector.address());
        fleet.spawn(callers::serve(url.clone(), answering.address()));
        if self.pace == Pace::Alive {
            fleet.spawn(callers::route(url, self.seed));
        }
        let ended = tokio::select! {
            () = &mut stop => None,
            ended = collector.ended() => Some(ended),
        };
        fleet.shutdown().await;
        match ended {
            None => collector.stop().await,
            // Ctrl-C in a terminal reaches both, and the collector may be the faster one.
            Some(Ok(status)) if status.success() => {}
            Some(Ok(status)) => return Err(DemoError::Refused(status)),
            Some(Err(error)) => return Err(DemoError::Folder(error)),
        }
        dir.close().map_err(DemoError::Folder)
    }

    /// Its collector. Where `stop` comes first there is none: it has ended again, since its folder
    /// may go only once nobody writes there any more.
    async fn collector(
        &self,
        dir: &Path,
        stop: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<Option<Collector>, DemoError> {
        let mut starting = std::pin::pin!(Collector::start(self.listen, dir, self.speed));
        tokio::select! {
            () = stop => {
                if let Ok(collector) = starting.await {
                    collector.stop().await;
                }
                Ok(None)
            }
            started = &mut starting => started.map(Some),
        }
    }

    /// All hosts, and what happens to them.
    fn fleet(&self, collector: SocketAddr) -> JoinSet<()> {
        let clock = Clock::starting(self.speed);
        let slots = roster::slots(self.n_hosts);
        let host = |slot| Shared::new(DemoHost::new(slot, self.seed, self.pace, clock));
        let hosts: Vec<Shared> = slots.iter().map(host).collect();
        let n_hosts = u32::try_from(hosts.len()).unwrap_or(u32::MAX).max(1);
        let joining = (JOIN_EACH * n_hosts).min(JOIN_AT_MOST);
        let mut fleet = JoinSet::new();
        for (host, turn) in hosts.iter().cloned().zip(0..) {
            let link = Link { host, clock, collector };
            fleet.spawn(link.live(joining * turn / n_hosts));
        }
        match self.pace {
            Pace::Alive => fleet.spawn(direct(Story::new(&slots, self.seed), hosts, clock)),
            Pace::Still => fleet.spawn(direct(Story::still(&slots).into_iter(), hosts, clock)),
        };
        fleet
    }
}

/// Lets things happen when their time has come.
async fn direct(story: impl Iterator<Item = Happening>, hosts: Vec<Shared>, clock: Clock) {
    for Happening { at_s, host, what } in story {
        sleep_until(clock.instant(at_s)).await;
        hosts[host].at(at_s).happen(what);
    }
}
