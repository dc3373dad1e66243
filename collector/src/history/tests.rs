//! The recorder between a registry and a real store, whose thread runs in its own time: the clock
//! is not paused here.

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::session::CloseReason;
use crate::registry::testing::*;
use crate::store::{Row, RowKind};

use super::*;

struct Bench {
    dir: TempDir,
    store: Arc<Store>,
    registry: Arc<Registry>,
    history: History,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn bench(pages_max: u32) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open_bounded(dir.path(), pages_max).unwrap().0);
    let registry = Arc::new(Registry::new(Liveness::default()));
    let (history, stop, mut tasks) =
        (History::new(&store), CancellationToken::new(), JoinSet::new());
    let recorder = Recorder::new(Arc::clone(&registry), Arc::clone(&store));
    tasks.spawn(recorder.run(stop.clone()));
    Bench { dir, store, registry, history, stop, tasks }
}

impl Bench {
    fn connect(&self, n: u8) -> Opened {
        let opened = connect(&self.registry, n, Moment::now());
        self.registry.take_sample(&opened, sample(), Moment::now());
        opened
    }

    fn close(&self, opened: &Opened, reason: CloseReason) {
        let (id, session) = (&opened.host_id, &opened.session.id);
        self.registry.close_session(id, session, reason, Moment::now());
    }

    async fn statuses(&self, opened: &Opened) -> Vec<StatusRow> {
        let whose = Whose::Host(opened.host_id.to_string());
        let rows = self.history.statuses(whose, None, 1_000).await.unwrap();
        rows.into_iter().map(|(_, row)| row).collect()
    }

    async fn sessions(&self, opened: &Opened) -> Vec<SessionRow> {
        let rows = self.history.sessions(opened.host_id.to_string(), None, 1_000).await.unwrap();
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Waits until the newest status of a host is this one, and returns all.
    async fn until(&self, opened: &Opened, to: &str) -> Vec<StatusRow> {
        let until = async {
            loop {
                let rows = self.statuses(opened).await;
                if rows.first().is_some_and(|row| row.to.as_deref() == Some(to)) {
                    return rows;
                }
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), until).await.unwrap()
    }

    /// Ends the recorder and the store; what they leave is still in the directory.
    async fn end(mut self) -> TempDir {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
        drop(self.history);
        Arc::into_inner(self.store).unwrap().close().await;
        self.dir
    }
}

fn words(rows: &[StatusRow]) -> Vec<&str> {
    rows.iter().map(|row| row.to.as_deref().unwrap_or("?")).collect()
}

#[tokio::test]
async fn what_happens_is_recorded_while_it_happens_and_until_the_end() {
    let bench = bench(10_000);
    let opened = bench.connect(1);
    let services = vec![service("127.0.0.1", 11434, Vec::new())];
    bench.registry.take_inventory(&opened, services, Moment::now());
    assert_eq!(words(&bench.until(&opened, "online").await), ["online", "unknown"]);
    assert_eq!(bench.sessions(&opened).await, [], "an open session is no history");
    bench.close(&opened, CloseReason::Shutdown);
    let (id, session) = (opened.host_id.to_string(), opened.session.id.to_string());
    let dir = bench.end().await;
    let store = Store::open(dir.path()).unwrap().0;
    let reader = store.reader();
    let rows = reader.statuses(&Whose::Host(id.clone()), None, 10).unwrap();
    assert_eq!(rows[0].1.cause.as_deref(), Some("the agent said goodbye: shutdown"));
    assert_eq!(rows.len(), 3);
    let rows = reader.sessions(&id, None, 10).unwrap();
    assert_eq!((rows.len(), &rows[0].1.id), (1, &session));
    assert_eq!(rows[0].1.close_reason.as_deref(), Some("shutdown"));
    let service = Whose::Service("gpu-1:11434".to_owned());
    assert_eq!(reader.statuses(&service, None, 10).unwrap().len(), 2);
}

#[tokio::test]
async fn a_removed_host_takes_its_history_along() {
    let bench = bench(10_000);
    let (goes, stays) = (bench.connect(1), bench.connect(2));
    bench.close(&goes, CloseReason::Shutdown);
    bench.until(&goes, "offline").await;
    bench.registry.remove_host(goes.host_id.as_str(), None, Moment::now()).unwrap();
    let gone = async {
        while !bench.statuses(&goes).await.is_empty() || !bench.sessions(&goes).await.is_empty() {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), gone).await.unwrap();
    assert_eq!(words(&bench.until(&stays, "online").await), ["online", "unknown"]);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_the_bound_holds_and_passes_by_itself() {
    let bench = bench(128);
    let filler = |n: usize, doc| Row { kind: RowKind::Host, id: format!("filler{n}"), doc };
    let mut n_rows = 0;
    while bench.store.write(vec![filler(n_rows, Some("x".repeat(3000)))]).await.is_ok() {
        n_rows += 1;
    }
    let opened = bench.connect(1);
    // More than what is left of the last pages, and less than what the filler holds.
    for n in 2..60 {
        let other = connect(&bench.registry, n, Moment::now());
        bench.close(&other, CloseReason::Shutdown);
    }
    sleep(WRITE_EVERY * 3).await;
    assert_eq!(bench.statuses(&opened).await, [], "the disk is not full");
    bench.store.write((0..n_rows).map(|n| filler(n, None)).collect()).await.unwrap();
    assert_eq!(words(&bench.until(&opened, "online").await), ["online", "unknown"]);
    bench.close(&opened, CloseReason::Shutdown);
    bench.until(&opened, "offline").await;
    assert_eq!(bench.sessions(&opened).await.len(), 1);
}
