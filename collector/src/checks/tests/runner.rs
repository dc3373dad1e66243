//! Many services at once.

use super::*;
use crate::registry::testing::{Clock, checked_by};

const EVENTUALLY: Duration = Duration::from_secs(60);

struct World {
    registry: Arc<Registry>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    /// A registry whose services are asked each 200 ms, and given a minute to answer.
    fn new() -> Self {
        let rules = Checks {
            interval: Duration::from_millis(200),
            deadline: Duration::from_mins(1),
            at_once: 8,
            ..Checks::default()
        };
        let registry = Arc::new(Registry::new(Liveness::default()).with_checks(rules.clone()));
        Self { registry, stop: CancellationToken::new(), tasks: JoinSet::new() }
    }

    fn start(&mut self) {
        let rules = self.registry.checks().clone();
        let prober = Prober { rules, ..prober(0) };
        self.tasks.spawn(run(Arc::clone(&self.registry), prober, self.stop.clone()));
    }

    fn add(&self, id: &str, url: &str) {
        let declared =
            Declared { kind: Some("openai".to_owned()), ..checked_by(url, Check::Probe) };
        self.registry.list(id, Source::Manual, declared, Moment::now());
    }

    fn status(&self, id: &str) -> Option<ServiceStatus> {
        self.registry.service(id).map(|service| service.status)
    }

    async fn until(&self, what: impl Fn(&Self) -> bool) {
        let mut woken = self.registry.watch();
        let all = async {
            while !what(self) {
                let _ = tokio::time::timeout(Duration::from_millis(50), woken.changed()).await;
            }
        };
        tokio::time::timeout(EVENTUALLY, all).await.expect("it comes about");
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn healthy() -> Fake {
    Fake::start([("/v1/models", says(200, r#"{"data":[{"id":"m"}]}"#))]).await
}

#[tokio::test]
async fn one_that_hangs_holds_up_none_of_two_hundred() {
    let (good, bad) = (healthy().await, Fake::start([("/v1/models", Does::Hangs)]).await);
    let mut world = World::new();
    world.add("bad", &bad.url());
    world.start();
    for n in 0..199 {
        world.add(&format!("good-{n}"), &good.url());
    }
    let all_well = |world: &World| {
        (0..199).all(|n| world.status(&format!("good-{n}")) == Some(ServiceStatus::Healthy))
    };
    world.until(all_well).await;
    world.until(|_| good.n_connections() >= 3 * 199).await;
    assert_eq!(bad.n_connections(), 1, "it is being asked all the time, and once");
    assert_eq!(world.status("bad"), Some(ServiceStatus::Unknown));
    assert_eq!(world.registry.services_of_model("m").len(), 199);
    world.end().await;
}

#[tokio::test]
async fn more_that_hang_than_may_be_asked_at_once_hold_up_nobody_who_answers() {
    let (good, bad) = (healthy().await, Fake::start([("/v1/models", Does::Hangs)]).await);
    let mut world = World::new();
    for n in 0..30 {
        let id = format!("bad-{n}");
        world.add(&id, &bad.url());
        for _ in 0..2 {
            let failure = Err(failure("x"));
            world.registry.record_probe(&ServiceId::from_text(&id), failure, Moment::now());
        }
    }
    world.start();
    world.add("good", &good.url());
    world.until(|_| good.n_connections() >= 5).await;
    assert_eq!(bad.n_connections(), 8, "their bound");
    world.end().await;
}

#[tokio::test]
async fn who_is_gone_is_asked_no_more_and_who_moved_is_asked_there() {
    let (first, second) = (healthy().await, healthy().await);
    let mut world = World::new();
    world.start();
    world.add("a", &first.url());
    world.until(|world| world.status("a") == Some(ServiceStatus::Healthy)).await;
    world.add("a", &second.url());
    world.until(|_| second.n_connections() >= 3).await;
    let n_first = first.n_connections();
    world.registry.unlist("a", Moment::now());
    world.add("b", &first.url());
    world.until(|_| first.n_connections() >= n_first + 5).await;
    assert!(second.n_connections() <= n_first + 5);
    assert_eq!(world.status("a"), None);
    world.end().await;
}

#[tokio::test]
async fn what_the_collector_slept_through_is_nobodys_failure_and_is_asked_again() {
    let world = World::new();
    world.add("a", "http://127.0.0.1:1");
    let mut runner = Runner::new(Arc::clone(&world.registry), prober(1000));
    let id = ServiceId::from_text("a");
    let done = |runner: &mut Runner| {
        let next = runner.plan.begin_next(Instant::now()).expect("it is due");
        Done { id: next.id, began: next.began, outcome: Err(failure("late")) }
    };
    let slept_through = done(&mut runner);
    runner.awake = Instant::now() - Duration::from_secs(10);
    runner.take(Ok(slept_through));
    let live = || world.registry.service("a").unwrap();
    assert_eq!(live().live.consecutive_failures(), 0);
    let awake = done(&mut runner);
    assert_eq!(awake.id, id, "at once");
    runner.take(Ok(awake));
    assert_eq!(live().live.consecutive_failures(), 1);
}

#[tokio::test]
async fn who_fell_behind_plans_anew() {
    let world = World::new();
    let mut runner = Runner::new(Arc::clone(&world.registry), prober(1000));
    let moment = Clock::new().moment();
    world.add("a", "http://127.0.0.1:1");
    for _ in 0..crate::registry::ledger::RING_CHANGES_MIN + 1 {
        let (data, cause) = (serde_json::Value::Null, String::new());
        let kind = crate::registry::change::ChangeKind::FleetMassOffline;
        world.registry.tell_mass(kind, data, cause, moment);
    }
    runner.follow().await;
    assert_eq!(runner.plan.len(), 1);
    assert_eq!(runner.seq, world.registry.cursor().1);
}
