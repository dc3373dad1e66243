//! The session without a socket: time goes in, frames come out.

use super::*;
use crate::link::fake::{FakeView, welcome};

struct Run {
    session: Session,
    view: FakeView,
    now: Instant,
}

impl Run {
    fn start() -> Self {
        Self::with(&welcome(), Duration::from_secs(1))
    }

    fn with(welcome: &Welcome, wish: Duration) -> Self {
        let now = Instant::now();
        let session = Session::open(welcome, wish, fastrand::Rng::with_seed(1), now);
        Self { session, view: FakeView::default(), now }
    }

    /// Lets time pass, the collector pinging, the socket taking whatever is offered.
    fn pass(&mut self, span: Duration) -> Vec<Outgoing> {
        let until = self.now + span;
        let mut sent = Vec::new();
        while self.session.due() <= until {
            self.now = self.session.due().max(self.now);
            self.session.heard(self.now);
            self.session.tick(self.now, &mut self.view).unwrap();
            sent.extend(std::iter::from_fn(|| self.session.next_outgoing()));
        }
        self.now = until;
        sent
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn depths(sent: &[Outgoing]) -> Vec<bool> {
    let samples = sent.iter().filter_map(|frame| match frame {
        Outgoing::Message(AgentMessage::Sample(sample)) => Some(sample.load1 == Some(1.0)),
        _ => None,
    });
    samples.collect()
}

fn count(sent: &[Outgoing], wanted: fn(&Outgoing) -> bool) -> usize {
    sent.iter().filter(|frame| wanted(frame)).count()
}

fn is_inventory(frame: &Outgoing) -> bool {
    matches!(frame, Outgoing::Message(AgentMessage::Inventory(_)))
}

#[tokio::test(start_paused = true)]
async fn begins_with_an_inventory_and_a_complete_sample() {
    let sent = Run::start().pass(Duration::ZERO);
    assert_eq!(sent.len(), 2);
    assert!(is_inventory(&sent[0]));
    assert_eq!(depths(&sent), [true]);
}

#[tokio::test(start_paused = true)]
async fn every_tenth_sample_is_complete() {
    let sent = Run::start().pass(seconds(20));
    let complete: Vec<usize> =
        depths(&sent).iter().enumerate().filter(|(_, c)| **c).map(|(n, _)| n).collect();
    assert_eq!(depths(&sent).len(), 21);
    assert_eq!(complete, [0, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn the_slower_wish_holds_and_a_second_is_the_floor() {
    for (wish_s, theirs_ms, expected) in
        [(1, 5_000, 13), (5, 1_000, 13), (1, 0, 61), (1, u64::MAX, 1)]
    {
        let welcome = Welcome { sample_interval_ms: theirs_ms, ..welcome() };
        let sent = Run::with(&welcome, seconds(wish_s)).pass(seconds(60));
        assert_eq!(depths(&sent).len(), expected, "{wish_s} s, {theirs_ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_that_the_socket_cannot_take_is_replaced_by_a_complete_one() {
    let mut run = Run::start();
    run.pass(seconds(3));
    for second in 4..=8 {
        let now = run.now + seconds(second - 3);
        run.session.heard(now);
        run.session.tick(now, &mut run.view).unwrap();
    }
    run.now += seconds(5);
    let Some(Outgoing::Message(AgentMessage::Sample(sample))) = run.session.next_outgoing() else {
        panic!("expected a sample")
    };
    assert_eq!((sample.seq, sample.load1), (9, Some(1.0)));
    assert_eq!(run.session.next_outgoing(), None);
    assert_eq!(run.session.samples_dropped(), 4);
    assert_eq!(depths(&run.pass(seconds(1))), [false]);
}

#[tokio::test(start_paused = true)]
async fn the_inventory_comes_again_every_five_minutes_or_so() {
    let mut run = Run::start();
    run.pass(seconds(1));
    assert_eq!(count(&run.pass(seconds(268)), is_inventory), 0);
    assert_eq!(count(&run.pass(seconds(62)), is_inventory), 1);
    let n_in_an_hour = count(&run.pass(seconds(3600)), is_inventory);
    assert!((10..=14).contains(&n_in_an_hour), "{n_in_an_hour}");
}

#[tokio::test(start_paused = true)]
async fn changes_are_sent_at_most_once_a_second() {
    let mut run = Run::start();
    run.pass(Duration::ZERO);
    for _ in 0..100 {
        run.view.revision += 1;
        run.pass(Duration::from_millis(30));
    }
    assert_eq!(run.view.n_inventories, 4);
    run.pass(seconds(10));
    assert_eq!(run.view.n_inventories, 4);
}

#[tokio::test(start_paused = true)]
async fn a_slow_interval_does_not_delay_a_change() {
    let mut run = Run::with(&welcome(), seconds(600));
    run.pass(seconds(5));
    run.view.revision += 1;
    assert_eq!(count(&run.pass(seconds(1)), is_inventory), 1);
}

#[tokio::test(start_paused = true)]
async fn pings_every_fifteen_seconds() {
    let sent = Run::start().pass(seconds(60));
    assert_eq!(count(&sent, |frame| *frame == Outgoing::Ping), 4);
}

#[tokio::test(start_paused = true)]
async fn a_silent_collector_is_dead_after_thirty_seconds() {
    let mut run = Run::start();
    let start = run.now;
    let end = loop {
        let now = run.session.due();
        if let Err(end) = run.session.tick(now, &mut run.view) {
            run.now = now;
            break end;
        }
    };
    assert!(matches!(end, End::Silent));
    assert_eq!(run.now - start, DEAD_AFTER);
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_of_the_process_nothing_is_made_up_for() {
    let mut run = Run::start();
    run.pass(seconds(3));
    run.now += seconds(90);
    run.session.heard(run.now);
    run.session.tick(run.now, &mut run.view).unwrap();
    let sent: Vec<Outgoing> = std::iter::from_fn(|| run.session.next_outgoing()).collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(run.session.due() > run.now);
}

#[tokio::test(start_paused = true)]
async fn the_goodbye_names_its_session() {
    let AgentMessage::Goodbye(goodbye) = Run::start().session.goodbye() else { panic!() };
    assert_eq!(goodbye.session_id, welcome().session_id);
    assert_eq!(goodbye.reason, GoodbyeReason::Shutdown);
}
