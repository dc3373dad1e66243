//! What all probers found, as one list; and who of them probes which server.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herdbook_shared::limits;
use herdbook_shared::wire::inventory::{Model, Service, ServiceState};
use herdbook_shared::wire::sample::ServiceSample;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Found;

/// Who a server is within its host: where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) address: IpAddr,
    pub(super) port: u16,
}

/// One server as its prober sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) service: Service,
    pub(super) moving: ServiceSample,
    /// Its processes: the server's own, then those in which it runs models.
    pub(super) pids: Vec<u32>,
}

/// Whose a server is to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Mine,
    /// Another prober reaches the same server by another address.
    Anothers,
}

/// Held by one whose first look is waited for.
#[derive(Debug)]
pub(super) struct FirstLook {
    board: Arc<Board>,
    over: AtomicBool,
}

impl FirstLook {
    /// It has looked, or need not be waited for any longer.
    pub(super) fn over(&self) {
        if !self.over.swap(true, Ordering::Relaxed) {
            self.board.looked();
        }
    }
}

impl Drop for FirstLook {
    fn drop(&mut self) {
        self.over();
    }
}

/// The list, and the channel that it is published on.
#[derive(Debug)]
pub(super) struct Board {
    state: Mutex<State>,
    found: watch::Sender<Arc<Found>>,
    first_look: CancellationToken,
}

#[derive(Debug)]
struct State {
    claims: HashMap<Identity, SocketAddr>,
    entries: BTreeMap<SocketAddr, Entry>,
    n_to_look: usize,
}

impl Board {
    /// An empty list; the first look is over when so many have looked, and those whom they find.
    pub(super) fn new(n_to_look: usize) -> (Arc<Self>, watch::Receiver<Arc<Found>>) {
        let (found, receiver) = watch::channel(Arc::default());
        let state = State { claims: HashMap::new(), entries: BTreeMap::new(), n_to_look };
        let first_look = CancellationToken::new();
        (Arc::new(Self { state: Mutex::new(state), found, first_look }), receiver)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a server stands on the list.
    pub(super) fn is_listed(&self, target: SocketAddr) -> bool {
        self.lock().entries.contains_key(&target)
    }

    /// Claims a server for the prober of `target`, and gives back what it had claimed before.
    pub(super) fn claim(&self, target: SocketAddr, identity: Identity) -> Claim {
        let mut state = self.lock();
        if state.claims.get(&identity).is_some_and(|owner| *owner != target) {
            return Claim::Anothers;
        }
        state.claims.retain(|_, owner| *owner != target);
        state.claims.insert(identity, target);
        Claim::Mine
    }

    /// Gives back what the prober of `target` had claimed, and takes its server off the list.
    pub(super) fn withdraw(&self, target: SocketAddr) {
        let mut state = self.lock();
        state.claims.retain(|_, owner| *owner != target);
        if state.entries.remove(&target).is_some() {
            self.publish(&state);
        }
    }

    /// Puts a server on the list, or what is new about it.
    pub(super) fn put(&self, target: SocketAddr, entry: Entry) {
        let mut state = self.lock();
        if state.entries.get(&target) != Some(&entry) {
            state.entries.insert(target, entry);
            self.publish(&state);
        }
    }

    /// One more has to look before the first look is over. It has, or never will, when the guard
    /// is dropped.
    pub(super) fn expects(self: &Arc<Self>) -> FirstLook {
        self.lock().n_to_look += 1;
        FirstLook { board: self.clone(), over: AtomicBool::new(false) }
    }

    /// One has looked for the first time.
    pub(super) fn looked(&self) {
        let mut state = self.lock();
        state.n_to_look = state.n_to_look.saturating_sub(1);
        if state.n_to_look == 0 {
            self.end_first_look(&state);
        }
    }

    /// Whoever has not been looked at by now comes later.
    pub(super) fn looked_long_enough(&self) {
        self.end_first_look(&self.lock());
    }

    fn end_first_look(&self, state: &State) {
        if !self.first_look.is_cancelled() {
            self.first_look.cancel();
            self.publish(state);
        }
    }

    /// Waits until every place was looked at once.
    pub(super) async fn first_look_over(&self) {
        self.first_look.cancelled().await;
    }

    fn publish(&self, state: &State) {
        let (services, moving, pids) = bounded(state.entries.values());
        let is_looked = self.first_look.is_cancelled();
        self.found.send_if_modified(|found| {
            let is_news = found.revision == 0 || !same_inventory(&found.services, &services);
            let is_new = is_looked && is_news;
            let revision = found.revision + u64::from(is_new);
            *found = Arc::new(Found { services, moving, pids, revision });
            is_new
        });
    }
}

/// Holds the bounds of a host: so many services, and so many models over all of them.
fn bounded<'a>(
    entries: impl Iterator<Item = &'a Entry>,
) -> (Vec<Service>, Vec<ServiceSample>, Vec<Vec<u32>>) {
    let mut entries: Vec<&Entry> = entries.collect();
    if entries.len() > limits::SERVICES {
        // What is there comes before what was.
        entries.sort_by_key(|entry| entry.service.state == ServiceState::Down);
        entries.truncate(limits::SERVICES);
    }
    let share = fair_share(entries.iter().map(|entry| entry.service.models.len()).collect());
    let mut services = Vec::new();
    let mut moving = Vec::new();
    let mut pids = Vec::new();
    for entry in entries {
        let models = &entry.service.models;
        let n_taken = models.len().min(share);
        services.push(Service {
            models: models[..n_taken].to_vec(),
            models_left_out: entry.service.models_left_out + (models.len() - n_taken) as u64,
            ..without_models(&entry.service)
        });
        moving.push(entry.moving.clone());
        pids.push(entry.pids.clone());
    }
    (services, moving, pids)
}

