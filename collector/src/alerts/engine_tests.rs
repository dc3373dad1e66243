//! The engine over a real registry and its sweep, second by second.

use herdbook_shared::ids::{InstanceId, SessionId};
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::{Detail, DiskDetail};
use herdbook_shared::wire::inventory::ServiceState;
use herdbook_shared::wire::sample::{Disk, GpuSample, Sample};

use crate::config::{Liveness, RuleSettings};
use crate::registry::alert::Alert;
use crate::registry::arrive::Opened;
use crate::registry::check::beat::Beat;
use crate::registry::node::HostEdit;
use crate::registry::service::{Check, Source};
use crate::registry::session::CloseReason;
use crate::registry::testing::*;
use crate::sweep::Sweep;

use super::*;

#[path = "engine_tests/mass.rs"]
mod mass;
#[path = "engine_tests/restart.rs"]
mod restart;
#[path = "engine_tests/rules.rs"]
mod rules;

/// A registry, its clock, and whoever watches it.
struct World {
    registry: Arc<Registry>,
    kept: Arc<Kept>,
    settings: Alerts,
    sweep: Sweep,
    engine: Engine,
    clock: Clock,
    /// Hosts that send a sample each second.
    alive: Vec<(HostId, SessionId, Sample)>,
}

impl World {
    fn new() -> Self {
        Self::with(Alerts::default())
    }

    fn with(settings: Alerts) -> Self {
        Self::over(Registry::new(Liveness::default()), Kept::default(), settings, Clock::new())
    }

    fn over(registry: Registry, kept: Kept, settings: Alerts, clock: Clock) -> Self {
        let (registry, kept) = (Arc::new(registry), Arc::new(kept));
        let moment = clock.moment();
        let engine = Engine::new(
            Arc::clone(&registry),
            Arc::new(settings.clone()),
            Arc::clone(&kept),
            moment,
        );
        let sweep = Sweep::new(Liveness::default(), moment.now);
        Self { registry, kept, settings, sweep, engine, clock, alive: Vec::new() }
    }

    /// The collector is killed and started anew, `seconds` later.
    fn restarted(mut self, seconds: u64) -> Self {
        self.clock.pass(seconds);
        self.clock = self.clock.restarted();
        let registry = fleet::restarted(&self.registry, self.clock.moment());
        let docs: Vec<_> = {
            let all = self.kept.list(None, usize::MAX, |_| true);
            all.iter().for_each(|alert| self.kept.write_again(&alert.id));
            self.kept.rows().into_iter().filter_map(|row| row.doc).collect()
        };
        Self::over(registry, Kept::of_docs(&docs), self.settings, self.clock)
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let moment = self.clock.pass(1);
            for (id, session, sample) in &self.alive {
                let _ = self.registry.record_sample(id, session, sample.clone(), moment);
            }
            self.sweep.tick(&self.registry, moment);
            self.watch(moment);
        }
    }

    fn watch(&mut self, moment: Moment) {
        let changes = self.registry.changes_since(self.engine.seq(), usize::MAX).unwrap();
        self.engine.take(&changes, moment);
        self.engine.tick(moment);
        while self.engine.raise_due(moment) {}
    }

    /// Host `n` connects, and sends this sample each second from now on.
    fn host(&mut self, n: u8, sample: Sample) -> Opened {
        self.host_as(n, InstanceId::random(), sample)
    }

    fn host_as(&mut self, n: u8, instance: InstanceId, sample: Sample) -> Opened {
        let opened = connect_as(&self.registry, n, instance, self.clock.moment());
        let mut inventory = inventory(Vec::new());
        inventory.gpus = Some(vec![gpu("GPU-0", 0), gpu("GPU-1", 1)]);
        let (id, session) = (&opened.host_id, &opened.session.id);
        self.registry.apply_inventory(id, session, inventory, self.clock.moment()).unwrap();
        self.alive.push((id.clone(), session.clone(), sample));
        opened
    }

    fn samples(&mut self, n: u8, sample: Sample) {
        let id = host_id(n);
        let mut alive = self.alive.iter_mut();
        alive.find(|(other, ..)| *other == id).unwrap().2 = sample;
    }

    /// Host `n` is no longer heard.
    fn lose(&mut self, n: u8) {
        let id = host_id(n);
        let at = self.alive.iter().position(|(other, ..)| *other == id).unwrap();
        let (_, session, _) = self.alive.remove(at);
        self.registry.close_session(&id, &session, CloseReason::Lost, self.clock.moment());
    }

    /// All alerts, oldest first: rule, subject, whether it is open.
    fn all(&self) -> Vec<(String, String, bool)> {
        let alerts = self.kept.list(None, usize::MAX, |_| true);
        let told = |alert: &Arc<Alert>| {
            let (rule, subject) = (alert.rule.to_string(), alert.subject.name.to_string());
            (rule, subject, alert.resolved_at.is_none())
        };
        let mut all: Vec<_> = alerts.iter().rev().map(told).collect();
        all.sort();
        // What is open is what the registry says is open.
        let mut open: Vec<_> = self.registry.open_alerts();
        open.sort_by(|a, b| a.id.cmp(&b.id));
        let mut kept = self.kept.list(None, usize::MAX, |alert| alert.resolved_at.is_none());
        kept.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(open, kept);
        all
    }

    fn open(&self) -> Vec<String> {
        self.all().into_iter().filter(|(.., open)| *open).map(|(rule, ..)| rule).collect()
    }

    fn n_all(&self, rule: &str) -> usize {
        self.all().into_iter().filter(|(other, ..)| other == rule).count()
    }

    /// The last alert of a rule.
    fn last(&self, rule: &str) -> Arc<Alert> {
        self.kept.list(None, 1, |alert| &*alert.rule == rule)[0].clone()
    }

    /// Why the last alert was resolved.
    fn cause(&self) -> String {
        let changes = self.registry.changes_since(0, usize::MAX).unwrap();
        let resolved = changes.iter().rev().find(|one| one.kind == ChangeKind::AlertResolved);
        resolved.unwrap().cause.clone().unwrap()
    }
}

fn set(rule: Rule, change: impl FnOnce(&mut RuleSettings)) -> Alerts {
    let settings = Alerts::default();
    let mut set = settings.of(rule);
    change(&mut set);
    settings.with(rule, set)
}

fn gpus(gpus: Vec<GpuSample>) -> Sample {
    Sample { gpus: Some(gpus), ..sample() }
}
