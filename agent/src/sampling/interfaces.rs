//! Every real network interface: rates and errors from `/proc/net/dev`, state and speed from
//! `/sys/class/net`. Which ones are real is told in `links`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::InterfaceDetail;
use tokio::time::Instant;

use super::links::{Counters, Links, rate, risen};
use super::source::Source;
use super::span::Span;
use super::word::word;
use super::{Roots, told};

/// Remembers each interface's counters.
#[derive(Debug)]
pub(super) struct Interfaces {
    links: Links,
    class: PathBuf,
    known: BTreeMap<String, Known>,
    last_at: Option<Instant>,
}

/// One interface, its files kept open.
#[derive(Debug)]
struct Known {
    state: Source,
    speed: Source,
    last: Option<Counters>,
}

impl Interfaces {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            links: Links::new(roots),
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
        let read = self.links.read(buffer, now);
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
        let mut details = Vec::new();
        for (name, now) in counters {
            let new = || Known::new(&self.class.join(&name));
            let known = self.known.entry(name.clone()).or_insert_with(new);
            // One that came too soon for a rate is a beginning only where there is none.
            let last = match span {
                Span::Short => known.last.or_else(|| known.last.replace(now)),
                Span::First | Span::Measured => known.last.replace(now),
            };
            let rates = last.and_then(|last| rates(last, now, elapsed?));
            details.push(known.detail(&name, now, rates, buffer));
        }
        Ok(details)
    }
}

impl Known {
    fn new(folder: &Path) -> Self {
        Self {
            state: Source::of_device(folder.join("operstate")),
            speed: Source::of_device(folder.join("speed")),
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

fn rates(last: Counters, now: Counters, elapsed: Duration) -> Option<(u64, u64)> {
    let rate = |last, now| rate(risen(last, now), elapsed);
    let rates = || (rate(last.receive, now.receive), rate(last.transmit, now.transmit));
    (!elapsed.is_zero()).then(rates)
}

#[cfg(test)]
#[path = "interfaces_tests.rs"]
mod tests;
