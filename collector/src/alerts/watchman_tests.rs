use crate::config::Liveness;
use crate::registry::alert::Alert;
use crate::registry::session::CloseReason;
use crate::registry::testing::{connect, sample};
use crate::sweep;

use super::*;

struct Running {
    registry: Arc<Registry>,
    store: Arc<Store>,
    kept: Arc<Kept>,
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Running {
    fn start(store: Store, docs: &[String]) -> Self {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let (store, kept) = (Arc::new(store), Arc::new(Kept::of_docs(docs)));
        let silences = Arc::new(Silences::of_docs(&[], Arc::clone(&registry)));
        let watchman = Watchman::new(
            Arc::clone(&registry),
            Arc::clone(&store),
            Alerts::default(),
            Arc::clone(&kept),
            silences,
        );
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
    let (store, _) = Store::open_bounded(dir.path(), 20).unwrap();
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
