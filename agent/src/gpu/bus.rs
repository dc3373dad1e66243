//! What the kernel says of NVIDIA GPUs on the PCI bus, without a word to the driver: which there
//! are, who drives them, and whether they sleep (PCI runtime power management). Asking NVML about
//! a sleeping GPU would wake it, and a laptop's battery would pay for every sample.
//!
//! Only files of `/sys` that the kernel answers from memory are read. Not so
//! `/proc/driver/nvidia/gpus/*/information`: the driver takes a reference on the GPU's power while
//! it writes that file, which wakes it as well; so a GPU that has slept since the driver was loaded
//! is listed without its name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::inventory::{Gpu, MemoryKind, Vendor};

use crate::sampling::Roots;
use crate::sampling::word::word;

const NVIDIA: &str = "0x10de";
/// PCI class of display controllers, of which GPUs without a display output are a kind.
const DISPLAY: &str = "0x03";
/// The driver through which NVML speaks; a GPU that is handed to a virtual machine has another.
const DRIVER: &str = "nvidia";

/// What cannot be told of a GPU that nobody may ask.
const UNASKED: [&str; 3] = ["name", "memory_total_bytes", "power_limit_watts"];

/// The addresses of the GPUs that NVML would show, in the order of the bus, which is NVML's own.
pub(super) fn gpus(sys: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(devices(sys)) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut addresses: Vec<String> = names.filter(|address| is_driven(sys, address)).collect();
    addresses.sort_unstable();
    addresses.truncate(limits::GPUS);
    addresses
}

/// Whether this is an NVIDIA GPU with NVIDIA's driver.
pub(super) fn is_driven(sys: &Path, address: &str) -> bool {
    let folder = devices(sys).join(address);
    let begins = |name, prefix| {
        fs::read_to_string(folder.join(name)).is_ok_and(|text: String| text.starts_with(prefix))
    };
    let driver = fs::read_link(folder.join("driver"));
    begins("vendor", NVIDIA)
        && begins("class", DISPLAY)
        && driver.is_ok_and(|path| path.file_name().is_some_and(|name| name == DRIVER))
}

/// Where the kernel tells the state of the PCI device at `address`, `0000:01:00.0`.
pub(super) fn status_file(sys: &Path, address: &str) -> PathBuf {
    devices(sys).join(address).join("power/runtime_status")
}

/// A device whose state cannot be told is awake: then asking it costs nothing new.
pub(super) fn is_asleep(status_file: &Path) -> bool {
    fs::read_to_string(status_file).is_ok_and(|status| status.trim() == "suspended")
}

/// The sleeping GPUs, where there are GPUs and not one of them is awake.
pub(super) fn all_asleep(roots: &Roots) -> Option<Vec<Gpu>> {
    let addresses = gpus(&roots.sys);
    let asleep = |address: &String| is_asleep(&status_file(&roots.sys, address));
    if addresses.is_empty() || !addresses.iter().all(asleep) {
        return None;
    }
    let driver = driver_version(&roots.proc);
    let gpu = |(index, address)| {
        let gpu = unasked(index, Some(address), MissingReason::Asleep);
        Gpu { driver: driver.clone(), ..gpu }
    };
    Some((0..).zip(addresses).map(gpu).collect())
}

/// A GPU of which only its place is known.
pub(super) fn unasked(index: u32, address: Option<String>, reason: MissingReason) -> Gpu {
    Gpu {
        id: address.as_ref().map_or_else(|| format!("index:{index}"), |at| format!("pci:{at}")),
        index,
        vendor: Vendor::Nvidia,
        name: "NVIDIA GPU".to_owned(),
        memory_kind: MemoryKind::Unknown,
        pci_address: address,
        missing: UNASKED.map(|field| (field.to_owned(), reason)).into(),
        ..Gpu::default()
    }
}

/// The GPUs that the driver has bound: a folder each, whose names alone wake nobody.
pub(super) fn bound(proc: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(proc.join("driver/nvidia/gpus")) else { return BTreeSet::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.take(limits::GPUS).collect()
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue …` and
/// `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build …`
fn driver_version(proc: &Path) -> Option<String> {
    version_in(&fs::read_to_string(proc.join("driver/nvidia/version")).ok()?)
}

fn version_in(text: &str) -> Option<String> {
    let is_version = |word: &&str| {
        word.contains('.') && word.chars().all(|char| char.is_ascii_digit() || char == '.')
    };
    text.lines().next()?.split_whitespace().find(is_version).map(word)
}

fn devices(sys: &Path) -> PathBuf {
    sys.join("bus/pci/devices")
}

#[cfg(test)]
mod tests {
    use fake_nvml::Machine;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_gpus_of_this_driver_decide() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::under(folder.path());
        let machine = Machine::new(folder.path());
        let gpu = fake_nvml::Gpu::numbered;
        assert_eq!(all_asleep(&roots), None, "no PCI bus");
        for (n, file, text) in
            [(0, "vendor", "0x8086"), (1, "class", "0x040300"), (2, "vendor", "0x1002")]
        {
            machine.put(&gpu(n), "active").unwrap();
            let device = devices(&roots.sys).join(gpu(n).pci_address());
            fs::write(device.join(file), text).unwrap();
        }
        machine.put(&gpu(3), "active").unwrap();
        let driver = devices(&roots.sys).join(gpu(3).pci_address()).join("driver");
        fs::remove_file(&driver).unwrap();
        std::os::unix::fs::symlink("../drivers/vfio-pci", driver).unwrap();
        assert_eq!(all_asleep(&roots), None, "no GPU of ours");
        machine.put(&gpu(5), "suspended").unwrap();
        machine.put(&gpu(4), "suspended").unwrap();
        let listed = all_asleep(&roots).unwrap();
        let ids: Vec<&str> = listed.iter().map(|gpu| gpu.id.as_str()).collect();
        assert_eq!(ids, ["pci:0000:05:00.0", "pci:0000:06:00.0"]);
        assert_eq!(listed[0].missing["name"], MissingReason::Asleep);
        machine.put(&gpu(4), "active").unwrap();
        assert_eq!(all_asleep(&roots), None);
        assert_eq!(gpus(&roots.sys).len(), 2);
    }

    #[test]
    fn the_driver_tells_its_version_in_either_form() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("driver/nvidia")).unwrap();
        for text in [
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 10:11:16 UTC 2025\n",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n",
        ] {
            fs::write(folder.path().join("driver/nvidia/version"), text).unwrap();
            assert_eq!(driver_version(folder.path()).as_deref(), Some("580.95.05"));
        }
        fs::write(folder.path().join("driver/nvidia/version"), "NVRM\n").unwrap();
        assert_eq!(driver_version(folder.path()), None);
    }

    proptest! {
        /// Whatever the file says, what is told is a bounded version of its first line.
        #[test]
        fn a_version_is_a_version(text in "(?s).{0,400}") {
            if let Some(version) = version_in(&text) {
                prop_assert!(version.len() <= limits::WORD_BYTES);
                prop_assert!(version.contains('.'));
                prop_assert!(version.chars().all(|char| char.is_ascii_digit() || char == '.'));
                prop_assert!(text.lines().next().unwrap().contains(&version));
            }
        }

        /// The words before and after it do not matter, as long as they are no versions.
        #[test]
        fn a_version_is_found_among_words(
            before in prop::collection::vec("[A-Za-z_:]{1,9}", 0..9),
            version in r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}",
            after in "[^\n]{0,40}",
        ) {
            let text = format!("{} {version} {after}\n1.2.3", before.join(" "));
            prop_assert_eq!(version_in(&text), Some(version));
        }
    }
}
