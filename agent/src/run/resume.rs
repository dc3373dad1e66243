//! Whether the host slept. Two of the kernel's clocks tell: one counts sleep, the other does not.
//! While it sleeps nothing here runs, and afterwards sockets are dead without knowing it, and what
//! was found on the host is old.
//!
//! A wall clock that is set, or a program that is stopped, is no sleep.

use std::time::Duration;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::sample::Gap;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// How often the clocks are compared, which costs less than a microsecond.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A shorter sleep is none: nothing was lost in it.
const SLEPT_AFTER: Duration = Duration::from_secs(2);

/// What the clocks say at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Since the kernel started, sleep left out.
    awake: Duration,
    /// Since the kernel started, sleep included.
    boot: Duration,
    /// The wall clock.
    wall: Timestamp,
}

/// Where readings come from.
pub(super) trait Clocks {
    fn read(&mut self) -> Reading;
}

/// Tells when the host has slept.
#[derive(Clone, Debug)]
pub(crate) struct Resumed {
    /// How often it has; whoever waits for a change acts at once.
    pub(crate) count: watch::Receiver<u64>,
    /// The last time. It is there before the count rises.
    pub(crate) gap: watch::Receiver<Option<Gap>>,
}

/// Compares the clocks until `stop`.
pub(super) fn watch(
    clocks: impl Clocks + Send + 'static,
    tasks: &mut JoinSet<()>,
    stop: CancellationToken,
) -> Resumed {
    let (gap, gap_seen) = watch::channel(None);
    let (count, count_seen) = watch::channel(0);
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = compare(clocks, gap, count) => {}
        }
    });
    Resumed { count: count_seen, gap: gap_seen }
}

async fn compare(
    mut clocks: impl Clocks,
    gap: watch::Sender<Option<Gap>>,
    count: watch::Sender<u64>,
) {
    let mut sleeps = Sleeps::new(clocks.read());
    loop {
        sleep(LOOK_EVERY).await;
        if let Some(slept) = sleeps.look(clocks.read()) {
            info!(from = %slept.from, to = %slept.to, "the host slept; connecting and looking anew");
            gap.send_replace(Some(slept));
            count.send_modify(|count| *count += 1);
        }
    }
}

/// Finds sleep between two readings. Pure.
#[derive(Debug)]
struct Sleeps {
    last: Reading,
}

impl Sleeps {
    fn new(first: Reading) -> Self {
        Self { last: first }
    }

    fn look(&mut self, now: Reading) -> Option<Gap> {
        let last = std::mem::replace(&mut self.last, now);
        let asleep = |reading: Reading| reading.boot.saturating_sub(reading.awake);
        let slept = asleep(now).saturating_sub(asleep(last));
        if slept <= SLEPT_AFTER {
            return None;
        }
        // A wall clock that was set back meanwhile must not turn the gap round.
        let slept_ms = i64::try_from(slept.as_millis()).unwrap_or(i64::MAX);
        let latest = Timestamp::from_unix_ms(now.wall.unix_ms().saturating_sub(slept_ms));
        Some(Gap { from: if last.wall < now.wall { last.wall } else { latest }, to: now.wall })
    }
}

/// The kernel's clocks.
#[derive(Debug)]
pub(super) struct KernelClocks;

impl Clocks for KernelClocks {
    fn read(&mut self) -> Reading {
        /// Two readings of one clock that are further apart have something between them.
        const TOGETHER: Duration = Duration::from_millis(100);
        loop {
            let awake = of(ClockId::Monotonic);
            let boot = of(ClockId::Boottime);
            if of(ClockId::Monotonic).saturating_sub(awake) < TOGETHER {
                return Reading { awake, boot, wall: Timestamp::now() };
            }
        }
    }
}

fn of(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn reading(awake_ms: u64, boot_ms: u64, wall_ms: i64) -> Reading {
        Reading {
            awake: Duration::from_millis(awake_ms),
            boot: Duration::from_millis(boot_ms),
            wall: Timestamp::from_unix_ms(wall_ms),
        }
    }

    proptest! {
        #[test]
        fn a_gap_is_announced_if_and_only_if_the_host_slept(
            jumps in prop::collection::vec((0_u64..5_000, 0_u64..6_000, -100_000_i64..100_000), 1..50),
        ) {
            let (mut awake, mut boot, mut wall) = (1_000, 9_000, 1_700_000_000_000);
            let mut sleeps = Sleeps::new(reading(awake, boot, wall));
            for (passed, slept, set) in jumps {
                awake += passed;
                boot += passed + slept;
                wall += (passed + slept) as i64 + set;
                let gap = sleeps.look(reading(awake, boot, wall));
                prop_assert_eq!(gap.is_some(), slept > 2_000);
                if let Some(gap) = gap {
                    prop_assert_eq!(gap.to.unix_ms(), wall);
                    prop_assert!(gap.from <= gap.to);
                }
            }
        }
    }

    /// Clocks that sleep for so long before the reading of this number.
    struct Sleeper {
        n: u64,
        at: u64,
        slept_ms: u64,
    }

    impl Clocks for Sleeper {
        fn read(&mut self) -> Reading {
            self.n += 1;
            let slept = if self.n > self.at { self.slept_ms } else { 0 };
            let awake = self.n * 1000;
            reading(awake, awake + slept, (awake + slept) as i64)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_once_and_finds_the_gap() {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let clocks = Sleeper { n: 0, at: 5, slept_ms: 60_000 };
        let Resumed { mut count, gap } = watch(clocks, &mut tasks, stop.clone());
        let start = tokio::time::Instant::now();
        count.changed().await.unwrap();
        assert_eq!((*count.borrow_and_update(), start.elapsed().as_secs()), (1, 5));
        let gap = gap.borrow().unwrap();
        assert_eq!((gap.from.unix_ms(), gap.to.unix_ms()), (5_000, 66_000));
        let again = tokio::time::timeout(Duration::from_secs(600), count.changed());
        assert!(again.await.is_err());
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap();
    }

    #[test]
    fn the_kernels_clocks_agree_with_each_other() {
        let (first, second) = (KernelClocks.read(), KernelClocks.read());
        assert!(first.awake > Duration::ZERO && first.boot >= first.awake);
        assert!(second.awake >= first.awake);
        assert_eq!(Sleeps::new(first).look(second), None);
    }
}
