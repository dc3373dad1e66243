//! The detail of a sample, put together from its sources. One that fails dims its own values.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::Detail;
use herdbook_shared::wire::sample::Disk;
use tokio::time::Instant;

use super::cores::{Cores, Shares};
use super::disks::Disks;
use super::interfaces::Interfaces;
use super::limits::LimitsSource;
use super::load::Loads;
use super::memory::Memory;
use super::span::{Since, Span};
use super::temperatures::Temperatures;
use super::uptime::Uptime;
use super::{Roots, told};

/// The sources of what is told less often. Rates are over the time since the last detail.
#[derive(Debug)]
pub(super) struct Details {
    cores: Cores,
    uptime: Uptime,
    disks: Disks,
    interfaces: Interfaces,
    temperatures: Temperatures,
    limits: LimitsSource,
    counted: Since,
    span: Span,
}

impl Details {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            cores: Cores::new(roots),
            uptime: Uptime::new(roots),
            disks: Disks::new(roots),
            interfaces: Interfaces::new(roots),
            temperatures: Temperatures::new(roots),
            limits: LimitsSource::new(roots),
            counted: Since::default(),
            span: Span::Measured,
        }
    }

    /// Whether the last one came too soon to have shares and rates.
    pub(super) fn lack_shares(&self) -> bool {
        self.span != Span::Measured
    }

    /// What comes next has nothing to be compared with.
    pub(super) fn forget(&mut self) {
        self.cores.forget();
        self.disks.forget();
        self.interfaces.forget();
        self.counted = Since::default();
        self.span = Span::First;
    }

    /// `memory` and `loads` are those of the same sample. With the detail comes the root disk.
    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        memory: Memory,
        loads: Loads,
        now: Instant,
    ) -> (Detail, Result<Disk, MissingReason>) {
        let mut detail = Detail::default();
        let missing = &mut detail.missing;
        self.span = self.counted.read(now);
        let shares = match self.span {
            Span::Short => Shares::none(MissingReason::CannotTell),
            Span::First | Span::Measured => self.cores.read(buffer),
        };
        detail.cores_percent = told("cores_percent", shares.cores_percent, missing);
        detail.iowait_percent = told("iowait_percent", shares.iowait_percent, missing);
        detail.steal_percent = told("steal_percent", shares.steal_percent, missing);
        detail.load5 = told("load5", loads.five, missing);
        detail.load15 = told("load15", loads.fifteen, missing);
        let available = memory.available_bytes;
        detail.memory_available_bytes = told("memory_available_bytes", available, missing);
        detail.memory_cached_bytes = told("memory_cached_bytes", memory.cached_bytes, missing);
        detail.swap_total_bytes = told("swap_total_bytes", memory.swap_total_bytes, missing);
        detail.uptime_s = told("uptime_s", self.uptime.read(buffer), missing);
        let disks = self.disks.read(buffer, self.span, now);
        detail.disks = told("disks", disks.each, missing);
        detail.interfaces =
            told("interfaces", self.interfaces.read(buffer, self.span, now), missing);
        detail.temperatures = told("temperatures", self.temperatures.read(now), missing);
        // A kernel without control groups limits nothing.
        let limits = match self.limits.read() {
            Err(MissingReason::NotSupported) => Ok(None),
            limits => limits,
        };
        detail.limits = told("limits", limits, missing).flatten();
        (detail, disks.root)
    }
}
