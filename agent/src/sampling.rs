//! What the host does, measured once a tick: CPU, memory, swap, load, network, pressure and the
//! root disk; and, with each complete sample, the detail: each processor, disk, interface and
//! sensor, and the limits of a container. One source a file: it reads a kept-open file and hands the
//! text to a pure `parse`.
//!
//! Not here: GPUs ([`crate::gpu`]), model servers ([`crate::discovery`]), processes (none are
//! scanned), and the pace, which belongs to whoever calls [`Sampler::sample`].

use std::time::Duration;

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::sample::Sample;
use tokio::time::Instant;

mod aside;
mod roots;
mod source;
mod span;

mod cpu;
mod disk;
mod interface;
mod links;
mod load;
mod memory;
mod network;
mod pressure;

mod detail;

mod cores;
mod disks;
mod interfaces;
mod limits;
mod temperatures;
mod uptime;

mod addresses;
pub(crate) mod cgroup;
mod container;
mod processor;
mod system;
pub(crate) mod word;

use span::{Since, Span};

pub use addresses::{address_details, addresses};
pub use roots::Roots;
pub use system::{boot_id, host_name, system};

/// How much of a sample is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What moves every tick. Slow values are absent, which means: as before.
    Fast,
    /// Slow values too.
    Complete,
}

/// The sources and what they remember between two ticks. One owner calls it, from one thread.
#[derive(Debug)]
pub struct Sampler {
    cpu: cpu::Cpu,
    memory: memory::MemorySource,
    load: load::Load,
    network: network::Network,
    pressure: pressure::PressureSource,
    details: detail::Details,
    counted: Since,
    buffer: Vec<u8>,
}

impl Sampler {
    /// Opens nothing yet: a source that cannot be read dims its own values, tick by tick.
    #[must_use]
    pub fn new(roots: Roots) -> Self {
        Self {
            cpu: cpu::Cpu::new(&roots),
            memory: memory::MemorySource::new(&roots),
            load: load::Load::new(&roots),
            network: network::Network::new(&roots),
            pressure: pressure::PressureSource::new(&roots),
            details: detail::Details::new(&roots),
            counted: Since::default(),
            buffer: Vec::new(),
        }
    }

    /// How deep the next sample has to be: where the last detail came too soon to have shares and
    /// rates, they are not left out until the next is due.
    #[must_use]
    pub fn depth(&self, asked: Depth) -> Depth {
        if self.details.lack_shares() { Depth::Complete } else { asked }
    }

    /// After a pause of more than `longest`, what comes next is over the time after it: an average
    /// over a time of which nobody was told would look like one over the last second.
    pub fn resume(&mut self, longest: Duration, now: Instant) {
        if self.counted.is_over(longest, now) {
            self.cpu.forget();
            self.network.forget();
            self.details.forget();
            self.counted = Since::default();
        }
    }

    /// The host's part of a sample: `seq` is 0, and `gpus` and `services` are left out. Rates are
    /// over the time since the last call, so the first call has none (`cannot_tell`), nor has one
    /// that comes at once after it.
    pub fn sample(&mut self, depth: Depth, now: Instant) -> Sample {
        let mut sample = Sample { at: Timestamp::now(), ..Sample::default() };
        let missing = &mut sample.missing;
        let span = self.counted.read(now);
        let cpu = match span {
            Span::Short => Err(MissingReason::CannotTell),
            Span::First | Span::Measured => self.cpu.read(&mut self.buffer),
        };
        sample.cpu_percent = told("cpu_percent", cpu, missing);
        let loads = self.load.read(&mut self.buffer);
        sample.load1 = told("load1", loads.one, missing);
        let memory = self.memory.read(&mut self.buffer);
        sample.memory_used_bytes = told("memory_used_bytes", memory.used_bytes, missing);
        sample.memory_total_bytes = told("memory_total_bytes", memory.total_bytes, missing);
        sample.swap_used_bytes = told("swap_used_bytes", memory.swap_used_bytes, missing);
        let rates = match span {
            Span::Short => Err(MissingReason::CannotTell),
            Span::First | Span::Measured => self.network.read(&mut self.buffer, now),
        };
        let receive = rates.map(|rates| rates.receive);
        let transmit = rates.map(|rates| rates.transmit);
        sample.network_receive_bytes_per_second =
            told("network_receive_bytes_per_second", receive, missing);
        sample.network_transmit_bytes_per_second =
            told("network_transmit_bytes_per_second", transmit, missing);
        sample.pressure = self.pressure.read(&mut self.buffer, missing);
        if depth == Depth::Complete {
            let (detail, disk) = self.details.read(&mut self.buffer, memory, loads, now);
            sample.disk = told("disk", disk, missing);
            sample.detail = Some(Box::new(detail));
        }
        sample
    }
}

/// The value, or its reason noted under `field`.
fn told<T>(field: &str, value: Result<T, MissingReason>, missing: &mut Missing) -> Option<T> {
    value.map_err(|reason| missing.insert(field.to_owned(), reason)).ok()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod hosts_tests;
