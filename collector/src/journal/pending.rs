//! Lines on their way to the disk. They wait while it is full; beyond the bound the oldest are
//! dropped, and counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::line::Line;

/// Most lines that wait: each of the most alerts that may be open, raised and resolved.
pub(super) const LINES_MAX: usize = 20_000;
/// Most bytes of them.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Line>,
    bytes: usize,
    /// The number of the first line: how many went before it.
    first: u64,
    n_dropped: u64,
}

/// The oldest lines, and the number of the first.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lines: Vec<Line>,
    pub(super) first: u64,
}

impl Pending {
    pub(super) fn push(&self, lines: impl IntoIterator<Item = Line>) {
        let mut queue = self.queue();
        for line in lines {
            queue.bytes += line.text.len();
            queue.lines.push_back(line);
        }
        while queue.lines.len() > LINES_MAX || queue.bytes > BYTES_MAX {
            queue.pop();
            if queue.n_dropped == 0 {
                tracing::error!(at_most = LINES_MAX, "the oldest lines of the logs are dropped");
            }
            queue.n_dropped += 1;
        }
    }

    /// The oldest lines, which stay until they are forgotten.
    pub(super) fn first(&self, max: usize) -> Batch {
        let queue = self.queue();
        Batch { lines: queue.lines.iter().take(max).cloned().collect(), first: queue.first }
    }

    /// Lets go of so many lines of a batch, of which some may have been dropped already.
    pub(super) fn forget(&self, batch: &Batch, n: usize) {
        let end = batch.first + u64::try_from(n).unwrap_or(u64::MAX);
        let mut queue = self.queue();
        while queue.first < end && !queue.lines.is_empty() {
            queue.pop();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue().lines.len()
    }

    /// How many were dropped since the start.
    pub(super) fn n_dropped(&self) -> u64 {
        self.queue().n_dropped
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn pop(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.text.len();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::line::{Day, Log};

    fn lines(range: std::ops::Range<usize>) -> Vec<Line> {
        let day = Day::parse("20261120").unwrap();
        let line =
            |n: usize| Line { log: Log::Alerts, day: day.clone(), text: format!("{n:06}").into() };
        range.map(line).collect()
    }

    #[test]
    fn beyond_the_bound_the_oldest_are_dropped_and_counted() {
        let pending = Pending::default();
        pending.push(lines(0..LINES_MAX));
        let batch = pending.first(10);
        pending.push(lines(LINES_MAX..LINES_MAX + 4));
        assert_eq!((pending.len(), pending.n_dropped()), (LINES_MAX, 4));
        // Four of the batch are gone already: what came after it stays.
        pending.forget(&batch, 10);
        assert_eq!(pending.len(), LINES_MAX - 6);
        assert_eq!(pending.first(1).lines, lines(10..11));
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let pending = Pending::default();
        let text = "x".repeat(1024 * 1024).into();
        let line = Line { text, ..lines(0..1).remove(0) };
        pending.push(vec![line; 20]);
        assert_eq!((pending.len(), pending.n_dropped()), (16, 4));
    }

    #[test]
    fn what_was_not_written_stays() {
        let pending = Pending::default();
        pending.push(lines(0..3));
        let batch = pending.first(3);
        pending.forget(&batch, 1);
        pending.forget(&batch, 1);
        assert_eq!(pending.first(9).lines, lines(1..3));
    }
}
