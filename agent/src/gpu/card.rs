//! One GPU as NVML sees it: what it is, and what it does now. An error dims the value that it
//! came for; a GPU that fell off the bus is lost by itself, the others go on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::inventory::{Gpu, MemoryKind, Vendor};
use herdbook_shared::wire::sample::GpuSample;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::sampling::word::word;
use crate::sampling::{Depth, Roots};

use super::{holders, metric, power};

/// The fields of [`GpuSample`] that are read every tick.
const FAST: [&str; 6] = [
    "utilization_percent",
    "memory_used_bytes",
    "power_watts",
    "sm_clock_mhz",
    "fan_percent",
    "throttle_reasons",
];
/// Those that are read now and then.
const SLOW: [&str; 2] = ["temperature_celsius", "processes"];

/// A sample in which nothing could be told.
pub(super) fn dim(id: &str, reason: MissingReason) -> GpuSample {
    let fields = FAST.iter().chain(&SLOW);
    GpuSample {
        id: id.to_owned(),
        missing: fields.map(|field| ((*field).to_owned(), reason)).collect(),
        ..GpuSample::default()
    }
}

/// A GPU, and what was learnt about it.
#[derive(Debug)]
pub(super) struct Card<'nvml> {
    gpu: Gpu,
    handle: Result<Device<'nvml>, MissingReason>,
    status_file: Option<PathBuf>,
    /// What this GPU does not have; not asked for again.
    unsupported: BTreeSet<&'static str>,
    lost: bool,
}

impl<'nvml> Card<'nvml> {
    /// The GPU with this index; one that cannot be opened is listed with the reason.
    ///
    /// # Errors
    ///
    /// Only what makes NVML as a whole useless.
    pub(super) fn find(
        nvml: &'nvml Nvml,
        index: u32,
        driver: Option<&str>,
        sys: &Path,
    ) -> Result<Self, NvmlError> {
        let device = match nvml.device_by_index(index) {
            Ok(device) => device,
            Err(error) if metric::is_fatal(&error) => return Err(error),
            Err(error) => return Ok(Self::unopened(index, driver, metric::reason(&error))),
        };
        let address = pci_address(&device);
        let gpu = describe(&device, index, driver, address.as_deref())?;
        Ok(Self {
            gpu,
            handle: Ok(device),
            status_file: address.map(|address| power::status_file(sys, &address)),
            unsupported: BTreeSet::new(),
            lost: false,
        })
    }

    fn unopened(index: u32, driver: Option<&str>, reason: MissingReason) -> Self {
        let fields = ["name", "memory_total_bytes", "power_limit_watts"];
        Self {
            gpu: Gpu {
                missing: fields.map(|field| (field.to_owned(), reason)).into(),
                memory_kind: MemoryKind::Unknown,
                ..blank(format!("index:{index}"), index, driver)
            },
            handle: Err(reason),
            status_file: None,
            unsupported: BTreeSet::new(),
            lost: reason == MissingReason::Lost,
        }
    }

    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Gives the GPU another id, where its own is taken.
    pub(super) fn rename(&mut self, id: String) {
        self.gpu.id = id;
    }

    /// Reads anew what rarely changes.
    pub(super) fn refresh(&mut self) {
        if self.lost || self.is_asleep() {
            return;
        }
        if let Ok(device) = &self.handle
            && let Ok(milliwatts) = device.enforced_power_limit()
            && let Some(watts) = metric::watts(milliwatts)
        {
            self.gpu.power_limit_watts = Some(watts);
            self.gpu.missing.remove("power_limit_watts");
        }
    }

    /// What the GPU does now. At most `room` processes are listed.
    ///
    /// # Errors
    ///
    /// Only what makes NVML as a whole useless.
    pub(super) fn read(
        &mut self,
        depth: Depth,
        roots: &Roots,
        room: usize,
    ) -> Result<GpuSample, NvmlError> {
        let device = match &self.handle {
            Ok(device) => device,
            Err(reason) => return Ok(dim(&self.gpu.id, *reason)),
        };
        // A lost GPU is asked now and then whether it is back, and left in peace otherwise.
        if self.lost && depth == Depth::Fast {
            return Ok(dim(&self.gpu.id, MissingReason::Lost));
        }
        if self.is_asleep() {
            return Ok(dim(&self.gpu.id, MissingReason::CannotTell));
        }
        let mut reading = Reading { unsupported: &mut self.unsupported, missing: Missing::new() };
        let sample = reading.sample(device, &self.gpu, depth, roots, room);
        self.lost = matches!(sample, Err(NvmlError::GpuLost | NvmlError::ResetRequired));
        match sample {
            Ok(sample) => Ok(sample),
            Err(_) if self.lost => Ok(dim(&self.gpu.id, MissingReason::Lost)),
            Err(fatal) => Err(fatal),
        }
    }

    fn is_asleep(&self) -> bool {
        self.status_file.as_deref().is_some_and(power::is_asleep)
    }
}

/// `0000:01:00.0`
fn pci_address(device: &Device<'_>) -> Option<String> {
    let pci = device.pci_info().ok()?;
    let sane = pci.domain <= u32::from(u16::MAX) && pci.bus <= 0xff && pci.device <= 0x1f;
    sane.then(|| format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device))
}

