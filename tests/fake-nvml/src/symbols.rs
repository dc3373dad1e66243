//! The C interface, as far as the agent calls it: names and return codes of `nvml.h`. Pointers
//! are the caller's; `put` says what is taken for granted of them.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ops::Deref;

use crate::layout::{FieldValue, Memory, Pci, ProcessInfo, Utilization};
use crate::put::{put, put_list, put_some, put_text};
use crate::script::{Gpu, MigInstance, Script, code};
use crate::story::{answer, answer_gpu, begin, script};

/// `nvmlDevice_t`: the GPU's index plus one; above that, the instance's index plus one.
type Handle = *mut c_void;

const INSTANCE_SHIFT: u32 = 16;

fn handle(index: usize) -> Handle {
    (index + 1) as Handle
}

fn instance_handle(index: usize, instance: usize) -> Handle {
    ((index + 1) | (instance + 1) << INSTANCE_SHIFT) as Handle
}

fn index(handle: Handle) -> usize {
    (handle as usize & ((1 << INSTANCE_SHIFT) - 1)).wrapping_sub(1)
}

/// What a handle stands for.
struct Device<'a> {
    gpu: &'a Gpu,
    instance: Option<(u32, &'a MigInstance)>,
}

impl Deref for Device<'_> {
    type Target = Gpu;

    fn deref(&self) -> &Gpu {
        self.gpu
    }
}

impl<'a> Device<'a> {
    fn new(gpu: &'a Gpu, handle: Handle) -> Result<Self, u32> {
        let Some(n) = (handle as usize >> INSTANCE_SHIFT).checked_sub(1) else {
            return Ok(Self { gpu, instance: None });
        };
        let instance = gpu.mig.get(n).and_then(Option::as_ref).ok_or(code::GPU_IS_LOST)?;
        Ok(Self { gpu, instance: Some((n as u32, instance)) })
    }

    fn memory(&self) -> Option<Memory> {
        match self.instance {
            Some((_, part)) => Some(Memory::new(part.memory_total_bytes?, part.memory_used_bytes)),
            None => Some(Memory::new(self.memory_total_bytes?, self.memory_used_bytes)),
        }
    }

    fn uuid(&self) -> &str {
        self.instance.map_or(&self.gpu.uuid, |(_, part)| &part.uuid)
    }

    fn product(&self) -> String {
        let part = self.instance.map(|(_, part)| format!(" MIG {}", part.profile));
        self.name.clone() + &part.unwrap_or_default()
    }

    fn compute(&self) -> Vec<ProcessInfo> {
        let (processes, instance) = match self.instance {
            Some((n, part)) => (&part.compute, Some(n + 1)),
            None => (&self.gpu.compute, None),
        };
        processes.iter().map(|process| ProcessInfo::new(process, instance)).collect()
    }

    fn graphics(&self) -> Vec<ProcessInfo> {
        let processes = self.gpu.graphics.iter().filter(|_| self.instance.is_none());
        processes.map(|process| ProcessInfo::new(process, None)).collect()
    }
}

/// Functions about the library as a whole.
macro_rules! system {
    ($($symbol:ident($($name:ident: $type:ty),*) => $speak:expr;)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $symbol($($name: $type),*) -> c_uint {
            let speak: fn(&Script, $($type),*) -> Result<(), u32> = $speak;
            answer(stringify!($symbol), |script| speak(script, $($name),*))
        }
    )*};
}

/// Functions about one GPU, or a part of one.
macro_rules! device {
    ($($symbol:ident($($name:ident: $type:ty),*) => $speak:expr;)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $symbol(device: Handle, $($name: $type),*) -> c_uint {
            let speak: fn(&Device<'_>, $($type),*) -> Result<(), u32> = $speak;
            answer_gpu(stringify!($symbol), index(device), |gpu| {
                speak(&Device::new(gpu, device)?, $($name),*)
            })
        }
    )*};
}

system! {
    nvmlInit_v2() => |_| { begin(); Ok(()) };
    nvmlInitWithFlags(flags: c_uint) => |_, _| { begin(); Ok(()) };
    nvmlShutdown() => |_| Ok(());
    nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) =>
        |script, version, length| put_text(version, length, &script.driver);
    nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) =>
        |script, version, length| put_text(version, length, &script.driver);
    nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) =>
        |script, version| put(version, script.cuda);
    nvmlDeviceGetCount_v2(count: *mut c_uint) =>
        |script, count| put(count, script.gpus.len() as c_uint);
}

/// Opens the GPU that `wanted` takes; opening is a call about that GPU.
fn open(symbol: &str, device: *mut Handle, wanted: impl Fn(usize, &Gpu) -> bool) -> c_uint {
    let script = script();
    match script.gpus.iter().enumerate().position(|(n, gpu)| wanted(n, gpu)) {
        Some(index) => answer_gpu(symbol, index, |_| put(device, handle(index))),
        None => answer(symbol, |_| Err(code::INVALID_ARGUMENT)),
    }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Handle) -> c_uint {
    open("nvmlDeviceGetHandleByIndex_v2", device, |n, _| n == index as usize)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    bus_id: *const c_char,
    device: *mut Handle,
) -> c_uint {
    if bus_id.is_null() {
        return code::INVALID_ARGUMENT;
    }
    // SAFETY: not null, and a string of the caller's.
    let address = unsafe { CStr::from_ptr(bus_id) }.to_string_lossy();
    open("nvmlDeviceGetHandleByPciBusId_v2", device, |_, gpu| gpu.pci_address() == address)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    device: Handle,
    instance: c_uint,
    part: *mut Handle,
) -> c_uint {
    answer_gpu("nvmlDeviceGetMigDeviceHandleByIndex", index(device), |gpu| {
        let slot = gpu.mig.get(instance as usize).and_then(Option::as_ref);
        slot.ok_or(code::NOT_FOUND)?;
        put(part, instance_handle(index(device), instance as usize))
    })
}

