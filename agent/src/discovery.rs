//! Which model servers run on this host, and what they hold.
//!
//! Read in this order: where one may be (`search`, which finds `lead`s), how a server is asked
//! (`ask`, `client`) and what it tells (`answer`, read by `list` and `counters`), what kinds there
//! are (`kinds`) and which one this is (`recognise`), what its runners add (`runners`, `details`),
//! what follows (`health`, `models`), when to ask again (`schedule`), the loop of one place
//! (`prober`, `seen`), and what all of them found (`board`).
//!
//! It only looks: no call here loads a model, leaves the host or changes a server.

mod lead;
mod search;

mod answer;
mod ask;
mod client;
mod counters;
mod list;
mod text;

mod kinds;
mod recognise;

mod details;
mod naps;
mod runners;

mod health;
mod models;
mod schedule;

mod journal;
mod prober;
mod seen;

mod board;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use herdbook_shared::wire::inventory::Service;
use herdbook_shared::wire::sample::ServiceSample;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::client::Reach;
use self::lead::{Lead, Leads};
use self::prober::{Around, Prober};
use self::search::SearchSettings;
use crate::sampling::Roots;

pub use self::search::ollama_host::{NotAnOllamaUrl, OllamaUrl};

/// Servers that take longer to answer are told of after the first look.
const FIRST_LOOK_DEADLINE: Duration = Duration::from_secs(9);

/// Where discovery looks.
#[derive(Clone, Debug)]
pub struct DiscoverySettings {
    /// The servers that the user named, with `--ollama`.
    pub ollama_urls: Vec<OllamaUrl>,
    /// The value of `OLLAMA_HOST`, where it is set.
    pub ollama_host_env: Option<String>,
    /// Where the kernel's files are, or what stands for them in a test.
    pub roots: Roots,
    /// Changes when the host has slept: everything is looked at again at once.
    pub resumed: watch::Receiver<u64>,
}

/// What was found, as the wire wants it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Every server that was seen since the agent started; a vanished one is `down`.
    pub services: Vec<Service>,
    /// What moves of each of them.
    pub moving: Vec<ServiceSample>,
    /// The processes of each of them, as far as they can be told: the server's own, then those in
    /// which it runs models. A change of these alone is none of `revision`.
    pub pids: Vec<Vec<u32>>,
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
        let (board, found) = Board::new(1);
        tasks.spawn(async move {
            stop.run_until_cancelled(watch_all(settings, board)).await;
        });
        found
    }
}

/// Searches, and watches whatever is found.
async fn watch_all(settings: DiscoverySettings, board: Arc<Board>) {
    let reach = match client::http() {
        Ok(reach) => reach,
        Err(error) => {
            tracing::error!(error = %error, "no HTTP client: model servers are not looked for");
            return;
        }
    };
    let around = Around { reach, board, proc_root: settings.roots.proc.clone() };
    let (sender, leads) = watch::channel(Arc::default());
    let resumed = settings.resumed.clone();
    let search = search::watch(
        SearchSettings {
            ollama_urls: settings.ollama_urls,
            ollama_host_env: settings.ollama_host_env,
            roots: settings.roots,
            resumed: settings.resumed,
        },
        sender,
    );
    let first_look = first_look(around.board.clone());
    let watch = async {
        tokio::select! {
            () = search => {}
            () = follow(leads, around, resumed) => {}
        }
    };
    tokio::join!(watch, first_look);
}

/// Ends the first look where it ends not by itself.
async fn first_look(board: Arc<Board>) {
    let _ = timeout(FIRST_LOOK_DEADLINE, board.first_look_over()).await;
    board.looked_long_enough();
}

/// How many servers that are gone are remembered, each with its models.
const GONE_MAX: usize = 16;

/// Watches every lead in a loop of its own, all in one task: they wait, they do not compute.
async fn follow<R: Reach>(
    mut leads: watch::Receiver<Arc<Leads>>,
    around: Around<R>,
    resumed: watch::Receiver<u64>,
) {
    let mut followed = Followed { senders: BTreeMap::new(), gone: VecDeque::new() };
    let mut loops: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    let mut is_first = true;
    loop {
        tokio::select! {
            changed = leads.changed() => {
                if changed.is_err() {
                    return;
                }
                let newest = leads.borrow_and_update().clone();
                for (target, lead) in followed.news(&newest, &around.board) {
                    let first_look = around.board.expects();
                    let prober = Prober::new(target, around.clone());
                    loops.push(Box::pin(prober.run(lead, resumed.clone(), first_look)));
                }
                if std::mem::take(&mut is_first) {
                    around.board.looked();
                }
            }
            Some(()) = loops.next() => {}
        }
    }
}

/// Who is followed, and who of them is gone, the longest gone first.
struct Followed {
    senders: BTreeMap<SocketAddr, watch::Sender<Option<Lead>>>,
    gone: VecDeque<SocketAddr>,
}

impl Followed {
    /// Tells everybody what is new about his place; returns the new places. A place is forgotten
    /// where nobody listens and nothing was ever seen, or too many came after it.
    fn news(
        &mut self,
        newest: &Leads,
        board: &Board,
    ) -> Vec<(SocketAddr, watch::Receiver<Option<Lead>>)> {
        let is_led = |target: &SocketAddr| newest.leads.iter().any(|lead| lead.target == *target);
        self.gone.retain(|target| !is_led(target));
        self.senders.retain(|target, lead| {
            if is_led(target) {
                return true;
            }
            if lead.send_if_modified(|lead| lead.take().is_some()) && board.is_listed(*target) {
                self.gone.push_back(*target);
            }
            board.is_listed(*target)
        });
        while self.gone.len() > GONE_MAX
            && let Some(target) = self.gone.pop_front()
        {
            self.senders.remove(&target);
        }
        let mut new = Vec::new();
        for lead in &newest.leads {
            match self.senders.get(&lead.target) {
                Some(sender) => {
                    sender.send_if_modified(|before| {
                        let is_news = before.as_ref() != Some(lead);
                        *before = Some(lead.clone());
                        is_news
                    });
                }
                None => {
                    let (sender, receiver) = watch::channel(Some(lead.clone()));
                    self.senders.insert(lead.target, sender);
                    new.push((lead.target, receiver));
                }
            }
        }
        new
    }
}

#[cfg(test)]
mod only_looks_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
