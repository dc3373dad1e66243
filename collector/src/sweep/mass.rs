//! The mass event: so many hosts going offline together that it is one event, a switch or the
//! collector's own network, and not many. It ends by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::HostId;
use tokio::time::Instant;

use crate::config::Liveness;
use crate::registry::host::{HostEntry, HostStatus};

/// Whether a mass event holds, and over whom.
#[derive(Debug)]
pub struct Mass {
    hosts_min: usize,
    share_min: f64,
    back_share: f64,
    window: Duration,
    ends_after: Duration,
    holding: Option<Holding>,
}

#[derive(Debug)]
struct Holding {
    since: Instant,
    members: HashSet<HostId>,
}

/// A mass event began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassEvent {
    /// Of `n_hosts` hosts, `n_gone` went offline together.
    Began {
        /// All hosts.
        n_hosts: usize,
        /// Those that went.
        n_gone: usize,
    },
    /// Of the `n_gone` hosts that went, `n_back` are back.
    Ended {
        /// Those that went.
        n_gone: usize,
        /// Those that came back.
        n_back: usize,
    },
}

impl Mass {
    /// None holds.
    #[must_use]
    pub fn new(rules: &Liveness) -> Self {
        Self {
            hosts_min: usize::try_from(rules.mass_hosts).unwrap_or(usize::MAX),
            share_min: rules.mass_share,
            back_share: rules.mass_back,
            window: rules.mass_window,
            ends_after: rules.mass_end,
            holding: None,
        }
    }

    /// Whether one holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.holding.is_some()
    }

    /// Looks at the fleet, given the hosts that are about to be marked offline.
    pub fn tick(
        &mut self,
        hosts: &[Arc<HostEntry>],
        going: &[HostId],
        now: Instant,
    ) -> Option<MassEvent> {
        match &mut self.holding {
            Some(holding) => {
                holding.members.extend(going.iter().cloned());
                self.end(hosts, now)
            }
            None => self.begin(hosts, going, now),
        }
    }

    fn begin(
        &mut self,
        hosts: &[Arc<HostEntry>],
        going: &[HostId],
        now: Instant,
    ) -> Option<MassEvent> {
        if going.is_empty() {
            return None;
        }
        // A host that was not heard in this run of the collector did not go offline in it.
        let is_recent = |host: &Arc<HostEntry>| {
            host.status == HostStatus::Offline
                && !host.patch.expected_absent
                && now.saturating_duration_since(host.status_entered) <= self.window
                && host.live.heard_ms() > 0
        };
        let recent = hosts.iter().filter(|host| is_recent(host)).map(|host| host.id.clone());
        let members: HashSet<HostId> = recent.chain(going.iter().cloned()).collect();
        // Hosts that were offline before do not count as the fleet that was lost a part of.
        // Nor do those of which it is no news that they go.
        let is_left_out = |host: &&Arc<HostEntry>| {
            let is_long_gone = host.status == HostStatus::Offline && !members.contains(&host.id);
            is_long_gone || host.patch.expected_absent
        };
        let n_hosts = hosts.len() - hosts.iter().filter(is_left_out).count();
        let n_gone = members.len();
        if n_gone < self.hosts_min || !reaches(n_gone, n_hosts, self.share_min) {
            return None;
        }
        self.holding = Some(Holding { since: now, members });
        Some(MassEvent::Began { n_hosts, n_gone })
    }

    fn end(&mut self, hosts: &[Arc<HostEntry>], now: Instant) -> Option<MassEvent> {
        let holding = self.holding.as_ref()?;
        let is_back =
            |host: &&Arc<HostEntry>| host.status.is_heard() && holding.members.contains(&host.id);
        let n_back = hosts.iter().filter(is_back).count();
        let n_gone = holding.members.len();
        let is_over = now.saturating_duration_since(holding.since) >= self.ends_after;
        if !is_over && !reaches(n_back, n_gone, self.back_share) {
            return None;
        }
        self.holding = None;
        Some(MassEvent::Ended { n_gone, n_back })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of a fleet needs no more than 52 bits")]
fn reaches(part: usize, whole: usize, share: f64) -> bool {
    part as f64 >= share * whole as f64
}
