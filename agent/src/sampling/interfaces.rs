//! Every real network interface: rates and errors from `/proc/net/dev`, state and speed from
//! `/sys/class/net`. Which ones are real is told as for the sum of all, in `network`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::InterfaceDetail;
use tokio::time::Instant;

use super::interface::Purpose;
use super::source::{Extent, Source};
use super::span::Span;
use super::word::word;
use super::{Roots, told};

/// Remembers each interface's counters.
#[derive(Debug)]
pub(super) struct Interfaces {
    source: Source,
    class: PathBuf,
    known: BTreeMap<String, Known>,
    last_at: Option<Instant>,
}

/// One interface, its files kept open.
#[derive(Debug)]
struct Known {
    device: Device,
    state: Source,
    speed: Source,
    last: Option<Counters>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Behind,
    None,
}

/// Since the interface came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    receive: u64,
    receive_errors: u64,
    transmit: u64,
    transmit_errors: u64,
}

impl Interfaces {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            source: Source::new(roots.net().join("dev"), Extent::Whole),
            class: roots.sys.join("class/net"),
            known: BTreeMap::new(),
            last_at: None,
        }
    }

    pub(super) fn forget(&mut self) {
        self.last_at = None;
    }

    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        span: Span,
        now: Instant,
    ) -> Result<Vec<InterfaceDetail>, MissingReason> {
        let read = self.source.read(buffer, parse);
        if read.is_err() {
            // What comes next has nothing to be compared with.
            self.known.clear();
            self.last_at = None;
        }
        let counters = read?;
        let elapsed = match span {
            Span::Short => None,
            Span::First | Span::Measured => self.last_at.replace(now),
        };
        let elapsed = elapsed.map(|last| now.saturating_duration_since(last));
        self.known.retain(|name, _| counters.contains_key(name));
        for name in counters.keys() {
            if self.known.len() < limits::INTERFACES && !self.known.contains_key(name) {
                self.known.insert(name.clone(), Known::new(&self.class, name));
            }
        }
        let any_device = self.known.values().any(|known| known.device == Device::Behind);
        let mut details = Vec::new();
        for (name, known) in &mut self.known {
            let Some(now) = counters.get(name).copied() else { continue };
            // One that came too soon for a rate is a beginning only where there is none.
            let last = match span {
                Span::Short => known.last.or_else(|| known.last.replace(now)),
                Span::First | Span::Measured => known.last.replace(now),
            };
            let rates = last.and_then(|last| rates(last, now, elapsed?));
            if known.device == Device::Behind || !any_device {
                details.push(known.detail(name, now, rates, buffer));
            }
        }
        Ok(details)
    }
}

impl Known {
    fn new(class: &Path, name: &str) -> Self {
        let folder = class.join(name);
        let device = if folder.join("device").exists() { Device::Behind } else { Device::None };
        let (state, speed) = (folder.join("operstate"), folder.join("speed"));
        Self {
            device,
            state: Source::of_device(state),
            speed: Source::of_device(speed),
            last: None,
        }
    }

    fn detail(
        &mut self,
        name: &str,
        now: Counters,
        rates: Option<(u64, u64)>,
        buffer: &mut Vec<u8>,
    ) -> InterfaceDetail {
        let mut detail = InterfaceDetail {
            name: word(name),
            receive_errors: Some(now.receive_errors),
            transmit_errors: Some(now.transmit_errors),
            ..InterfaceDetail::default()
        };
        let missing = &mut detail.missing;
        let state =
            self.state.read(buffer, |text| Some(word(text)).filter(|word| !word.is_empty()));
        detail.state = told("state", state, missing);
        detail.speed_mbps = told("speed_mbps", self.speed(buffer), missing);
        let rates = rates.ok_or(MissingReason::CannotTell);
        let receive = rates.map(|(receive, _)| receive);
        detail.receive_bytes_per_second = told("receive_bytes_per_second", receive, missing);
        let transmit = rates.map(|(_, transmit)| transmit);
        detail.transmit_bytes_per_second = told("transmit_bytes_per_second", transmit, missing);
        detail
    }

    /// Wireless and virtual ones have none (-1, or a refusal), nor has one that is down.
    fn speed(&mut self, buffer: &mut Vec<u8>) -> Result<u64, MissingReason> {
        let speed = self.speed.read(buffer, |text| text.trim().parse::<i64>().ok());
        let speed = speed.ok().and_then(|speed| u64::try_from(speed).ok());
        // So do the largest numbers that its field held, first of 16 bits and then of 32.
        speed
            .filter(|speed| *speed > 0 && *speed != 65_535 && *speed < u64::from(u32::MAX))
            .ok_or(MissingReason::NotSupported)
    }
}

/// All interfaces that connect this machine with others. A line that says nothing is left out
/// alone; `None` where no line says anything.
fn parse(text: &str) -> Option<BTreeMap<String, Counters>> {
    // Two lines of headings.
    let mut lines = text.lines().skip(2).filter_map(line).peekable();
    lines.peek()?;
    Some(lines.filter(|(name, _)| Purpose::of(name) == Purpose::Network).collect())
}

/// `name: bytes packets errs drop fifo frame compressed multicast bytes packets errs …`
fn line(line: &str) -> Option<(String, Counters)> {
    let (name, fields) = line.split_once(':')?;
    let fields: Option<Vec<u64>> =
        fields.split_ascii_whitespace().map(|field| field.parse().ok()).collect();
    let fields = fields?;
    let at = |n: usize| fields.get(n).copied().filter(|count| *count <= limits::BYTES_MAX);
    let name = name.trim();
    let counters = Counters {
        receive: fields.first().copied()?,
        // Broken, and without room; what nobody wanted (`drop`) is no error.
        receive_errors: (at(2)? + at(4)?).min(limits::BYTES_MAX),
        transmit: fields.get(8).copied()?,
        transmit_errors: at(10)?,
    };
    (!name.is_empty()).then(|| (name.to_owned(), counters))
}

/// A counter that is lower than before was reset, and has counted from 0 since.
fn rates(last: Counters, now: Counters, elapsed: Duration) -> Option<(u64, u64)> {
    let rate = |last: u64, now: u64| {
        let risen = now.checked_sub(last).unwrap_or(now);
        ((risen as f64 / elapsed.as_secs_f64()) as u64).min(limits::BYTES_MAX)
    };
    let rates = || (rate(last.receive, now.receive), rate(last.transmit, now.transmit));
    (!elapsed.is_zero()).then(rates)
}

#[cfg(test)]
#[path = "interfaces_tests.rs"]
mod tests;
