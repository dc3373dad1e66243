//! A simulated model server: what lies on it ([`DemoServer`]), what is in memory and where
//! ([`memory`]), whom it works for ([`work`]), and what an agent tells of it ([`told`]).

mod memory;
mod told;
mod work;

use super::body::Asked;
use super::hardware::Card;
use super::models::{Installed, Published};
use super::roster::{Kind, ServerPlan};

use memory::{Loaded, needed, portion};
use work::Work;

/// How fast weights come into the memory of a host without GPUs.
const LOAD_BYTES_PER_SECOND: u64 = 3 << 29;

/// Whether anything happens but that values move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Models come and go.
    Alive,
    /// What is loaded stays so, and who is busy stays busy.
    Still,
}

/// See the module's words.
#[derive(Clone, Debug)]
pub(super) struct DemoServer {
    plan: &'static ServerPlan,
    card: Option<&'static Card>,
    installed: Vec<Installed>,
    loaded: Vec<Loaded>,
    /// What it works on side by side: the more GPUs it has, the more.
    works: Vec<Work>,
    /// Which of its host's GPUs are not there.
    lost: Vec<bool>,
    /// Until which second it does not run.
    stopped_until_s: u64,
    now_s: u64,
    next_pid: u32,
    pace: Pace,
    random: fastrand::Rng,
}

impl DemoServer {
    pub(super) fn new(
        plan: &'static ServerPlan,
        card: Option<&'static Card>,
        pace: Pace,
        mut random: fastrand::Rng,
    ) -> Self {
        let (from, to) = plan.gpus;
        let n_works = if plan.kind == Kind::Ollama { (to - from).div_ceil(2).max(1) } else { 1 };
        let mut server = Self {
            plan,
            card,
            installed: plan.models.iter().map(|model| Installed::new(model)).collect(),
            loaded: Vec::new(),
            works: (0..n_works).map(|_| Work::Rest { left_s: random.u64(0..25) }).collect(),
            lost: Vec::new(),
            stopped_until_s: 0,
            now_s: 0,
            next_pid: random.u32(2_000..900_000),
            pace,
            random,
        };
        server.begin();
        server
    }

    /// What is in memory from the start: what is used most, and with luck what comes next.
    fn begin(&mut self) {
        let spare = if self.is_ollama() { self.random.usize(0..=1) } else { 0 };
        let n_warm = self.works.len() + spare;
        for &model in self.plan.models.iter().take(n_warm) {
            self.load(model);
        }
        self.loaded_already();
        for index in 0..self.works.len() {
            let model = self.plan.models[index % self.plan.models.len()];
            if self.pace == Pace::Still && self.random.u8(0..3) > 0 {
                self.take_up(index, model, u64::MAX);
            }
        }
        self.loaded_already();
    }

    /// One second. `lost` tells which of its host's GPUs are not there.
    pub(super) fn step(&mut self, now_s: u64, lost: &[bool]) {
        self.now_s = now_s;
        self.lost = lost.to_vec();
        self.forget_lost();
        if self.is_stopped() {
            self.unload_all();
            return;
        }
        self.go_on_loading();
        if !self.is_ollama() && self.loaded.is_empty() {
            self.load(self.plan.models[0]);
        }
        (0..self.works.len()).for_each(|index| self.work(index));
        self.forget_unused();
    }

    fn is_lost(&self, gpu: usize) -> bool {
        self.lost.get(gpu).copied().unwrap_or(false)
    }

    /// Nothing listens until then.
    pub(super) fn stop(&mut self, until_s: u64) {
        self.stopped_until_s = until_s;
    }

    fn is_stopped(&self) -> bool {
        self.now_s < self.stopped_until_s
    }

    /// A model was pulled: it is there now, in this edition. Returns by how many bytes the disk is
    /// fuller. One of another edition that is in memory has to go.
    pub(super) fn pulled(&mut self, pulled: Installed) -> i64 {
        self.loaded.retain(|one| one.model != pulled.model);
        match self.installed.iter_mut().find(|one| one.model == pulled.model) {
            Some(known) => {
                *known = pulled;
                0
            }
            None => {
                self.installed.push(pulled);
                size(pulled.model)
            }
        }
    }

    /// A model is removed, and unloaded. Returns how many bytes are free then.
    pub(super) fn remove(&mut self, model: &Published) -> i64 {
        let n_before = self.installed.len();
        self.installed.retain(|one| one.model != model);
        self.loaded.retain(|one| one.model != model);
        if self.installed.len() < n_before { size(model) } else { 0 }
    }

    /// Which edition of a model lies here.
    pub(super) fn edition_of(&self, model: &Published) -> Option<u32> {
        self.installed.iter().find(|one| one.model == model).map(|one| one.edition)
    }

    /// Whether models are pulled here, loaded and unloaded; others serve one as long as they run.
    pub(super) fn is_ollama(&self) -> bool {
        self.plan.kind == Kind::Ollama
    }

    /// What is asked of the GPU at this index, 0 to 1.
    pub(super) fn asks_of(&self, gpu: usize) -> f64 {
        let lies_there = |one: &&Loaded| one.places.iter().any(|place| place.gpu == gpu);
        let mut asked = 0.0;
        for loaded in self.loaded.iter().filter(lies_there) {
            // An Ollama's layers lie one after the other on its GPUs, of which one works at a time.
            let n_places = as_f64(loaded.places.len() as u64);
            let requests = as_f64(self.n_requests_of(loaded.model));
            asked += match self.plan.kind {
                _ if !loaded.is_whole() => 0.06,
                _ if requests == 0.0 => 0.0,
                Kind::Vllm => 0.55 + requests / 140.0,
                Kind::Ollama | Kind::LlamaCpp => (0.5 + requests * 0.11) * 1.3 / n_places,
            };
        }
        asked.min(0.98)
    }

    /// What it asks of the rest of its host: without GPUs it works on the processors, and its models
    /// lie in the host's memory.
    pub(super) fn asks_of_host(&self) -> Asked {
        let in_memory = || self.loaded.iter().filter(|one| one.places.is_empty());
        let is_worked = in_memory().any(|one| self.n_requests_of(one.model) > 0);
        let is_loading = self.loaded.iter().any(|one| !one.is_whole());
        Asked {
            cpu: if is_worked { 0.7 } else { 0.0 },
            n_requests: as_f64(self.n_requests()),
            memory_bytes: in_memory().map(|one| portion(needed(one.model), one.progress)).sum(),
            read_bytes: if is_loading { self.load_bytes_per_second() as f64 } else { 0.0 },
            pulled_bytes: 0.0,
        }
    }

    fn load_bytes_per_second(&self) -> u64 {
        self.card.map_or(LOAD_BYTES_PER_SECOND, |card| card.load_bytes_per_second)
    }
}

/// On the disk.
fn size(model: &Published) -> i64 {
    i64::try_from(model.size_bytes).unwrap_or(i64::MAX)
}

fn as_f64(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