/// The most models that one service may list, so that one with too many leaves the others theirs.
fn fair_share(mut counts: Vec<usize>) -> usize {
    counts.sort_unstable();
    let mut room = limits::MODELS;
    for (n_models, n_others) in counts.iter().zip((1..=counts.len()).rev()) {
        let share = room / n_others;
        if *n_models > share {
            return share;
        }
        room -= n_models;
    }
    limits::MODELS
}

fn without_models(service: &Service) -> Service {
    Service {
        kind: service.kind.clone(),
        address: service.address.clone(),
        port: service.port,
        version: service.version.clone(),
        state: service.state,
        state_told_by: service.state_told_by,
        asks_credential: service.asks_credential,
        unit: service.unit.clone(),
        container: service.container.clone(),
        gpu_ids: service.gpu_ids.clone(),
        last_error: service.last_error.clone(),
        models: Vec::new(),
        models_left_out: service.models_left_out,
    }
}

/// Whether two inventories tell the same, but for when models expire.
fn same_inventory(before: &[Service], after: &[Service]) -> bool {
    before.len() == after.len() && before.iter().zip(after).all(|(a, b)| same_service(a, b))
}

fn same_service(before: &Service, after: &Service) -> bool {
    // Taken apart, so that a field added later is not forgotten here.
    let Service {
        kind,
        address,
        port,
        version,
        state,
        state_told_by,
        asks_credential,
        unit,
        container,
        gpu_ids,
        last_error,
        models,
        models_left_out,
    } = before;
    *kind == after.kind
        && *address == after.address
        && *port == after.port
        && *version == after.version
        && *state == after.state
        && *state_told_by == after.state_told_by
        && *asks_credential == after.asks_credential
        && *unit == after.unit
        && *container == after.container
        && *gpu_ids == after.gpu_ids
        && *last_error == after.last_error
        && *models_left_out == after.models_left_out
        && models.len() == after.models.len()
        && models.iter().zip(&after.models).all(|(a, b)| same_model(a, b))
}

fn same_model(before: &Model, after: &Model) -> bool {
    let Model {
        name,
        digest,
        size_bytes,
        parameters,
        quantization,
        family,
        context_length,
        capabilities,
        warm,
        loading,
        vram_bytes,
        loaded_context_length,
        expires_at: _,
        keep,
        remote,
    } = before;
    *name == after.name
        && *digest == after.digest
        && *size_bytes == after.size_bytes
        && *parameters == after.parameters
        && *quantization == after.quantization
        && *family == after.family
        && *context_length == after.context_length
        && *capabilities == after.capabilities
        && *warm == after.warm
        && *loading == after.loading
        && *vram_bytes == after.vram_bytes
        && *loaded_context_length == after.loaded_context_length
        && *keep == after.keep
        && *remote == after.remote
}

#[cfg(test)]
mod tests;
