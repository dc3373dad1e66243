//! What no agent should send. Each is refused or dropped, and nobody else notices.

use std::time::Duration;

use futures_util::SinkExt as _;
use herdbook_shared::limits;
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::hello::RefusalCode;
use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use herdbook_tests::harness::{Fleet, Viewer, eventually};
use herdbook_tests::swarm::session::{Ended, dial, next_message};
use herdbook_tests::swarm::{SimulatedAgent, SimulatedHost};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// A fleet with one well-behaved host, whose samples a viewer watches.
async fn with_a_bystander() -> (Fleet, Viewer, String) {
    let mut fleet = Fleet::start().await;
    let bystander = SimulatedHost::from_seed(99).having(1, 1);
    let id = bystander.host_id.clone();
    fleet.simulate(bystander).await;
    let mut viewer = fleet.viewer().await;
    viewer.becomes(&id, "online", Duration::from_secs(10)).await;
    viewer.watch(&[&id]).await;
    (fleet, viewer, id)
}

/// The bystander's samples flow, and it never left.
async fn bystander_unmoved(viewer: &Viewer, id: &str) {
    let before = viewer.n_samples(id);
    let flowing = async || match viewer.n_samples(id) {
        now if now >= before + 3 => Ok(()),
        now => Err(format!("{before} samples, then {now}; {:?}", viewer.ended())),
    };
    eventually("three more samples of the bystander", Duration::from_secs(10), flowing).await;
    let changes = viewer.changes_of(id);
    let moved = |kind: &String| {
        ["host.stale", "host.offline", "host.degraded", "session.closed"].contains(&kind.as_str())
    };
    assert!(!changes.iter().any(moved), "{changes:?}");
}

fn hello() -> Value {
    let hello = AgentMessage::Hello(Box::new(SimulatedHost::from_seed(1).hello()));
    serde_json::to_value(&hello).expect("a hello as JSON")
}

fn hello_with(field: &str, value: Value) -> String {
    let mut hello = hello();
    hello[field] = value;
    hello.to_string()
}

