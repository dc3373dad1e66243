//! Which model servers run on this host, and what they hold.
//!
//! Read in this order: where to ask (`candidate`, `ollama_host`), which listener that really is
//! (`listeners`), how to ask (`client`) and what the answers say (`answer`, `details`), what
//! follows from them (`health`, `models`), when to ask again (`schedule`), the loop of one
//! server (`prober`, `seen`), and what all of them found (`board`).
//!
//! It only looks: no call here loads a model, leaves the host or changes a server.

#[expect(dead_code, reason = "the probers that use it come next")]
mod lead;
#[cfg_attr(not(test), expect(dead_code, reason = "the probers that use it come next"))]
mod search;

mod candidate;

mod listeners;

mod answer;
mod client;
mod details;
mod text;

mod health;
mod models;
mod schedule;

mod journal;
mod prober;
mod seen;

mod board;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use herdbook_shared::wire::inventory::Service;
use herdbook_shared::wire::sample::ServiceSample;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::candidate::Candidate;
use self::client::OllamaClient;
use self::listeners::Listeners;
use self::prober::Prober;

use self::search::ollama_host;
pub use self::search::ollama_host::{NotAnOllamaUrl, OllamaUrl};

/// How long `--once` waits for the servers of this host.
const ONCE_DEADLINE: Duration = Duration::from_secs(3);

/// Where discovery looks.
#[derive(Clone, Debug)]
pub struct DiscoverySettings {
    /// The servers that the user named, with `--ollama`.
    pub ollama_urls: Vec<OllamaUrl>,
    /// The value of `OLLAMA_HOST`, where it is set.
    pub ollama_host_env: Option<String>,
    /// The host's own addresses: nothing but these and loopback is ever contacted.
    pub own_addresses: Vec<IpAddr>,
    /// `/proc`, or what stands for it in a test.
    pub proc_root: PathBuf,
}

/// What was found, as the wire wants it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Every server that was seen since the agent started; a vanished one is `down`.
    pub services: Vec<Service>,
    /// What moves of each of them.
    pub moving: Vec<ServiceSample>,
    /// 0 until the first look is over. Rises when `services` changed in more than `expires_at`.
    pub revision: u64,
}

/// The discovery of model servers, as a task.
#[derive(Debug)]
pub struct Discovery;

impl Discovery {
    /// Starts looking; the task ends with `stop`. The receiver wakes when `revision` rises, and
    /// holds the newest of everything at any time.
    pub fn start(
        settings: DiscoverySettings,
        tasks: &mut JoinSet<()>,
        stop: CancellationToken,
    ) -> watch::Receiver<Arc<Found>> {
        let candidates = candidate::candidates(&settings);
        let (board, found) = Board::new(candidates.len());
        tasks.spawn(async move {
            stop.run_until_cancelled(watch_all(candidates, settings, board)).await;
        });
        found
    }
}

/// Looks once at every server of this host, for about three seconds at most.
pub async fn discover_once(settings: DiscoverySettings) -> Found {
    let candidates = candidate::candidates(&settings);
    let (board, found) = Board::new(candidates.len());
    let look = watch_all(candidates, settings, board.clone());
    tokio::select! {
        () = look => {}
        () = board.first_look_over() => {}
        () = tokio::time::sleep(ONCE_DEADLINE) => {}
    }
    found.borrow().as_ref().clone()
}

/// Watches every candidate in a loop of its own, all in one task: they wait, they do not compute.
async fn watch_all(candidates: Vec<Candidate>, settings: DiscoverySettings, board: Arc<Board>) {
    let client = match client::http() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(error = %error, "no HTTP client: model servers are not looked for");
            return;
        }
    };
    let settings = Arc::new(settings);
    let listeners = Arc::new(Listeners::new(settings.proc_root.clone()));
    let mut loops: FuturesUnordered<_> = candidates
        .into_iter()
        .map(|candidate| {
            let (settings, listeners) = (settings.clone(), listeners.clone());
            watch_candidate(candidate, settings, listeners, client.clone(), board.clone())
        })
        .collect();
    while loops.next().await.is_some() {}
}

async fn watch_candidate(
    candidate: Candidate,
    settings: Arc<DiscoverySettings>,
    listeners: Arc<Listeners>,
    client: reqwest::Client,
    board: Arc<Board>,
) {
    let targets = candidate.targets(&settings.own_addresses, &board).await;
    let mut probers: Vec<_> = targets
        .into_iter()
        .filter(|target| board.adopt(*target))
        .map(|target| {
            let server = OllamaClient::new(client.clone(), target, client::Deadlines::default());
            Prober::new(target, server, board.clone(), listeners.clone())
        })
        .collect();
    let mut first_rounds: FuturesUnordered<_> =
        probers.iter_mut().map(Prober::first_round).collect();
    while first_rounds.next().await.is_some() {}
    drop(first_rounds);
    board.looked();
    let mut loops: FuturesUnordered<_> = probers.into_iter().map(Prober::run).collect();
    while loops.next().await.is_some() {}
}

#[cfg(test)]
mod tests;
