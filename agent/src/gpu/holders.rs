//! Which processes hold a GPU's memory, as NVML lists them: one entry a process and instance, the
//! largest first. Who they are is told by `owners`.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::GpuProcess;
use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::metric;

/// More contexts than this are nonsense, and room for them is never made.
const CONTEXTS: u32 = 4096;

/// Compute and graphics contexts. A GPU without graphics has none of these, which is no error.
/// How many there are is asked first: the wrapper makes room for any number that NVML says.
pub(super) fn contexts(device: &Device<'_>) -> Result<Vec<ProcessInfo>, NvmlError> {
    let mut contexts = match device.running_compute_processes_count()? {
        0 => Vec::new(),
        1..=CONTEXTS => device.running_compute_processes()?,
        _ => return Err(NvmlError::NoData),
    };
    let graphics = match device.running_graphics_processes_count() {
        Ok(0) => Ok(Vec::new()),
        Ok(1..=CONTEXTS) => device.running_graphics_processes(),
        Ok(_) => Err(NvmlError::NoData),
        Err(error) => Err(error),
    };
    match graphics {
        Ok(graphics) => contexts.extend(graphics),
        Err(error) if metric::reason(&error) == MissingReason::NotSupported => {}
        Err(error) => return Err(error),
    }
    Ok(contexts)
}

/// Adds these contexts to the holders. A process with both kinds of context is told twice, with
/// the same figure. `total` is what the device has; nobody holds more.
pub(super) fn add(
    holders: &mut Vec<GpuProcess>,
    contexts: &[ProcessInfo],
    total: Option<u64>,
    mig_id: Option<&str>,
) {
    let first = holders.len();
    for context in contexts {
        let process = holder(context, total, mig_id);
        match holders[first..].iter_mut().find(|holder| holder.pid == process.pid) {
            Some(holder) if holder.memory_bytes >= process.memory_bytes => {}
            Some(holder) => *holder = process,
            None => holders.push(process),
        }
    }
}

/// Under WDDM, and in WSL, the driver leaves memory to Windows and does not know who holds it
/// (`NVML_VALUE_NOT_AVAILABLE`).
fn holder(context: &ProcessInfo, total: Option<u64>, mig_id: Option<&str>) -> GpuProcess {
    let memory = match context.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => {
            metric::used_bytes(bytes, total).ok_or(MissingReason::CannotTell)
        }
        UsedGpuMemory::Unavailable => Err(MissingReason::NotSupported),
    };
    let missing = memory.err().map(|reason| ("memory_bytes".to_owned(), reason));
    GpuProcess {
        pid: context.pid,
        memory_bytes: memory.ok(),
        mig_id: mig_id.map(str::to_owned),
        missing: missing.into_iter().collect(),
        ..GpuProcess::default()
    }
}

/// The largest first, no more than `room`; returns how many were left out.
pub(super) fn cut(holders: &mut Vec<GpuProcess>, room: usize) -> usize {
    holders.sort_by_key(|holder| (std::cmp::Reverse(holder.memory_bytes), holder.pid));
    let n_left_out = holders.len().saturating_sub(room);
    holders.truncate(room);
    n_left_out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn context(pid: u32, memory: UsedGpuMemory) -> ProcessInfo {
        ProcessInfo {
            pid,
            used_gpu_memory: memory,
            gpu_instance_id: None,
            compute_instance_id: None,
        }
    }

    fn used(bytes: u64) -> UsedGpuMemory {
        UsedGpuMemory::Used(bytes)
    }

    #[test]
    fn a_process_with_two_contexts_is_one_holder_and_keeps_the_figure() {
        let mut holders = Vec::new();
        let contexts = [
            context(1, UsedGpuMemory::Unavailable),
            context(1, used(7)),
            context(2, UsedGpuMemory::Unavailable),
            context(3, used(1 << 60)),
        ];
        add(&mut holders, &contexts, Some(100), None);
        add(&mut holders, &[context(1, used(5))], Some(10), Some("MIG-1"));
        assert_eq!(cut(&mut holders, 10), 0);
        let told: Vec<_> =
            holders.iter().map(|h| (h.pid, h.memory_bytes, h.mig_id.as_deref())).collect();
        assert_eq!(
            told,
            [(1, Some(7), None), (1, Some(5), Some("MIG-1")), (2, None, None), (3, None, None)]
        );
        assert!(holders[0].missing.is_empty());
        assert_eq!(holders[2].missing["memory_bytes"], MissingReason::NotSupported);
        assert_eq!(holders[3].missing["memory_bytes"], MissingReason::CannotTell);
    }

    proptest! {
        /// Nobody is told twice, nobody holds more than there is, and the cut is counted.
        #[test]
        fn a_list_is_bounded_and_sane(
            contexts in prop::collection::vec((0_u32..50, any::<Option<u64>>()), 0..200),
            total in 1_u64..1 << 40,
            room in 0_usize..60,
        ) {
            let contexts: Vec<ProcessInfo> = contexts
                .into_iter()
                .map(|(pid, bytes)| context(pid, bytes.map_or(UsedGpuMemory::Unavailable, used)))
                .collect();
            let mut holders = Vec::new();
            add(&mut holders, &contexts, Some(total), None);
            let n = holders.len();
            let n_left_out = cut(&mut holders, room);
            prop_assert_eq!(holders.len() + n_left_out, n);
            prop_assert!(holders.len() <= room);
            for (i, holder) in holders.iter().enumerate() {
                prop_assert!(holder.memory_bytes.is_none_or(|bytes| bytes <= total));
                prop_assert_eq!(holder.memory_bytes.is_none(), !holder.missing.is_empty());
                prop_assert!(holders[..i].iter().all(|other| other.pid != holder.pid));
                prop_assert!(i == 0 || holders[i - 1].memory_bytes >= holder.memory_bytes);
            }
        }
    }
}