/// Sends one frame on a fresh connection, and returns the refusal.
async fn refusal_of(fleet: &Fleet, first_frame: String) -> RefusalCode {
    let mut socket = dial(fleet.address()).await.expect("an upgraded connection");
    let shown: String = first_frame.chars().take(100).collect();
    // The collector may well close before it has read all of it.
    let _ = socket.send(Message::text(first_frame)).await;
    match next_message(&mut socket).await {
        Ok(Some(CollectorMessage::Refused(refused))) => {
            assert!(!refused.message.is_empty(), "a refusal without words");
            refused.code
        }
        other => panic!("{shown}: expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_bad_first_frame_is_refused_by_name() {
    let (fleet, viewer, id) = with_a_bystander().await;
    let sample = encode(&AgentMessage::Sample(Box::new(SimulatedHost::from_seed(1).sample())));
    let long = "x".repeat(limits::WORD_BYTES + 1);
    let future = json!({"min": 900, "max": 901});
    for (frame, code) in [
        ("hello?".to_owned(), RefusalCode::BadFrame),
        ("[]".to_owned(), RefusalCode::BadFrame),
        (sample, RefusalCode::UnexpectedMessage),
        (hello_with("protocol", future), RefusalCode::ProtocolOutOfRange),
        (hello_with("host_id", json!("gpu-1")), RefusalCode::BadHello),
        (hello_with("host_id", json!("../../etc/passwd")), RefusalCode::BadHello),
        (hello_with("name", json!(long)), RefusalCode::BadHello),
        (hello_with("name", json!("a\u{1b}[31m")), RefusalCode::BadHello),
        (hello_with("name", json!("")), RefusalCode::BadHello),
    ] {
        let shown = frame.clone();
        assert_eq!(refusal_of(&fleet, frame).await, code, "{shown}");
    }
    bystander_unmoved(&viewer, &id).await;
    assert_eq!(fleet.rest().hosts().await.len(), 1, "a refused host is listed");
}

#[tokio::test]
async fn a_frame_over_the_limit_ends_its_own_session_alone() {
    let (fleet, viewer, id) = with_a_bystander().await;
    let host = SimulatedHost::from_seed(1);
    for size in [limits::FRAME_BYTES + 1, 16 * limits::FRAME_BYTES] {
        let joined = SimulatedAgent::join(fleet.address(), host.clone()).await;
        let mut agent = joined.expect("a welcome");
        let labels = [("a".to_owned(), "x".repeat(size))].into();
        let large = herdbook_shared::wire::hello::Hello { labels, ..host.hello() };
        let _ = agent.send(&AgentMessage::Hello(Box::new(large))).await;
        // Whether refused or cut off, it is over.
        let ended = agent.live().await;
        drop(ended);
    }
    bystander_unmoved(&viewer, &id).await;
}

#[tokio::test]
async fn what_cannot_be_used_is_dropped_and_the_session_goes_on() {
    let (fleet, viewer, id) = with_a_bystander().await;
    let mut host = SimulatedHost::from_seed(1);
    let mut socket = dial(fleet.address()).await.expect("an upgraded connection");
    let hello = encode(&AgentMessage::Hello(Box::new(host.hello())));
    socket.send(Message::text(hello)).await.expect("an open connection");
    let welcome = next_message(&mut socket).await.expect("an open connection");
    assert!(matches!(welcome, Some(CollectorMessage::Welcome(_))), "{welcome:?}");
    let good = host.sample();
    let cpu_percent = good.cpu_percent.expect("a number");
    let good = encode(&AgentMessage::Sample(Box::new(good)));
    socket.send(Message::text(good)).await.expect("an open session");

    let at = "2026-11-20T10:00:00Z";
    for frame in [
        json!({"type": "gossip", "about": "everybody"}).to_string(),
        json!({"type": "sample", "seq": 2, "at": at, "memory_used_bytes": -5}).to_string(),
        json!({"type": "sample", "seq": 3, "at": at, "cpu_percent": 1e300}).to_string(),
        json!({"type": "sample", "seq": 4, "at": at, "cpu_percent": -1.0}).to_string(),
        json!({"type": "sample", "seq": 5, "at": at, "cpu_percent": "all"}).to_string(),
        json!({"type": "inventory", "addresses": ["x".repeat(300)]}).to_string(),
    ] {
        socket.send(Message::text(frame)).await.expect("an open session");
    }
    // The inventory comes last: once it shows, all that came before has been judged.
    let inventory = encode(&AgentMessage::Inventory(Box::new(host.inventory())));
    socket.send(Message::text(inventory)).await.expect("an open session");
    let shown = async || match viewer.folded().hosts.get(&host.host_id) {
        Some(host) if host["addresses"][0] == "10.0.0.7" => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually("the inventory", Duration::from_secs(10), shown).await;
    let shown = fleet.rest().host(&host.host_id).await;
    // Shown with fewer decimals, yet it is the good one.
    let shown_percent = shown["resources"]["cpu_percent"].as_f64().expect("a number");
    assert!((shown_percent - cpu_percent).abs() < 0.1, "{cpu_percent}: {shown}");
    bystander_unmoved(&viewer, &id).await;
}

#[tokio::test]
async fn a_session_that_stops_speaking_json_is_ended_by_name() {
    let (fleet, viewer, id) = with_a_bystander().await;
    let frames = [r#"{"type":"sample","seq":1,"cpu_percent":NaN}"#, "", "\u{0}", "{"];
    // Of a host each, since one that does so again and again is kept out.
    for (seed, frame) in (1..).zip(frames) {
        let joined = SimulatedAgent::join(fleet.address(), SimulatedHost::from_seed(seed)).await;
        let ended = joined.expect("a welcome").say(frame).await;
        match ended {
            Ended::Refused(refused) => assert_eq!(refused.code, RefusalCode::BadFrame, "{frame}"),
            Ended::Lost(why) => panic!("{frame}: expected a refusal, {why}"),
        }
    }
    bystander_unmoved(&viewer, &id).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_not_kept() {
    let (fleet, viewer, id) = with_a_bystander().await;
    let mut socket = dial(fleet.address()).await.expect("an upgraded connection");
    match next_message(&mut socket).await {
        Ok(Some(CollectorMessage::Refused(refused))) => {
            assert_eq!(refused.code, RefusalCode::HelloTimeout);
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
    bystander_unmoved(&viewer, &id).await;
}
