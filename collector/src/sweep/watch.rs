//! Which hosts are worth a look at this tick. The rule itself wants a dozen facts of a host from
//! as many places in memory; of most hosts, one number says that nothing can be said of them yet.
//!
//! This only ever leaves out looks that find nothing: a host that is connected and heard has no
//! deadline before the shortest silence that means anything, one that nobody waits for has one at
//! the end of the grace, and one that is offline is looked at once a minute, to be forgotten one
//! day. Whatever else changes of a host is told by the registry and makes the next tick look. And
//! each tick looks at a part of all hosts, whatever is known of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use herdbook_shared::ids::HostId;
use tokio::time::Instant;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::host::{HostEntry, HostLive, HostStatus};
use crate::registry::moment::Moment;

/// How often a host that is offline is looked at.
const OFFLINE_EVERY: Duration = Duration::from_secs(60);
/// In how many ticks all hosts are looked at, whatever is known of them.
const ROUND_TICKS: usize = 60;

/// All hosts, and when each is worth a look.
#[derive(Debug, Default)]
pub(super) struct Watched {
    hosts: HashMap<HostId, Watch, RandomState>,
    turn: usize,
}

#[derive(Debug)]
enum Watch {
    /// At every tick.
    Always,
    /// Once it is silent.
    WhenSilent(Arc<HostLive>),
    /// Not before this instant.
    From(Instant),
}

impl Watched {
    /// The hosts that are worth a look.
    pub(super) fn due(
        &mut self,
        registry: &Registry,
        rules: &Liveness,
        moment: Moment,
    ) -> Vec<Arc<HostEntry>> {
        self.follow(registry);
        self.turn = (self.turn + 1) % ROUND_TICKS;
        let now_ms = registry.ms_of(moment.now);
        let silence = rules.stale_after.min(rules.offline_after).as_millis();
        let silence_ms = u64::try_from(silence).unwrap_or(u64::MAX);
        let is_due = |watch: &Watch| match watch {
            Watch::Always => true,
            Watch::WhenSilent(live) => now_ms.saturating_sub(live.heard_ms()) >= silence_ms,
            Watch::From(instant) => moment.now >= *instant,
        };
        let in_turn = |index: usize| index % ROUND_TICKS == self.turn;
        let due = self.hosts.iter().enumerate();
        let due = due.filter(|(index, (_, watch))| is_due(watch) || in_turn(*index));
        let ids: Vec<HostId> = due.map(|(_, (id, _))| id.clone()).collect();
        ids.into_iter().filter_map(|id| self.look(registry, &id)).collect()
    }

    fn look(&mut self, registry: &Registry, id: &HostId) -> Option<Arc<HostEntry>> {
        let host = registry.host(id.as_str());
        if host.is_none() {
            self.hosts.remove(id);
        }
        host
    }

    /// Takes in which hosts changed, came and went.
    fn follow(&mut self, registry: &Registry) {
        for id in registry.take_touched_hosts() {
            self.hosts.insert(id, Watch::Always);
        }
        if self.hosts.len() != registry.n_hosts() {
            let hosts = registry.hosts();
            self.hosts.retain(|id, _| registry.host(id.as_str()).is_some());
            for host in hosts {
                self.hosts.entry(host.id.clone()).or_insert(Watch::Always);
            }
        }
    }

    /// Nothing is to be said of a host now. `believed_until`: before that nothing is held against
    /// hosts that nobody heard.
    pub(super) fn rest(&mut self, host: &HostEntry, believed_until: Instant, moment: Moment) {
        let is_awaited = host.session.is_none() && host.ended.is_none();
        let watch = match host.status {
            HostStatus::Offline => Watch::From(moment.now + OFFLINE_EVERY),
            status if status.is_heard() && host.session.is_some() => {
                Watch::WhenSilent(Arc::clone(&host.live))
            }
            _ if is_awaited && moment.now < believed_until => Watch::From(believed_until),
            _ => Watch::Always,
        };
        if let Some(known) = self.hosts.get_mut(&host.id) {
            *known = watch;
        }
    }
}
