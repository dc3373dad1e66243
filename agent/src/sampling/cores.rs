//! How busy each processor is, and for what they waited together, from all of `/proc/stat`. A
//! processor that is taken offline has no line there; one that comes back starts anew.

use std::collections::BTreeMap;

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;

use super::Roots;
use super::cpu::{Ticks, busy_percent, hundredths, ticks};
use super::source::{Extent, Source};

/// Remembers the last counters of each processor.
#[derive(Debug)]
pub(super) struct Cores {
    source: Source,
    last: Option<Counters>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counters {
    all: Ticks,
    each: BTreeMap<u32, Ticks>,
}

/// Shares since the last reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shares {
    pub(super) cores_percent: Result<Vec<u8>, MissingReason>,
    pub(super) iowait_percent: Result<f64, MissingReason>,
    pub(super) steal_percent: Result<f64, MissingReason>,
}

impl Shares {
    pub(super) fn none(reason: MissingReason) -> Self {
        Self { cores_percent: Err(reason), iowait_percent: Err(reason), steal_percent: Err(reason) }
    }
}

impl Cores {
    pub(super) fn new(roots: &Roots) -> Self {
        Self { source: Source::new(roots.proc.join("stat"), Extent::Whole), last: None }
    }

    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Shares {
        match self.source.read(buffer, parse) {
            Ok(now) => {
                let shares = self.last.as_ref().map(|last| shares(last, &now));
                self.last = Some(now);
                shares.unwrap_or_else(|| Shares::none(MissingReason::CannotTell))
            }
            Err(reason) => {
                self.last = None;
                Shares::none(reason)
            }
        }
    }
}

/// Lines `cpu …` and `cpu7 …`. One that is cut or says nothing is left out alone.
fn parse(text: &str) -> Option<Counters> {
    let mut counters = Counters::default();
    let mut lines = text.lines();
    counters.all = ticks(lines.next()?.strip_prefix("cpu ")?)?;
    for line in lines.map_while(|line| line.strip_prefix("cpu")) {
        let Some((number, fields)) = line.split_once(' ') else { continue };
        if let (Ok(number), Some(ticks)) = (number.parse(), ticks(fields))
            && counters.each.len() < limits::CORES
        {
            counters.each.insert(number, ticks);
        }
    }
    Some(counters)
}

fn shares(last: &Counters, now: &Counters) -> Shares {
    let Some(total) = now.all.total.checked_sub(last.all.total).filter(|total| *total > 0) else {
        return Shares::none(MissingReason::CannotTell);
    };
    let share = |last: Option<u64>, now: Option<u64>| match (last, now) {
        (Some(last), Some(now)) => {
            let share = now.saturating_sub(last).min(total) as f64 * 100.0 / total as f64;
            Ok(hundredths(share))
        }
        _ => Err(MissingReason::NotSupported),
    };
    // One that came online since then has nothing to be compared with: it is left out this once.
    let both = now.each.iter().filter_map(|(number, now)| Some((last.each.get(number)?, now)));
    // One that did not advance had nothing to count.
    let busy = both.map(|(last, now)| busy_percent(*last, *now).unwrap_or(0.0).round() as u8);
    let cores: Vec<u8> = busy.collect();
    Shares {
        cores_percent: if cores.is_empty() { Err(MissingReason::CannotTell) } else { Ok(cores) },
        iowait_percent: share(last.all.iowait, now.all.iowait),
        steal_percent: share(last.all.steal, now.all.steal),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    fn between(last: &str, now: &str) -> Shares {
        shares(&parse(last).unwrap(), &parse(now).unwrap())
    }

    const LAST: &str = "cpu  0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0\nintr 1\n";

    #[test]
    fn each_processor_has_its_share() {
        let now = "cpu  100 0 0 60 30 0 0 10 5 5\ncpu0 99 0 0 1 0 0 0 0\ncpu1 1 0 0 59 30 0 0 10\n";
        let shares = between(LAST, now);
        assert_eq!(shares.cores_percent, Ok(vec![99, 11]));
        assert_eq!(shares.iowait_percent, Ok(15.0));
        assert_eq!(shares.steal_percent, Ok(5.0));
    }

    #[test]
    fn processors_come_and_go() {
        let now = "cpu  10 0 0 90\ncpu1 50 0 0 50\ncpu7 1 0 0 0\n";
        let shares = between(LAST, now);
        assert_eq!(shares.cores_percent, Ok(vec![50]));
        assert_eq!(shares.steal_percent, Err(MissingReason::NotSupported));
    }

    #[test]
    fn counters_that_stand_still_tell_nothing() {
        assert_eq!(between(LAST, LAST), Shares::none(MissingReason::CannotTell));
    }

    #[test]
    fn more_processors_than_are_told_are_left_out() {
        let lines: String = (0..2000).map(|n| format!("cpu{n} 1 0 0 {n}\n")).collect();
        assert_eq!(parse(&format!("cpu  1 0 0 1\n{lines}")).unwrap().each.len(), limits::CORES);
    }

    #[test]
    fn a_line_cut_in_the_middle_is_left_out_alone() {
        let counters = parse("cpu  1 0 0 1\ncpu0 1 0 0 1\ncpu1 1 0\n").unwrap();
        assert_eq!(counters.each.keys().copied().collect::<Vec<_>>(), [0]);
    }

    proptest! {
        #[test]
        fn shares_are_shares_whatever_the_counters_do(
            last in "cpu ( [0-9]{1,19}){3,9}(\ncpu[0-9]{1,3}( [0-9]{1,19}){3,9}){0,5}",
            now in "cpu ( [0-9]{1,19}){3,9}(\ncpu[0-9]{1,3}( [0-9]{1,19}){3,9}){0,5}",
        ) {
            let (Some(last), Some(now)) = (parse(&last), parse(&now)) else { return Ok(()) };
            let shares = shares(&last, &now);
            prop_assert!(shares.cores_percent.iter().flatten().all(|percent| *percent <= 100));
            for percent in [shares.iowait_percent, shares.steal_percent].into_iter().flatten() {
                prop_assert!((0.0..=100.0).contains(&percent));
            }
        }
    }
}
