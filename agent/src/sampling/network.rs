//! Bytes a second over all real interfaces; which those are is told in `links`.

use herdbook_shared::missing::MissingReason;
use tokio::time::Instant;

use super::Roots;
use super::links::{Counted, Links, rate, risen};

/// Remembers each interface's counters: a rate is a difference of two readings.
#[derive(Debug)]
pub(super) struct Network {
    links: Links,
    last: Option<(Counted, Instant)>,
}

/// Bytes a second since the last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) receive: u64,
    pub(super) transmit: u64,
}

impl Network {
    pub(super) fn new(roots: &Roots) -> Self {
        Self { links: Links::new(roots), last: None }
    }

    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Rates, MissingReason> {
        let last = self.last.take();
        let counted = self.links.read(buffer, now)?;
        let (before, at) = &*self.last.insert((counted, now));
        let (last, last_at) = last.ok_or(MissingReason::CannotTell)?;
        let elapsed = at.saturating_duration_since(last_at);
        if elapsed.is_zero() {
            return Err(MissingReason::CannotTell);
        }
        let (receive, transmit) = moved(&last, before);
        Ok(Rates { receive: rate(receive, elapsed), transmit: rate(transmit, elapsed) })
    }
}

/// The bytes of one that is new were not sent in this time.
fn moved(last: &Counted, now: &Counted) -> (u64, u64) {
    let both = now.iter().filter_map(|(name, now)| Some((last.get(name)?, now)));
    both.fold((0, 0), |(receive, transmit): (u64, u64), (last, now)| {
        (
            receive.saturating_add(risen(last.receive, now.receive)),
            transmit.saturating_add(risen(last.transmit, now.transmit)),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sampling::links::Counters;

    fn counted(lines: &[(&str, u64, u64)]) -> Counted {
        let line = |&(name, receive, transmit): &(&str, u64, u64)| {
            (name.to_owned(), Counters { receive, transmit, ..Counters::default() })
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_reset_counts_from_zero_and_a_newcomer_from_what_it_shows() {
        let first = counted(&[("eth0", 1000, 1000)]);
        let second = counted(&[("eth0", 40, 1001), ("eth1", 9999, 0)]);
        assert_eq!(moved(&first, &second), (40, 1));
        assert_eq!(moved(&second, &counted(&[("eth1", 9999, 3)])), (0, 3));
        let most = counted(&[("a", u64::MAX, 0), ("b", u64::MAX, 0)]);
        assert_eq!(moved(&counted(&[("a", 0, 0), ("b", 0, 0)]), &most), (u64::MAX, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_garbage_dims_no_sum() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        let write = |receive: u64| {
            let text = format!("h\nh\nodd: x\neth0: {receive} 1 0 0 0 0 0 0 7 1 0 0\n");
            std::fs::write(folder.path().join("proc/net/dev"), text).unwrap();
        };
        let mut network = Network::new(&Roots::under(folder.path()));
        write(1000);
        let first = network.read(&mut Vec::new(), Instant::now());
        assert_eq!(first, Err(MissingReason::CannotTell));
        tokio::time::advance(Duration::from_secs(2)).await;
        write(5000);
        let second = network.read(&mut Vec::new(), Instant::now());
        assert_eq!(second, Ok(Rates { receive: 2000, transmit: 0 }));
    }
}
