//! Which real disks there are, and which file system lies on each.
//!
//! Real is a file system with a block device behind it, or a pool of ZFS. A part that is mounted a
//! second time, an image in a file, and what lives in memory or on another machine is not. What
//! several mounts share (subvolumes of Btrfs, data sets of one pool) is told once. A disk without a
//! mounted file system is told too, with what it reads and writes: it may be part of an array.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use herdbook_shared::limits;

use super::diskstats::{Devices, is_disk};
use super::mounts::{Mount, Tree, Way};
use crate::sampling::source::value;

/// More data sets of a pool than this are not added up.
const PLACES: usize = 64;
/// An array of encrypted volumes of arrays is not followed further down.
const STOREYS: usize = 6;

/// One disk, or file system on one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// As people know it.
    pub(super) shown: String,
    /// The kernel's name of what is read and written, where it is one device.
    pub(super) device: Option<String>,
    pub(super) mount: Option<String>,
    pub(super) kind: Option<String>,
    /// Where its space can be asked for; nowhere where that could hang.
    pub(super) places: Vec<Place>,
}

/// A mounted folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) point: String,
    /// Its number, where the folder must show the same.
    pub(super) device: Option<(u32, u32)>,
}

/// What makes two mounts one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Home {
    Device(String),
    Pool(String),
}

/// The disks, those that are mounted first, by where; `block` is `/sys/block`.
pub(super) fn layout(mounts: &[Mount], devices: &Devices, block: &Path) -> Vec<Entry> {
    let names = Names::new(devices, block);
    let tree = Tree::new(mounts);
    let mut homes: BTreeMap<Home, Vec<(Way, &Mount)>> = BTreeMap::new();
    for mount in mounts {
        if let Some(home) = names.home(mount) {
            homes.entry(home).or_default().push((tree.way(mount), mount));
        }
    }
    let mut entries: Vec<Entry> =
        homes.iter().map(|(home, mounts)| names.entry(home, mounts)).collect();
    entries.sort_by(|a, b| a.mount.cmp(&b.mount));
    let used = used(&entries, block);
    entries.extend(names.unused(&used, block));
    entries.truncate(limits::DISKS);
    entries
}

/// The kernel's names of devices, by what mounts call them.
struct Names<'a> {
    devices: &'a Devices,
    by_number: BTreeMap<(u32, u32), &'a str>,
    /// Of the device mapper's volumes: `dm-0` is `vg-root`.
    volumes: BTreeMap<&'a str, String>,
}

impl<'a> Names<'a> {
    fn new(devices: &'a Devices, block: &Path) -> Self {
        let volume = |name: &&String| name.starts_with("dm-");
        let named =
            |name: &'a String| Some((name.as_str(), value(&block.join(name).join("dm/name"))?));
        Self {
            devices,
            by_number: devices
                .iter()
                .map(|(name, device)| (device.number, name.as_str()))
                .collect(),
            volumes: devices.keys().filter(volume).filter_map(named).collect(),
        }
    }

    /// `None` where the mount is no real disk, or only a part that is mounted elsewhere as a whole.
    fn home(&self, mount: &Mount) -> Option<Home> {
        if mount.kind == "zfs" {
            let pool = mount.source.split('/').next()?;
            return Some(Home::Pool(pool.to_owned())).filter(|_| !pool.is_empty());
        }
        if mount.device.0 == 0 {
            // A file system that may span devices (Btrfs, bcachefs) has a number of its own, and
            // each of its subvolumes is one of its roots.
            return self.named(mount.source.split(':').next()?).map(Home::Device);
        }
        let is_image = matches!(mount.kind.as_str(), "squashfs" | "erofs" | "iso9660" | "udf");
        let is_whole = mount.root == "/" || mount.point == "/";
        if is_image || !is_whole {
            return None;
        }
        match self.by_number.get(&mount.device) {
            Some(name) => Some(Home::Device((*name).to_owned())),
            // Without the kernel's list of devices, the mount's own word has to do.
            None if self.devices.is_empty() => {
                let name = mount.source.strip_prefix("/dev/")?;
                is_disk(name).then(|| Home::Device(name.to_owned()))
            }
            None => None,
        }
    }

    /// `/dev/sda1`, `/dev/mapper/vg-root`
    fn named(&self, source: &str) -> Option<String> {
        let name = source.strip_prefix("/dev/")?;
        if let Some(volume) = name.strip_prefix("mapper/") {
            let (name, _) = self.volumes.iter().find(|(_, shown)| *shown == volume)?;
            return Some((*name).to_owned());
        }
        self.devices.contains_key(name).then(|| name.to_owned())
    }

    fn entry(&self, home: &Home, mounts: &[(Way, &Mount)]) -> Entry {
        let closeness = |(way, mount): &&(Way, &Mount)| (*way != Way::Open, mount.point.len());
        let main = mounts.iter().min_by_key(closeness).map(|(_, mount)| *mount);
        let open = mounts.iter().filter(|(way, _)| *way == Way::Open).map(|(_, mount)| *mount);
        let (shown, device, places) = match home {
            Home::Pool(pool) => (pool.clone(), None, datasets(open)),
            Home::Device(name) => {
                let shown = self.volumes.get(name.as_str()).unwrap_or(name).clone();
                let open = open.min_by_key(|mount| mount.point.len());
                (shown, Some(name.clone()), open.map(place).into_iter().collect())
            }
        };
        let mount = main.map(|mount| mount.point.clone());
        Entry { shown, device, mount, kind: main.map(|mount| mount.kind.clone()), places }
    }

    /// Disks of this machine that are not in use by what is mounted.
    fn unused(&self, used: &BTreeSet<String>, block: &Path) -> Vec<Entry> {
        let is_unused = |name: &&String| {
            let folder = block.join(name);
            let is_part = |part: &&String| part.starts_with(*name) && folder.join(part).exists();
            folder.join("device").exists()
                && value(&folder.join("size")).is_none_or(|sectors| sectors != "0")
                && !used.contains(*name)
                && !self.devices.keys().filter(is_part).any(|part| used.contains(part))
        };
        let entry = |name: &String| Entry {
            shown: name.clone(),
            device: Some(name.clone()),
            ..Entry::default()
        };
        self.devices.keys().filter(is_unused).map(entry).collect()
    }
}

/// Each data set once: what is used of a pool is their sum.
fn datasets<'a>(mounts: impl Iterator<Item = &'a Mount>) -> Vec<Place> {
    let each: BTreeMap<&str, &Mount> = mounts.map(|mount| (mount.source.as_str(), mount)).collect();
    each.into_values().take(PLACES).map(place).collect()
}

fn place(mount: &Mount) -> Place {
    // What Btrfs says of a folder is not what it says of the mount.
    let device = (!matches!(mount.kind.as_str(), "btrfs" | "bcachefs")).then_some(mount.device);
    Place { point: mount.point.clone(), device }
}

/// What is mounted, and what that lies on.
fn used(entries: &[Entry], block: &Path) -> BTreeSet<String> {
    let mut used: BTreeSet<String> =
        entries.iter().flat_map(|entry| entry.device.clone()).collect();
    let mut storey: Vec<String> = used.iter().cloned().collect();
    for _ in 0..STOREYS {
        let below = storey.iter().flat_map(|name| slaves(&block.join(name).join("slaves")));
        storey = below.filter(|name| used.insert(name.clone())).collect();
    }
    used
}

fn slaves(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(limits::DISKS);
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
