//! The clock of the registry: once a second it judges who went silent.
//!
//! A host's deadlines are judged by the monotonic clock, from the receipt of its last sample. The
//! collector never believes itself dead: after its start, and after a sweep that comes late, every
//! deadline starts anew, and a host without a session since then keeps its status for a while.

pub mod lateness;
pub mod mass;
pub mod rule;
mod services;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::check::judge::ServiceVerdict;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::mark::Verdict;
use crate::registry::moment::Moment;

pub use lateness::Lateness;

use mass::{Mass, MassEvent, Member as _};
use rule::{Heard, Judgement};
use services::Services;
use watch::Watched;

/// How often hosts that are heard are written to the store again.
const TOUCH_EVERY: Duration = Duration::from_secs(3600);
/// How often services that are gone are looked for.
const FORGET_SERVICES_EVERY: Duration = Duration::from_secs(60);
/// How far the two clocks may part between two ticks.
const CLOCK_JUMP: Duration = Duration::from_secs(60);
/// Nothing is forgotten before both clocks agreed for this long.
const FORGET_NOTHING_FOR: Duration = Duration::from_secs(3600);
/// Verdicts that are applied before the sockets get their turn.
const VERDICTS_A_TURN: usize = 40;

/// What the sweep knows between two ticks.
#[derive(Debug)]
pub struct Sweep {
    rules: Liveness,
    last_tick: Option<Moment>,
    /// Before this instant nothing is held against anybody.
    believed_since: Instant,
    /// Since then the wall clock goes as the monotonic one.
    wall_clock_since: Instant,
    touched: Instant,
    services_swept: Instant,
    mass: Mass<HostId>,
    watched: Watched,
    services: Services,
    n_late: u64,
}

impl Sweep {
    /// A sweep that begins now.
    #[must_use]
    pub fn new(rules: Liveness, now: Instant) -> Self {
        let mass = Mass::new(&rules);
        let services = Services::new(&rules, now);
        Self {
            rules,
            last_tick: None,
            believed_since: now,
            wall_clock_since: now,
            touched: now,
            services_swept: now,
            mass,
            watched: Watched::default(),
            services,
            n_late: 0,
        }
    }

    /// How often a tick came so late that every deadline started anew.
    #[must_use]
    pub fn n_late(&self) -> u64 {
        self.n_late
    }

    /// Judges all hosts, and forgets what has been gone for long.
    pub fn tick(&mut self, registry: &Registry, moment: Moment) {
        for due in self.look(registry, moment) {
            due.apply(registry, moment);
        }
    }

    /// Looks at all hosts and services, and says what is to be said of them.
    fn look(&mut self, registry: &Registry, moment: Moment) -> Vec<Due> {
        self.read_clocks(registry, moment);
        let mut found = self.look_at_hosts(registry, moment);
        let going: Vec<_> = found.iter().filter_map(|due| due.going_offline(registry)).collect();
        let is_quiet = going.is_empty() && !self.mass.holds();
        let hosts = if is_quiet { Vec::new() } else { registry.hosts() };
        let all = hosts.iter().map(AsRef::as_ref);
        let event = self.mass.tick(registry, all, &going, moment.now);
        tell_hosts_mass(registry, event, moment);
        if self.mass.holds() {
            found.retain_mut(|due| due.under_mass(registry));
        }
        if is_due(&mut self.services_swept, FORGET_SERVICES_EVERY, moment.now) {
            found.extend(self.vanished_services(registry, moment));
            let after = registry.checks().departed_after;
            registry.forget_departed(moment, |at| self.is_past(at, after, moment));
        }
        let judged = self.services.look(registry, moment);
        found.extend(judged.into_iter().map(|verdict| Due::Judged { verdict }));
        if is_due(&mut self.touched, TOUCH_EVERY, moment.now) {
            registry.touch_heard();
        }
        found
    }

