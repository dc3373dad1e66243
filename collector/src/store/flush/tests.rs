//! The flush between a source that a test fills and a real store, whose thread runs in its own
//! time: the clock is not paused here.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::super::writer::{Dirty, Job, Writer};
use super::super::{RowKind, Waiting, file, lock};
use super::*;

#[derive(Default)]
struct Herd {
    dirty: Notify,
    urgent: Notify,
    waiting: Waiting,
    kept: Mutex<Vec<u64>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<String, (Option<u64>, Row)>,
    n_urgent: u64,
    batches: Vec<usize>,
}

impl Herd {
    fn change(&self, id: &str, doc: &str) {
        let row = Row { kind: RowKind::Host, id: id.to_owned(), doc: Some(doc.to_owned()) };
        self.inner.lock().unwrap().rows.insert(id.to_owned(), (None, row));
        self.dirty.notify_one();
    }

    /// Changes a row, and waits until that is kept.
    async fn command(&self, id: &str, doc: &str) -> Result<(), WriteError> {
        self.change(id, doc);
        let number = {
            let mut inner = self.inner.lock().unwrap();
            inner.n_urgent += 1;
            let number = inner.n_urgent;
            inner.rows.get_mut(id).unwrap().0 = Some(number);
            number
        };
        self.urgent.notify_one();
        self.waiting.until_kept(number).await
    }

    fn n_dirty(&self) -> usize {
        self.inner.lock().unwrap().rows.len()
    }

    fn batches(&self) -> Vec<usize> {
        self.inner.lock().unwrap().batches.clone()
    }
}

impl DirtySource for Herd {
    fn urgent(&self) -> &Notify {
        &self.urgent
    }

    fn dirty(&self) -> &Notify {
        &self.dirty
    }

    fn has_urgent(&self) -> bool {
        self.inner.lock().unwrap().rows.values().any(|(number, _)| number.is_some())
    }

    fn take(&self, extent: Extent, max: usize) -> Batch {
        let mut inner = self.inner.lock().unwrap();
        let wanted = |number: &Option<u64>| number.is_some() || extent == Extent::All;
        let rows = inner.rows.iter().filter(|(_, (number, _))| wanted(number));
        let ids: Vec<String> = rows.map(|(id, _)| id.clone()).take(max.min(100)).collect();
        let rows: Vec<_> = ids.iter().filter_map(|id| inner.rows.remove(id)).collect();
        if !rows.is_empty() {
            inner.batches.push(rows.len());
        }
        let first = inner.rows.values().filter_map(|(number, _)| *number).min();
        let through = first.map_or(inner.n_urgent, |number| number - 1);
        Batch { rows, through, is_cut: !inner.rows.is_empty() }
    }

    fn kept(&self, through: u64) {
        self.kept.lock().unwrap().push(through);
        self.waiting.kept(through);
    }

