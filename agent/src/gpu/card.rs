//! One GPU: whether it can be asked at present, what it is, and what it does now. An error dims
//! the value that it came for; a GPU that fell off the bus is lost by itself, the others go on.

use std::path::PathBuf;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::{GpuProcess, GpuSample};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::sampling::{Depth, Roots};

use super::describe::{Software, describe, refresh};
use super::mig::{self, Instance};
use super::owners::Owners;
use super::questions::{Questions, Unsupported};
use super::reading::{self, dim};
use super::{bus, holders, metric};

/// A GPU that could not be opened is tried again after one slow reading, then after twice as many
/// each time: each try makes the driver start the whole card, and log that it failed.
const TRIES_APART_MAX: u32 = 64;

/// What all cards are read with.
#[derive(Debug)]
pub(super) struct Tools<'nvml> {
    pub(super) nvml: &'nvml Nvml,
    pub(super) roots: &'nvml Roots,
    pub(super) software: Software,
}

/// How NVML finds the GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// By its index, where all GPUs are awake.
    Index,
    /// By its PCI address, where some sleep: opening by index could wake any of them.
    Address(String),
}

/// A GPU, and what was learnt about it.
#[derive(Debug)]
pub(super) struct Card<'nvml> {
    seat: Seat,
    gpu: Gpu,
    state: State<'nvml>,
    status_file: Option<PathBuf>,
    unsupported: Unsupported,
    instances: Vec<Instance>,
}

