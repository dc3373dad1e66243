//! The real network interfaces and their counters, from `/proc/net/dev` and `/sys/class/net`.
//!
//! Real is what carries bytes in and out of the machine, once. An interface with a device behind it
//! is real, unless it is a part of another one with a device, through which its bytes pass as well
//! (a virtual machine's fast path beside its slow one). One without a device is virtual (bond, VLAN,
//! bridge), and its bytes pass a real one, too; it counts only where no interface has a device, as
//! in a container. Loopback, and the links of containers, virtual machines and tunnels, never count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use tokio::time::Instant;

use super::Roots;
use super::interface::Purpose;
use super::source::{Extent, Source};

/// How often it is asked what each interface is, besides when one comes or goes: one that came may
/// have become a part of another since.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Remembers what each interface is.
#[derive(Debug)]
pub(super) struct Links {
    source: Source,
    class: PathBuf,
    kinds: BTreeMap<String, Kind>,
    look_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A device is behind it.
    Device,
    /// One is, and another interface with a device counts its bytes.
    Part,
    /// None is.
    Virtual,
}

/// Since the interface came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) receive: u64,
    pub(super) receive_errors: u64,
    pub(super) transmit: u64,
    pub(super) transmit_errors: u64,
}

/// By the interface's name.
pub(super) type Counted = BTreeMap<String, Counters>;

impl Links {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            source: Source::new(roots.net().join("dev"), Extent::Whole),
            class: roots.sys.join("class/net"),
            kinds: BTreeMap::new(),
            look_at: None,
        }
    }

    /// The real ones, as many as are told.
    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Counted, MissingReason> {
        let mut counted = self.source.read(buffer, parse)?;
        if self.look_at.is_none_or(|at| now >= at) || !self.kinds.keys().eq(counted.keys()) {
            let kind = |name: &String| (name.clone(), kind(&self.class.join(name)));
            self.kinds = counted.keys().map(kind).collect();
            self.look_at = Some(now + LOOK_EVERY);
        }
        let of = |kind| self.kinds.iter().filter(move |(_, known)| **known == kind);
        let real = if of(Kind::Device).next().is_some() { Kind::Device } else { Kind::Virtual };
        let told = of(real).take(limits::INTERFACES);
        Ok(told.filter_map(|(name, _)| counted.remove_entry(name)).collect())
    }
}

fn kind(folder: &Path) -> Kind {
    match folder.join("device").exists() {
        true if folder.join("master/device").exists() => Kind::Part,
        true => Kind::Device,
        false => Kind::Virtual,
    }
}

/// All interfaces that connect this machine with others. A line that says nothing is left out
/// alone; `None` where no line says anything.
fn parse(text: &str) -> Option<Counted> {
    // Two lines of headings.
    let mut lines = text.lines().skip(2).filter_map(line).peekable();
    lines.peek()?;
    let network = lines.filter(|(name, _)| Purpose::of(name) == Purpose::Network);
    Some(network.map(|(name, counters)| (name.to_owned(), counters)).collect())
}

/// `name: bytes packets errs drop fifo frame compressed multicast bytes packets errs …`
fn line(line: &str) -> Option<(&str, Counters)> {
    let (name, fields) = line.split_once(':')?;
    let name = name.trim();
    let mut counts = [0_u64; 11];
    let mut fields = fields.split_ascii_whitespace();
    for count in &mut counts {
        *count = fields.next()?.parse().ok()?;
    }
    let [receive, _, broken, _, no_room, _, _, _, transmit, _, transmit_errors] = counts;
    let counters = Counters {
        receive,
        // What nobody wanted (`drop`) is no error.
        receive_errors: broken.saturating_add(no_room).min(limits::BYTES_MAX),
        transmit,
        transmit_errors: transmit_errors.min(limits::BYTES_MAX),
    };
    (!name.is_empty() && !name.contains('/')).then_some((name, counters))
}

/// A counter that is lower than before was reset, and has counted from 0 since.
pub(super) fn risen(last: u64, now: u64) -> u64 {
    now.checked_sub(last).unwrap_or(now)
}

/// A second; no more than the wire takes.
pub(super) fn rate(bytes: u64, elapsed: Duration) -> u64 {
    ((bytes as f64 / elapsed.as_secs_f64()) as u64).min(limits::BYTES_MAX)
}

#[cfg(test)]
#[path = "links_tests.rs"]
mod tests;
