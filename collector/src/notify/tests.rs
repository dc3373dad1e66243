//! Notifiers over a register, and receivers on real sockets.

use std::sync::atomic::AtomicBool;

use tokio::task::JoinHandle;

use super::testing::alert;
use super::testing::receiver::{Answer, Receiver, says};
use super::*;
use crate::config::Liveness;

struct World {
    registry: Arc<Registry>,
    config: Notify,
    is_silent: Arc<AtomicBool>,
    stop: CancellationToken,
}

type Counts = Vec<(Arc<str>, Arc<NotifyCounts>)>;

impl World {
    fn new() -> Self {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let (config, is_silent) = (Notify::default(), Arc::default());
        Self { registry, config, is_silent, stop: CancellationToken::new() }
    }

    /// A target that hears of everything, without waiting for long.
    fn target(&mut self, name: &str, kind: &str, url: &str) -> &mut Self {
        let wait = "min_severity = 'info'\ngroup_wait_s = 0.2\ntimeout_s = 1";
        self.config.set_for_tests(name, &format!("kind = '{kind}'\nurl = '{url}'\n{wait}"));
        self
    }

    fn start(&self) -> (Counts, JoinHandle<()>) {
        let is_silent = Arc::clone(&self.is_silent);
        let silenced: Silenced = Arc::new(move |_| is_silent.load(Ordering::Relaxed));
        let (registry, link) = (Arc::clone(&self.registry), "http://127.0.0.1:6121/");
        let notifier =
            Notifier::new(registry, &self.config, &Authorities::default(), link, silenced);
        let counts = notifier.counts();
        #[expect(clippy::disallowed_methods, reason = "a test owns its task by its handle")]
        let task = tokio::spawn(notifier.run(self.stop.clone()));
        (counts, task)
    }

    fn raise(&self, id: &str, rule: &str) {
        self.registry.raise_alert(alert(id, rule), Moment::now()).unwrap();
    }

    fn resolve(&self, id: &str) {
        self.registry.resolve_alert(id, "it is back", Moment::now()).unwrap();
    }
}

#[tokio::test]
async fn an_alert_is_told_and_its_end_as_well() {
    let (hook, mut world) = (Receiver::start(Vec::new()).await, World::new());
    let (counts, _task) = world.target("hook", "webhook", &hook.url("/x")).start();
    world.raise("a", "gpu_lost");
    let raised = hook.gets(1).await.remove(0).body;
    assert_eq!((&raised["state"], &raised["alerts"][0]["id"]), (&"raised".into(), &"a".into()));
    assert_eq!(raised["link"], "http://127.0.0.1:6121/");
    world.resolve("a");
    let resolved = hook.gets(2).await.remove(1).body;
    assert_eq!(resolved["state"], "resolved");
    assert!(resolved["alerts"][0]["resolved_at"].is_string(), "{resolved}");
    assert_eq!((&*counts[0].0, counts.len()), ("hook", 1));
}

#[tokio::test]
async fn a_mass_event_is_one_message() {
    let (hook, mut world) = (Receiver::start(Vec::new()).await, World::new());
    let (_, task) = world.target("hook", "webhook", &hook.url("/")).start();
    for n in 0..700 {
        world.raise(&n.to_string(), "host_offline");
    }
    hook.gets(1).await;
    world.stop.cancel();
    task.await.unwrap();
    let got = hook.got();
    assert_eq!(got.len(), 1);
    assert_eq!(
        (got[0].body["count"].as_u64(), &got[0].body["rule"]),
        (Some(700), &"host_offline".into())
    );
}

#[tokio::test]
async fn a_target_that_never_answers_holds_up_nobody() {
    let stuck = Receiver::start(vec![Answer::Hangs; 100]).await;
    let (hook, mut world) = (Receiver::start(Vec::new()).await, World::new());
    world.target("a-stuck", "webhook", &stuck.url("/"));
    let (counts, _task) = world.target("hook", "webhook", &hook.url("/")).start();
    for n in 0..3 {
        world.raise(&n.to_string(), &format!("rule_{n}"));
        hook.gets(n + 1).await;
    }
    let stuck: Vec<u64> = counts.iter().map(|(_, counts)| counts.n_sent()).collect();
    assert_eq!(stuck[0], 0);
}

#[tokio::test]
async fn a_target_that_comes_back_hears_what_it_missed() {
    let down = vec![says("503 Service Unavailable", "", ""); 2];
    let (hook, mut world) = (Receiver::start(down).await, World::new());
    let (_, _task) = world.target("hook", "webhook", &hook.url("/")).start();
    world.raise("a", "gpu_lost");
    let got = hook.gets(3).await;
    assert!(got.iter().all(|got| got.body["alerts"][0]["id"] == "a"));
}

