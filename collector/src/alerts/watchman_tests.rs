use crate::config::Liveness;
use crate::registry::alert::Alert;
use crate::registry::session::CloseReason;
use crate::registry::testing::{connect, sample};
use crate::sweep;

use super::*;

fn watchman(store: Store, docs: &[String], silences: &[String], settings: Alerts) -> Watchman {
    let registry = Arc::new(Registry::new(Liveness::default()));
    let silences = Arc::new(Silences::of_docs(silences, Arc::clone(&registry)));
    Watchman::new(registry, Arc::new(store), settings, Arc::new(Kept::of_docs(docs)), silences)
}

struct Running {
    registry: Arc<Registry>,
    store: Arc<Store>,
    kept: Arc<Kept>,
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Running {
    fn start(store: Store, docs: &[String]) -> Self {
        Self::of(watchman(store, docs, &[], Alerts::default()))
    }

    fn of(watchman: Watchman) -> Self {
        let registry = Arc::clone(&watchman.registry);
        let (store, kept) = (Arc::clone(&watchman.store), Arc::clone(&watchman.kept));
        let (stop, mut tasks) = (CancellationToken::new(), tokio::task::JoinSet::new());
        tasks.spawn(watchman.run(stop.clone()));
        tasks.spawn(sweep::run(Arc::clone(&registry), Arc::default(), stop.clone()));
        Self { registry, store, kept, stop, tasks }
    }

    fn open(&self) -> Vec<Arc<Alert>> {
        self.kept.list(None, 100, |alert| alert.resolved_at.is_none())
    }

    /// Ends it, and returns what the store holds.
    async fn end(self, dir: &std::path::Path) -> Vec<String> {
        self.stop.cancel();
        self.tasks.join_all().await;
        Arc::try_unwrap(self.store).unwrap().close().await;
        let (store, loaded) = Store::open(dir).unwrap();
        store.close().await;
        loaded.alerts
    }
}

/// Waits for what the store's thread does, which no paused clock knows of.
async fn becomes(mut is_so: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(500)).await;
        let real = || std::thread::sleep(Duration::from_millis(1));
        tokio::task::spawn_blocking(real).await.unwrap();
    }
    panic!("it did not become so");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stays_away_is_told_kept_and_told_of_no_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let running = Running::start(store, &[]);
    let opened = connect(&running.registry, 1, Moment::now());
    running.registry.take_sample(&opened, sample(), Moment::now());
    sleep(Duration::from_secs(5)).await;
    let (id, session) = (&opened.host_id, &opened.session.id);
    running.registry.close_session(id, session, CloseReason::Shutdown, Moment::now());
    sleep(Duration::from_secs(299)).await;
    assert_eq!(running.open(), []);
    sleep(Duration::from_secs(4)).await;
    let told = running.open();
    assert_eq!(told.len(), 1);
    let docs = running.end(dir.path()).await;

    let (store, _) = Store::open(dir.path()).unwrap();
    let running = Running::start(store, &docs);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(running.open(), told);
    assert_eq!(running.registry.open_alerts(), told);
    let docs = running.end(dir.path()).await;
    assert_eq!(docs.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_tells_that_the_disk_is_full_and_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_bounded(dir.path(), 40).unwrap();
    let filler = |n: usize, doc: Option<String>| {
        let kind = crate::store::RowKind::Alert;
        crate::store::Row { kind, id: format!("filler-{n}"), doc }
    };
    let mut n_filled = 0;
    for size in [1000, 100, 10] {
        while store.write(vec![filler(n_filled, Some("x".repeat(size)))]).await.is_ok() {
            n_filled += 1;
        }
    }
    let running = Running::start(store, &[]);
    let opened = connect(&running.registry, 1, Moment::now());
    let mut lost = crate::registry::testing::gpu_sample("GPU-0");
    (lost.utilization_percent, lost.memory_used_bytes) = (None, None);
    for field in ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"] {
        lost.missing.insert(field.to_owned(), herdbook_shared::missing::MissingReason::Lost);
    }
    let sample = herdbook_shared::wire::sample::Sample { gpus: Some(vec![lost]), ..sample() };
    running.registry.take_sample(&opened, sample, Moment::now());
    let rules = |running: &Running| {
        let mut rules: Vec<_> = running.open().iter().map(|a| a.rule.to_string()).collect();
        rules.sort();
        rules
    };
    let full = "collector_disk_full".to_owned();
    becomes(|| rules(&running).contains(&full)).await;
    let free: Vec<_> = (0..n_filled).map(|n| filler(n, None)).collect();
    running.store.write(free).await.unwrap();
    becomes(|| !rules(&running).contains(&full)).await;
    let docs = running.end(dir.path()).await;
    assert!(docs.iter().any(|doc| doc.contains("gpu_lost")), "{docs:?}");
}