    /// Looks at the hosts of which something may be to be said.
    fn look_at_hosts(&mut self, registry: &Registry, moment: Moment) -> Vec<Due> {
        let mut found = Vec::new();
        for host in self.watched.due(registry, &self.rules, moment) {
            let heard_ms = host.live.heard_ms();
            match self.judge(registry, &host, heard_ms, moment) {
                Some(verdict) => found.push(Due::Host { host, heard_ms, verdict }),
                None => {
                    let believed_until = self.believed_since + self.rules.grace;
                    self.watched.rest(&host, believed_until, moment);
                }
            }
        }
        #[cfg(test)]
        self.check_that_none_is_missed(registry, &found, moment);
        found
    }

    /// A tick that comes late was a pause of the collector. A wall clock that does not go as the
    /// monotonic one was set, and nothing is forgotten by it for a while.
    fn read_clocks(&mut self, registry: &Registry, moment: Moment) {
        let Some(last) = self.last_tick.replace(moment) else { return };
        let late = moment.now.saturating_duration_since(last.now);
        if late > self.rules.tick * (1 + self.rules.late_ticks) {
            self.n_late += 1;
            self.believed_since = moment.now;
            registry.start_clocks_anew(moment.now);
            let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(late_ms, "the collector was paused: all deadlines start anew");
        }
        let late_ms = i64::try_from(late.as_millis()).unwrap_or(i64::MAX);
        let jump_ms = moment.at.ms_since(last.at).abs_diff(late_ms);
        if u128::from(jump_ms) > CLOCK_JUMP.as_millis() {
            self.wall_clock_since = moment.now;
            tracing::warn!(jump_ms, "the wall clock was set: nothing is forgotten for a while");
        }
    }

    fn judge(
        &self,
        registry: &Registry,
        host: &Arc<HostEntry>,
        heard_ms: u64,
        moment: Moment,
    ) -> Option<Verdict> {
        if host.status == HostStatus::Offline {
            return self.forget(host, moment);
        }
        let heard = Heard {
            status: host.status,
            heard: registry.instant_of(heard_ms),
            interval: Duration::from_millis(host.facts.interval_ms),
            session_opened: host.session.as_ref().map(|session| session.opened),
            ended: host.ended,
        };
        // Who was listed a moment ago and never heard is waited for as after the start.
        let listed = Some(host.status_entered).filter(|_| host.status == HostStatus::Unknown);
        let believed_since = listed.map_or(self.believed_since, |at| at.max(self.believed_since));
        let judgement = rule::judge(&heard, &self.rules, believed_since, moment.now)?;
        let status = match judgement {
            Judgement::Stale(_) => HostStatus::Stale,
            Judgement::Offline(_) => HostStatus::Offline,
        };
        Some(Verdict::Status(status, judgement.cause()))
    }

    fn forget(&self, host: &HostEntry, moment: Moment) -> Option<Verdict> {
        if host.id.is_clone() {
            return Some(Verdict::Forget("the other machine of this identity left".to_owned()));
        }
        if host.is_kept() {
            return None;
        }
        let last_seen = host.live.last_seen().unwrap_or(host.facts.first_seen);
        let offline_for = moment.now.saturating_duration_since(host.status_entered);
        let is_due = host.session.is_none()
            && offline_for >= self.rules.forget_after.min(FORGET_NOTHING_FOR)
            && self.is_past(last_seen, self.rules.forget_after, moment);
        is_due.then(|| Verdict::Forget("offline for too long".to_owned()))
    }

    /// Whether `since` is longer ago than `after`, by a wall clock that can be believed.
    fn is_past(&self, since: Timestamp, after: Duration, moment: Moment) -> bool {
        let agreed_for = moment.now.saturating_duration_since(self.wall_clock_since);
        let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        agreed_for >= after.min(FORGET_NOTHING_FOR) && moment.at.ms_since(since) >= after_ms
    }

    fn vanished_services(&self, registry: &Registry, moment: Moment) -> Vec<Due> {
        let after = self.rules.vanished_service_after;
        let gone = registry.services().into_iter().filter_map(|service| {
            let since = service.facts.found()?.down_since?;
            let is_due = self.is_past(since, after, moment);
            is_due.then(|| Due::Service { id: service.id.clone(), since })
        });
        gone.collect()
    }
}

