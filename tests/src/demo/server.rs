//! A simulated model server: what lies on it, what is in memory and where, and how busy it is.

mod told;

use super::body::Asked;
use super::hardware::Card;
use super::models::{Installed, Published};
use super::roster::{Kind, ServerPlan};
use super::share::{Place, Room, place};

/// How long a model stays in memory that nobody uses.
pub(super) const KEEP_ALIVE_S: u64 = 300;
/// How fast weights come into the memory of a host without GPUs.
const LOAD_BYTES_PER_SECOND: u64 = 3 << 29;
/// A vLLM takes this share of its GPUs, whatever its model needs.
const VLLM_PERCENT: u64 = 90;

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
    pub(super) plan: &'static ServerPlan,
    pub(super) card: Option<&'static Card>,
    installed: Vec<Installed>,
    loaded: Vec<Loaded>,
    work: Work,
    /// Which of its host's GPUs are not there.
    lost: Vec<bool>,
    /// Until which second it does not run.
    stopped_until_s: u64,
    now_s: u64,
    next_pid: u32,
    pace: Pace,
    random: fastrand::Rng,
}

/// A model in memory, or on its way there.
#[derive(Clone, Debug)]
struct Loaded {
    model: &'static Published,
    /// Where it lies: nowhere but in the host's own memory where this is empty.
    places: Vec<Place>,
    /// How much of it is there, 0 to 1.
    progress: f64,
    /// For how long nobody used it.
    idle_s: u64,
    pid: u32,
}

/// What the server does for its callers.
#[derive(Clone, Debug, PartialEq)]
enum Work {
    /// Nothing, for so many seconds more.
    Rest { left_s: u64 },
    /// So many requests, for so many seconds more once the model is loaded.
    Busy { model: &'static Published, n_requests: u64, left_s: u64 },
}

impl DemoServer {
    pub(super) fn new(
        plan: &'static ServerPlan,
        card: Option<&'static Card>,
        pace: Pace,
        mut random: fastrand::Rng,
    ) -> Self {
        let installed = plan.models.iter().map(|model| Installed::new(model)).collect();
        let work = Work::Rest { left_s: random.u64(0..25) };
        let (loaded, next_pid) = (Vec::new(), random.u32(2_000..900_000));
        let mut server = Self {
            plan,
            card,
            installed,
            loaded,
            work,
            lost: Vec::new(),
            stopped_until_s: 0,
            now_s: 0,
            next_pid,
            pace,
            random,
        };
        server.begin();
        server
    }

    /// What is in memory from the start: what is used most, and with luck what comes next.
    fn begin(&mut self) {
        let n_warm = if self.plan.kind == Kind::Ollama { self.random.usize(1..=2) } else { 1 };
        let models: Vec<&'static Published> =
            self.plan.models.iter().copied().take(n_warm).collect();
        for &model in &models {
            self.load(model);
        }
        for loaded in &mut self.loaded {
            loaded.progress = 1.0;
            loaded.idle_s = self.random.u64(0..KEEP_ALIVE_S / 2);
        }
        if self.pace == Pace::Still && self.random.u8(0..3) > 0 {
            self.take_up(models[0], u64::MAX);
        }
    }

    /// One second. `lost` tells which of its host's GPUs are not there.
    pub(super) fn step(&mut self, now_s: u64, lost: &[bool]) {
        self.now_s = now_s;
        self.lost = lost.to_vec();
        let is_lost = |place: &Place| lost.get(place.gpu).copied().unwrap_or(false);
        self.loaded.retain(|loaded| !loaded.places.iter().any(is_lost));
        if self.is_stopped() {
            self.loaded.clear();
            self.work = Work::Rest { left_s: 3 };
            return;
        }
        let bytes_per_second = self.load_bytes_per_second();
        for loaded in &mut self.loaded {
            let share = bytes_per_second as f64 / needed(loaded.model) as f64;
            // Even what is small takes a moment.
            loaded.progress = (loaded.progress + share.min(0.4)).min(1.0);
        }
        if self.serves_one() && self.loaded.is_empty() {
            self.load(self.plan.models[0]);
        }
        self.work();
        self.forget_unused();
    }

