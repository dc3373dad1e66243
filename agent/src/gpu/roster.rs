//! All GPUs of the machine, as one child knows them: found once, read tick by tick. When the
//! driver binds another GPU or lets one go, a new child looks anew.

use std::collections::{BTreeSet, HashSet};

use herdbook_shared::limits;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::GpuSample;
use nvml_wrapper::error::NvmlError;

use crate::sampling::Depth;

use super::bus;
use super::card::{Card, Seat, Tools};
use super::metric;
use super::owners::Owners;

/// The GPUs.
#[derive(Debug)]
pub(super) struct Roster<'nvml> {
    cards: Vec<Card<'nvml>>,
    n_gpus: u32,
    bound: BTreeSet<String>,
    owners: Owners,
    left_out: LeftOut,
}

/// Processes that found no room, said when their number has grown much.
#[derive(Debug, Default)]
struct LeftOut {
    told: usize,
}

impl<'nvml> Roster<'nvml> {
    /// Finds the GPUs, and opens those that are awake.
    ///
    /// # Errors
    ///
    /// What makes NVML as a whole useless.
    pub(super) fn new(tools: &Tools<'nvml>) -> Result<Self, NvmlError> {
        let n_gpus = tools.nvml.device_count()?;
        let mut cards = Vec::new();
        for (index, seat) in (0..).zip(seats(n_gpus, tools)) {
            let mut card = Card::new(index, seat, tools);
            match card.refresh(tools) {
                Ok(()) => cards.push(card),
                Err(error) if metric::is_fatal(&error) => return Err(error),
                // The count was nonsense, or the GPU is hidden from us.
                Err(_) => {}
            }
        }
        let bound = bus::bound(&tools.roots.proc);
        let owners = Owners::new(&tools.roots.proc);
        let mut roster = Self { cards, n_gpus, bound, owners, left_out: LeftOut::default() };
        roster.hold_ids_apart();
        Ok(roster)
    }

    /// Whether another child would see other GPUs.
    pub(super) fn has_changed(&self, tools: &Tools<'nvml>) -> bool {
        bus::bound(&tools.roots.proc) != self.bound
            || tools.nvml.device_count().is_ok_and(|now| now > self.n_gpus)
    }

    /// Looks anew at what rarely changes.
    ///
    /// # Errors
    ///
    /// What makes NVML as a whole useless.
    pub(super) fn refresh(&mut self, tools: &Tools<'nvml>) -> Result<(), NvmlError> {
        for card in &mut self.cards {
            match card.refresh(tools) {
                Err(error) if metric::is_fatal(&error) => return Err(error),
                _ => {}
            }
        }
        self.hold_ids_apart();
        Ok(())
    }

    pub(super) fn gpus(&self) -> Vec<Gpu> {
        self.cards.iter().map(|card| card.gpu().clone()).collect()
    }

    /// One reading a GPU.
    ///
    /// # Errors
    ///
    /// What makes NVML as a whole useless.
    pub(super) fn read(
        &mut self,
        depth: Depth,
        tools: &Tools<'nvml>,
    ) -> Result<Vec<GpuSample>, NvmlError> {
        if depth == Depth::Complete {
            self.owners.begin();
        }
        // Each GPU has its share of the room, and what the ones before it left of theirs.
        let share = limits::GPU_PROCESSES / self.cards.len().max(1);
        let (mut room, mut n_left_out) = (0, 0);
        let mut samples = Vec::with_capacity(self.cards.len());
        for card in &mut self.cards {
            room += share;
            let (sample, n) = card.read(depth, tools, &mut self.owners, room)?;
            room -= sample.processes.as_ref().map_or(0, Vec::len).min(room);
            n_left_out += n;
            samples.push(sample);
        }
        self.left_out.note(n_left_out);
        Ok(samples)
    }

    /// Two GPUs with one id would be one to everybody else.
    fn hold_ids_apart(&mut self) {
        let mut ids = HashSet::new();
        for card in &mut self.cards {
            let index = card.gpu().index;
            if !ids.insert(card.gpu().id.clone()) {
                card.rename(format!("index:{index}"));
                ids.insert(card.gpu().id.clone());
            }
        }
    }
}

/// By address where some sleep, and by index otherwise: `/sys` may be hidden, and in a container
/// it shows GPUs that NVML does not.
fn seats(n_gpus: u32, tools: &Tools<'_>) -> Vec<Seat> {
    let sys = &tools.roots.sys;
    let addresses = bus::gpus(sys);
    if addresses.iter().any(|address| bus::is_asleep(&bus::status_file(sys, address))) {
        return addresses.into_iter().map(Seat::Address).collect();
    }
    (0..n_gpus).take(limits::GPUS).map(|_| Seat::Index).collect()
}

impl LeftOut {
    fn note(&mut self, n: usize) {
        if n > 2 * self.told {
            tracing::warn!(n, "GPU processes beyond the first 512 are left out, smallest first");
            self.told = n;
        }
    }
}
