//! The C interface, as far as the agent calls it: names, layouts and return codes of `nvml.h`.
//!
//! Every pointer comes from a caller that keeps to `nvml.h`: it points to what its type says, or
//! is null where the header allows that. This is what each `SAFETY` below leans on.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};

use crate::script::{Gpu, Process, Script, code};
use crate::story::{answer, answer_gpu};

/// `nvmlDevice_t`: the index plus one.
type Handle = *mut c_void;

fn handle(index: usize) -> Handle {
    (index + 1) as Handle
}

fn index(handle: Handle) -> usize {
    (handle as usize).wrapping_sub(1)
}

/// Writes an answer through a caller's pointer.
fn put<T>(slot: *mut T, value: T) -> Result<(), u32> {
    if slot.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and the caller's own.
    unsafe { slot.write(value) };
    Ok(())
}

fn put_some<T>(slot: *mut T, value: Option<T>) -> Result<(), u32> {
    put(slot, value.ok_or(code::NOT_SUPPORTED)?)
}

fn put_text(slot: *mut c_char, length: c_uint, text: &str) -> Result<(), u32> {
    let length = length as usize;
    if slot.is_null() || length == 0 {
        return Err(code::INVALID_ARGUMENT);
    }
    let n = text.len().min(length - 1);
    // SAFETY: the caller's buffer has `length` bytes, and n + 1 are written.
    unsafe {
        slot.copy_from_nonoverlapping(text.as_ptr().cast(), n);
        slot.add(n).write(0);
    }
    Ok(())
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

/// Functions about one GPU.
macro_rules! device {
    ($($symbol:ident($($name:ident: $type:ty),*) => $speak:expr;)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $symbol(device: Handle, $($name: $type),*) -> c_uint {
            let speak: fn(&Gpu, $($type),*) -> Result<(), u32> = $speak;
            answer_gpu(stringify!($symbol), index(device), |gpu| speak(gpu, $($name),*))
        }
    )*};
}

system! {
    nvmlInit_v2() => |_| Ok(());
    nvmlInitWithFlags(flags: c_uint) => |_, _| Ok(());
    nvmlShutdown() => |_| Ok(());
    nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) =>
        |script, version, length| put_text(version, length, &script.driver);
    nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) =>
        |script, version, length| put_text(version, length, &script.driver);
    nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) => |_, version| put(version, 13_000);
    nvmlDeviceGetCount_v2(count: *mut c_uint) =>
        |script, count| put(count, script.gpus.len() as c_uint);
    nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut Handle) => by_uuid;
}

fn by_uuid(script: &Script, uuid: *const c_char, device: *mut Handle) -> Result<(), u32> {
    if uuid.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and a string of the caller's.
    let uuid = unsafe { CStr::from_ptr(uuid) }.to_string_lossy();
    let index = script.gpus.iter().position(|gpu| gpu.uuid == uuid).ok_or(code::NOT_FOUND)?;
    put(device, handle(index))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut Handle) -> c_uint {
    let index = index as usize;
    answer_gpu("nvmlDeviceGetHandleByIndex_v2", index, |_| put(device, handle(index)))
}

#[repr(C)]
struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[repr(C)]
struct Pci {
    bus_id_legacy: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
    subsystem_id: c_uint,
    bus_id: [c_char; 32],
}