fn blank(id: String, index: u32, driver: Option<&str>) -> Gpu {
    Gpu {
        id,
        index,
        vendor: Vendor::Nvidia,
        name: "NVIDIA GPU".to_owned(),
        driver: driver.map(word),
        memory_kind: MemoryKind::Dedicated,
        ..Gpu::default()
    }
}

/// A GPU that is lost before it could be described keeps its PCI address as its id.
fn describe(
    device: &Device<'_>,
    index: u32,
    driver: Option<&str>,
    address: Option<&str>,
) -> Result<Gpu, NvmlError> {
    let mut reading = Reading { unsupported: &mut BTreeSet::new(), missing: Missing::new() };
    let mut known = |field, value: Result<String, NvmlError>| {
        reading.take_once(field, value, |text| Some(word(&text)).filter(|text| !text.is_empty()))
    };
    let id = known("id", device.uuid())?;
    let name = known("name", device.name())?;
    let total = device.memory_info().map(|memory| memory.total);
    let unified = matches!(total, Err(NvmlError::NotSupported));
    let memory_total_bytes = reading.take_once("memory_total_bytes", total, metric::total_bytes)?;
    let limit = device.enforced_power_limit();
    let power_limit_watts = reading.take_once("power_limit_watts", limit, metric::watts)?;
    let address = address.map_or_else(|| format!("index:{index}"), |at| format!("pci:{at}"));
    let blank = blank(id.unwrap_or(address), index, driver);
    Ok(Gpu {
        name: name.unwrap_or_else(|| blank.name.clone()),
        memory_kind: if unified { MemoryKind::Unified } else { MemoryKind::Dedicated },
        memory_total_bytes,
        power_limit_watts,
        missing: reading.missing,
        ..blank
    })
}

/// One round of questions to one GPU.
struct Reading<'a> {
    unsupported: &'a mut BTreeSet<&'static str>,
    missing: Missing,
}

impl Reading<'_> {
    /// Fails where the GPU is lost, or NVML as a whole useless.
    fn sample(
        &mut self,
        device: &Device<'_>,
        gpu: &Gpu,
        depth: Depth,
        roots: &Roots,
        room: usize,
    ) -> Result<GpuSample, NvmlError> {
        let total = gpu.memory_total_bytes;
        let used = |bytes| metric::used_bytes(bytes, total);
        let [utilization, memory, watts, clock, fan, throttle] = FAST;
        let mut sample = GpuSample {
            id: gpu.id.clone(),
            utilization_percent: self.take(
                utilization,
                || device.utilization_rates().map(|rates| rates.gpu),
                metric::percent,
            )?,
            memory_used_bytes: self.take(memory, || device.memory_info().map(|m| m.used), used)?,
            power_watts: self.take(watts, || device.power_usage(), metric::watts)?,
            sm_clock_mhz: self.take(clock, || device.clock_info(Clock::SM), metric::megahertz)?,
            fan_percent: self.take(fan, || device.fan_speed(0), metric::fan_percent)?,
            throttle_reasons: self.take(
                throttle,
                || device.current_throttle_reasons(),
                |reasons| Some(metric::throttle_words(reasons)),
            )?,
            ..GpuSample::default()
        };
        if depth == Depth::Complete {
            let [temperature, processes] = SLOW;
            let celsius = || device.temperature(TemperatureSensor::Gpu);
            sample.temperature_celsius = self.take(temperature, celsius, metric::celsius)?;
            sample.processes = self.take(
                processes,
                || holders::contexts(device),
                |contexts| Some(holders::named(contexts, total, &roots.proc, room)),
            )?;
        }
        sample.missing = std::mem::take(&mut self.missing);
        Ok(sample)
    }

    /// One answer, unless this GPU is known to have none.
    fn take<T, U>(
        &mut self,
        field: &'static str,
        ask: impl FnOnce() -> Result<T, NvmlError>,
        sane: impl FnOnce(T) -> Option<U>,
    ) -> Result<Option<U>, NvmlError> {
        if self.unsupported.contains(field) {
            self.missing.insert(field.to_owned(), MissingReason::NotSupported);
            return Ok(None);
        }
        let answer = ask();
        if let Err(error) = &answer
            && (metric::is_fatal(error) || metric::reason(error) == MissingReason::Lost)
        {
            return Err(answer.err().unwrap_or(NvmlError::Unknown));
        }
        self.keep(field, answer, sane)
    }

    /// Like `take` for what is asked once: a lost GPU only dims the value.
    fn take_once<T, U>(
        &mut self,
        field: &'static str,
        answer: Result<T, NvmlError>,
        sane: impl FnOnce(T) -> Option<U>,
    ) -> Result<Option<U>, NvmlError> {
        match answer {
            Err(error) if metric::is_fatal(&error) => Err(error),
            answer => self.keep(field, answer, sane),
        }
    }

    fn keep<T, U>(
        &mut self,
        field: &'static str,
        answer: Result<T, NvmlError>,
        sane: impl FnOnce(T) -> Option<U>,
    ) -> Result<Option<U>, NvmlError> {
        let reason = match answer {
            Ok(value) => match sane(value) {
                Some(value) => return Ok(Some(value)),
                None => MissingReason::CannotTell,
            },
            Err(error) => metric::reason(&error),
        };
        if reason == MissingReason::NotSupported {
            self.unsupported.insert(field);
        }
        self.missing.insert(field.to_owned(), reason);
        Ok(None)
    }
}
