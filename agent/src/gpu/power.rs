//! Whether the kernel has put a GPU to sleep (PCI runtime power management). Asking NVML about
//! such a GPU would wake it, and a laptop's battery would pay for every sample.

use std::fs;
use std::path::{Path, PathBuf};

const NVIDIA: &str = "0x10de";
/// PCI class of display controllers, of which GPUs without a display output are a kind.
const DISPLAY: &str = "0x03";

/// Where the kernel tells the state of the PCI device at `address`, `0000:01:00.0`.
pub(super) fn status_file(sys: &Path, address: &str) -> PathBuf {
    devices(sys).join(address).join("power/runtime_status")
}

/// A device whose state cannot be told is awake: then asking it costs nothing new.
pub(super) fn is_asleep(status_file: &Path) -> bool {
    fs::read_to_string(status_file).is_ok_and(|status| status.trim() == "suspended")
}

/// Whether there are NVIDIA GPUs, and not one of them is awake.
pub(super) fn all_asleep(sys: &Path) -> bool {
    let Ok(entries) = fs::read_dir(devices(sys)) else { return false };
    let mut n_gpus = 0;
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| is_nvidia_gpu(path)) {
        if !is_asleep(&folder.join("power/runtime_status")) {
            return false;
        }
        n_gpus += 1;
    }
    n_gpus > 0
}

fn is_nvidia_gpu(folder: &Path) -> bool {
    let begins = |name, prefix| {
        fs::read_to_string(folder.join(name)).is_ok_and(|text: String| text.starts_with(prefix))
    };
    begins("vendor", NVIDIA) && begins("class", DISPLAY)
}

fn devices(sys: &Path) -> PathBuf {
    sys.join("bus/pci/devices")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(sys: &Path, address: &str, vendor: &str, class: &str, status: &str) {
        let file = status_file(sys, address);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("{status}\n")).unwrap();
        fs::write(devices(sys).join(address).join("vendor"), format!("{vendor}\n")).unwrap();
        fs::write(devices(sys).join(address).join("class"), format!("{class}\n")).unwrap();
    }

    #[test]
    fn only_gpus_of_this_vendor_decide() {
        let sys = tempfile::tempdir().unwrap();
        assert!(!all_asleep(sys.path()), "no PCI bus");
        device(sys.path(), "0000:00:02.0", "0x8086", "0x030000", "active");
        device(sys.path(), "0000:01:00.1", "0x10de", "0x040300", "active");
        assert!(!all_asleep(sys.path()), "no NVIDIA GPU");
        device(sys.path(), "0000:01:00.0", "0x10de", "0x030200", "suspended");
        assert!(all_asleep(sys.path()));
        device(sys.path(), "0000:02:00.0", "0x10de", "0x030000", "active");
        assert!(!all_asleep(sys.path()));
    }
}
