//! Every real disk, and every file system on one: space, and what is read and written.
//!
//! Read in this order: what is mounted (`mounts`), what devices do (`diskstats`), which of both is a
//! real disk (`layout`). Nothing that could hang is ever asked: a server that is gone must not stop
//! the sample.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::DiskDetail;
use herdbook_shared::wire::sample::Disk;
use tokio::time::Instant;

use super::disk::space_on;
use super::source::{Extent, Source};
use super::word::word;
use super::{Roots, told};

mod diskstats;
mod layout;
mod mounts;

use diskstats::Devices;
use layout::Entry;

/// Remembers the devices' counters, and the layout until something is mounted or plugged in.
#[derive(Debug)]
pub(super) struct Disks {
    mountinfo: Source,
    diskstats: Source,
    root: PathBuf,
    block: PathBuf,
    layout: Option<(u64, Vec<Entry>)>,
    last: Devices,
    last_at: Option<Instant>,
}

impl Disks {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            mountinfo: Source::new(roots.process().join("mountinfo"), Extent::Whole),
            diskstats: Source::new(roots.proc.join("diskstats"), Extent::Whole),
            root: roots.root.clone(),
            block: roots.sys.join("block"),
            layout: None,
            last: Devices::new(),
            last_at: None,
        }
    }

    /// What cannot be told of one disk is missing there; `Err` where there is nothing to tell.
    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Vec<DiskDetail>, MissingReason> {
        let devices = self.diskstats.read(buffer, diskstats::parse);
        let elapsed = self.last_at.map(|last| now.saturating_duration_since(last));
        let known = devices.as_ref().ok();
        let mounts = self.look_at_layout(buffer, known.unwrap_or(&Devices::new()));
        let entries = self.layout.as_ref().map(|(_, entries)| entries.as_slice());
        if let (Err(reason), true) = (mounts, entries.is_none_or(<[Entry]>::is_empty)) {
            return Err(reason);
        }
        let rates = Rates { last: &self.last, now: devices.as_ref(), elapsed };
        let detail = |entry| detail(entry, &self.root, mounts, &rates);
        let details = entries.unwrap_or_default().iter().map(detail).collect();
        self.last_at = devices.is_ok().then_some(now);
        self.last = devices.unwrap_or_default();
        Ok(details)
    }

    /// Works the layout out anew where anything in it can have changed.
    fn look_at_layout(
        &mut self,
        buffer: &mut Vec<u8>,
        devices: &Devices,
    ) -> Result<(), MissingReason> {
        let mut hasher = DefaultHasher::new();
        devices.keys().for_each(|name| name.hash(&mut hasher));
        let before = self.layout.as_ref().map(|(hash, _)| *hash);
        let read = self.mountinfo.read(buffer, |text| {
            text.hash(&mut hasher);
            let hash = hasher.finish();
            if before == Some(hash) {
                Some((hash, None))
            } else {
                Some((hash, Some(mounts::parse(text)?)))
            }
        });
        match read {
            Ok((_, None)) => Ok(()),
            Ok((hash, Some(mounts))) => {
                self.layout = Some((hash, layout::layout(&mounts, devices, &self.block)));
                Ok(())
            }
            Err(reason) => {
                // No text has this hash, so the next one that can be read is looked at.
                self.layout = Some((0, layout::layout(&[], devices, &self.block)));
                Err(reason)
            }
        }
    }
}

/// Two readings of the devices' counters.
struct Rates<'a> {
    last: &'a Devices,
    now: Result<&'a Devices, &'a MissingReason>,
    elapsed: Option<Duration>,
}

impl Rates<'_> {
    fn of(&self, device: Option<&String>) -> Result<diskstats::Rates, MissingReason> {
        // What a pool's devices do is told with them.
        let name = device.ok_or(MissingReason::NotSupported)?;
        let now = self.now.map_err(|reason| *reason)?.get(name);
        let (now, last) = now.zip(self.last.get(name)).ok_or(MissingReason::CannotTell)?;
        let elapsed = self.elapsed.ok_or(MissingReason::CannotTell)?;
        diskstats::rates(last.io, now.io, elapsed).ok_or(MissingReason::CannotTell)
    }
}

fn detail(
    entry: &Entry,
    root: &Path,
    mounts: Result<(), MissingReason>,
    rates: &Rates<'_>,
) -> DiskDetail {
    let mut detail = DiskDetail {
        device: Some(word(&entry.shown))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "?".to_owned()),
        mount: entry.mount.as_deref().map(word),
        file_system: entry.kind.as_deref().map(word),
        ..DiskDetail::default()
    };
    let missing = &mut detail.missing;
    if let Err(reason) = mounts {
        missing.insert("mount".to_owned(), reason);
    }
    let space = match (mounts, &entry.mount) {
        (Err(reason), _) => Err(reason),
        (Ok(()), None) => Err(MissingReason::NotSupported),
        (Ok(()), Some(_)) => space(entry, root),
    };
    detail.used_bytes = told("used_bytes", space.map(|space| space.used_bytes), missing);
    detail.total_bytes = told("total_bytes", space.map(|space| space.total_bytes), missing);
    let rates = rates.of(entry.device.as_ref());
    let (read, write) = (rates.map(|rates| rates.read_bytes), rates.map(|rates| rates.write_bytes));
    detail.read_bytes_per_second = told("read_bytes_per_second", read, missing);
    detail.write_bytes_per_second = told("write_bytes_per_second", write, missing);
    detail.busy_percent = told("busy_percent", rates.map(|rates| rates.busy_percent), missing);
    detail
}

/// What is used is the sum of all places; what is free, they share.
fn space(entry: &Entry, root: &Path) -> Result<Disk, MissingReason> {
    let ask = |place: &layout::Place| {
        space_on(&root.join(place.point.trim_start_matches('/')), place.device)
    };
    let asked: Vec<_> = entry.places.iter().map(ask).collect();
    let first = asked.first().copied().ok_or(MissingReason::CannotTell)?;
    let spaces: Vec<Disk> = asked.into_iter().flatten().collect();
    let free = spaces.iter().map(|space| space.total_bytes - space.used_bytes).max();
    let used = spaces.iter().map(|space| space.used_bytes).sum();
    match free {
        Some(free) => Ok(Disk { used_bytes: used, total_bytes: used + free }),
        None => first,
    }
}

#[cfg(test)]
#[path = "disks/tests.rs"]
mod tests;
