//! Agents that break their limits again and again are kept out for a while: each of their sessions
//! costs more than that of others, and tells less. Pure: time comes in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use herdbook_shared::ids::HostId;
use tokio::time::Instant;

use crate::registry::HOSTS_MAX;

/// So many sessions that had to be ended, within that time, are too many.
pub(super) const OFFENCES: usize = 3;
pub(super) const WITHIN: Duration = Duration::from_secs(600);
/// How long the host is kept out then.
pub(super) const KEPT_OUT: Duration = Duration::from_secs(600);

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    hosts: Mutex<HashMap<HostId, Record>>,
}

#[derive(Debug, Default)]
struct Record {
    offences: Vec<Instant>,
    until: Option<Instant>,
}

impl Quarantine {
    /// A session of this host had to be ended. For how long the host is kept out, if it is.
    pub(super) fn offended(&self, host: &HostId, now: Instant) -> Option<Duration> {
        let mut hosts = self.hosts();
        if hosts.len() >= HOSTS_MAX {
            hosts.retain(|_, record| !record.is_past(now));
        }
        // There are no more hosts than that, unless they come and go: those are forgotten.
        if hosts.len() >= HOSTS_MAX && !hosts.contains_key(host) {
            return None;
        }
        let record = hosts.entry(host.clone()).or_default();
        record.offences.retain(|at| now < *at + WITHIN);
        record.offences.push(now);
        if record.offences.len() < OFFENCES {
            return None;
        }
        record.offences.clear();
        record.until = Some(now + KEPT_OUT);
        Some(KEPT_OUT)
    }

    /// For how much longer the host is kept out, if it is.
    pub(super) fn left(&self, host: &HostId, now: Instant) -> Option<Duration> {
        let until = self.hosts().get(host)?.until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<HostId, Record>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn is_past(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
            && self.offences.iter().all(|at| now >= *at + WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: usize) -> HostId {
        HostId::from_text(&format!("h{n}"))
    }

    async fn pass(time: Duration) -> Instant {
        tokio::time::advance(time).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn three_offences_within_ten_minutes_keep_a_host_out_for_ten() {
        let (quarantine, start) = (Quarantine::default(), Instant::now());
        assert_eq!(quarantine.offended(&host(1), start), None);
        assert_eq!(quarantine.offended(&host(1), start), None);
        assert_eq!(quarantine.left(&host(1), start), None);
        assert_eq!(quarantine.offended(&host(1), start), Some(KEPT_OUT));
        assert_eq!(quarantine.left(&host(2), start), None);
        let now = pass(KEPT_OUT - Duration::from_secs(1)).await;
        assert_eq!(quarantine.left(&host(1), now), Some(Duration::from_secs(1)));
        let now = pass(Duration::from_secs(1)).await;
        assert_eq!(quarantine.left(&host(1), now), None);
        assert_eq!(quarantine.offended(&host(1), now), None, "it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn rare_offences_are_forgotten_and_so_are_hosts() {
        let quarantine = Quarantine::default();
        for _ in 0..9 {
            let now = pass(WITHIN / 2).await;
            assert_eq!(quarantine.offended(&host(0), now), None);
        }
        for n in 0..HOSTS_MAX + 9 {
            quarantine.offended(&host(n), Instant::now());
        }
        assert_eq!(quarantine.hosts().len(), HOSTS_MAX);
        let now = pass(WITHIN).await;
        quarantine.offended(&host(HOSTS_MAX + 10), now);
        assert_eq!(quarantine.hosts().len(), 1);
    }
}
