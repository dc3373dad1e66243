//! Retries, bounds and the end, on the paused clock.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::task::JoinHandle;

use super::*;
use crate::config::TargetKind;
use crate::notices::What;
use crate::notify::format::Format;
use crate::notify::message::Message;
use crate::notify::outbox::MESSAGES_MAX;
use crate::notify::testing::alert;

/// Answers as told, then as the last of it, and notes when it was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Outcome>>>,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Post for Script {
    async fn post(&self, body: String) -> Outcome {
        self.asked.lock().unwrap().push((Instant::now(), body));
        let mut answers = self.answers.lock().unwrap();
        let last = answers.len() <= 1;
        if last { answers[0].clone() } else { answers.pop_front().unwrap() }
    }
}

struct World {
    script: Script,
    outbox: Arc<Outbox>,
    counts: Arc<NotifyCounts>,
    ending: CancellationToken,
    started: Instant,
    task: JoinHandle<()>,
}

impl World {
    fn start(answers: impl IntoIterator<Item = Outcome>) -> Self {
        let script = Script {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            ..Script::default()
        };
        let (outbox, counts): (Arc<Outbox>, Arc<NotifyCounts>) = Default::default();
        let ending = CancellationToken::new();
        let kind = TargetKind::Webhook(Format::Json);
        let sender = Sender {
            name: "a".into(),
            manner: Manner { kind, link: "".into() },
            post: script.clone(),
            outbox: Arc::clone(&outbox),
            counts: Arc::clone(&counts),
            backoff: Backoff::default(),
            trouble: None,
        };
        #[expect(clippy::disallowed_methods, reason = "a test owns its task by its handle")]
        let task = tokio::spawn(sender.run(ending.clone()));
        Self { script, outbox, counts, ending, started: Instant::now(), task }
    }

    fn push(&self, ids: &[&str]) {
        let message = |id: &&str| Arc::new(Message::of(What::Raised, &alert(id, "x")));
        let messages: Vec<_> = ids.iter().map(message).collect();
        assert_eq!(self.outbox.push(&messages, Instant::now()), 0);
    }

    /// The ids that were sent, and after how many seconds.
    fn asked(&self) -> Vec<(u64, String)> {
        let asked = self.script.asked.lock().unwrap();
        let told = |(at, body): &(Instant, String)| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let id = body["alerts"][0]["id"].as_str().unwrap().to_owned();
            ((*at - self.started).as_secs(), id)
        };
        asked.iter().map(told).collect()
    }

    fn counted(&self) -> (u64, u64, u64) {
        (self.counts.n_sent(), self.counts.n_failed(), self.counts.n_dropped())
    }

    async fn pass(&self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }
}

fn sent() -> Outcome {
    Outcome::Sent(StatusCode::OK)
}

fn failed(wait_s: Option<u64>) -> Outcome {
    Outcome::Failed { why: "connection refused".to_owned(), wait: wait_s.map(Duration::from_secs) }
}

fn refused() -> Outcome {
    Outcome::Refused(StatusCode::NOT_FOUND, String::new())
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_in_order_and_less_and_less_often() {
    let world = World::start([vec![failed(None); 6], vec![sent()]].concat());
    world.push(&["a", "b"]);
    world.pass(600).await;
    let asked = world.asked();
    let ids: Vec<&str> = asked.iter().map(|(_, id)| &**id).collect();
    assert_eq!(ids, ["a", "a", "a", "a", "a", "a", "a", "b"]);
    let at: Vec<u64> = asked.iter().map(|(at, _)| *at).collect();
    let pauses: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (n, pause) in pauses[..6].iter().enumerate() {
        assert!(*pause <= 1 << n && pause + 1 >= (1 << n) / 2, "{pauses:?}");
    }
    assert_eq!((pauses[6], world.counted()), (0, (2, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_target_is_left_alone_for_as_long_as_it_asks() {
    let world = World::start([failed(Some(120)), sent()]);
    world.push(&["a"]);
    world.pass(600).await;
    assert_eq!(world.asked(), [(0, "a".to_owned()), (120, "a".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_not_tried_again() {
    let world = World::start([refused(), refused(), sent()]);
    world.push(&["a", "b", "c"]);
    world.pass(1).await;
    assert_eq!(world.asked().len(), 3);
    assert_eq!(world.counted(), (1, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_given_up_after_an_hour_and_each_is_tried() {
    let world = World::start([failed(None)]);
    world.push(&["a", "b", "c"]);
    world.pass(3590).await;
    assert_eq!(world.counted(), (0, 0, 0));
    assert!(world.asked().len() < 130, "{}", world.asked().len());
    world.pass(400).await;
    assert_eq!(world.counted(), (0, 3, 0));
    let last: Vec<String> = world.asked().into_iter().rev().take(2).map(|(_, id)| id).collect();
    assert_eq!(last, ["c", "b"]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_each_that_waits_is_tried_once() {
    let world = World::start([failed(None), failed(None), sent()]);
    world.push(&["a", "b", "c"]);
    world.pass(0).await;
    world.ending.cancel();
    world.task.await.unwrap();
    let asked = world.script.asked.lock().unwrap().len();
    assert_eq!((asked, world.outbox.len()), (3, 0));
    let counts = world.counts;
    assert_eq!((counts.n_sent(), counts.n_failed(), counts.n_dropped()), (1, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_holds_a_bounded_number_of_messages() {
    let world = World::start([failed(None)]);
    let ids: Vec<String> = (0..MESSAGES_MAX).map(|n| n.to_string()).collect();
    world.push(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    world.pass(10).await;
    assert_eq!(world.outbox.len(), MESSAGES_MAX - 1, "one is on its way");
}
