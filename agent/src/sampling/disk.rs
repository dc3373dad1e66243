//! Space on the root disk, counted as `df` counts it.

use std::path::PathBuf;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::Disk;

use super::Roots;

/// Where the space is.
#[derive(Debug)]
pub(super) struct DiskSource {
    root: PathBuf,
}

impl DiskSource {
    pub(super) fn new(roots: &Roots) -> Self {
        Self { root: roots.root.clone() }
    }

    pub(super) fn read(&self) -> Result<Disk, MissingReason> {
        let space = rustix::fs::statvfs(&self.root).map_err(|error| match error {
            rustix::io::Errno::ACCESS => MissingReason::NoPermission,
            _ => MissingReason::CannotTell,
        })?;
        disk(space.f_frsize, space.f_blocks, space.f_bfree, space.f_bavail)
            .ok_or(MissingReason::CannotTell)
    }
}

/// Blocks that are free but kept for root belong to neither used nor total.
fn disk(block_bytes: u64, all: u64, free: u64, available: u64) -> Option<Disk> {
    let used = all.checked_sub(free)?;
    let total = used.checked_add(available.min(free))?;
    Some(Disk {
        used_bytes: used.checked_mul(block_bytes)?,
        total_bytes: total.checked_mul(block_bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_root_is_not_counted() {
        let disk = disk(4096, 1000, 300, 250).unwrap();
        assert_eq!(disk, Disk { used_bytes: 700 * 4096, total_bytes: 950 * 4096 });
    }

    #[test]
    fn nonsense_is_no_disk() {
        assert_eq!(disk(4096, 1, 2, 2), None);
        assert_eq!(disk(u64::MAX, 1000, 0, 0), None);
    }
}
