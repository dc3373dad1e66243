//! Stands in line on the thread that carries all sockets, and tells how late its turn comes.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::registry::Registry;

use super::meters::Meters;
use super::rate::Rate;

/// How often it wants its turn. A stall that lasts less than this beyond [`STALL`] may be missed;
/// more turns would keep an idle collector busy.
const EVERY: Duration = Duration::from_millis(10);
/// From where on a late turn is a stall.
pub(super) const STALL: Duration = Duration::from_millis(20);
/// How often samples are counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// See the module's words.
pub(super) struct Probe<'a> {
    meters: &'a Meters,
    registry: &'a Registry,
    rate: Rate,
    counted: Instant,
}

impl<'a> Probe<'a> {
    pub(super) fn new(meters: &'a Meters, registry: &'a Registry) -> Self {
        Self { meters, registry, rate: Rate::default(), counted: Instant::now() }
    }

    /// For ever.
    pub(super) async fn run(mut self) {
        self.count(Instant::now());
        loop {
            let due = Instant::now() + EVERY;
            sleep_until(due).await;
            self.turn(due, Instant::now());
        }
    }

    /// Its turn was due, and comes now.
    fn turn(&mut self, due: Instant, now: Instant) {
        let late = now.saturating_duration_since(due);
        if late > STALL {
            self.meters.count_stall(late);
        }
        if now.duration_since(self.counted) >= COUNT_EVERY {
            self.count(now);
        }
    }

    fn count(&mut self, now: Instant) {
        self.counted = now;
        let per_second = self.rate.read(now, self.registry.n_samples());
        self.meters.write_sample_rate(per_second);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use crate::config::Liveness;
    use crate::metrics::testing::meters;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_late_turn_is_one_stall_of_its_length() {
        let (meters, registry) = (meters(), Registry::new(Liveness::default()));
        let mut probe = Probe::new(&meters, &registry);
        let due = Instant::now();
        probe.turn(due, due + STALL);
        assert_eq!(meters.n_stalls(), 0);
        probe.turn(due, due + Duration::from_millis(21));
        probe.turn(due, due + Duration::from_secs(3));
        assert_eq!((meters.n_stalls(), meters.stalled()), (2, Duration::from_millis(3021)));
    }

    #[tokio::test]
    async fn a_task_that_does_not_let_go_of_the_thread_is_noticed() {
        let (meters, registry) = (meters(), Arc::new(Registry::new(Liveness::default())));
        let stop = CancellationToken::new();
        let probing = Arc::clone(&meters).run(registry, stop.clone());
        let holding_up = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            // What a task does that does not let go of its thread.
            std::thread::sleep(Duration::from_millis(200));
            tokio::time::sleep(2 * EVERY).await;
            stop.cancel();
        };
        tokio::join!(probing, holding_up);
        assert!(meters.n_stalls() >= 1);
        assert!(meters.stalled() >= Duration::from_millis(150), "{:?}", meters.stalled());
    }
}
