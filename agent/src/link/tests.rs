//! The whole link over sockets in memory, on the paused clock.

use futures_util::StreamExt as _;
use herdbook_shared::limits;
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::hello::{RefusalCode, Refused};
use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::dial::DialError;
use super::fake::{FakeCollector, FakeView, MemorySocket, hello, pair, welcome};
use super::*;
use crate::enrol::Channel;

/// Dials a collector that the test plays; refuses where the test has gone.
struct MemoryDial {
    dialled: mpsc::Sender<FakeCollector>,
    bytes: usize,
}

impl Dial for MemoryDial {
    type Socket = MemorySocket;

    async fn dial(&mut self, _target: &Target) -> Result<MemorySocket, DialError> {
        let (socket, collector) = pair(self.bytes).await;
        self.dialled.send(collector).await.map_err(|_| DialError::Timeout)?;
        Ok(socket)
    }

    fn own_end(&self, _socket: &MemorySocket) -> Option<IpAddr> {
        None
    }

    fn channel(&self, _socket: &MemorySocket) -> Option<Channel> {
        None
    }
}

struct Agent {
    dials: mpsc::Receiver<FakeCollector>,
    resumed: watch::Sender<u64>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _home: TempDir,
}

impl Agent {
    fn start(bytes: usize) -> Self {
        let (dialled, dials) = mpsc::channel(1);
        let dial = MemoryDial { dialled, bytes };
        let random = fastrand::Rng::with_seed(7);
        let (resumed, seen) = watch::channel(0);
        let home = tempfile::tempdir().unwrap();
        let membership = Membership::for_tests(home.path(), "http://127.0.0.1:1");
        let link = Link::new(dial, FakeView::default(), hello(), membership, seen, random);
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(link.run(stop.clone()));
        Self { dials, resumed, stop, tasks, _home: home }
    }

    async fn dialled(&mut self) -> FakeCollector {
        self.dials.recv().await.unwrap()
    }

    /// How long until the next dial.
    async fn redial(&mut self) -> (Duration, FakeCollector) {
        let start = Instant::now();
        let collector = self.dialled().await;
        (start.elapsed(), collector)
    }

    async fn ended(&mut self) {
        timeout(Duration::from_secs(5), self.tasks.join_next()).await.unwrap();
    }
}

const ROOM: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn greets_tells_and_says_goodbye() {
    let mut agent = Agent::start(ROOM);
    let mut collector = agent.dialled().await;
    assert_eq!(collector.accept().await.name, "gpu-1");
    assert!(matches!(collector.hear().await, Some(AgentMessage::Inventory(_))));
    for seq in 1..=5 {
        assert_eq!(collector.hear_sample().await.seq, seq);
    }
    agent.stop.cancel();
    let Some(AgentMessage::Goodbye(goodbye)) = collector.hear().await else { panic!() };
    assert_eq!(goodbye.session_id, welcome().session_id);
    assert!(collector.hear().await.is_none());
    agent.ended().await;
}

