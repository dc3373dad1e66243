//! When to ask what again. A pure value: time comes in.
//!
//! A server logs every question, so one where nothing moves is asked less.

use std::time::Duration;

use tokio::time::Instant;

/// How often the prober looks whether something is due; a refused connection costs next to nothing.
pub(super) const TICK: Duration = Duration::from_secs(5);
/// After this long without a change the server is left in peace.
const QUIET_AFTER: Duration = Duration::from_secs(600);

/// What is asked, each with its own deadline and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// Is it alive?
    Version,
    /// What is loaded?
    Loaded,
    /// What is installed?
    Installed,
}

/// How the server's life stands, as far as it matters for when to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It answers; the version is asked now and then, to notice an upgrade.
    Alive,
    /// Nothing listens: asking costs nobody anything.
    Gone,
    /// Something listens, but does not answer.
    Silent,
    /// What answers is nothing that is looked for.
    Stranger,
}

/// When each layer was asked last, and when something last moved.
#[derive(Debug)]
pub(super) struct Schedule {
    version: Option<Instant>,
    loaded: Option<Instant>,
    installed: Option<Instant>,
    moved_at: Instant,
    pace: Pace,
}

impl Schedule {
    /// Everything is due.
    pub(super) fn new(now: Instant) -> Self {
        Self { version: None, loaded: None, installed: None, moved_at: now, pace: Pace::Gone }
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self, layer: Layer, now: Instant) -> bool {
        let asked_at = match layer {
            Layer::Version => self.version,
            Layer::Loaded => self.loaded,
            Layer::Installed => self.installed,
        };
        // A tick that comes a little early is the one that was meant.
        let since = |at| now.saturating_duration_since(at) + TICK / 2;
        asked_at.is_none_or(|at| since(at) >= self.period(layer, now))
    }

    fn period(&self, layer: Layer, now: Instant) -> Duration {
        let seconds = match (layer, self.pace, self.is_quiet(now)) {
            (Layer::Version, Pace::Gone, _) | (Layer::Version, Pace::Silent, false) => 5,
            (Layer::Version, Pace::Silent, true) => 15,
            (Layer::Version, Pace::Alive, _) | (Layer::Version, Pace::Stranger, false) => 60,
            (Layer::Version, Pace::Stranger, true) => 600,
            (Layer::Loaded, _, false) => 5,
            (Layer::Loaded, _, true) => 15,
            (Layer::Installed, _, false) => 10,
            (Layer::Installed, _, true) => 60,
        };
        Duration::from_secs(seconds)
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.moved_at) >= QUIET_AFTER
    }

    /// A layer was asked in the round that began at `now`.
    pub(super) fn asked(&mut self, layer: Layer, now: Instant) {
        match layer {
            Layer::Version => self.version = Some(now),
            Layer::Loaded => self.loaded = Some(now),
            Layer::Installed => self.installed = Some(now),
        }
    }

    /// Something changed: look closely for a while.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved_at = now;
    }

    /// The installed models are asked for in this round, whenever they were asked last.
    pub(super) fn want_installed(&mut self) {
        self.installed = None;
    }

    /// The loaded models are asked for in this round.
    pub(super) fn want_loaded(&mut self) {
        self.loaded = None;
    }

    /// Everything is due, and looked at closely for a while.
    pub(super) fn want_all(&mut self, now: Instant) {
        (self.version, self.loaded, self.installed) = (None, None, None);
        self.moved(now);
    }

    /// The server answers, does not, or is none.
    pub(super) fn set_pace(&mut self, pace: Pace, now: Instant) {
        if self.pace != pace {
            self.pace = pace;
            self.moved(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Asks whatever is due at each tick, and counts it.
    fn questions(schedule: &mut Schedule, from: Instant, n_ticks: u32) -> [u32; 3] {
        let mut n = [0; 3];
        for tick in 0..n_ticks {
            let now = from + TICK * tick;
            for (layer, n) in
                [Layer::Version, Layer::Loaded, Layer::Installed].into_iter().zip(&mut n)
            {
                if schedule.is_due(layer, now) {
                    schedule.asked(layer, now);
                    *n += 1;
                }
            }
        }
        n
    }

    #[test]
    fn a_server_that_moves_is_asked_every_5_10_and_60_seconds() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.set_pace(Pace::Alive, start);
        assert_eq!(questions(&mut schedule, start, 24), [2, 24, 12]);
    }

    #[test]
    fn ticks_that_come_early_and_late_are_as_good() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.set_pace(Pace::Alive, start);
        let mut n = [0; 3];
        for tick in 0..24 {
            let jitter = Duration::from_millis([0, 40, 3, 400, 1][tick as usize % 5]);
            let asked = questions(&mut schedule, start + TICK * tick + jitter, 1);
            n = std::array::from_fn(|layer| n[layer] + asked[layer]);
        }
        assert_eq!(n, [2, 24, 12]);
    }

    #[test]
    fn a_quiet_server_is_asked_every_15_and_60_seconds() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.set_pace(Pace::Alive, start);
        assert_eq!(questions(&mut schedule, after(start, 600), 24), [2, 8, 2]);
        schedule.moved(after(start, 720));
        assert_eq!(questions(&mut schedule, after(start, 720), 24), [2, 24, 12]);
    }

    #[test]
    fn a_port_without_a_listener_is_looked_at_every_5_seconds_for_ever() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert_eq!(questions(&mut schedule, start, 12)[0], 12);
        assert_eq!(questions(&mut schedule, after(start, 3600), 12)[0], 12);
    }

    #[test]
    fn a_silent_server_is_asked_every_5_then_15_seconds() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.set_pace(Pace::Silent, start);
        assert_eq!(questions(&mut schedule, start, 12)[0], 12);
        assert_eq!(questions(&mut schedule, after(start, 600), 12)[0], 4);
    }

    #[test]
    fn a_stranger_is_asked_once_a_minute_and_then_every_ten() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.set_pace(Pace::Stranger, start);
        assert_eq!(questions(&mut schedule, start, 12)[0], 1);
        assert_eq!(questions(&mut schedule, after(start, 3600), 12 * 60)[0], 6);
    }
}
