//! The session without a socket: time goes in, frames come out.

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

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
async fn a_sample_that_could_not_be_sent_is_followed_by_a_complete_one() {
    let mut run = Run::start();
    assert_eq!(depths(&run.pass(seconds(3))), [true, false, false, false]);
    run.session.lost_sample();
    assert_eq!(depths(&run.pass(seconds(2))), [true, false]);
    assert_eq!(run.session.samples_dropped(), 1);
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
    for revision in 2..=101 {
        run.view.revision = Some(revision);
        run.pass(Duration::from_millis(30));
    }
    assert_eq!(run.view.n_inventories, 4);
    run.pass(seconds(10));
    assert_eq!(run.view.n_inventories, 4);
}

#[tokio::test(start_paused = true)]
async fn an_inventory_waits_until_it_is_known() {
    let mut run = Run::start();
    run.view.revision = None;
    let sent = run.pass(seconds(3));
    assert_eq!((count(&sent, is_inventory), depths(&sent).len()), (0, 4));
    run.view.revision = Some(1);
    assert_eq!(count(&run.pass(seconds(1)), is_inventory), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_interval_does_not_delay_a_change() {
    let mut run = Run::with(&welcome(), seconds(600));
    run.pass(seconds(5));
    run.view.revision = Some(2);
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

/// What can happen to a session.
#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Heard,
    Takes(usize),
    Changes,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0_u64..3_000).prop_map(Event::Pass),
        (0_u64..40_000).prop_map(Event::Pass),
        Just(Event::Heard),
        (0_usize..6).prop_map(Event::Takes),
        Just(Event::Changes),
    ]
}

/// What came out, in order, and whether it kept to the rules.
#[derive(Default)]
struct Told {
    last_seq: u64,
    last_taken_at: Option<Instant>,
}

impl Told {
    fn hear(&mut self, frame: Outgoing) {
        let Outgoing::Message(AgentMessage::Sample(sample)) = frame else { return };
        let is_first_or_after_a_gap = sample.seq != self.last_seq + 1 || self.last_seq == 0;
        assert!(sample.seq > self.last_seq, "{} after {}", sample.seq, self.last_seq);
        assert!(!is_first_or_after_a_gap || sample.load1 == Some(1.0), "{} is fast", sample.seq);
        self.last_seq = sample.seq;
    }
}

proptest! {
    #[test]
    fn whatever_happens_samples_come_in_order_and_none_waits_behind_another(
        events in prop::collection::vec(event(), 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _guard = runtime.enter();
        let mut run = Run::start();
        let mut told = Told::default();
        for event in events {
            match event {
                Event::Pass(ms) => run.now += Duration::from_millis(ms),
                Event::Heard => run.session.heard(run.now),
                Event::Takes(n) => (0..n).filter_map(|_| run.session.next_outgoing())
                    .for_each(|frame| told.hear(frame)),
                Event::Changes => run.view.revision = run.view.revision.map(|n| n + 1),
            }
            let n_before = run.view.n_samples;
            if run.session.tick(run.now, &mut run.view).is_err() {
                break;
            }
            prop_assert!(run.session.due() > run.now);
            if run.view.n_samples > n_before {
                prop_assert_eq!(run.view.n_samples, n_before + 1);
                let since = told.last_taken_at.replace(run.now).map(|at| run.now - at);
                // The pace is kept, so a late one may be followed early; two never come at once.
                prop_assert!(since.is_none_or(|since| since > Duration::ZERO));
            }
        }
        // A ping, one inventory in one part, one sample: nothing piles up.
        let rest: Vec<Outgoing> = std::iter::from_fn(|| run.session.next_outgoing()).collect();
        prop_assert!(rest.len() <= 3, "{rest:?}");
        rest.into_iter().for_each(|frame| told.hear(frame));
    }
}