#[repr(C)]
struct ProcessInfo {
    pid: c_uint,
    used_memory: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

device! {
    nvmlDeviceGetName(name: *mut c_char, length: c_uint) =>
        |gpu, name, length| put_text(name, length, &gpu.name);
    nvmlDeviceGetUUID(uuid: *mut c_char, length: c_uint) =>
        |gpu, uuid, length| put_text(uuid, length, &gpu.uuid);
    nvmlDeviceGetMemoryInfo_v2(slot: *mut Memory) => |gpu, slot| put_some(slot, memory(gpu));
    nvmlDeviceGetUtilizationRates(rates: *mut Utilization) => |gpu, rates| {
        put_some(rates, gpu.utilization_percent.map(|gpu| Utilization { gpu, memory: 0 }))
    };
    nvmlDeviceGetTemperature(sensor: c_uint, celsius: *mut c_uint) =>
        |gpu, _, celsius| put_some(celsius, gpu.temperature_celsius);
    nvmlDeviceGetPowerUsage(milliwatts: *mut c_uint) =>
        |gpu, milliwatts| put_some(milliwatts, gpu.power_milliwatts);
    nvmlDeviceGetEnforcedPowerLimit(milliwatts: *mut c_uint) =>
        |gpu, milliwatts| put_some(milliwatts, gpu.power_limit_milliwatts);
    nvmlDeviceGetPowerManagementLimit(milliwatts: *mut c_uint) =>
        |gpu, milliwatts| put_some(milliwatts, gpu.power_limit_milliwatts);
    nvmlDeviceGetClockInfo(clock: c_uint, mhz: *mut c_uint) =>
        |gpu, _, mhz| put_some(mhz, gpu.clock_mhz);
    nvmlDeviceGetMaxClockInfo(clock: c_uint, mhz: *mut c_uint) =>
        |gpu, _, mhz| put_some(mhz, gpu.clock_mhz);
    nvmlDeviceGetNumFans(n_fans: *mut c_uint) =>
        |gpu, n_fans| put(n_fans, gpu.fan_percent.map_or(0, |_| 1));
    nvmlDeviceGetFanSpeed_v2(fan: c_uint, percent: *mut c_uint) =>
        |gpu, _, percent| put_some(percent, gpu.fan_percent);
    nvmlDeviceGetPciInfo_v3(slot: *mut Pci) => |gpu, slot| put(slot, pci(gpu));
    nvmlDeviceGetCurrentClocksThrottleReasons(reasons: *mut c_ulonglong) =>
        |gpu, reasons| put_some(reasons, gpu.throttle_reasons);
    nvmlDeviceGetComputeRunningProcesses_v3(count: *mut c_uint, infos: *mut ProcessInfo) =>
        |gpu, count, infos| put_processes(count, infos, &gpu.compute);
    nvmlDeviceGetGraphicsRunningProcesses_v3(count: *mut c_uint, infos: *mut ProcessInfo) =>
        |gpu, count, infos| put_processes(count, infos, &gpu.graphics);
}

fn memory(gpu: &Gpu) -> Option<Memory> {
    let total = gpu.memory_total_bytes?;
    let used = gpu.memory_used_bytes;
    let free = total.saturating_sub(used);
    Some(Memory { version: 0, total, reserved: 0, free, used })
}

fn pci(gpu: &Gpu) -> Pci {
    let mut pci = Pci {
        bus_id_legacy: [0; 16],
        domain: 0,
        bus: gpu.pci_bus,
        device: 0,
        device_id: 0x2335_10de,
        subsystem_id: 0,
        bus_id: [0; 32],
    };
    let address = format!("00000000:{:02X}:00.0", gpu.pci_bus);
    for (slot, byte) in pci.bus_id.iter_mut().zip(address.bytes()) {
        *slot = byte as c_char;
    }
    pci
}

/// Too little room is answered with the count that would do, as the real one does.
fn put_processes(
    count: *mut c_uint,
    infos: *mut ProcessInfo,
    processes: &[Process],
) -> Result<(), u32> {
    if count.is_null() {
        return Err(code::INVALID_ARGUMENT);
    }
    // SAFETY: not null, and the caller's own.
    let room = unsafe { count.read() } as usize;
    put(count, processes.len() as c_uint)?;
    if room < processes.len() {
        return Err(code::INSUFFICIENT_SIZE);
    }
    for (n, process) in processes.iter().enumerate() {
        let info = ProcessInfo {
            pid: process.pid,
            used_memory: process.memory_bytes.unwrap_or(c_ulonglong::MAX),
            gpu_instance: c_uint::MAX,
            compute_instance: c_uint::MAX,
        };
        // SAFETY: the caller has room for `room` of them, and n is below that.
        put(unsafe { infos.add(n) }, info)?;
    }
    Ok(())
}