#[tokio::test]
async fn what_is_silenced_is_not_told() {
    let (hook, mut world) = (Receiver::start(Vec::new()).await, World::new());
    let (_, task) = world.target("hook", "webhook", &hook.url("/")).start();
    world.is_silent.store(true, Ordering::Relaxed);
    world.raise("a", "gpu_lost");
    world.stop.cancel();
    task.await.unwrap();
    assert_eq!(hook.got().len(), 0);
}

#[tokio::test]
async fn an_alertmanager_hears_of_what_is_open_when_the_collector_starts() {
    let (am, mut world) = (Receiver::start(Vec::new()).await, World::new());
    let second = Receiver::start(Vec::new()).await;
    world.raise("a", "gpu_lost");
    let text = format!("kind = 'alertmanager'\nurl = ['{}', '{}']", am.url(""), second.url("/"));
    world.config.set_for_tests("am", &text);
    let (counts, _task) = world.start();
    for of_cluster in [&am, &second] {
        let got = of_cluster.gets(1).await.remove(0);
        assert!(got.head.starts_with("POST /api/v2/alerts HTTP/1.1"), "{}", got.head);
        assert_eq!(got.body[0]["labels"]["alertname"], "gpu_lost");
    }
    assert_eq!(counts.len(), 2);
}

#[tokio::test]
async fn the_end_waits_for_what_is_gathered_but_not_for_long() {
    let (hook, mut world) = (Receiver::start(Vec::new()).await, World::new());
    world.config.set_for_tests("a", &format!("kind = 'webhook'\nurl = '{}'", hook.url("/")));
    let stuck = Receiver::start(vec![Answer::Hangs; 100]).await;
    world.config.set_for_tests("b", &format!("kind = 'webhook'\nurl = '{}'", stuck.url("/")));
    let (_, task) = world.start();
    world.raise("a", "gpu_lost");
    world.stop.cancel();
    let started = Instant::now();
    task.await.unwrap();
    assert_eq!(hook.got().len(), 1, "sooner than the wait of ten seconds");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_trial_says_what_came_of_each_target() {
    let hook = Receiver::start(Vec::new()).await;
    let gone = Receiver::start(vec![says("404 Not Found", "", "no_team")]).await;
    let mut world = World::new();
    world.target("good", "webhook", &hook.url("/")).target("gone", "webhook", &gone.url("/x"));
    let mut out = Vec::new();
    let authorities = Authorities::default();
    let tested = test(&world.config, &authorities, "http://x/", None, &mut out).await;
    assert!(matches!(tested, Err(TrialError::Failed(1))), "{tested:?}");
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text, "gone: failed: 404 Not Found: no_team\ngood: sent (200 OK)\n");
    assert_eq!(hook.got()[0].body["rule"], "notify_test");

    let mut out = Vec::new();
    let named = test(&world.config, &authorities, "", Some("good"), &mut out).await;
    assert!(named.is_ok() && gone.got().len() == 1, "{named:?}");
    let unknown = test(&world.config, &authorities, "", Some("x"), &mut out).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no [notify.x]; there are good, gone");
    let none = test(&Notify::default(), &authorities, "", None, &mut out).await.unwrap_err();
    assert_eq!((none.exit_code(), unknown.exit_code()), (2, 2));
}

#[tokio::test]
async fn what_was_raised_just_before_the_start_is_told_though_it_is_over_at_once() {
    let (hook, mut world) = (Receiver::start(Vec::new()).await, World::new());
    world.target("hook", "webhook", &hook.url("/"));
    let raised_at = Timestamp::now();
    let young = Alert { raised_at, ..(*alert("a", "gpu_lost")).clone() };
    world.registry.raise_alert(Arc::new(young), Moment::now()).unwrap();
    let (_, _task) = world.start();
    world.resolve("a");
    let told = hook.gets(1).await.remove(0).body;
    assert_eq!((&told["state"], &told["alerts"][0]["id"]), (&"raised".into(), &"a".into()));
}

#[tokio::test]
async fn what_is_silenced_at_the_start_was_not_told() {
    let (hook, mut world) = (Receiver::start(Vec::new()).await, World::new());
    world.target("hook", "webhook", &hook.url("/"));
    world.is_silent.store(true, Ordering::Relaxed);
    let raised_at = Timestamp::from_unix_ms(Timestamp::now().unix_ms() - 3_600_000);
    let old = Alert { raised_at, ..(*alert("a", "gpu_lost")).clone() };
    world.registry.raise_alert(Arc::new(old), Moment::now()).unwrap();
    let (_, task) = world.start();
    // It is looked at again as soon as the notifier runs.
    world.is_silent.store(false, Ordering::Relaxed);
    let told = hook.gets(1).await.remove(0).body;
    assert_eq!((&told["state"], &told["alerts"][0]["id"]), (&"raised".into(), &"a".into()));
    world.stop.cancel();
    task.await.unwrap();
}
