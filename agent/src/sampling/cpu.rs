//! How busy the processors are together, from the first line of `/proc/stat`
//! (<https://docs.kernel.org/filesystems/proc.html>). A processor that waits for I/O is idle.

use herdbook_shared::missing::MissingReason;

use super::Roots;
use super::source::{Extent, Source};

/// Remembers the last counters: a percentage is a difference of two readings.
#[derive(Debug)]
pub(super) struct Cpu {
    source: Source,
    last: Option<Ticks>,
}

/// Time since boot, in the kernel's ticks, of one processor or over all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    pub(super) total: u64,
    /// Without work, waiting for I/O or not.
    pub(super) idle: u64,
    /// Of which waiting for I/O.
    pub(super) iowait: Option<u64>,
    /// Wanted, and given to other guests.
    pub(super) steal: Option<u64>,
}

impl Cpu {
    pub(super) fn new(roots: &Roots) -> Self {
        Self { source: Source::new(roots.proc.join("stat"), Extent::Head), last: None }
    }

    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Busy share since the last reading, percent.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<f64, MissingReason> {
        let now = self.source.read(buffer, parse)?;
        let last = self.last.replace(now);
        last.and_then(|last| busy_percent(last, now)).ok_or(MissingReason::CannotTell)
    }
}

/// The first line, which is of all processors.
fn parse(text: &str) -> Option<Ticks> {
    ticks(text.lines().next()?.strip_prefix("cpu ")?)
}

/// `user nice system idle iowait irq softirq steal guest guest_nice`; guest time is part of user
/// time already.
pub(super) fn ticks(fields: &str) -> Option<Ticks> {
    let mut fields = fields.split_ascii_whitespace();
    let mut ticks = Ticks::default();
    for n in 0..8 {
        // Old kernels have fewer columns, but never fewer than four.
        let Some(field) = fields.next() else { return (n >= 4).then_some(ticks) };
        let field: u64 = field.parse().ok()?;
        ticks.total = ticks.total.checked_add(field)?;
        match n {
            3 => ticks.idle = field,
            4 => {
                ticks.idle += field;
                ticks.iowait = Some(field);
            }
            7 => ticks.steal = Some(field),
            _ => {}
        }
    }
    Some(ticks)
}

/// `None` where the counters did not advance. Single columns (iowait, for one) do run backwards
/// at times, so the share is held between 0 and 100.
pub(super) fn busy_percent(last: Ticks, now: Ticks) -> Option<f64> {
    let total = now.total.checked_sub(last.total).filter(|total| *total > 0)?;
    let idle = now.idle.saturating_sub(last.idle).min(total);
    Some(hundredths((total - idle) as f64 * 100.0 / total as f64))
}

/// Nobody reads more digits of a share, and each costs a byte a second.
pub(super) fn hundredths(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(total: u64, idle: u64) -> Ticks {
        Ticks { total, idle, ..Ticks::default() }
    }

    #[test]
    fn waiting_for_io_is_idle_and_guest_time_counts_once() {
        let ticks = parse("cpu  10 0 20 30 40 1 2 3 9 9\ncpu0 1 2 3 4\n").unwrap();
        let (iowait, steal) = (Some(40), Some(3));
        assert_eq!(ticks, Ticks { total: 106, idle: 70, iowait, steal });
        let oldest = parse("cpu  10 0 20 30\n").unwrap();
        assert_eq!(oldest, of(60, 30));
    }

    #[test]
    fn no_text_panics_and_a_share_is_one() {
        let text = "cpu ( [0-9]{1,20}){3,11}\n";
        proptest::proptest!(|(last in text, now in text)| {
            if let (Some(last), Some(now)) = (parse(&last), parse(&now)) {
                let busy = busy_percent(last, now);
                proptest::prop_assert!(busy.is_none_or(|busy| (0.0..=100.0).contains(&busy)));
            }
        });
    }

    #[test]
    fn garbage_is_no_reading() {
        for text in ["", "cpu", "cpu  1 2 3", "cpu  1 2 x 4", "cpu0 1 2 3 4", "cpu  -1 0 0 0 0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn busy_is_what_is_not_idle() {
        let last = of(1000, 900);
        assert_eq!(busy_percent(last, of(1200, 1050)), Some(25.0));
    }

    #[test]
    fn counters_that_stand_or_run_backwards_give_no_nonsense() {
        let last = of(1000, 900);
        assert_eq!(busy_percent(last, last), None);
        assert_eq!(busy_percent(last, of(10, 9)), None);
        assert_eq!(busy_percent(last, of(1100, 800)), Some(100.0));
        assert_eq!(busy_percent(last, of(1100, 1100)), Some(0.0));
    }
}
