//! Every real disk, and every file system on one: space, and what is read and written.
//!
//! Read in this order: what is mounted (`mounts`), what devices do (`diskstats`), which of both is a
//! real disk (`layout`). What could hang by its kind is never asked, and the rest only aside
//! (`spaces`): a server or a disk that is gone must not stop the sample.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::time::Duration;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::DiskDetail;
use tokio::time::Instant;

use super::source::{Extent, Source};
use super::span::Span;
use super::word::word;
use super::{Roots, told};

mod diskstats;
mod layout;
mod mounts;
mod spaces;

use diskstats::Devices;
use layout::{Entry, Place};
use spaces::{Answers, Space, Spaces};

/// Remembers the devices' counters, and the layout until something is mounted or plugged in.
#[derive(Debug)]
pub(super) struct Disks {
    mountinfo: Source,
    diskstats: Source,
    block: PathBuf,
    spaces: Spaces,
    layout: Layout,
    last: Devices,
    last_at: Option<Instant>,
}

/// What is told of disks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DisksTold {
    /// The root's space.
    pub(super) root: Space,
    /// Each real disk.
    pub(super) each: Result<Vec<DiskDetail>, MissingReason>,
}

/// As it was worked out last.
#[derive(Debug, Default)]
struct Layout {
    /// Of the texts that it was made of. No text has 0, so that the first one is looked at.
    hash: u64,
    entries: Vec<Entry>,
    root: Root,
}

/// Whether the root may be asked for space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Root {
    Answers,
    #[default]
    MayHang,
}

impl Disks {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            mountinfo: Source::new(roots.process().join("mountinfo"), Extent::Long),
            diskstats: Source::new(roots.proc.join("diskstats"), Extent::Whole),
            block: roots.sys.join("block"),
            spaces: Spaces::new(roots.root.clone()),
            layout: Layout::default(),
            last: Devices::new(),
            last_at: None,
        }
    }

    pub(super) fn forget(&mut self) {
        self.last_at = None;
    }

    /// What cannot be told of one disk is missing there; `Err` where there is nothing to tell.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, span: Span, now: Instant) -> DisksTold {
        let devices = self.diskstats.read(buffer, diskstats::parse);
        let elapsed = self.last_at.map(|last| now.saturating_duration_since(last));
        let elapsed = elapsed.filter(|_| span != Span::Short);
        let known = devices.as_ref().ok();
        let mounts = self.look_at_layout(buffer, known.unwrap_or(&Devices::new()));
        let entries = &self.layout.entries;
        let answers = self.spaces.ask(wanted(&self.layout, mounts), now);
        let rates = Rates { last: &self.last, now: devices.as_ref(), elapsed };
        let detail = |entry| detail(entry, &answers, mounts, &rates);
        let listed = devices.as_ref().map(drop).map_err(|reason| *reason);
        let each = match mounts.and(listed) {
            Err(reason) if entries.is_empty() => Err(reason),
            _ => Ok(entries.iter().map(detail).collect()),
        };
        let root = match (mounts, self.layout.root) {
            (Ok(()), Root::Answers) => answers.of(&[root()]),
            (Ok(()), Root::MayHang) => Err(MissingReason::CannotTell),
            (Err(reason), _) => Err(reason),
        };
        if span != Span::Short {
            self.last_at = devices.is_ok().then_some(now);
            self.last = devices.unwrap_or_default();
        }
        DisksTold { root, each }
    }

    /// Works the layout out anew where anything in it can have changed.
    fn look_at_layout(
        &mut self,
        buffer: &mut Vec<u8>,
        devices: &Devices,
    ) -> Result<(), MissingReason> {
        let mut hasher = DefaultHasher::new();
        devices.keys().for_each(|name| name.hash(&mut hasher));
        let before = self.layout.hash;
        let read = self.mountinfo.read(buffer, |text| {
            text.hash(&mut hasher);
            let hash = hasher.finish();
            if before == hash {
                Some((hash, None))
            } else {
                Some((hash, Some(mounts::parse(text)?)))
            }
        });
        match read {
            Ok((_, None)) => Ok(()),
            Ok((hash, Some(mounts))) => {
                let answers = mounts::Tree::new(&mounts).root_answers();
                self.layout = Layout {
                    hash,
                    entries: layout::layout(&mounts, devices, &self.block),
                    root: if answers { Root::Answers } else { Root::MayHang },
                };
                Ok(())
            }
            Err(reason) => {
                let entries = layout::layout(&[], devices, &self.block);
                self.layout = Layout { entries, ..Layout::default() };
                Err(reason)
            }
        }
    }
}

fn root() -> Place {
    Place { point: "/".to_owned(), device: None }
}

/// All that is asked for space at once.
fn wanted(layout: &Layout, mounts: Result<(), MissingReason>) -> Vec<Vec<Place>> {
    if mounts.is_err() {
        return Vec::new();
    }
    let places = layout.entries.iter().map(|entry| entry.places.clone());
    let root = (layout.root == Root::Answers).then(|| vec![root()]);
    places.filter(|places| !places.is_empty()).chain(root).collect()
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
    answers: &Answers,
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
        (Ok(()), Some(_)) => answers.of(&entry.places),
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

#[cfg(test)]
#[path = "disks/tests.rs"]
mod tests;
