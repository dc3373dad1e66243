//! Whether a host has VRAM for a model: what its present sample leaves free, less what leases
//! reserved on it.

use herdbook_shared::wire::sample::{GpuSample, Sample};

use crate::registry::host::HostEntry;

use super::rank::Room;

/// VRAM of a host that nothing uses, bytes, over the GPUs that tell; `None` where none does.
pub(super) fn free_vram(host: &HostEntry, sample: &Sample) -> Option<u64> {
    let gpus = host.facts.gpus.as_deref().unwrap_or_default();
    let free = |(at, now): (usize, &GpuSample)| {
        // Both are told in the same order, nearly always.
        let same = gpus.get(at).filter(|gpu| gpu.id == now.id);
        let total = same.or_else(|| gpus.iter().find(|gpu| gpu.id == now.id))?.memory_total_bytes?;
        Some(total.saturating_sub(now.memory_used_bytes?))
    };
    let told = sample.gpus.iter().flatten().enumerate().filter_map(free);
    told.fold(None, |sum, free| Some(sum.unwrap_or(0u64).saturating_add(free)))
}

/// Whether `need` bytes fit into `free` ones of which `reserved` are promised.
pub(super) fn room(
    host: Option<&HostEntry>,
    free: Option<u64>,
    reserved: u64,
    need: Option<u64>,
) -> Room {
    if need == Some(0) {
        return Room::Fits;
    }
    let has_none = host.and_then(|host| host.facts.gpus.as_deref()).is_some_and(<[_]>::is_empty);
    match (free, need) {
        _ if has_none => Room::NoGpu,
        (Some(free), Some(need)) if need <= free.saturating_sub(reserved) => Room::Fits,
        (Some(_), Some(_)) => Room::TooFull,
        _ => Room::CannotTell,
    }
}

/// Mean utilisation of the GPUs that tell, whole percent.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of percentages of at most 64 GPUs, clamped"
)]
pub(super) fn gpu_percent(sample: &Sample) -> Option<u8> {
    let told = sample.gpus.iter().flatten().filter_map(|gpu| gpu.utilization_percent);
    let (sum, n) = told.fold((0.0, 0u32), |(sum, n), percent| (sum + percent, n + 1));
    (n > 0).then(|| (sum / f64::from(n)).round().clamp(0.0, 100.0) as u8)
}