    fn work(&mut self) {
        match &mut self.work {
            Work::Rest { left_s } if *left_s > 0 => *left_s -= 1,
            Work::Rest { .. } if self.pace == Pace::Still => {}
            Work::Rest { .. } => {
                let (model, left_s) = (self.wanted(), self.random.u64(15..110));
                self.take_up(model, left_s);
            }
            Work::Busy { model, left_s, .. } => {
                let model = *model;
                let Some(loaded) = self.loaded.iter_mut().find(|one| one.model == model) else {
                    // It was unloaded meanwhile.
                    self.work = Work::Rest { left_s: 5 };
                    return;
                };
                loaded.idle_s = 0;
                if loaded.progress >= 1.0 {
                    *left_s = left_s.saturating_sub(1);
                }
                if *left_s == 0 {
                    self.work = Work::Rest { left_s: self.random.u64(10..70) };
                }
            }
        }
    }

    /// Which model is asked for next: mostly one that is loaded, since callers come back.
    fn wanted(&mut self) -> &'static Published {
        if !self.loaded.is_empty() && self.random.u8(0..100) < 75 {
            return self.loaded[self.random.usize(0..self.loaded.len())].model;
        }
        // What stands first is asked for most.
        let (one, other) = (
            self.random.usize(0..self.installed.len()),
            self.random.usize(0..self.installed.len()),
        );
        self.installed[one.min(other)].model
    }

    /// Works on requests for a model, which is loaded first where it is not.
    fn take_up(&mut self, model: &'static Published, left_s: u64) {
        let n_requests = match self.plan.kind {
            Kind::Vllm => self.random.u64(6..60),
            _ => self.random.u64(1..=4),
        };
        if self.load(model) {
            self.work = Work::Busy { model, n_requests, left_s };
        } else {
            self.work = Work::Rest { left_s: 20 };
        }
    }

    /// Loads a model, making room by unloading what was not used for longest. `false`: there is none.
    pub(super) fn load(&mut self, model: &'static Published) -> bool {
        if self.loaded.iter().any(|loaded| loaded.model == model) {
            return true;
        }
        if self.places(&self.empty_room(), model).is_none() {
            return false;
        }
        let places = loop {
            if let Some(places) = self.places(&self.room(), model) {
                break places;
            }
            let longest = self.loaded.iter().enumerate().max_by_key(|(_, loaded)| loaded.idle_s);
            let Some((longest, _)) = longest else { return false };
            self.loaded.remove(longest);
        };
        self.next_pid += self.random.u32(3..400);
        let pid = self.next_pid;
        self.loaded.push(Loaded { model, places, progress: 0.0, idle_s: 0, pid });
        true
    }

    fn places(&self, room: &Room, model: &Published) -> Option<Vec<Place>> {
        let Some(card) = self.card.filter(|_| self.plan.gpus.0 < self.plan.gpus.1) else {
            return Some(Vec::new());
        };
        if self.plan.kind == Kind::Vllm {
            let bytes = card.memory_bytes / 100 * VLLM_PERCENT - card.reserved_bytes;
            let (from, to) = self.plan.gpus;
            let all = (from..to).map(|gpu| Place { gpu, bytes });
            return (from..to).all(|gpu| !self.is_lost(gpu)).then(|| all.collect());
        }
        place(room, needed(model))
    }

    /// What would be free if nothing were loaded.
    fn empty_room(&self) -> Room {
        let Some(card) = self.card else { return Room::default() };
        let (from, to) = self.plan.gpus;
        let room = Room::of(from..to, card.memory_bytes - card.reserved_bytes);
        room.without(|gpu| self.is_lost(gpu))
    }

    fn is_lost(&self, gpu: usize) -> bool {
        self.lost.get(gpu).copied().unwrap_or(false)
    }

    fn room(&self) -> Room {
        let mut room = self.empty_room();
        for place in self.loaded.iter().flat_map(|loaded| &loaded.places) {
            room.take(*place);
        }
        room
    }

    fn forget_unused(&mut self) {
        if self.pace == Pace::Still || self.serves_one() {
            return;
        }
        let in_use = self.in_use();
        for loaded in &mut self.loaded {
            loaded.idle_s += u64::from(Some(loaded.model) != in_use);
        }
        self.loaded.retain(|loaded| loaded.idle_s < KEEP_ALIVE_S);
    }

