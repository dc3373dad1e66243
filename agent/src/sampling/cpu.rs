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

/// Time since boot, in the kernel's ticks, over all processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    total: u64,
    idle: u64,
}

impl Cpu {
    pub(super) fn new(roots: &Roots) -> Self {
        Self { source: Source::new(roots.proc.join("stat"), Extent::Head), last: None }
    }

    /// Busy share since the last reading, percent.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<f64, MissingReason> {
        let now = self.source.read(buffer, parse)?;
        let last = self.last.replace(now);
        last.and_then(|last| busy_percent(last, now)).ok_or(MissingReason::CannotTell)
    }
}

/// `cpu  user nice system idle iowait irq softirq steal guest guest_nice`; guest time is part of
/// user time already.
fn parse(text: &str) -> Option<Ticks> {
    let mut fields = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let mut ticks = Ticks { total: 0, idle: 0 };
    for n in 0..8 {
        // Old kernels have fewer columns, but never fewer than four.
        let Some(field) = fields.next() else { return (n >= 4).then_some(ticks) };
        let field: u64 = field.parse().ok()?;
        ticks.total = ticks.total.checked_add(field)?;
        if n == 3 || n == 4 {
            ticks.idle += field;
        }
    }
    Some(ticks)
}

/// `None` where the counters did not advance. Single columns (iowait, for one) do run backwards
/// at times, so the share is held between 0 and 100.
fn busy_percent(last: Ticks, now: Ticks) -> Option<f64> {
    let total = now.total.checked_sub(last.total).filter(|total| *total > 0)?;
    let idle = now.idle.saturating_sub(last.idle).min(total);
    Some((total - idle) as f64 * 100.0 / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_io_is_idle_and_guest_time_counts_once() {
        let ticks = parse("cpu  10 0 20 30 40 1 2 3 9 9\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!(ticks, Ticks { total: 106, idle: 70 });
    }

    #[test]
    fn garbage_is_no_reading() {
        for text in ["", "cpu", "cpu  1 2 3", "cpu  1 2 x 4", "cpu0 1 2 3 4", "cpu  -1 0 0 0 0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn busy_is_what_is_not_idle() {
        let last = Ticks { total: 1000, idle: 900 };
        assert_eq!(busy_percent(last, Ticks { total: 1200, idle: 1050 }), Some(25.0));
    }

    #[test]
    fn counters_that_stand_or_run_backwards_give_no_nonsense() {
        let last = Ticks { total: 1000, idle: 900 };
        assert_eq!(busy_percent(last, last), None);
        assert_eq!(busy_percent(last, Ticks { total: 10, idle: 9 }), None);
        assert_eq!(busy_percent(last, Ticks { total: 1100, idle: 800 }), Some(100.0));
        assert_eq!(busy_percent(last, Ticks { total: 1100, idle: 1100 }), Some(0.0));
    }
}
