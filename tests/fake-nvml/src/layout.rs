//! The structures of `nvml.h`, as far as the agent is given them.

use std::ffi::{c_char, c_longlong, c_uint, c_ulonglong};

use crate::script::{Gpu, Process};

/// `nvmlMemory_v2_t`
#[repr(C)]
#[derive(Default)]
pub(crate) struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

impl Memory {
    pub(crate) fn new(total: u64, used: u64) -> Self {
        Self { total, used, free: total.saturating_sub(used), ..Self::default() }
    }
}

/// `nvmlUtilization_t`
#[repr(C)]
#[derive(Default)]
pub(crate) struct Utilization {
    pub(crate) gpu: c_uint,
    pub(crate) memory: c_uint,
}

/// `nvmlPciInfo_t`
#[repr(C)]
#[derive(Default)]
pub(crate) struct Pci {
    bus_id_legacy: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
    subsystem_id: c_uint,
    bus_id: [c_char; 32],
}

impl From<&Gpu> for Pci {
    fn from(gpu: &Gpu) -> Self {
        let mut pci = Self { bus: gpu.pci_bus, device_id: 0x2335_10de, ..Self::default() };
        let address = format!("00000000:{:02X}:00.0", gpu.pci_bus);
        for (slot, byte) in pci.bus_id.iter_mut().zip(address.bytes()) {
            *slot = byte as c_char;
        }
        pci
    }
}

/// `nvmlProcessInfo_t`
#[repr(C)]
#[derive(Default)]
pub(crate) struct ProcessInfo {
    pid: c_uint,
    used_memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

impl ProcessInfo {
    /// A process, in the instance of this number where it is in one.
    pub(crate) fn new(process: &Process, instance: Option<u32>) -> Self {
        Self {
            pid: process.pid,
            used_memory: process.memory_bytes.unwrap_or(c_ulonglong::MAX),
            gpu_instance: instance.unwrap_or(c_uint::MAX),
            compute_instance: instance.map_or(c_uint::MAX, |_| 0),
        }
    }
}

/// `nvmlFieldValue_t`
#[repr(C)]
pub(crate) struct FieldValue {
    pub(crate) field: c_uint,
    scope: c_uint,
    timestamp: c_longlong,
    latency: c_longlong,
    kind: c_uint,
    code: c_uint,
    value: c_ulonglong,
}

impl FieldValue {
    /// An unsigned number, or a code.
    pub(crate) fn new(field: c_uint, value: Result<u32, u32>) -> Self {
        const UNSIGNED: c_uint = 1;
        Self {
            field,
            scope: 0,
            timestamp: 0,
            latency: 0,
            kind: UNSIGNED,
            code: value.err().unwrap_or_default(),
            value: value.unwrap_or_default().into(),
        }
    }
}