/// A silence that was over long ago.
fn over() -> String {
    let at = "2020-01-01T00:00:00Z";
    let silence = serde_json::json!({
        "id": "over", "matcher": {"rule": "gpu_hot"}, "until": at, "comment": "", "created_at": at
    });
    silence.to_string()
}

/// A disk that does nothing until the other end is dropped.
struct Hanging(std::sync::Mutex<std::sync::mpsc::Receiver<()>>, tokio::sync::Notify);

impl crate::store::DirtySource for Hanging {
    fn urgent(&self) -> &tokio::sync::Notify {
        &self.1
    }

    fn dirty(&self) -> &tokio::sync::Notify {
        &self.1
    }

    fn has_urgent(&self) -> bool {
        false
    }

    fn take(&self, _: crate::store::Extent, _: usize) -> crate::store::Batch {
        let _ = self.0.lock().unwrap().recv();
        crate::store::Batch::default()
    }

    fn kept(&self, _: u64) {}

    fn give_back(&self, _: crate::store::Batch, _: &crate::store::WriteError) {}
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_no_alert() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let watchman = watchman(store, &[], &[over()], Alerts::default());
    let (silences, old) = (Arc::clone(&watchman.silences), watchman.old.clone());
    let mut running = Running::of(watchman);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let hanging = Arc::new(Hanging(held.into(), tokio::sync::Notify::new()));
    hanging.1.notify_one();
    let (store, stop) = (Arc::clone(&running.store), running.stop.clone());
    running.tasks.spawn(async move { flush(&store, hanging, stop).await });
    let opened = connect(&running.registry, 1, Moment::now());
    running.registry.take_sample(&opened, sample(), Moment::now());
    sleep(Duration::from_secs(5)).await;
    // The clocks do not agree here, as only one is paused.
    old.send_replace(Timestamp::now());
    let (id, session) = (&opened.host_id, &opened.session.id);
    running.registry.close_session(id, session, CloseReason::Shutdown, Moment::now());
    sleep(Duration::from_secs(310)).await;
    assert_eq!((running.open().len(), silences.n_all()), (1, 1));
    drop(hold);
    becomes(|| silences.n_all() == 0).await;
    assert_eq!(running.end(dir.path()).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_let_go_by_a_clock_that_jumped() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let mut watchman = watchman(store, &[], &[over()], Alerts::default());
    let start = watchman.pruned;
    let after = |minutes: i64, jumped_ms: i64| Moment {
        now: start.now + Duration::from_mins(minutes.unsigned_abs()),
        at: Timestamp::from_unix_ms(start.at.unix_ms() + minutes * 60_000 + jumped_ms),
    };
    let year = 366 * 86_400_000;
    let mut old = watchman.old.subscribe();
    (1..50).for_each(|minute| watchman.prune(after(minute, 0)));
    (50..110).for_each(|minute| watchman.prune(after(minute, year)));
    assert!(!old.has_changed().unwrap(), "the clocks did not agree for an hour");
    (110..112).for_each(|minute| watchman.prune(after(minute, year)));
    assert_eq!(*old.borrow_and_update(), after(111, year).at);
}

#[tokio::test(start_paused = true)]
async fn whoever_begins_to_follow_before_it_runs_is_told_of_what_is_off_and_not_of_what_stays_open()
{
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let made = Kept::default();
    for (id, rule) in [("off", "host_offline"), ("on", "collector_disk_full")] {
        made.put_for_test(crate::notify::testing::alert(id, rule));
    }
    let docs: Vec<_> = made.rows().into_iter().filter_map(|row| row.doc).collect();
    let settings = Alerts::default();
    let off = crate::config::RuleSettings {
        enabled: false,
        ..settings.of(super::super::Rule::HostOffline)
    };
    let settings = settings.with(super::super::Rule::HostOffline, off);
    let watchman = watchman(store, &docs, &[], settings);
    let mut notices = crate::notices::Notices::new(&watchman.registry.snapshot(Moment::now()));
    let running = Running::of(watchman);
    sleep(Duration::from_secs(1)).await;
    let changes = running.registry.changes_since(notices.seq(), usize::MAX).unwrap();
    let told: Vec<_> = changes.iter().filter_map(|change| notices.take(change)).collect();
    let told: Vec<_> = told.iter().map(|notice| (notice.what, &*notice.alert.id)).collect();
    assert_eq!(told, [(crate::notices::What::Resolved, "off")]);
    running.end(dir.path()).await;
}
