//! What an agent tells of a server: in the inventory, in samples, and as processes on GPUs.

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{self, Service, ServiceState, ToldBy};
use herdbook_shared::wire::sample::{Expiry, GpuProcess, ServiceSample};

use super::super::models::Installed;
use super::super::roster::Kind;
use super::super::share::CONTEXT_BYTES;
use super::memory::{KEEP_ALIVE_S, Loaded, needed, portion};
use super::{DemoServer, Pace};

/// What a server says that does not run.
const GONE: &str = "nothing listens on its port any more";

impl DemoServer {
    pub(in super::super) fn state(&self) -> ServiceState {
        if self.is_stopped() {
            ServiceState::Down
        } else if self.loaded.iter().any(|loaded| !loaded.is_whole()) {
            ServiceState::Loading
        } else if self.n_requests() > 0 {
            ServiceState::Busy
        } else if self.loaded.is_empty() {
            ServiceState::Idle
        } else {
            ServiceState::Resident
        }
    }

    /// How the agent lists it. `gpu_ids` are those of its host; `wall` tells a second's wall clock.
    pub(in super::super) fn service(
        &self,
        gpu_ids: &[String],
        wall: impl Fn(u64) -> Timestamp,
    ) -> Service {
        let held = self.loaded.iter().flat_map(|loaded| &loaded.places);
        let mut held: Vec<usize> = held.map(|place| place.gpu).collect();
        held.sort_unstable();
        held.dedup();
        let is_stopped = self.is_stopped();
        Service {
            kind: self.plan.kind.word().to_owned(),
            address: self.plan.address.to_owned(),
            port: self.plan.port,
            version: Some(self.plan.version.to_owned()),
            state: self.state(),
            state_told_by: (!is_stopped).then_some(match self.plan.kind {
                Kind::Vllm => ToldBy::Metrics,
                Kind::Ollama | Kind::LlamaCpp => ToldBy::Runner,
            }),
            asks_credential: Some(false),
            unit: Some(self.plan.unit.to_owned()),
            gpu_ids: held.into_iter().filter_map(|gpu| gpu_ids.get(gpu).cloned()).collect(),
            last_error: is_stopped.then(|| GONE.to_owned()),
            models: self.models(wall),
            ..Service::default()
        }
    }

    fn models(&self, wall: impl Fn(u64) -> Timestamp) -> Vec<inventory::Model> {
        let one = |installed: &Installed| match self.loaded_one(installed.model) {
            loaded if !self.is_ollama() => {
                let warm = loaded.is_some_and(Loaded::is_whole);
                let loading = loaded.is_some() && !warm;
                let keep = installed.served().keep.filter(|_| warm);
                inventory::Model { loading, warm, keep, ..installed.served() }
            }
            Some(loaded) if !loaded.is_whole() => {
                inventory::Model { loading: true, ..installed.listed() }
            }
            Some(loaded) => inventory::Model {
                warm: true,
                vram_bytes: Some(loaded.vram_bytes()),
                loaded_context_length: Some(installed.model.loaded_context()),
                expires_at: Some(wall(self.expires_s(loaded))),
                ..installed.listed()
            },
            None => installed.listed(),
        };
        self.installed.iter().map(one).collect()
    }

    fn expires_s(&self, loaded: &Loaded) -> u64 {
        let idle_s = if self.pace == Pace::Still { 0 } else { loaded.idle_s };
        self.now_s + KEEP_ALIVE_S - idle_s.min(KEEP_ALIVE_S)
    }

    /// What moves of it. `None` while it does not run.
    pub(in super::super) fn sample(
        &self,
        at: Timestamp,
        latency_ms: u64,
        wall: impl Fn(u64) -> Timestamp,
    ) -> Option<ServiceSample> {
        if self.is_stopped() {
            return None;
        }
        let n_requests = self.n_requests();
        let counts_waiting = self.plan.kind == Kind::Vllm;
        let warm = self.loaded.iter().filter(|loaded| self.is_ollama() && loaded.is_whole());
        let expires = warm.map(|loaded| Expiry {
            model: loaded.model.name.to_owned(),
            at: wall(self.expires_s(loaded)),
        });
        Some(ServiceSample {
            address: self.plan.address.to_owned(),
            port: self.plan.port,
            checked_at: Some(at),
            latency_ms: Some(latency_ms),
            requests_running: Some(n_requests.min(48)),
            requests_waiting: counts_waiting.then(|| n_requests.saturating_sub(48)),
            expires: expires.collect(),
        })
    }

    /// Who holds memory of the GPU at this index.
    pub(in super::super) fn processes(&self, gpu: usize) -> impl Iterator<Item = GpuProcess> {
        self.loaded.iter().flat_map(move |loaded| {
            let places = loaded.places.iter().filter(move |place| place.gpu == gpu);
            places.map(|place| GpuProcess {
                pid: loaded.pid,
                name: Some(self.plan.kind.process().to_owned()),
                memory_bytes: Some(portion(place.bytes, loaded.progress) + CONTEXT_BYTES),
                unit: Some(self.plan.unit.to_owned()),
                ..GpuProcess::default()
            })
        })
    }
}

impl Loaded {
    /// What the server claims of VRAM for it.
    fn vram_bytes(&self) -> u64 {
        if self.places.is_empty() { 0 } else { needed(self.model) }
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llamacpp",
        }
    }

    /// What the process is called that holds a model.
    fn process(self) -> &'static str {
        match self {
            Self::Ollama | Self::LlamaCpp => "llama-server",
            Self::Vllm => "VLLM::EngineCore",
        }
    }
}