#[derive(Debug)]
enum State<'nvml> {
    Open(Device<'nvml>),
    /// It fell off the bus. It is asked now and then whether it is back.
    Lost(Device<'nvml>),
    Unopened {
        reason: MissingReason,
        wait: u32,
        waited: u32,
    },
}

impl<'nvml> Card<'nvml> {
    /// A card that is not opened yet.
    pub(super) fn new(index: u32, seat: Seat, tools: &Tools<'nvml>) -> Self {
        let address = match &seat {
            Seat::Address(address) => Some(address.clone()),
            Seat::Index => None,
        };
        let sys = &tools.roots.sys;
        let reason = MissingReason::CannotTell;
        let status_file = address.as_ref().map(|address| bus::status_file(sys, address));
        let driver = tools.software.driver.clone();
        Self {
            gpu: Gpu { driver, ..bus::unasked(index, address, reason) },
            status_file,
            seat,
            state: State::Unopened { reason, wait: 0, waited: 0 },
            unsupported: Unsupported::new(),
            instances: Vec::new(),
        }
    }

    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Gives the GPU another id, where its own is taken.
    pub(super) fn rename(&mut self, id: String) {
        self.gpu.id = id;
    }

    /// Looks anew at what rarely changes, and for a GPU that was not there.
    ///
    /// # Errors
    ///
    /// Only what makes NVML as a whole useless, or says that there is no such GPU for us.
    pub(super) fn refresh(&mut self, tools: &Tools<'nvml>) -> Result<(), NvmlError> {
        let refreshed = match &self.state {
            _ if self.is_asleep() => {
                self.note_asleep();
                Ok(())
            }
            State::Unopened { .. } => self.open(tools),
            State::Open(_) => self.look_again(),
            State::Lost(_) => Ok(()),
        };
        self.bear(refreshed)
    }

    /// What the GPU does now, and how many processes were left out: at most `room` are listed.
    ///
    /// # Errors
    ///
    /// Only what makes NVML as a whole useless.
    pub(super) fn read(
        &mut self,
        depth: Depth,
        tools: &Tools<'nvml>,
        owners: &mut Owners,
        room: usize,
    ) -> Result<(GpuSample, usize), NvmlError> {
        if self.is_asleep() {
            return Ok((dim(&self.gpu.id, MissingReason::Asleep), 0));
        }
        let device = match &self.state {
            State::Open(device) => device,
            State::Lost(device) if depth == Depth::Complete => device,
            State::Lost(_) => return Ok((dim(&self.gpu.id, MissingReason::Lost), 0)),
            State::Unopened { reason, .. } => return Ok((dim(&self.gpu.id, *reason), 0)),
        };
        let mut asked = Questions::new(&mut self.unsupported);
        let sample = sample(&mut asked, device, &self.gpu, &self.instances, depth, tools.roots);
        match sample {
            Ok(mut sample) => {
                self.note_present();
                let mut n_left_out = 0;
                if let Some(processes) = &mut sample.processes {
                    n_left_out = holders::cut(processes, room);
                    processes.iter_mut().for_each(|process| owners.complete(process));
                }
                Ok((sample, n_left_out))
            }
            Err(error) => {
                self.bear(Err(error))?;
                Ok((dim(&self.gpu.id, MissingReason::Lost), 0))
            }
        }
    }

    fn open(&mut self, tools: &Tools<'nvml>) -> Result<(), NvmlError> {
        let State::Unopened { wait, waited, .. } = &mut self.state else { return Ok(()) };
        if *waited < *wait {
            *waited += 1;
            return Ok(());
        }
        let next = (2 * *wait).clamp(1, TRIES_APART_MAX);
        let device = match &self.seat {
            Seat::Index => tools.nvml.device_by_index(self.gpu.index),
            Seat::Address(address) => tools.nvml.device_by_pci_bus_id(address.clone()),
        };
        let index = self.gpu.index;
        let opened = device.and_then(|device| {
            let gpu = describe(&device, index, &tools.software, tools.roots)?;
            Ok((device, gpu))
        });
        match opened {
            Ok((device, gpu)) => {
                let address = gpu.pci_address.as_deref();
                let file = address.map(|address| bus::status_file(&tools.roots.sys, address));
                self.status_file = file.or(self.status_file.take());
                self.gpu = gpu;
                self.state = State::Open(device);
                self.look_again()
            }
            Err(error) if metric::is_fatal(&error) || metric::is_nobody(&error) => Err(error),
            Err(error) => {
                let reason = metric::reason(&error);
                self.note_unopened(reason, next);
                Ok(())
            }
        }
    }

    /// What may change while the driver runs: the power limit, and how the GPU is cut.
    fn look_again(&mut self) -> Result<(), NvmlError> {
        let State::Open(device) = &self.state else { return Ok(()) };
        if !self.unsupported.contains("power_limit_watts") {
            refresh(device, &mut self.gpu)?;
            if self.gpu.missing.get("power_limit_watts") == Some(&MissingReason::NotSupported) {
                self.unsupported.insert("power_limit_watts");
            }
        }
        let mut asked = Questions::new(&mut self.unsupported);
        let ask = || mig::is_enabled(device);
        let is_cut = asked.ask("mig_enabled", ask, metric::enabled)?;
        self.gpu.missing.remove("mig_enabled");
        self.gpu.missing.extend(asked.take_missing());
        let instances = if is_cut == Some(true) { mig::instances(device)? } else { Vec::new() };
        if is_cut != self.gpu.mig_enabled {
            // Cut and whole GPUs support different things.
            self.unsupported.retain(|field| *field == "mig_enabled");
        }
        self.gpu.mig_enabled = is_cut;
        self.keep_numbers(instances);
        Ok(())
    }

    /// An instance's numbers are known while a process runs on it, and do not change.
    fn keep_numbers(&mut self, mut instances: Vec<Instance>) {
        for Instance { told, .. } in &mut instances {
            let last = self.gpu.mig.iter().find(|last| last.id == told.id);
            told.gpu_instance = told.gpu_instance.or(last.and_then(|last| last.gpu_instance));
            told.compute_instance =
                told.compute_instance.or(last.and_then(|last| last.compute_instance));
        }
        self.gpu.mig = instances.iter().map(|instance| instance.told.clone()).collect();
        self.instances = instances;
    }

    /// A lost GPU is this card's own trouble; any other error is not.
    fn bear(&mut self, result: Result<(), NvmlError>) -> Result<(), NvmlError> {
        match result {
            Err(error) if metric::reason(&error) == MissingReason::Lost => {
                self.note_lost();
                Ok(())
            }
            result => result,
        }
    }

    fn note_lost(&mut self) {
        let nothing = State::Unopened { reason: MissingReason::Lost, wait: 1, waited: 0 };
        self.state = match std::mem::replace(&mut self.state, nothing) {
            State::Open(device) | State::Lost(device) => State::Lost(device),
            unopened @ State::Unopened { .. } => unopened,
        };
    }

    fn note_present(&mut self) {
        let nothing = State::Unopened { reason: MissingReason::Lost, wait: 1, waited: 0 };
        self.state = match std::mem::replace(&mut self.state, nothing) {
            State::Open(device) | State::Lost(device) => State::Open(device),
            unopened @ State::Unopened { .. } => unopened,
        };
    }

    fn note_unopened(&mut self, reason: MissingReason, wait: u32) {
        self.gpu.missing.values_mut().for_each(|value| *value = reason);
        self.state = State::Unopened { reason, wait, waited: 0 };
    }

    /// A GPU that was never opened is told as what the kernel knows of it.
    fn note_asleep(&mut self) {
        if matches!(self.state, State::Unopened { .. }) {
            self.note_unopened(MissingReason::Asleep, 0);
        }
    }

    fn is_asleep(&self) -> bool {
        self.status_file.as_deref().is_some_and(bus::is_asleep)
    }
}

/// One round of questions to a GPU that is awake.
fn sample(
    asked: &mut Questions<'_>,
    device: &Device<'_>,
    gpu: &Gpu,
    instances: &[Instance],
    depth: Depth,
    roots: &Roots,
) -> Result<GpuSample, NvmlError> {
    let (mut sample, memory) = reading::fast(asked, device, gpu, roots)?;
    if depth == Depth::Complete {
        sample.temperature_celsius = reading::temperature(asked, device)?;
        sample.fan_percent = reading::fan(asked, device)?;
        sample.processes = processes(asked, device, gpu, instances)?;
        sample.missing = asked.take_missing();
        let why = sample.missing.get("utilization_percent").copied();
        let memory = memory.ok_or(why.unwrap_or(MissingReason::CannotTell));
        sample.detail = Some(Box::new(reading::detail(asked, device, memory, instances)?));
    } else {
        sample.missing = asked.take_missing();
    }
    Ok(sample)
}

/// Of a GPU that is cut, each instance is asked for its own: of the whole GPU they are told only
/// to the privileged, and without the instance.
fn processes(
    asked: &mut Questions<'_>,
    device: &Device<'_>,
    gpu: &Gpu,
    instances: &[Instance],
) -> Result<Option<Vec<GpuProcess>>, NvmlError> {
    let mut listed = Vec::new();
    if instances.is_empty() {
        let add = |contexts: Vec<_>| {
            // A part without memory of its own may be held beyond what the host has, by swapping.
            holders::add(&mut listed, &contexts, gpu.memory_total_bytes, None);
            Some(())
        };
        let told = asked.ask("processes", || holders::contexts(device), add)?;
        return Ok(told.map(|()| listed));
    }
    let mut n_told = 0;
    for Instance { told, contexts, .. } in instances {
        match contexts {
            Ok(contexts) => {
                holders::add(&mut listed, contexts, told.memory_total_bytes, Some(&told.id));
                n_told += 1;
            }
            Err(error) => asked.lack("processes", metric::reason(error)),
        }
    }
    // Some are better than none; the reason stands beside them.
    Ok((n_told > 0).then_some(listed))
}
