//! Models in memory: on which GPUs they lie, how they get there, and when they go.

use super::super::models::{Installed, Published};
use super::super::roster::Kind;
use super::super::share::{Place, Room, place};
use super::{DemoServer, Pace};

/// How long a model stays in memory that nobody uses.
pub(super) const KEEP_ALIVE_S: u64 = 300;
/// A vLLM takes this share of its GPUs, whatever its model needs.
const VLLM_PERCENT: u64 = 90;
/// Even what is small takes a moment: no more of a model than this comes into memory in a second.
const PROGRESS_MAX: f64 = 0.4;

/// A model in memory, or on its way there.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) model: &'static Published,
    /// Where it lies: nowhere but in the host's own memory where this is empty.
    pub(super) places: Vec<Place>,
    /// How much of it is there, 0 to 1.
    pub(super) progress: f64,
    /// For how long nobody used it.
    pub(super) idle_s: u64,
    pub(super) pid: u32,
}

impl Loaded {
    pub(super) fn is_whole(&self) -> bool {
        self.progress >= 1.0
    }
}

impl DemoServer {
    /// Loads a model, making room by unloading what was not used for longest. `false`: there is none.
    pub(super) fn load(&mut self, model: &'static Published) -> bool {
        if self.loaded_one(model).is_some() {
            return true;
        }
        let Some(places) = self.make_room(model) else { return false };
        self.next_pid += self.random.u32(3..400);
        let pid = self.next_pid;
        self.loaded.push(Loaded { model, places, progress: 0.0, idle_s: 0, pid });
        true
    }

    /// Unloads only what has to go, and nothing if even that would not do.
    fn make_room(&mut self, model: &Published) -> Option<Vec<Place>> {
        let mut kept = self.loaded.clone();
        loop {
            if let Some(places) = self.places(&self.room_beside(&kept), model) {
                self.loaded = kept;
                return Some(places);
            }
            let longest = self.longest_unused(&kept)?;
            kept.remove(longest);
        }
    }

    fn longest_unused(&self, loaded: &[Loaded]) -> Option<usize> {
        let unused = loaded.iter().enumerate().filter(|(_, one)| !self.is_in_use(one.model));
        unused.max_by_key(|(_, one)| one.idle_s).map(|(index, _)| index)
    }

    fn places(&self, room: &Room, model: &Published) -> Option<Vec<Place>> {
        let (from, to) = self.plan.gpus;
        let Some(card) = self.card.filter(|_| from < to) else { return Some(Vec::new()) };
        if self.plan.kind == Kind::Vllm {
            let bytes = card.memory_bytes / 100 * VLLM_PERCENT - card.reserved_bytes;
            let all = (from..to).map(|gpu| Place { gpu, bytes });
            return (from..to).all(|gpu| !self.is_lost(gpu)).then(|| all.collect());
        }
        place(room, needed(model))
    }

    /// What is free beside these models, on the GPUs that are there.
    fn room_beside(&self, loaded: &[Loaded]) -> Room {
        let Some(card) = self.card else { return Room::default() };
        let (from, to) = self.plan.gpus;
        let room = Room::of(from..to, card.memory_bytes - card.reserved_bytes);
        let mut room = room.without(|gpu| self.is_lost(gpu));
        loaded.iter().flat_map(|one| &one.places).for_each(|place| room.take(*place));
        room
    }

    /// Whoever is in memory has been there for a while.
    pub(super) fn loaded_already(&mut self) {
        for loaded in &mut self.loaded {
            loaded.progress = 1.0;
            loaded.idle_s = self.random.u64(0..KEEP_ALIVE_S / 2);
        }
    }

    pub(super) fn go_on_loading(&mut self) {
        let bytes_per_second = self.load_bytes_per_second() as f64;
        for loaded in &mut self.loaded {
            let share = bytes_per_second / needed(loaded.model) as f64;
            loaded.progress = (loaded.progress + share.min(PROGRESS_MAX)).min(1.0);
        }
    }

    pub(super) fn forget_lost(&mut self) {
        let lost = &self.lost;
        let is_lost = |gpu: usize| lost.get(gpu).copied().unwrap_or(false);
        self.loaded.retain(|loaded| !loaded.places.iter().any(|place| is_lost(place.gpu)));
    }

    pub(super) fn forget_unused(&mut self) {
        if self.pace == Pace::Still || !self.is_ollama() {
            return;
        }
        let used: Vec<bool> = self.loaded.iter().map(|one| self.is_in_use(one.model)).collect();
        for (loaded, is_used) in self.loaded.iter_mut().zip(used) {
            loaded.idle_s = if is_used { 0 } else { loaded.idle_s + 1 };
        }
        self.loaded.retain(|loaded| loaded.idle_s < KEEP_ALIVE_S);
    }

    /// Somebody unloads what is used least. `false`: there is nothing.
    pub(in super::super) fn unload(&mut self) -> bool {
        let longest = self.longest_unused(&self.loaded).filter(|_| self.is_ollama());
        longest.map(|longest| self.loaded.remove(longest)).is_some()
    }

    /// Everything in memory is gone, as after a restart.
    pub(in super::super) fn unload_all(&mut self) {
        self.loaded.clear();
        self.rest_all();
    }

    /// A cold model is asked for, if there is one.
    pub(in super::super) fn load_cold(&mut self) {
        let is_cold = |one: &&Installed| self.loaded_one(one.model).is_none();
        let cold: Vec<&'static Published> =
            self.installed.iter().filter(is_cold).map(|one| one.model).collect();
        if !cold.is_empty() && !self.is_stopped() {
            let model = cold[self.random.usize(0..cold.len())];
            self.take_up(0, model, 40);
        }
    }

    pub(super) fn loaded_one(&self, model: &Published) -> Option<&Loaded> {
        self.loaded.iter().find(|loaded| loaded.model == model)
    }

    /// What is in memory, and whether it is all there.
    pub(in super::super) fn in_memory(&self) -> Vec<(&'static str, bool)> {
        self.loaded.iter().map(|one| (one.model.name, one.is_whole())).collect()
    }
}

/// What a model takes in memory, beside the context of each GPU.
pub(super) fn needed(model: &Published) -> u64 {
    model.loaded_bytes()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a part of some bytes, to the byte or not"
)]
pub(super) fn portion(bytes: u64, progress: f64) -> u64 {
    (bytes as f64 * progress) as u64
}