#[tokio::test(start_paused = true)]
async fn stops_at_once_where_nobody_listens() {
    for wait_s in [0, 1, 60] {
        let mut agent = Agent::start(ROOM);
        let _collector = agent.dialled().await;
        tokio::time::sleep(Duration::from_secs(wait_s)).await;
        agent.stop.cancel();
        agent.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_reads_nothing_cannot_hold_the_stop_up() {
    let mut agent = Agent::start(256);
    let mut collector = agent.dialled().await;
    collector.accept().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    agent.stop.cancel();
    agent.ended().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_welcome_the_connection_is_given_up() {
    let mut agent = Agent::start(ROOM);
    let mut silent = agent.dialled().await;
    let (after, _) = agent.redial().await;
    assert!(after >= greeting::DEADLINE && after <= greeting::DEADLINE + backoff::DEFAULT_SPREAD);
    assert!(matches!(silent.hear().await, Some(AgentMessage::Hello(_))));
    assert!(silent.hear().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_found_out() {
    let mut agent = Agent::start(ROOM);
    let mut collector = agent.dialled().await;
    collector.accept().await;
    let (after, _) = agent.redial().await;
    assert!(after >= session::DEAD_AFTER, "{after:?}");
    assert!(after <= session::DEAD_AFTER + Duration::from_secs(1), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_only_answers_pings_is_alive() {
    let mut agent = Agent::start(ROOM);
    let mut collector = agent.dialled().await;
    collector.accept().await;
    // Reading is what answers pings.
    let alive =
        timeout(Duration::from_secs(600), async { while collector.hear().await.is_some() {} });
    assert!(alive.await.is_err());
    assert!(agent.dials.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_newest_sample_wins_on_a_blocked_socket() {
    let mut agent = Agent::start(1024);
    let mut collector = agent.dialled().await;
    collector.accept().await;
    assert_eq!(collector.hear_sample().await.seq, 1);
    // The collector says that it lives, and reads nothing for 100 s.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        collector.send(Message::Ping(Default::default())).await;
    }
    let mut heard = Vec::new();
    while heard.last().is_none_or(|sample: &Sample| sample.seq < 100) {
        heard.push(collector.hear_sample().await);
    }
    // What the 1 KiB between them held, the one in the socket, and the newest.
    assert!(heard.len() < 30, "{} samples waited", heard.len());
    let newest = heard.last().unwrap();
    assert_eq!(newest.load1, Some(1.0), "the first after a dropped one is complete");
    assert!(agent.dials.try_recv().is_err());
}

async fn refused(code: RefusalCode, retry_after_ms: Option<u64>) -> Duration {
    let mut agent = Agent::start(ROOM);
    let mut collector = agent.dialled().await;
    collector.hear().await;
    let refused = Refused { code, message: "no".to_owned(), retry_after_ms };
    collector.say(&CollectorMessage::Refused(refused)).await;
    agent.redial().await.0
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_honoured_and_asked_again() {
    let minute = Duration::from_secs(60);
    let after = refused(RefusalCode::Full, Some(60_000)).await;
    assert!(after >= minute && after <= minute + Duration::from_secs(1), "{after:?}");
    let after = refused(RefusalCode::Superseded, None).await;
    assert!(after >= Duration::from_secs(10), "{after:?}");
    let after = refused(RefusalCode::BadHello, None).await;
    assert!(after <= Duration::from_secs(1), "{after:?}");
    let after = refused(RefusalCode::ProtocolOutOfRange, Some(u64::MAX)).await;
    assert!(after <= backoff::RETRY_AFTER_MAX + Duration::from_secs(1), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_later_version_says_is_ignored() {
    let mut agent = Agent::start(ROOM);
    let mut collector = agent.dialled().await;
    collector.hear().await;
    let later = Message::text(r#"{"type":"reconfigure","path":"/etc/passwd","url":"http://a"}"#);
    collector.send(later.clone()).await;
    collector.say(&CollectorMessage::Welcome(welcome())).await;
    collector.send(later).await;
    // Neither a second welcome.
    let slow = Welcome { sample_interval_ms: 600_000, ..welcome() };
    collector.say(&CollectorMessage::Welcome(slow)).await;
    for seq in 1..=20 {
        assert_eq!(collector.hear_sample().await.seq, seq);
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_the_connection_and_nothing_else() {
    let long_id = Welcome { collector_id: "c".repeat(10_000), ..welcome() };
    for garbage in [
        Message::text("{"),
        Message::text("[]"),
        Message::text(r#"{"type":"welcome"}"#),
        Message::text(r#"{"type":"welcome","protocol":-1}"#),
        Message::text("[".repeat(100_000)),
        Message::text("x".repeat(limits::FRAME_BYTES + 1)),
        Message::text(encode(&CollectorMessage::Welcome(long_id))),
        Message::text(encode(&CollectorMessage::Welcome(Welcome { protocol: 9, ..welcome() }))),
        Message::binary(vec![0; 10]),
        Message::Close(None),
    ] {
        let mut agent = Agent::start(ROOM);
        let mut before = agent.dialled().await;
        before.send(garbage.clone()).await;
        assert!(matches!(before.hear().await, Some(AgentMessage::Hello(_))));
        assert!(before.hear().await.is_none());
        let mut during = agent.dialled().await;
        during.accept().await;
        during.send(garbage).await;
        let mut collector = agent.dialled().await;
        collector.accept().await;
        collector.hear_sample().await;
    }
}

#[tokio::test(start_paused = true)]
async fn endless_frames_end_the_connection() {
    let ping = Message::Ping(Default::default());
    let empty = Message::text(r#"{"type":"later"}"#);
    for frame in [ping, empty] {
        let mut agent = Agent::start(ROOM);
        let mut collector = agent.dialled().await;
        collector.accept().await;
        let mut n_sent = 0;
        // Cut off, the socket refuses.
        while futures_util::SinkExt::send(&mut collector.socket, frame.clone()).await.is_ok() {
            n_sent += 1;
            assert!(n_sent < 10_000, "never cut off");
            tokio::task::yield_now().await;
        }
        let (after, _) = agent.redial().await;
        assert!(after <= Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn losses_in_a_row_are_redialled_ever_more_slowly() {
    let mut agent = Agent::start(ROOM);
    drop(agent.dialled().await);
    let mut delays = Vec::new();
    for _ in 0..60 {
        let (after, collector) = agent.redial().await;
        drop(collector);
        assert!(after <= backoff::CAP);
        delays.push(after);
    }
    assert!(delays[0] <= backoff::DEFAULT_SPREAD);
    assert!(delays.iter().max().unwrap() > &Duration::from_secs(5), "{delays:?}");
    // A connection that lived makes the next redial a first one again.
    let mut collector = agent.dialled().await;
    collector.accept().await;
    let _ = timeout(LIVED_AFTER * 2, async { while collector.hear().await.is_some() {} }).await;
    drop(collector);
    assert!(agent.redial().await.0 <= backoff::DEFAULT_SPREAD);
}

#[tokio::test(start_paused = true)]
async fn after_a_sleep_the_link_starts_anew_at_once_with_a_complete_sample() {
    let mut agent = Agent::start(ROOM);
    let mut before = agent.dialled().await;
    before.accept().await;
    for _ in 0..5 {
        before.hear_sample().await;
    }
    agent.resumed.send_modify(|count| *count += 1);
    let (after, mut collector) = agent.redial().await;
    assert!(after <= backoff::AFTER_RESUME, "{after:?}");
    collector.accept().await;
    assert_eq!(collector.hear_sample().await.load1, Some(1.0));
    // The old socket is gone, without a goodbye that would make the host leave.
    while let Some(message) = before.hear().await {
        assert!(!matches!(message, AgentMessage::Goodbye(_)), "{message:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_stopped_right_after_a_sleep_still_says_goodbye() {
    let mut agent = Agent::start(ROOM);
    let mut collector = agent.dialled().await;
    collector.accept().await;
    collector.hear_sample().await;
    agent.stop.cancel();
    agent.resumed.send_modify(|count| *count += 1);
    while let Some(message) = collector.hear().await {
        if matches!(message, AgentMessage::Goodbye(_)) {
            return agent.ended().await;
        }
    }
    panic!("no goodbye");
}

#[tokio::test(start_paused = true)]
async fn a_sleep_ends_every_wait_for_a_collector() {
    let mut agent = Agent::start(ROOM);
    // One that never welcomes …
    let _silent = agent.dialled().await;
    agent.resumed.send_modify(|count| *count += 1);
    let (after, mut full) = agent.redial().await;
    assert!(after <= backoff::AFTER_RESUME, "{after:?}");
    // … and one that asks for an hour.
    full.hear().await;
    let refused = Refused {
        code: RefusalCode::Full,
        message: String::new(),
        retry_after_ms: Some(3_600_000),
    };
    full.say(&CollectorMessage::Refused(refused)).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(agent.dials.try_recv().is_err());
    agent.resumed.send_modify(|count| *count += 1);
    let (after, _) = agent.redial().await;
    assert!(after <= backoff::AFTER_RESUME, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_answers_with_a_close_frame_gets_none_back_in_a_loop() {
    let mut agent = Agent::start(ROOM);
    let mut collector = agent.dialled().await;
    collector.accept().await;
    collector.send(Message::Close(None)).await;
    while let Some(Ok(_)) = collector.socket.next().await {}
    assert!(agent.redial().await.0 <= Duration::from_secs(1));
}
