//! Whole viewers over a pair of channels, on the paused clock.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::api::events::filter::Words;
use crate::api::live::pipe::{Far, pipe};
use crate::auth::Lapse;
use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::ledger::RING_CHANGES_MIN;
use crate::registry::moment::Moment;
use crate::registry::testing::{connect, host_id, sample};

use super::*;

/// A feed and those who serve its viewers.
struct Story {
    feed: Feed,
    stop: CancellationToken,
    viewers: JoinSet<()>,
}

impl Story {
    fn new() -> Self {
        let registry = Arc::new(Registry::new(Liveness::default()));
        Self { feed: Feed::new(registry), stop: CancellationToken::new(), viewers: JoinSet::new() }
    }

    fn view(&mut self) -> Far {
        self.view_as(None, Filter::default())
    }

    fn view_as(&mut self, known: Option<u64>, filter: Filter) -> Far {
        let (socket, far) = pipe();
        let wanted = Wanted { view: View::Summary, filter, known };
        self.viewers.spawn(run(socket, wanted, self.feed.clone(), self.stop.clone().into()));
        far
    }

    /// A viewer that has read its snapshot.
    async fn viewer(&mut self) -> Far {
        let mut far = self.view();
        assert_eq!(far.read().await["type"], "snapshot");
        far
    }

    /// Connects hosts `from..to`.
    fn connect(&self, hosts: std::ops::Range<u8>) {
        for n in hosts {
            connect(&self.feed.registry, n, Moment::now());
        }
    }

    fn seq(&self) -> u64 {
        self.feed.registry.cursor().1
    }
}

impl Far {
    async fn say(&mut self, text: impl Into<axum::extract::ws::Utf8Bytes>) {
        self.to.send(Ok(Message::Text(text.into()))).await.unwrap();
    }

    /// The next frame, pings apart.
    async fn read(&mut self) -> Value {
        loop {
            match self.from.next().await.expect("a frame, not an end") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => (),
                other => panic!("no text but {other:?}"),
            }
        }
    }

    /// Reads changes up to `last`, which must follow on `seq` without gaps.
    async fn read_changes(&mut self, seq: u64, last: u64) {
        for expected in seq + 1..=last {
            let frame = self.read().await;
            assert_eq!(frame["type"], "change");
            assert_eq!(frame["change"]["seq"], expected);
        }
    }

    async fn is_quiet(&mut self) -> bool {
        timeout(Duration::from_secs(5), self.from.next()).await.is_err()
    }
}

