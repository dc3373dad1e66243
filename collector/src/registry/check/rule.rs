//! How a service is judged that is asked or that beats: pure rules over what is known of it.

use std::time::Duration;

use crate::config::Checks;
use crate::registry::service::ServiceStatus;

/// So many missing beats and a service is down.
const DOWN_MISSED: u64 = 2;
/// So many and one that registered itself is no longer listed.
const DEREGISTERED_MISSED: u64 = 3;

/// What is to become of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is down.
    Down,
    /// It is no longer listed.
    Deregistered,
}

/// Who may take a service off the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// A person or a file declares it: only they take it back.
    Declared,
    /// Nobody but itself says that it is there.
    WhileItBeats,
}

/// The status of a probed service after this many failed checks in a row.
#[must_use]
pub fn status_after(status: ServiceStatus, n_failures: u32, rules: &Checks) -> ServiceStatus {
    if n_failures < rules.failures || status == ServiceStatus::Down {
        status
    } else {
        ServiceStatus::Unhealthy
    }
}

/// Whether a probed service that has had its status for so long is down.
#[must_use]
pub fn probed(status: ServiceStatus, had_for: Duration, rules: &Checks) -> Option<Fate> {
    let is_due = status == ServiceStatus::Unhealthy && had_for >= rules.down_after;
    is_due.then_some(Fate::Down)
}

/// How many beats are missing, of a service whose last one is so long ago. None while it holds.
#[must_use]
pub fn missed(silent_for: Duration, interval: Duration, ttl: Duration) -> u64 {
    if silent_for < ttl {
        return 0;
    }
    let interval_ms = interval.as_millis().max(1);
    u64::try_from(silent_for.as_millis() / interval_ms).unwrap_or(u64::MAX)
}

/// What becomes of a service that has this status and misses so many beats. Never two things at
/// once: everybody sees it down before it is gone.
#[must_use]
pub fn beating(status: ServiceStatus, n_missed: u64, stay: Stay) -> Option<Fate> {
    if n_missed < DOWN_MISSED {
        return None;
    }
    if status != ServiceStatus::Down {
        return Some(Fate::Down);
    }
    let is_over = n_missed >= DEREGISTERED_MISSED && stay == Stay::WhileItBeats;
    is_over.then_some(Fate::Deregistered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceStatus::{Degraded, Down, Healthy, Unhealthy, Unknown};

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn two_failures_in_a_row_are_unhealthy_and_what_is_down_stays_down() {
        let rules = Checks::default();
        for (status, n_failures, after) in [
            (Unknown, 1, Unknown),
            (Healthy, 1, Healthy),
            (Healthy, 2, Unhealthy),
            (Degraded, 2, Unhealthy),
            (Unknown, 2, Unhealthy),
            (Unhealthy, 9, Unhealthy),
            (Down, 1, Down),
            (Down, 2, Down),
        ] {
            assert_eq!(status_after(status, n_failures, &rules), after, "{status:?} {n_failures}");
        }
    }

    #[test]
    fn five_minutes_unhealthy_are_down() {
        let rules = Checks::default();
        assert_eq!(probed(Unhealthy, s(299), &rules), None);
        assert_eq!(probed(Unhealthy, s(300), &rules), Some(Fate::Down));
        for status in [Unknown, Healthy, Degraded, Down] {
            assert_eq!(probed(status, s(9999), &rules), None);
        }
    }

    #[test]
    fn beats_are_missed_by_whole_intervals_and_not_before_the_last_one_ran_out() {
        for (silent, interval, ttl, expected) in [
            (0, 60, 90, 0),
            (89, 60, 90, 0),
            (90, 60, 90, 1),
            (119, 60, 90, 1),
            (120, 60, 90, 2),
            (180, 60, 90, 3),
            (299, 60, 300, 0),
            (300, 60, 300, 5),
            (30, 10, 0, 3),
        ] {
            let found = missed(s(silent), s(interval), s(ttl));
            assert_eq!(found, expected, "{silent} of {interval}/{ttl}");
        }
        assert_eq!(missed(s(1), Duration::ZERO, Duration::ZERO), 1000);
    }

    #[test]
    fn two_missing_beats_are_down_and_three_deregister_what_was_seen_down() {
        for (status, n_missed, stay, expected) in [
            (Healthy, 1, Stay::WhileItBeats, None),
            (Healthy, 2, Stay::WhileItBeats, Some(Fate::Down)),
            (Healthy, 7, Stay::WhileItBeats, Some(Fate::Down)),
            (Unknown, 2, Stay::Declared, Some(Fate::Down)),
            (Down, 2, Stay::WhileItBeats, None),
            (Down, 3, Stay::WhileItBeats, Some(Fate::Deregistered)),
            (Down, 3, Stay::Declared, None),
            (Down, 0, Stay::WhileItBeats, None),
        ] {
            assert_eq!(beating(status, n_missed, stay), expected, "{status:?} {n_missed}");
        }
    }
}