device! {
    nvmlDeviceGetName(name: *mut c_char, length: c_uint) =>
        |device, name, length| put_text(name, length, &device.product());
    nvmlDeviceGetUUID(uuid: *mut c_char, length: c_uint) =>
        |device, uuid, length| put_text(uuid, length, device.uuid());
    nvmlDeviceGetMemoryInfo_v2(slot: *mut Memory) => |device, slot| put_some(slot, device.memory());
    nvmlDeviceGetUtilizationRates(rates: *mut Utilization) => |device, rates| {
        let memory = device.memory_utilization_percent;
        put_some(rates, device.utilization_percent.map(|gpu| Utilization { gpu, memory }))
    };
    nvmlDeviceGetTemperature(sensor: c_uint, celsius: *mut c_uint) =>
        |device, _, celsius| put_some(celsius, device.temperature_celsius);
    nvmlDeviceGetPowerUsage(milliwatts: *mut c_uint) =>
        |device, milliwatts| put_some(milliwatts, device.power_milliwatts);
    nvmlDeviceGetEnforcedPowerLimit(milliwatts: *mut c_uint) =>
        |device, milliwatts| put_some(milliwatts, device.power_limit_milliwatts);
    nvmlDeviceGetClockInfo(clock: c_uint, mhz: *mut c_uint) => |device, clock, mhz| {
        const MEMORY: c_uint = 2;
        put_some(mhz, if clock == MEMORY { device.memory_clock_mhz } else { device.clock_mhz })
    };
    nvmlDeviceGetNumFans(n_fans: *mut c_uint) =>
        |device, n_fans| put(n_fans, device.fan_percent.map_or(0, |_| 1));
    nvmlDeviceGetFanSpeed_v2(fan: c_uint, percent: *mut c_uint) =>
        |device, _, percent| put_some(percent, device.fan_percent);
    nvmlDeviceGetPciInfo_v3(slot: *mut Pci) => |device, slot| put(slot, device.gpu.into());
    nvmlDeviceGetCudaComputeCapability(major: *mut c_int, minor: *mut c_int) =>
        |device, major, minor| {
            put_some(major, device.compute_capability.map(|(major, _)| major))?;
            put_some(minor, device.compute_capability.map(|(_, minor)| minor))
        };
    nvmlDeviceGetCurrPcieLinkGeneration(generation: *mut c_uint) =>
        |device, generation| put_some(generation, device.pcie.map(|link| link.0));
    nvmlDeviceGetCurrPcieLinkWidth(width: *mut c_uint) =>
        |device, width| put_some(width, device.pcie.map(|link| link.1));
    nvmlDeviceGetMaxPcieLinkGeneration(generation: *mut c_uint) =>
        |device, generation| put_some(generation, device.pcie_max.map(|link| link.0));
    nvmlDeviceGetMaxPcieLinkWidth(width: *mut c_uint) =>
        |device, width| put_some(width, device.pcie_max.map(|link| link.1));
    nvmlDeviceGetPcieReplayCounter(replays: *mut c_uint) =>
        |device, replays| put_some(replays, device.pcie_replays);
    nvmlDeviceGetEccMode(current: *mut c_uint, pending: *mut c_uint) => |device, current, pending| {
        put_some(current, device.ecc_enabled.map(c_uint::from))?;
        put_some(pending, device.ecc_enabled.map(c_uint::from))
    };
    nvmlDeviceGetTotalEccErrors(kind: c_uint, counter: c_uint, errors: *mut c_ulonglong) =>
        |device, kind, _, errors| {
            const CORRECTED: c_uint = 0;
            let n = if kind == CORRECTED { device.ecc_corrected } else { device.ecc_uncorrected };
            put_some(errors, device.ecc_enabled.map(|_| n))
        };
    nvmlDeviceGetMigMode(current: *mut c_uint, pending: *mut c_uint) => |device, current, pending| {
        put_some(current, device.mig_enabled.map(c_uint::from))?;
        put_some(pending, device.mig_enabled.map(c_uint::from))
    };
    nvmlDeviceGetMaxMigDeviceCount(count: *mut c_uint) =>
        |device, count| put(count, device.mig_enabled.map_or(0, |_| 7));
    nvmlDeviceGetCurrentClocksThrottleReasons(reasons: *mut c_ulonglong) =>
        |device, reasons| put_some(reasons, device.throttle_reasons);
    nvmlDeviceGetFieldValues(count: c_int, values: *mut FieldValue) => put_fields;
    nvmlDeviceGetComputeRunningProcesses_v3(count: *mut c_uint, infos: *mut ProcessInfo) =>
        |device, count, infos| put_list(count, infos, device.compute().into_iter());
    nvmlDeviceGetGraphicsRunningProcesses_v3(count: *mut c_uint, infos: *mut ProcessInfo) =>
        |device, count, infos| put_list(count, infos, device.graphics().into_iter());
}

/// Of all fields, the memory's temperature is told.
fn put_fields(device: &Device<'_>, count: c_int, values: *mut FieldValue) -> Result<(), u32> {
    const MEMORY_TEMPERATURE: c_uint = 82;
    for n in 0..usize::try_from(count).unwrap_or_default() {
        // SAFETY: the caller has `count` of them, each with its field's number.
        let (slot, field) = unsafe { (values.add(n), (*values.add(n)).field) };
        let value = match field {
            MEMORY_TEMPERATURE => device.memory_temperature_celsius.ok_or(code::NOT_SUPPORTED),
            _ => Err(code::INVALID_ARGUMENT),
        };
        put(slot, FieldValue::new(field, value))?;
    }
    Ok(())
}
