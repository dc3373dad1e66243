//! Space on a file system, counted as `df` counts it.

use std::path::Path;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::Disk;
use rustix::io::Errno;

/// Space on the file system that `path` lies on. Only ever asked of one that answers by itself:
/// see `disks::mounts`.
fn space(path: &Path) -> Result<Disk, MissingReason> {
    let space = rustix::fs::statvfs(path).map_err(reason)?;
    disk(space.f_frsize, space.f_blocks, space.f_bfree, space.f_bavail)
        .ok_or(MissingReason::CannotTell)
}

/// The same, where `path` really is on the device with this number: a folder that a container was
/// given without what is mounted below it is not.
pub(super) fn space_on(path: &Path, device: Option<(u32, u32)>) -> Result<Disk, MissingReason> {
    let stat = rustix::fs::stat(path).map_err(reason)?;
    let found = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    if device.is_some_and(|device| device != found) {
        return Err(MissingReason::CannotTell);
    }
    space(path)
}

fn reason(error: Errno) -> MissingReason {
    match error {
        Errno::ACCESS | Errno::PERM => MissingReason::NoPermission,
        _ => MissingReason::CannotTell,
    }
}

/// Blocks that are free but kept for root belong to neither used nor total.
fn disk(block_bytes: u64, all: u64, free: u64, available: u64) -> Option<Disk> {
    let used = all.checked_sub(free)?;
    let total = used.checked_add(available.min(free))?;
    let bytes =
        |blocks: u64| blocks.checked_mul(block_bytes).filter(|bytes| *bytes <= limits::BYTES_MAX);
    Some(Disk { used_bytes: bytes(used)?, total_bytes: bytes(total)? })
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
        assert_eq!(disk(1, u64::MAX, 0, 0), None);
    }

    #[test]
    fn a_folder_on_another_device_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(space_on(folder.path(), Some((4_000, 1))), Err(MissingReason::CannotTell));
        assert!(space_on(folder.path(), None).is_ok());
        let gone = folder.path().join("gone");
        assert_eq!(space_on(&gone, None), Err(MissingReason::CannotTell));
    }
}