    fn give_back(&self, batch: Batch, why: &WriteError) {
        for (number, row) in batch.rows {
            self.inner.lock().unwrap().rows.entry(row.id.clone()).or_insert((number, row));
        }
        self.waiting.failed(why);
        self.dirty.notify_one();
        self.urgent.notify_one();
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
    let state = store.watch_state();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (flushed, source, until) = (Arc::clone(&store), Arc::clone(&herd), stop.clone());
    tasks.spawn(async move { flush(&flushed, source, until).await });
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
    assert_eq!(bench.herd.batches(), [1]);
    assert_eq!(bench.kept().await, ["3"]);
}

#[tokio::test]
async fn many_go_in_batches() {
    let bench = bench(10_000);
    for n in 0..2500 {
        bench.herd.change(&format!("{n:04}"), "{}");
    }
    bench.settled().await;
    assert_eq!(bench.herd.batches(), [100; 25]);
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
    while bench.herd.batches().is_empty() {
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
    let mut bench = bench(80);
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

#[tokio::test]
async fn a_command_is_answered_once_it_is_kept_and_those_that_come_together_share_a_batch() {
    let bench = bench(1000);
    let ids: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let commands = ids.iter().map(|id| bench.herd.command(id, "1"));
    let mut commands = Box::pin(futures_util::future::join_all(commands));
    assert!((&mut commands).now_or_never().is_none(), "answered before anything was written");
    assert!(commands.await.iter().all(Result::is_ok));
    assert_eq!(bench.herd.batches(), [50]);
    assert_eq!(bench.kept().await.len(), 50);
}

#[tokio::test]
async fn a_command_overtakes_what_was_observed() {
    let bench = bench(10_000);
    for n in 0..2500 {
        bench.herd.change(&format!("{n:04}"), "{}");
    }
    bench.herd.command("9999", "{}").await.unwrap();
    assert!(bench.herd.n_dirty() >= 2400, "it did not wait for the others");
    bench.settled().await;
    assert_eq!(bench.kept().await.len(), 2501);
}

#[tokio::test]
async fn a_command_that_cannot_be_kept_is_told_so_and_is_kept_once_it_can() {
    let mut bench = bench(80);
    bench.herd.command("filler", &"x".repeat(200_000)).await.unwrap();
    let refused = bench.herd.command("large", &"x".repeat(150_000)).await;
    assert!(matches!(refused, Err(WriteError::DiskFull)), "{refused:?}");
    bench.state.wait_for(|state| *state == StoreState::DiskFull).await.unwrap();
    let space = Row { kind: RowKind::Host, id: "filler".to_owned(), doc: None };
    bench.store.write(vec![space]).await.unwrap();
    bench.state.wait_for(|state| *state == StoreState::Ok).await.unwrap();
    assert_eq!(bench.kept().await, ["x".repeat(150_000)]);
}

type Answer = oneshot::Receiver<Result<bool, WriteError>>;

fn job(herd: &Arc<Herd>, extent: Extent) -> (Job, Answer) {
    let (done, answer) = oneshot::channel();
    (Job::Dirty(Dirty { source: Arc::<Herd>::clone(herd), extent, done }), answer)
}

/// Has a writer do these jobs, which wait for it together, and end. Returns what is kept then.
fn write_together(pages_max: u32, jobs: Vec<Job>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let file = file::open(&path, pages_max).unwrap().0;
    let (sender, queue) = mpsc::channel(jobs.len());
    jobs.into_iter().for_each(|job| sender.try_send(job).unwrap());
    drop(sender);
    Writer::new(file, Arc::default(), lock::take(dir.path()).unwrap()).run(queue);
    file::open(&path, pages_max).unwrap().1.hosts
}

#[test]
fn two_sources_that_ask_together_are_both_written_and_told_of_their_own() {
    let (many, few) = (Arc::new(Herd::default()), Arc::new(Herd::default()));
    (0..150).for_each(|n| many.change(&format!("many-{n}"), "many"));
    few.change("few", "few");
    few.inner.lock().unwrap().n_urgent = 7;
    let ((first, mut of_many), (second, mut of_few)) =
        (job(&many, Extent::All), job(&few, Extent::All));
    let kept = write_together(1000, vec![first, second]);
    assert_eq!((kept.len(), many.n_dirty(), few.n_dirty()), (101, 50, 0));
    assert!(of_many.try_recv().unwrap().unwrap(), "there is more");
    assert!(!of_few.try_recv().unwrap().unwrap(), "that was all");
    assert_eq!((&*many.kept.lock().unwrap(), &*few.kept.lock().unwrap()), (&vec![0], &vec![7]));
}

#[test]
fn a_command_is_kept_beside_another_source_whatever_is_left_of_it() {
    let (herd, other) = (Arc::new(Herd::default()), Arc::new(Herd::default()));
    let ids: Vec<String> = (0..250).map(|n| format!("{n:03}")).collect();
    let mut commands: Vec<_> = ids.iter().map(|id| Box::pin(herd.command(id, "{}"))).collect();
    assert!(commands.iter_mut().all(|command| command.now_or_never().is_none()));
    other.change("other", "{}");
    // The one that asks last is not the only one that is served, nor looked at afterwards.
    let jobs = vec![job(&herd, Extent::Urgent).0, job(&other, Extent::All).0];
    assert_eq!(write_together(1000, jobs).len(), 251);
    let answered = commands.into_iter().map(|command| command.now_or_never());
    assert!(answered.flatten().filter(Result::is_ok).count() == 250, "a command hangs");
}

#[test]
fn a_batch_that_fails_is_given_back_to_its_own_source_and_no_other() {
    let (large, small, idle) =
        (Arc::new(Herd::default()), Arc::new(Herd::default()), Arc::new(Herd::default()));
    large.change("large", &"x".repeat(500_000));
    small.change("small", "{}");
    let jobs = [&large, &small, &idle].map(|herd| job(herd, Extent::All));
    let (jobs, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
    assert_eq!(write_together(80, jobs).len(), 0);
    for mut answer in answers {
        assert!(matches!(answer.try_recv().unwrap(), Err(WriteError::DiskFull)));
    }
    let dirty = |herd: &Herd| herd.inner.lock().unwrap().rows.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (dirty(&large), dirty(&small)),
        (vec!["large".to_owned()], vec!["small".to_owned()])
    );
    assert_eq!((dirty(&idle).len(), &*idle.kept.lock().unwrap()), (0, &vec![0]));
}