    fn in_use(&self) -> Option<&'static Published> {
        match self.work {
            Work::Busy { model, .. } => Some(model),
            Work::Rest { .. } => None,
        }
    }

    fn serves_one(&self) -> bool {
        self.plan.kind != Kind::Ollama
    }

    /// Nothing listens until then.
    pub(super) fn stop(&mut self, until_s: u64) {
        self.stopped_until_s = until_s;
    }

    fn is_stopped(&self) -> bool {
        self.now_s < self.stopped_until_s
    }

    /// Somebody unloads what is used least. `false`: there is nothing.
    pub(super) fn unload(&mut self) -> bool {
        let in_use = self.in_use();
        let longest = self.loaded.iter().enumerate().filter(|(_, one)| Some(one.model) != in_use);
        let Some((longest, _)) = longest.max_by_key(|(_, loaded)| loaded.idle_s) else {
            return false;
        };
        self.loaded.remove(longest);
        true
    }

    /// Everything in memory is gone, as after a restart.
    pub(super) fn unload_all(&mut self) {
        self.loaded.clear();
        self.work = Work::Rest { left_s: self.random.u64(5..20) };
    }

    /// A cold model is asked for, if there is one.
    pub(super) fn load_cold(&mut self) {
        let is_cold = |one: &&Installed| !self.loaded.iter().any(|warm| warm.model == one.model);
        let cold: Vec<&'static Published> =
            self.installed.iter().filter(is_cold).map(|one| one.model).collect();
        if !cold.is_empty() && !self.is_stopped() {
            let model = cold[self.random.usize(0..cold.len())];
            self.take_up(model, 40);
        }
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

    /// What is in memory, and whether it is all there.
    pub(super) fn in_memory(&self) -> Vec<(&'static str, bool)> {
        self.loaded.iter().map(|one| (one.model.name, one.progress >= 1.0)).collect()
    }

    /// Whether the model lies here.
    pub(super) fn has(&self, model: &Published) -> bool {
        self.installed.iter().any(|one| one.model == model)
    }

    pub(super) fn is_ollama(&self) -> bool {
        self.plan.kind == Kind::Ollama
    }

    /// What is asked of the GPU at this index, 0 to 1.
    pub(super) fn asks_of(&self, gpu: usize) -> f64 {
        let mut asked = 0.0_f64;
        for loaded in self.loaded.iter().filter(|one| one.progress < 1.0) {
            asked += 0.06 * f64::from(u8::from(loaded.places.iter().any(|p| p.gpu == gpu)));
        }
        let Some((model, n_requests)) = self.busy_with() else { return asked };
        let loaded = self.loaded.iter().find(|one| one.model == model);
        let Some(loaded) = loaded.filter(|one| one.places.iter().any(|p| p.gpu == gpu)) else {
            return asked;
        };
        let requests = as_f64(n_requests);
        if self.plan.kind == Kind::Vllm {
            return asked + (0.55 + requests / 140.0).min(0.98);
        }
        // An Ollama's layers lie one after the other on its GPUs, of which one works at a time.
        let n_places = as_f64(loaded.places.len() as u64);
        asked + ((0.5 + requests * 0.11) * 1.3 / n_places).min(0.97)
    }

    /// What it asks of the rest of its host: without GPUs it works on the processors, and its models
    /// lie in the host's memory.
    pub(super) fn asks_of_host(&self) -> Asked {
        let in_memory = || self.loaded.iter().filter(|one| one.places.is_empty());
        let is_loading = |one: &&Loaded| one.progress < 1.0;
        let n_loading = self.loaded.iter().filter(is_loading).count();
        let busy = self.busy_with();
        let is_here = busy.is_some_and(|(model, _)| in_memory().any(|one| one.model == model));
        Asked {
            cpu: if is_here { 0.7 } else { 0.0 },
            n_requests: busy.map_or(0.0, |(_, n_requests)| as_f64(n_requests)),
            memory_bytes: in_memory().map(|one| portion(needed(one.model), one.progress)).sum(),
            read_bytes: if n_loading > 0 { self.load_bytes_per_second() as f64 } else { 0.0 },
            pulled_bytes: 0.0,
        }
    }

    /// The model on which it works, and on how many requests.
    fn busy_with(&self) -> Option<(&'static Published, u64)> {
        let Work::Busy { model, n_requests, .. } = self.work else { return None };
        let is_there = |one: &Loaded| one.model == model && one.progress >= 1.0;
        self.loaded.iter().any(is_there).then_some((model, n_requests))
    }

    fn load_bytes_per_second(&self) -> u64 {
        self.card.map_or(LOAD_BYTES_PER_SECOND, |card| card.load_bytes_per_second)
    }
}

/// What a model takes in memory, beside the context of each GPU.
fn needed(model: &Published) -> u64 {
    model.loaded_bytes()
}

/// On the disk.
fn size(model: &Published) -> i64 {
    i64::try_from(model.size_bytes).unwrap_or(i64::MAX)
}

fn as_f64(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a part of some bytes, to the byte or not"
)]
fn portion(bytes: u64, progress: f64) -> u64 {
    (bytes as f64 * progress) as u64
}