/// What a look found.
#[derive(Debug)]
enum Due {
    /// A host is to be judged.
    Host { host: Arc<HostEntry>, heard_ms: u64, verdict: Verdict },
    /// A service is to be judged.
    Judged { verdict: ServiceVerdict },
    /// A service has been down since then, for too long.
    Service { id: ServiceId, since: Timestamp },
}

impl Due {
    fn apply(&self, registry: &Registry, moment: Moment) {
        match self {
            Self::Host { host, heard_ms, verdict } => {
                registry.judge(host, *heard_ms, verdict, moment);
            }
            Self::Judged { verdict } => registry.judge_service(verdict, moment),
            Self::Service { id, since } => registry.forget_service(id, *since, moment),
        }
    }

    /// The host that goes offline, having been there until now or until the collector's start.
    fn going_offline(&self, registry: &Registry) -> Option<HostId> {
        match self {
            Self::Host { host, verdict: Verdict::Status(HostStatus::Offline, _), .. } => {
                goes_with_others(host, registry).then(|| host.id.clone())
            }
            _ => None,
        }
    }

    /// During a mass event nobody is forgotten but clones, and who goes offline goes with the mass.
    fn under_mass(&mut self, registry: &Registry) -> bool {
        match self {
            Self::Host { host, verdict: Verdict::Forget(_), .. } => host.id.is_clone(),
            Self::Host { host, verdict: Verdict::Status(HostStatus::Offline, cause), .. }
                if goes_with_others(host, registry) =>
            {
                "mass".clone_into(cause);
                true
            }
            _ => true,
        }
    }
}

/// Whether a host that goes offline now may be one of many. One that was lost in an earlier run of
/// the collector is an old loss, and one that may be away is none.
fn goes_with_others(host: &HostEntry, registry: &Registry) -> bool {
    host.counts() && mass::was_there(host, registry)
}

fn tell_hosts_mass(registry: &Registry, event: Option<MassEvent>, moment: Moment) {
    let (kind, n, cause) = match event {
        None => return,
        Some(MassEvent::Began { n_all, n_gone }) => {
            let cause = format!("{n_gone} of {n_all} hosts went offline together");
            (ChangeKind::FleetMassOffline, n_gone, cause)
        }
        Some(MassEvent::Ended { n_back, n_gone }) => {
            let cause = format!("{n_back} of {n_gone} hosts are back");
            (ChangeKind::FleetMassRecovered, n_back, cause)
        }
    };
    tell_mass(registry, kind, json!({ "n_hosts": n }), cause, moment);
}

fn tell_mass(registry: &Registry, kind: ChangeKind, data: Value, cause: String, moment: Moment) {
    tracing::warn!(change = %kind, cause, "mass event");
    registry.tell_mass(kind, data, cause, moment);
}

/// Whether `every` has gone by since `last`, which then is now.
fn is_due(last: &mut Instant, every: Duration, now: Instant) -> bool {
    let is_due = now.saturating_duration_since(*last) >= every;
    if is_due {
        *last = now;
    }
    is_due
}

/// Sweeps until `stop`, and tells how late it comes.
pub async fn run(registry: Arc<Registry>, lateness: Arc<Lateness>, stop: CancellationToken) {
    let rules = registry.liveness().clone();
    let mut ticks = interval(rules.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = Sweep::new(rules, Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            due = ticks.tick() => {
                let late = due.elapsed();
                turn(&mut sweep, &registry).await;
                lateness.write(late, sweep.n_late());
            }
        }
    }
}

/// One tick, in which many verdicts do not hold up the sockets.
async fn turn(sweep: &mut Sweep, registry: &Registry) {
    let moment = Moment::now();
    registry.expire_leases(moment);
    for some in sweep.look(registry, moment).chunks(VERDICTS_A_TURN) {
        some.iter().for_each(|due| due.apply(registry, moment));
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
