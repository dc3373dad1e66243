//! The clock of the registry: once a second it judges who went silent.
//!
//! A host's deadlines are judged by the monotonic clock, from the receipt of its last sample. The
//! collector never believes itself dead: after its start, and after a sweep that comes late, every
//! deadline starts anew, and a host without a session since then keeps its status for a while.

pub mod mass;
pub mod rule;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::mark::Verdict;
use crate::registry::moment::Moment;

use mass::{Mass, MassEvent};
use rule::{Heard, Judgement};

/// How often hosts that are heard are written to the store again.
const TOUCH_EVERY: Duration = Duration::from_secs(3600);
/// How often services that are gone are looked for.
const FORGET_SERVICES_EVERY: Duration = Duration::from_secs(60);

/// What the sweep knows between two ticks.
#[derive(Debug)]
pub struct Sweep {
    rules: Liveness,
    last_tick: Option<Instant>,
    /// Before this instant nothing is held against anybody.
    believed_since: Instant,
    touched: Instant,
    services_swept: Instant,
    mass: Mass,
    n_late: u64,
}

impl Sweep {
    /// A sweep that begins now.
    #[must_use]
    pub fn new(rules: Liveness, now: Instant) -> Self {
        let mass = Mass::new(&rules);
        Self {
            rules,
            last_tick: None,
            believed_since: now,
            touched: now,
            services_swept: now,
            mass,
            n_late: 0,
        }
    }

    /// How often a tick came so late that every deadline started anew.
    #[must_use]
    pub fn n_late(&self) -> u64 {
        self.n_late
    }

    /// Judges all hosts, and forgets services that have been gone for long.
    pub fn tick(&mut self, registry: &Registry, moment: Moment) {
        self.notice_lateness(moment.now);
        let hosts = registry.hosts();
        let verdicts: Vec<_> = hosts
            .iter()
            .filter_map(|host| {
                let heard_ms = host.live.heard_ms();
                let verdict = self.judge(registry, host, heard_ms, moment)?;
                Some((host, heard_ms, verdict))
            })
            .collect();
        let going = verdicts
            .iter()
            .filter(|(_, heard_ms, verdict)| *heard_ms > 0 && is_going_offline(verdict));
        let going: Vec<_> = going.map(|(host, ..)| host.id.clone()).collect();
        let event = self.mass.tick(&hosts, &going, moment.now);
        self.tell_mass(registry, event, moment);
        for (host, heard_ms, verdict) in verdicts {
            let verdict = self.with_mass_cause(verdict);
            if matches!(verdict, Verdict::Forget(_)) && self.mass.holds() && !host.id.is_clone() {
                continue;
            }
            registry.judge(host, heard_ms, &verdict, moment);
        }
        if moment.now.saturating_duration_since(self.services_swept) >= FORGET_SERVICES_EVERY {
            self.services_swept = moment.now;
            self.forget_services(registry, moment);
        }
        if moment.now.saturating_duration_since(self.touched) >= TOUCH_EVERY {
            self.touched = moment.now;
            registry.touch_heard();
        }
    }

    fn notice_lateness(&mut self, now: Instant) {
        let late_after = self.rules.tick * (1 + self.rules.late_ticks);
        let late = self.last_tick.map(|last| now.saturating_duration_since(last));
        if let Some(late) = late.filter(|late| *late > late_after) {
            self.n_late += 1;
            self.believed_since = now;
            let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(late_ms, "the collector was paused: all deadlines start anew");
        }
        self.last_tick = Some(now);
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
            ended: host.ended.map(|ended| (ended.at, ended.goodbye)),
        };
        let judgement = rule::judge(&heard, &self.rules, self.believed_since, moment.now)?;
        let status = match judgement {
            Judgement::Stale(_) => HostStatus::Stale,
            Judgement::Offline(_) => HostStatus::Offline,
        };
        Some(Verdict::Status(status, judgement.cause()))
    }

    /// Nothing is forgotten for the wall clock alone, which can jump.
    fn forget(&self, host: &HostEntry, moment: Moment) -> Option<Verdict> {
        if host.id.is_clone() {
            return Some(Verdict::Forget("the other machine of this identity left".to_owned()));
        }
        let last_seen = host.live.last_seen().unwrap_or(host.facts.first_seen);
        let forget_ms = i64::try_from(self.rules.forget_after.as_millis()).unwrap_or(i64::MAX);
        let at_least = self.rules.forget_after.min(Duration::from_secs(3600));
        let is_due = moment.at.ms_since(last_seen) >= forget_ms
            && moment.now.saturating_duration_since(host.status_entered) >= at_least;
        is_due.then(|| Verdict::Forget("offline for too long".to_owned()))
    }

    fn with_mass_cause(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Status(HostStatus::Offline, _) if self.mass.holds() => {
                Verdict::Status(HostStatus::Offline, "mass".to_owned())
            }
            other => other,
        }
    }

    fn tell_mass(&self, registry: &Registry, event: Option<MassEvent>, moment: Moment) {
        let (kind, n_hosts, cause) = match event {
            None => return,
            Some(MassEvent::Began { n_hosts, n_gone }) => {
                let cause = format!("{n_gone} of {n_hosts} hosts went offline together");
                (ChangeKind::FleetMassOffline, n_gone, cause)
            }
            Some(MassEvent::Ended { n_back, n_gone }) => {
                let cause = format!("{n_back} of {n_gone} hosts are back");
                (ChangeKind::FleetMassRecovered, n_back, cause)
            }
        };
        tracing::warn!(change = %kind, cause, "mass event");
        registry.tell_mass(kind, n_hosts, cause, moment);
    }

    fn forget_services(&self, registry: &Registry, moment: Moment) {
        let keep_ms =
            i64::try_from(self.rules.vanished_service_after.as_millis()).unwrap_or(i64::MAX);
        let down_before = herdbook_shared::time::Timestamp::from_unix_ms(
            moment.at.unix_ms().saturating_sub(keep_ms),
        );
        for service in registry.services() {
            if service.facts.down_since.is_some_and(|since| since <= down_before) {
                registry.forget_service(&service.id, down_before, moment);
            }
        }
    }
}

fn is_going_offline(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Status(HostStatus::Offline, _))
}

/// Sweeps until `stop`.
pub async fn run(registry: Arc<Registry>, stop: CancellationToken) {
    let rules = registry.liveness().clone();
    let mut ticks = interval(rules.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = Sweep::new(rules, Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => sweep.tick(&registry, Moment::now()),
        }
    }
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
