//! Which processes hold a GPU's memory.

use std::path::Path;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::GpuProcess;
use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use crate::sampling::word::word;

use super::metric;

/// Compute and graphics contexts. A GPU without graphics has none of these, which is no error.
pub(super) fn contexts(device: &Device<'_>) -> Result<Vec<ProcessInfo>, NvmlError> {
    let mut contexts = device.running_compute_processes()?;
    match device.running_graphics_processes() {
        Ok(graphics) => contexts.extend(graphics),
        Err(error) if metric::reason(&error) == MissingReason::NotSupported => {}
        Err(error) => return Err(error),
    }
    Ok(contexts)
}

/// One entry a process, the largest first. A process with both kinds of context is told twice,
/// with the same figure.
pub(super) fn named(
    contexts: Vec<ProcessInfo>,
    total: Option<u64>,
    proc: &Path,
    room: usize,
) -> Vec<GpuProcess> {
    let mut holders: Vec<GpuProcess> = Vec::new();
    for context in contexts.into_iter().take(limits::GPU_PROCESSES) {
        let memory_bytes = match context.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => metric::used_bytes(bytes, total),
            UsedGpuMemory::Unavailable => None,
        };
        match holders.iter_mut().find(|holder| holder.pid == context.pid) {
            Some(holder) => holder.memory_bytes = holder.memory_bytes.max(memory_bytes),
            None => {
                holders.push(GpuProcess { pid: context.pid, memory_bytes, ..GpuProcess::default() })
            }
        }
    }
    holders.sort_by_key(|holder| std::cmp::Reverse(holder.memory_bytes));
    holders.truncate(room);
    for holder in &mut holders {
        holder.name = name(proc, holder.pid);
    }
    holders
}

/// `None` where the process is gone, or lives in a PID namespace that is not ours.
fn name(proc: &Path, pid: u32) -> Option<String> {
    let comm = std::fs::read_to_string(proc.join(pid.to_string()).join("comm")).ok()?;
    Some(word(&comm)).filter(|name| !name.is_empty())
}
