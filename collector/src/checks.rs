//! The collector's own checks: it asks the services that nobody else judges whether they live, and
//! which models they have.
//!
//! A service is asked in intervals that differ a little from each other, so that services that
//! were listed together are not asked together for ever. All that are due are asked at the same
//! time, with a bound; never one of them twice at once. Those that did not answer last have a bound
//! of their own, so that however many of them hang, they hold up nobody who answers.
//!
//! Not here: what an answer makes of a service (`registry::check`).

pub mod dial;

mod ask;
pub(crate) mod http;
pub(crate) mod lookup;
mod models;
mod plan;
pub mod policy;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::ServiceId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::Checks;
use crate::registry::Registry;
use crate::registry::change::Subject;
use crate::registry::check::probe::{ProbeFailure, Probed};
use crate::registry::moment::Moment;
use crate::registry::service::ServiceFacts;
use crate::registry::service::record::Credential;

use ask::Manner;
use http::{Server, failure};
use lookup::Resolve;
use plan::{Next, Plan};
use policy::{Policy, Vouches};
use tls::Trust;

pub use http::Header;

/// How often it is looked what is due, whatever else happens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look that comes this much later was a pause of the collector.
const PAUSE: Duration = Duration::from_secs(2);
/// Changes that are followed before the sockets get their turn.
const CHANGES_A_TURN: usize = 1000;

/// Opens the credential that the checks of a service send; `None`: it cannot be opened.
pub type OpenCredential = Arc<dyn Fn(&Credential) -> Option<Header> + Send + Sync>;

/// What checks work with.
#[derive(Clone)]
pub struct Prober {
    rules: Checks,
    open: OpenCredential,
    policy: Policy,
    resolve: Resolve,
    trust: Trust,
}

impl std::fmt::Debug for Prober {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Prober {
    /// One that sends these credentials, and dials what this policy admits.
    #[must_use]
    pub fn new(rules: Checks, open: OpenCredential, policy: Policy) -> Self {
        let trust = Trust::new(rules.authorities.clone(), tls::of_system);
        Self { rules, open, policy, resolve: lookup::by_system(), trust }
    }

    /// Asks one service, within the deadline.
    async fn check(
        &self,
        facts: &ServiceFacts,
        vouches: Vouches<'_>,
    ) -> Result<Probed, ProbeFailure> {
        let until = Instant::now() + self.rules.deadline;
        let asked = timeout_at(until, self.ask(facts, vouches, until)).await;
        asked.unwrap_or_else(|_| {
            let deadline_s = self.rules.deadline.as_secs_f64();
            Err(failure(format!("it did not answer within {deadline_s} s")))
        })
    }

    async fn ask(
        &self,
        facts: &ServiceFacts,
        vouches: Vouches<'_>,
        until: Instant,
    ) -> Result<Probed, ProbeFailure> {
        let sealed = facts.records.credential_for(&facts.url);
        let credential = match sealed.map(|sealed| (self.open)(sealed)) {
            Some(None) => return Err(failure("the credential of its checks cannot be opened")),
            opened => opened.flatten(),
        };
        let (resolve, trust) = (&self.resolve, &self.trust);
        let admits = (&self.policy, vouches);
        let found = Server::find(&facts.url, credential, admits, resolve, trust);
        let server = found.await?;
        ask::ask(&server, Manner::of(facts), until).await
    }
}

/// Asks all services that the collector judges, until `stop`.
pub async fn run(registry: Arc<Registry>, prober: Prober, stop: CancellationToken) {
    let mut runner = Runner::new(registry, prober);
    tokio::select! {
        () = stop.cancelled() => (),
        () = runner.run() => (),
    }
}

/// A check that is over.
#[derive(Debug)]
struct Done {
    id: ServiceId,
    began: Instant,
    outcome: Result<Probed, ProbeFailure>,
}

struct Runner {
    registry: Arc<Registry>,
    prober: Prober,
    plan: Plan,
    seq: u64,
    woken: watch::Receiver<u64>,
    flights: JoinSet<Done>,
    /// When the collector was seen awake last.
    awake: Instant,
    /// What began before this instant was slept through in part.
    slept_until: Option<Instant>,
}

impl Runner {
    fn new(registry: Arc<Registry>, prober: Prober) -> Self {
        let woken = registry.watch();
        let plan = Plan::new(&prober.rules);
        let mut runner = Self {
            registry,
            prober,
            plan,
            seq: 0,
            woken,
            flights: JoinSet::new(),
            awake: Instant::now(),
            slept_until: None,
        };
        runner.plan_anew();
        runner
    }

    async fn run(&mut self) {
        loop {
            self.notice_sleep();
            self.follow().await;
            self.ask_due();
            let look = Instant::now() + LOOK_EVERY;
            let next = self.plan.next_due().map_or(look, |due| due.min(look));
            tokio::select! {
                Some(done) = self.flights.join_next() => self.take(done),
                _ = self.woken.changed() => (),
                () = sleep_until(next) => (),
            }
        }
    }

    /// Notes whether the collector slept since it was seen awake.
    fn notice_sleep(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.awake) > LOOK_EVERY + PAUSE {
            self.slept_until = Some(now);
        }
        self.awake = now;
    }

    /// Plans every service that there is.
    fn plan_anew(&mut self) {
        self.seq = self.registry.cursor().1;
        self.plan.begin_anew();
        let now = Instant::now();
        for service in self.registry.services() {
            self.plan.follow(&service, now);
        }
        self.plan.end_anew();
    }

    /// Follows what changed since the last time.
    async fn follow(&mut self) {
        self.woken.mark_unchanged();
        loop {
            let Ok(changes) = self.registry.changes_since(self.seq, CHANGES_A_TURN) else {
                self.plan_anew();
                return;
            };
            let Some(last) = changes.last() else { return };
            self.seq = last.seq;
            let now = Instant::now();
            for change in &changes {
                match &change.subject {
                    Subject::Service(service) => self.plan.follow(service, now),
                    Subject::NoService(id, _) => self.plan.forget(id),
                    _ => (),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn ask_due(&mut self) {
        let now = Instant::now();
        while let Some(Next { id, began }) = self.plan.begin_next(now) {
            let Some(service) = self.registry.service(id.as_str()) else {
                self.plan.forget(&id);
                self.plan.end(&id, now);
                continue;
            };
            let prober = self.prober.clone();
            let (facts, registry) = (Arc::clone(&service.facts), Arc::clone(&self.registry));
            self.flights.spawn(async move {
                let vouches = |address| registry.vouches(&facts, address);
                let outcome = prober.check(&facts, &vouches).await;
                Done { id, began, outcome }
            });
        }
    }

    fn take(&mut self, done: Result<Done, tokio::task::JoinError>) {
        self.notice_sleep();
        let done = match done {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let now = Instant::now();
        let is_wanted = self.plan.is_wanted(&done.id, done.began);
        let was_slept_through = self.slept_until.is_some_and(|until| done.began < until);
        if is_wanted && was_slept_through && done.outcome.is_err() {
            // The collector's own sleep is nobody's failure.
            self.plan.retry(&done.id, now);
        } else if is_wanted {
            self.plan.note(&done.id, done.outcome.is_ok());
            self.registry.record_probe(&done.id, done.outcome, Moment::now());
        }
        self.plan.end(&done.id, now);
    }
}

#[cfg(test)]
mod tests;
