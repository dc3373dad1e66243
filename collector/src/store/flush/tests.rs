//! The flush between a source that a test fills and a real store, whose thread runs in its own
//! time: the clock is not paused here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::super::RowKind;
use super::*;

#[derive(Default)]
struct Herd {
    dirty: Notify,
    rows: Mutex<BTreeMap<String, Row>>,
    batches: Mutex<Vec<usize>>,
}

impl Herd {
    fn change(&self, id: &str, doc: &str) {
        let row = Row { kind: RowKind::Host, id: id.to_owned(), doc: Some(doc.to_owned()) };
        self.rows.lock().unwrap().insert(id.to_owned(), row);
        self.dirty.notify_one();
    }

    fn n_dirty(&self) -> usize {
        self.rows.lock().unwrap().len()
    }
}

impl DirtySource for Herd {
    fn dirty(&self) -> &Notify {
        &self.dirty
    }

    fn take_dirty(&self, max: usize) -> Vec<Row> {
        let mut rows = self.rows.lock().unwrap();
        let ids: Vec<String> = rows.keys().take(max).cloned().collect();
        let taken: Vec<Row> = ids.iter().filter_map(|id| rows.remove(id)).collect();
        if !taken.is_empty() {
            self.batches.lock().unwrap().push(taken.len());
        }
        taken
    }

    fn give_back(&self, rows: Vec<Row>) {
        let mut dirty = self.rows.lock().unwrap();
        for row in rows {
            dirty.entry(row.id.to_owned()).or_insert(row);
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    store: Arc<Store>,
    herd: Arc<Herd>,
    state: watch::Receiver<StoreState>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn bench(pages_max: u32) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open_bounded(dir.path(), pages_max).unwrap().0);
    let herd = Arc::new(Herd::default());
    let (sender, state) = watch::channel(StoreState::Ok);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (flushed, source, until) = (Arc::clone(&store), Arc::clone(&herd), stop.clone());
    tasks.spawn(async move { flush(&flushed, &*source, &sender, until).await });
    Bench { dir, store, herd, state, stop, tasks }
}

impl Bench {
    /// Stops the flush, closes the store, and reads what it kept.
    async fn kept(mut self) -> Vec<String> {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
        Arc::into_inner(self.store).unwrap().close().await;
        Store::open(self.dir.path()).unwrap().1.hosts
    }

    /// Waits until nothing is dirty and the last batch is on the disk.
    async fn settled(&self) {
        while self.herd.n_dirty() > 0 {
            tokio::task::yield_now().await;
        }
        self.store.write(Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn an_entity_that_changes_thrice_is_written_once() {
    let bench = bench(1000);
    for doc in ["1", "2", "3"] {
        bench.herd.change("a", doc);
        tokio::task::yield_now().await;
    }
    bench.settled().await;
    assert_eq!(*bench.herd.batches.lock().unwrap(), [1]);
    assert_eq!(bench.kept().await, ["3"]);
}

#[tokio::test]
async fn many_go_in_batches() {
    let bench = bench(10_000);
    for n in 0..2500 {
        bench.herd.change(&format!("{n:04}"), "{}");
    }
    bench.settled().await;
    assert_eq!(*bench.herd.batches.lock().unwrap(), [100; 25]);
    assert_eq!(bench.kept().await.len(), 2500);
}

#[tokio::test]
async fn what_is_left_at_the_stop_is_written() {
    let bench = bench(1000);
    tokio::task::yield_now().await;
    bench.herd.change("a", "late");
    assert_eq!(bench.kept().await, ["late"]);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_write_loses_nothing() {
    let bench = bench(10_000);
    for n in 0..2500 {
        bench.herd.change(&format!("{n:04}"), "{}");
    }
    while bench.herd.batches.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(bench.herd.n_dirty() > 0, "the write was over before the stop");
    assert_eq!(bench.kept().await.len(), 2500);
}

#[test]
fn pauses_grow_to_5_s() {
    let pauses = std::iter::successors(Some(RETRY), |pause| Some(longer(*pause)));
    let seconds: Vec<u64> = pauses.take(5).map(|pause| pause.as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 5, 5]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_passes_by_itself() {
    let mut bench = bench(64);
    bench.herd.change("filler", &"x".repeat(200_000));
    bench.settled().await;
    bench.herd.change("large", &"x".repeat(150_000));
    bench.state.wait_for(|state| *state == StoreState::DiskFull).await.unwrap();
    bench.herd.change("large", &"y".repeat(150_000));
    let space = Row { kind: RowKind::Host, id: "filler".to_owned(), doc: None };
    bench.store.write(vec![space]).await.unwrap();
    bench.state.wait_for(|state| *state == StoreState::Ok).await.unwrap();
    assert_eq!(bench.kept().await, ["y".repeat(150_000)]);
}