#[tokio::test(start_paused = true)]
async fn changes_follow_the_snapshot_in_order_and_once() {
    let mut story = Story::new();
    story.connect(1..3);
    let mut viewer = story.view();
    let snapshot = viewer.read().await;
    assert_eq!(snapshot["hosts"].as_array().unwrap().len(), 2);
    let seq = snapshot["seq"].as_u64().unwrap();
    assert_eq!(seq, story.seq());
    // More than one batch, and then some while they are read.
    story.connect(3..200);
    viewer.read_changes(seq, seq + 70).await;
    story.connect(200..210);
    viewer.read_changes(seq + 70, story.seq()).await;
    assert!(viewer.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_shared_snapshot_is_followed_by_what_it_does_not_hold() {
    let mut story = Story::new();
    story.viewer().await;
    story.connect(1..3);
    let mut second = story.view();
    let snapshot = second.read().await;
    assert_eq!(snapshot["seq"], 0);
    second.read_changes(0, story.seq()).await;
    assert!(second.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_with_what_it_knows_gets_no_snapshot() {
    let mut story = Story::new();
    story.connect(1..3);
    let seq = story.seq();
    story.connect(3..6);
    let mut viewer = story.view_as(Some(seq), Filter::default());
    viewer.read_changes(seq, story.seq()).await;
    let text = r#"{"type":"fleet","n_hosts":5}"#.into();
    story.feed.pulse.publish(Frame { seq: story.seq(), text });
    assert_eq!(viewer.read().await["n_hosts"], 5);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_out_changes_gets_the_others_and_no_fleet_frames() {
    let mut story = Story::new();
    let words = Words { types: Some("session."), ..Words::default() };
    let filter = Filter::read(words, &story.feed.registry).unwrap();
    let mut viewer = story.view_as(None, filter);
    assert_eq!(viewer.read().await["type"], "snapshot");
    story.connect(1..4);
    for _ in 1..4 {
        assert_eq!(viewer.read().await["change"]["type"], "session.opened");
    }
    let text = r#"{"type":"fleet","n_hosts":3}"#.into();
    story.feed.pulse.publish(Frame { seq: story.seq(), text });
    assert!(viewer.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_lags_behind_the_ring_gets_a_new_snapshot() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    while story.seq() <= RING_CHANGES_MIN as u64 {
        let (kind, cause) = (ChangeKind::FleetMassOffline, "test".to_owned());
        story.feed.registry.tell_mass(
            kind,
            serde_json::json!({ "n_hosts": 1 }),
            cause,
            Moment::now(),
        );
    }
    let snapshot = viewer.read().await;
    assert_eq!(snapshot["type"], "snapshot");
    assert_eq!(snapshot["seq"], story.seq());
    let seq = story.seq();
    story.connect(2..3);
    viewer.read_changes(seq, story.seq()).await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_viewer_is_let_go_and_others_go_on() {
    let mut story = Story::new();
    let _stalled = story.viewer().await;
    let mut other = story.viewer().await;
    let start = Instant::now();
    story.connect(1..100);
    other.read_changes(0, story.seq()).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    story.viewers.join_next().await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 10);
    let seq = story.seq();
    story.connect(100..101);
    other.read_changes(seq, story.seq()).await;
    assert_eq!(story.viewers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_stop_ends_a_slow_viewer_within_the_grace() {
    let mut story = Story::new();
    let mut slow = story.viewer().await;
    story.connect(1..100);
    let reading = async {
        loop {
            sleep(Duration::from_secs(9)).await;
            slow.from.next().await;
        }
    };
    let stopping = async {
        sleep(Duration::from_secs(5)).await;
        story.stop.cancel();
        let asked = Instant::now();
        story.viewers.join_next().await.unwrap().unwrap();
        asked.elapsed()
    };
    tokio::select! {
        took = stopping => assert!(took < Duration::from_secs(5), "took {took:?}"),
        () = reading => (),
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_whose_right_ends_is_told_so_at_once() {
    let mut story = Story::new();
    let (socket, mut far) = pipe();
    let wanted = Wanted { view: View::Summary, filter: Filter::default(), known: None };
    let lapse = Lapse::default();
    let until = Until { stop: story.stop.clone(), lapse: lapse.clone() };
    story.viewers.spawn(run(socket, wanted, story.feed.clone(), until));
    assert_eq!(far.read().await["type"], "snapshot");
    lapse.end();
    let Some(Message::Close(Some(close))) = far.from.next().await else { panic!("no close") };
    assert_eq!(close.code, close_code::POLICY);
    assert_eq!(far.from.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn the_stop_is_told_to_who_reads() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    story.stop.cancel();
    let Some(Message::Close(Some(close))) = viewer.from.next().await else { panic!("no close") };
    assert_eq!(close.code, close_code::RESTART);
    assert_eq!(viewer.from.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn samples_come_at_most_twice_a_second_however_often_a_viewer_asks() {
    let mut story = Story::new();
    let opened = connect(&story.feed.registry, 1, Moment::now());
    story.feed.registry.take_sample(&opened, sample(), Moment::now());
    let mut viewer = story.viewer().await;
    let id = host_id(1);
    let watch = format!(r#"{{"type":"watch","hosts":["{id}"],"samples_per_second":2}}"#);
    let mut n_frames = 0;
    for _ in 0..40 {
        story.feed.registry.take_sample(&opened, sample(), Moment::now());
        viewer.say(watch.as_str()).await;
        let until = Instant::now() + Duration::from_millis(125);
        while let Ok(frame) = tokio::time::timeout_at(until, viewer.read()).await {
            assert_eq!(frame["type"], "samples");
            assert_eq!(frame["samples"][0]["host_id"], id.as_str());
            n_frames += 1;
        }
    }
    assert_eq!(n_frames, 10);
}

#[tokio::test(start_paused = true)]
async fn many_watched_hosts_come_in_one_frame() {
    let mut story = Story::new();
    for n in 1..=100 {
        let opened = connect(&story.feed.registry, n, Moment::now());
        story.feed.registry.take_sample(&opened, sample(), Moment::now());
    }
    let mut viewer = story.viewer().await;
    let hosts: Vec<_> = (1..=100).map(|n| host_id(n).to_string()).collect();
    viewer.say(serde_json::json!({ "type": "watch", "hosts": hosts }).to_string()).await;
    let frame = viewer.read().await;
    assert_eq!(frame["seq"], story.seq());
    assert_eq!(frame["samples"].as_array().unwrap().len(), 100);
    assert!(viewer.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_understood_is_answered() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    viewer.say("garbage").await;
    assert_eq!(viewer.read().await["type"], "error");
    viewer.to.send(Ok(Message::Binary(vec![1].into()))).await.unwrap();
    assert_eq!(viewer.read().await["detail"], "messages are text");
    story.connect(1..2);
    viewer.read_changes(0, story.seq()).await;
}

#[tokio::test(start_paused = true)]
async fn who_says_too_much_is_told_once_and_let_go() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    for _ in 0..65 {
        viewer.say(r#"{"type":"watch"}"#).await;
    }
    assert_eq!(viewer.read().await["detail"], "too many messages");
    let Some(Message::Close(Some(close))) = viewer.from.next().await else { panic!("no close") };
    assert_eq!(close.code, close_code::POLICY);
    story.viewers.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fleet_frame_older_than_the_last_host_change_is_left_out() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    story.connect(1..2);
    viewer.read_changes(0, story.seq()).await;
    let fleet = |seq, text: &str| Frame { seq, text: text.into() };
    story.feed.pulse.publish(fleet(0, r#"{"type":"fleet","n_hosts":0}"#));
    assert!(viewer.is_quiet().await);
    story.feed.pulse.publish(fleet(story.seq(), r#"{"type":"fleet","n_hosts":1}"#));
    assert_eq!(viewer.read().await["n_hosts"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_frame_comes_after_all_changes_that_it_knows() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    story.connect(1..200);
    let text = r#"{"type":"fleet","n_hosts":199}"#.into();
    story.feed.pulse.publish(Frame { seq: story.seq(), text });
    viewer.read_changes(0, story.seq()).await;
    assert_eq!(viewer.read().await["n_hosts"], 199);
}

/// The page takes 15 s without any frame for a dead line.
#[tokio::test(start_paused = true)]
async fn an_empty_fleet_is_heard_of_too() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    let mut parts = JoinSet::new();
    parts.spawn(story.feed.clone().run(story.stop.clone()));
    for _ in 0..10 {
        let frame = timeout(Duration::from_secs(3), viewer.read()).await.expect("a frame");
        assert_eq!((&frame["type"], &frame["n_hosts"]), (&"fleet".into(), &0.into()));
        viewer.to.send(Ok(Message::Pong(Default::default()))).await.unwrap();
    }
    story.stop.cancel();
    parts.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_viewer_is_let_go() {
    let mut story = Story::new();
    let mut viewer = story.viewer().await;
    let start = Instant::now();
    while let Some(message) = viewer.from.next().await {
        assert!(matches!(message, Message::Ping(_)));
    }
    assert_eq!(start.elapsed().as_secs(), 30);
}
