//! Readings that ask a device or a file system, and may therefore hang for as long as that likes:
//! they are made on a thread of their own, one at a time, so that the sample never waits for them.
//! While one hangs, none is begun beside it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use herdbook_shared::missing::MissingReason;
use tokio::time::Instant;

/// Most readings take less than a millisecond, and are told in the sample that began them. In a
/// test, a machine that is busy must not look like a device that hangs.
const AT_ONCE: Duration = Duration::from_millis(if cfg!(test) { 3_000 } else { 20 });
/// What was begun so long ago says nothing of now.
const FRESH: Duration = Duration::from_secs(60);

/// What is needed for a reading, lent to the thread for as long as it reads.
#[derive(Debug)]
pub(super) struct Aside<S, T> {
    make: fn() -> S,
    at_home: Option<S>,
    under_way: Option<UnderWay<S, T>>,
}

#[derive(Debug)]
struct UnderWay<S, T> {
    back: Receiver<(S, T)>,
    begun: Instant,
}

impl<S: Send + 'static, T: Send + 'static> Aside<S, T> {
    pub(super) fn new(make: fn() -> S) -> Self {
        Self { make, at_home: None, under_way: None }
    }

    /// Begins a reading, unless one is under way. Told is what it finds, where that comes at once;
    /// else what the one before it found, where that took longer; `timeout` where none has ended.
    pub(super) fn read(
        &mut self,
        now: Instant,
        ask: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, MissingReason> {
        let late = match self.under_way.take() {
            Some(under_way) => self.late(under_way, now)?,
            None => None,
        };
        let back = self.begin(ask).ok_or(MissingReason::CannotTell)?;
        if late.is_none() {
            match back.recv_timeout(AT_ONCE) {
                Ok((state, told)) => {
                    self.at_home = Some(state);
                    return Ok(told);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(MissingReason::CannotTell),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.under_way = Some(UnderWay { back, begun: now });
        late.ok_or(MissingReason::Timeout)
    }

    /// What the reading that was under way has found, if it has ended and is not too old.
    fn late(
        &mut self,
        under_way: UnderWay<S, T>,
        now: Instant,
    ) -> Result<Option<T>, MissingReason> {
        match under_way.back.try_recv() {
            Ok((state, told)) => {
                self.at_home = Some(state);
                Ok((now.saturating_duration_since(under_way.begun) <= FRESH).then_some(told))
            }
            Err(TryRecvError::Empty) => {
                self.under_way = Some(under_way);
                Err(MissingReason::Timeout)
            }
            // It panicked; the next one begins with nothing.
            Err(TryRecvError::Disconnected) => Ok(None),
        }
    }

    /// `None` where the system has no thread to give.
    fn begin(
        &mut self,
        ask: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Option<Receiver<(S, T)>> {
        let mut state = self.at_home.take().unwrap_or_else(self.make);
        let (home, back) = sync_channel(1);
        let read = move || {
            let told = ask(&mut state);
            // The agent may have ended meanwhile.
            let _ = home.send((state, told));
        };
        thread::Builder::new().name("aside".to_owned()).spawn(read).ok()?;
        Some(back)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_at_once_is_told_at_once_and_what_is_lent_comes_back() {
        let mut aside: Aside<u32, u32> = Aside::new(|| 7);
        let count = |n: &mut u32| {
            *n += 1;
            *n
        };
        assert_eq!(aside.read(Instant::now(), count), Ok(8));
        assert_eq!(aside.read(Instant::now(), count), Ok(9));
    }

    #[tokio::test(start_paused = true)]
    async fn while_one_hangs_none_is_begun_and_what_it_found_is_told_later() {
        let mut aside: Aside<(), u32> = Aside::new(|| ());
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(2)));
        let hang = || {
            let (begun, gate) = (begun.clone(), gate.clone());
            move |(): &mut ()| {
                begun.fetch_add(1, Ordering::SeqCst);
                gate.wait();
                5
            }
        };
        let start = Instant::now();
        assert_eq!(aside.read(start, hang()), Err(MissingReason::Timeout));
        for _ in 0..3 {
            assert_eq!(aside.read(start, hang()), Err(MissingReason::Timeout));
        }
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        gate.wait();
        let told = std::iter::repeat_with(|| aside.read(start, |(): &mut ()| 6));
        let told = told.inspect(|_| thread::yield_now()).find(Result::is_ok);
        assert_eq!(told, Some(Ok(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_long_ago_is_not_told() {
        let mut aside: Aside<(), u32> = Aside::new(|| ());
        let gate = Arc::new(Barrier::new(2));
        let held = gate.clone();
        let start = Instant::now();
        let hang = move |(): &mut ()| {
            held.wait();
            5
        };
        assert_eq!(aside.read(start, hang), Err(MissingReason::Timeout));
        gate.wait();
        let later = start + FRESH + Duration::from_secs(1);
        let told = std::iter::repeat_with(|| aside.read(later, |(): &mut ()| 6));
        let told = told.inspect(|_| thread::yield_now()).find(Result::is_ok);
        assert_eq!(told, Some(Ok(6)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_panics_is_no_value_and_the_next_begins_anew() {
        let mut aside: Aside<u32, u32> = Aside::new(|| 1);
        let told = aside.read(Instant::now(), |_| panic!("as the test wants"));
        assert_eq!(told, Err(MissingReason::CannotTell));
        assert_eq!(aside.read(Instant::now(), |n| *n), Ok(1));
    }
}
