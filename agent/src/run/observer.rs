//! What is known of the host, put together from its sources for the link. It starts nothing and
//! waits for nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::{Address, Inventory, Service, System};
use herdbook_shared::wire::sample::{Gap, GpuSample, Sample};
use tokio::sync::watch;
use tokio::time::Instant;

use super::bounds::Bounds;
use super::gap::GapToTell;
use super::placement::Placement;
use crate::discovery::Found;
use crate::gpu::{GpuView, GpuWatch};
use crate::link::HostView;
use crate::sampling::{self, Depth, Roots, Sampler};

/// An inventory waits so long for the first look at the GPUs …
const GPUS_WITHIN: Duration = Duration::from_secs(2);
/// … and so long for the first look at model servers: one that did not wait would tell the
/// collector, at each start of an agent, that they all had vanished.
const SERVICES_WITHIN: Duration = Duration::from_secs(10);
/// How often the host's system and addresses are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// What is measured over more intervals than this is no longer of now.
const INTERVALS: u32 = 3;

/// What is known of the host.
pub(crate) struct Observer {
    roots: Roots,
    sampler: Sampler,
    interval: Duration,
    gpus: GpuWatch,
    gpus_told: Arc<GpuView>,
    found: watch::Receiver<Arc<Found>>,
    system: System,
    addresses: Vec<Address>,
    looked_at: Instant,
    n_changes: u64,
    own_end: Option<IpAddr>,
    gaps: GapToTell,
    placement: Placement,
    started: Instant,
    seq: u64,
    revision: u64,
    parts: Option<Parts>,
    bounds: Bounds,
}

/// The revisions of an inventory's parts.
#[derive(Clone, Copy, PartialEq)]
struct Parts {
    gpus: u64,
    services: u64,
    placement: u64,
    host: u64,
}

impl Observer {
    pub(crate) fn new(
        roots: Roots,
        gpus: GpuWatch,
        found: watch::Receiver<Arc<Found>>,
        gaps: watch::Receiver<Option<Gap>>,
        interval: Duration,
        now: Instant,
    ) -> Self {
        let mut sampler = Sampler::new(roots.clone());
        // Rates need a beginning.
        sampler.sample(Depth::Complete, now);
        Self {
            system: sampling::system(&roots),
            addresses: sampling::address_details(&roots, None),
            looked_at: now,
            n_changes: 0,
            own_end: None,
            gaps: GapToTell::new(gaps),
            placement: Placement::default(),
            roots,
            sampler,
            interval,
            gpus,
            gpus_told: Arc::default(),
            found,
            started: now,
            seq: 0,
            revision: 0,
            parts: None,
            bounds: Bounds::default(),
        }
    }

    fn is_known(&self, parts: Parts, now: Instant) -> bool {
        let since = now - self.started;
        (parts.gpus > 0 || since >= GPUS_WITHIN) && (parts.services > 0 || since >= SERVICES_WITHIN)
    }

    /// Whether both sources have looked once.
    pub(crate) fn has_looked(&self) -> bool {
        let gpus = self.gpus.latest();
        let read = |gpus: &GpuView| !gpus.samples.iter().flatten().any(is_unread);
        gpus.revision > 0 && read(&gpus) && self.found.borrow().revision > 0
    }

    fn place_services(&mut self) {
        let gpus = self.gpus.latest();
        let found = self.found.borrow();
        self.placement.look(gpus.samples.as_deref(), &found.services, &found.pids);
    }

    fn services(&mut self) -> Vec<Service> {
        self.place_services();
        let mut services = self.found.borrow().services.clone();
        for service in &mut services {
            service.gpu_ids = self.placement.of(service);
        }
        services
    }

    fn look_at_host(&mut self, now: Instant) {
        self.looked_at = now;
        let addresses = sampling::address_details(&self.roots, self.own_end);
        let mut system = sampling::system(&self.roots);
        // The kernel works it out from the wall clock, which is set by fractions of a second.
        if is_near(system.boot_time, self.system.boot_time) {
            system.boot_time = self.system.boot_time;
        }
        if addresses != self.addresses || system != self.system {
            self.addresses = addresses;
            self.system = system;
            self.n_changes += 1;
        }
    }
}

fn is_near(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.unix_ms().abs_diff(other.unix_ms()) <= 2_000)
}

fn is_unread(sample: &GpuSample) -> bool {
    sample.missing.get("memory_used_bytes") == Some(&MissingReason::CannotTell)
}

impl HostView for Observer {
    fn connected(&mut self, own_end: Option<IpAddr>, now: Instant) {
        self.gaps.connected();
        self.own_end = own_end;
        self.sampler.resume(INTERVALS * self.interval, now);
        self.look_at_host(now);
    }

    fn sample(&mut self, depth: Depth, now: Instant) -> Sample {
        let depth = self.sampler.depth(depth);
        let mut sample = self.sampler.sample(depth, now);
        self.seq += 1;
        sample.seq = self.seq;
        sample.gap = self.gaps.next();
        let gpus = self.gpus.latest();
        let told = std::mem::replace(&mut self.gpus_told, gpus.clone());
        sample.gpus = gpus.samples(depth, &told);
        sample.driver_mismatch = gpus.driver_mismatch;
        if let Some(reason) = gpus.missing {
            sample.missing.insert("gpus".to_owned(), reason);
        }
        if depth == Depth::Complete {
            let found = self.found.borrow();
            sample.services = (found.revision > 0).then(|| found.moving.clone());
        }
        self.bounds.sample(sample)
    }

    fn revision(&mut self, now: Instant) -> Option<u64> {
        if now >= self.looked_at + LOOK_EVERY {
            self.look_at_host(now);
        }
        self.place_services();
        let parts = Parts {
            gpus: self.gpus.latest().revision,
            services: self.found.borrow().revision,
            placement: self.placement.n_changes(),
            host: self.n_changes,
        };
        if !self.is_known(parts, now) {
            return None;
        }
        if self.parts.replace(parts) != Some(parts) {
            self.revision += 1;
        }
        Some(self.revision)
    }

    fn inventory(&mut self) -> Inventory {
        let gpus = self.gpus.latest();
        let missing = gpus.missing.filter(|_| gpus.gpus.is_none());
        let inventory = Inventory {
            part: 1,
            parts: 1,
            system: Some(self.system.clone()),
            addresses: self.addresses.iter().map(|known| known.address.clone()).collect(),
            address_details: self.addresses.clone(),
            gpus: gpus.gpus.clone(),
            services: self.services(),
            missing: missing
                .map(|reason| ("gpus".to_owned(), reason))
                .into_iter()
                .collect::<Missing>(),
        };
        self.bounds.inventory(inventory)
    }
}

#[cfg(test)]
#[path = "observer_tests.rs"]
mod tests;
