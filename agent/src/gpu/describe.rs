//! What a GPU is: the part that moves rarely, asked when it is opened and, where it may change
//! while the driver runs, now and then. Each call's meaning is that of the NVML API reference,
//! "Device Queries" (<https://docs.nvidia.com/deploy/nvml-api/>).

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::inventory::{Gpu, MemoryKind};
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::EccModeState;

use crate::sampling::Roots;
use crate::sampling::word::word;

use super::bus::unasked;
use super::questions::{Questions, Unsupported};
use super::{host_memory, metric};

/// What is true of all GPUs of the machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Software {
    /// Driver version.
    pub(super) driver: Option<String>,
    /// The newest CUDA that it serves.
    pub(super) cuda: Option<String>,
}

/// A GPU at its first opening.
///
/// # Errors
///
/// Where it is lost, or NVML as a whole useless.
pub(super) fn describe(
    device: &Device<'_>,
    index: u32,
    software: &Software,
    roots: &Roots,
) -> Result<Gpu, NvmlError> {
    let mut unsupported = Unsupported::new();
    let mut asked = Questions::new(&mut unsupported);
    let address = asked.ask("pci_address", || pci_address(device), |address| address)?;
    let text = |text: String| Some(word(&text)).filter(|text| !text.is_empty());
    let id = asked.ask("id", || device.uuid(), text)?;
    let name = asked.ask("name", || device.name(), text)?;
    let capability = asked.ask(
        "compute_capability",
        || device.cuda_compute_capability(),
        metric::compute_capability,
    )?;
    let generation =
        asked.ask("pcie_generation_max", || device.max_pcie_link_gen(), metric::pcie_generation)?;
    let width = asked.ask("pcie_width_max", || device.max_pcie_link_width(), metric::pcie_lanes)?;
    let ecc = |mode: EccModeState| Some(mode.currently_enabled);
    let ecc_enabled = asked.ask("ecc_enabled", || device.is_ecc_enabled(), ecc)?;
    let blank = unasked(index, address, MissingReason::CannotTell);
    let mut gpu = Gpu {
        driver: software.driver.clone(),
        cuda_version: software.cuda.clone(),
        compute_capability: capability,
        pcie_generation_max: generation,
        pcie_width_max: width,
        ecc_enabled,
        missing: asked.take_missing(),
        id: id.unwrap_or_else(|| blank.id.clone()),
        name: name.unwrap_or_else(|| blank.name.clone()),
        ..blank
    };
    measure(device, &mut gpu, roots)?;
    refresh(device, &mut gpu)?;
    Ok(gpu)
}

/// All memory, and whose it is. That a part has none of its own shows only in this call's being
/// not supported, of the GPU: a library that lacks the call says so in another way.
fn measure(device: &Device<'_>, gpu: &mut Gpu, roots: &Roots) -> Result<(), NvmlError> {
    let total = device.memory_info().map(|memory| memory.total);
    gpu.memory_kind = MemoryKind::Dedicated;
    let total = match total {
        Err(NvmlError::NotSupported) => {
            gpu.memory_kind = MemoryKind::Unified;
            host_memory::read(&roots.proc).map(|memory| memory.total).ok_or(NvmlError::NoData)
        }
        total => total,
    };
    note(&mut gpu.missing, "memory_total_bytes", total, metric::total_bytes)
        .map(|total| gpu.memory_total_bytes = total)
}

/// What may change while the driver runs.
///
/// # Errors
///
/// As [`describe`].
pub(super) fn refresh(device: &Device<'_>, gpu: &mut Gpu) -> Result<(), NvmlError> {
    let limit = device.enforced_power_limit();
    gpu.power_limit_watts = note(&mut gpu.missing, "power_limit_watts", limit, metric::watts)?;
    Ok(())
}

fn note<T, U>(
    missing: &mut Missing,
    field: &'static str,
    answer: Result<T, NvmlError>,
    sane: impl FnOnce(T) -> Option<U>,
) -> Result<Option<U>, NvmlError> {
    let mut unsupported = Unsupported::new();
    let mut asked = Questions::new(&mut unsupported);
    let value = asked.ask(field, || answer, sane)?;
    missing.remove(field);
    missing.extend(asked.take_missing());
    Ok(value)
}

/// `0000:01:00.0`; GPUs are function 0 of their device.
fn pci_address(device: &Device<'_>) -> Result<Option<String>, NvmlError> {
    let pci = device.pci_info()?;
    let sane = pci.domain <= u32::from(u16::MAX) && pci.bus <= 0xff && pci.device <= 0x1f;
    Ok(sane.then(|| format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device)))
}
