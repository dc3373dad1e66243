//! The view of a host that stands in a folder.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::gpu::GpuSettings;

const TRIE: &str = "|-- 10.0.0.7\n/32 host LOCAL\n|-- 192.0.2.2\n/32 host LOCAL\n";

const INTERVAL: Duration = Duration::from_secs(1);

struct Host {
    folder: tempfile::TempDir,
    observer: Observer,
    gap: watch::Sender<Option<Gap>>,
    _tasks: JoinSet<()>,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        std::fs::write(folder.path().join("proc/net/fib_trie"), TRIE).unwrap();
        std::fs::write(folder.path().join("proc/stat"), "cpu  0 0 0 100\n").unwrap();
        let roots = Roots::under(folder.path());
        let mut tasks = JoinSet::new();
        let gpus = GpuSettings {
            program: "/nowhere".into(),
            nvml_lib: None,
            interval: INTERVAL,
            roots: roots.clone(),
        };
        let gpus = GpuWatch::start(gpus, &mut tasks, CancellationToken::new());
        let (_, found) = watch::channel(Arc::new(Found::default()));
        let (gap, gaps) = watch::channel(None);
        let observer = Observer::new(roots, gpus, found, gaps, INTERVAL, Instant::now());
        Self { folder, observer, gap, _tasks: tasks }
    }

    fn addresses(&mut self) -> Vec<String> {
        let inventory = self.observer.inventory();
        let details = inventory.address_details.iter().map(|known| &known.address);
        assert!(details.eq(&inventory.addresses));
        inventory.addresses
    }

    fn revision(&mut self) -> u64 {
        // By then, what is not known is not waited for.
        self.observer.revision(Instant::now() + SERVICES_WITHIN).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn the_sockets_own_end_moves_to_the_front_and_that_is_news() {
    let mut host = Host::new();
    let before = host.revision();
    assert_eq!(host.addresses(), ["10.0.0.7", "192.0.2.2"]);
    let own_end: IpAddr = [192, 0, 2, 2].into();
    host.observer.connected(Some(own_end), Instant::now());
    assert_eq!(host.addresses(), ["192.0.2.2", "10.0.0.7"]);
    assert!(host.observer.inventory().address_details[0].is_own_end);
    let after = host.revision();
    assert!(after > before);
    host.observer.connected(Some(own_end), Instant::now());
    assert_eq!(host.revision(), after);
    // Over loopback it is no address of the network.
    host.observer.connected(Some([127, 0, 0, 1].into()), Instant::now());
    assert_eq!(host.addresses(), ["10.0.0.7", "192.0.2.2"]);
}

#[tokio::test(start_paused = true)]
async fn addresses_that_change_are_told_within_a_minute() {
    let mut host = Host::new();
    host.revision();
    std::fs::write(host.folder.path().join("proc/net/fib_trie"), &TRIE[..28]).unwrap();
    tokio::time::advance(LOOK_EVERY).await;
    host.revision();
    assert_eq!(host.addresses(), ["10.0.0.7"]);
}

#[tokio::test(start_paused = true)]
async fn a_system_that_changes_is_told_within_a_minute() {
    let mut host = Host::new();
    let stat = host.folder.path().join("proc/stat");
    let mut told = Vec::new();
    for text in [
        "cpu  1 1 1 1\ncpu0 1 1 1 1\nbtime 1700000000\n",
        // A processor more is news; a wall clock that is set by a second is none.
        "cpu  1 1 1 1\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nbtime 1700000000\n",
        "cpu  1 1 1 1\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nbtime 1700000001\n",
        "cpu  1 1 1 1\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nbtime 1700009999\n",
    ] {
        std::fs::write(&stat, text).unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        let system = |host: &mut Host| host.observer.inventory().system.unwrap();
        let revision = host.revision();
        let boot = system(&mut host).boot_time.unwrap().unix_ms() / 1000;
        told.push((revision, system(&mut host).cpu_cores, boot));
    }
    let first = told[0].0;
    let expected = [
        (first, Some(1), 1_700_000_000),
        (first + 1, Some(2), 1_700_000_000),
        (first + 1, Some(2), 1_700_000_000),
        (first + 2, Some(2), 1_700_009_999),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn the_first_sample_after_a_sleep_says_so() {
    let mut host = Host::new();
    let slept = Gap { from: Timestamp::from_unix_ms(1), to: Timestamp::from_unix_ms(60_001) };
    assert_eq!(host.observer.sample(Depth::Fast, Instant::now()).gap, None);
    host.gap.send_replace(Some(slept));
    host.observer.connected(None, Instant::now());
    assert_eq!(host.observer.sample(Depth::Complete, Instant::now()).gap, Some(slept));
    assert_eq!(host.observer.sample(Depth::Fast, Instant::now()).gap, None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_of_the_milliseconds_before_the_first_sample_nor_of_an_outage() {
    let mut host = Host::new();
    let stat = host.folder.path().join("proc/stat");
    let write = |busy: u64| std::fs::write(&stat, format!("cpu  {busy} 0 0 100\n")).unwrap();
    host.observer.connected(None, Instant::now());
    let mut told = Vec::new();
    for (ms, busy) in [(0, 100), (1, 200), (1_000, 300), (1_000, 400), (60_000, 90_000)] {
        tokio::time::advance(Duration::from_millis(ms)).await;
        write(busy);
        if ms > 10_000 {
            host.observer.connected(None, Instant::now());
        }
        let sample = host.observer.sample(Depth::Fast, Instant::now());
        told.push((sample.cpu_percent, sample.detail.is_some()));
    }
    let (none, busy) = ((None, true), Some(100.0));
    assert_eq!(told, [none, none, (busy, true), (busy, false), none]);
}
