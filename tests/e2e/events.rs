//! What changes, followed from outside: with curl and over a WebSocket, through crashes of either
//! side.

use std::time::Duration;

use futures_util::StreamExt;
use herdbook_tests::harness::{Curl, Fleet, Program, Rest, eventually, throughout};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

const WITHIN: Duration = Duration::from_secs(30);
const STREAM: &str = "/api/v1/events/stream";

fn form(n: usize) -> Value {
    json!({"name": format!("finder-{n}"), "type": "tool", "url": "http://127.0.0.1:8888",
        "heartbeat_interval_s": 60, "ttl_s": 90})
}

/// Registers services `from..to`, some at a time.
async fn register(rest: &Rest, services: std::ops::Range<usize>) {
    let mut programs = JoinSet::new();
    for n in services {
        let rest = rest.clone();
        programs.spawn(async move {
            let (status, service) = rest.post("/api/v1/services", &form(n)).await;
            assert_eq!(status, StatusCode::CREATED, "{service}");
        });
        if programs.len() >= 16 {
            programs.join_next().await.expect("one").expect("registered");
        }
    }
    programs.join_all().await;
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// The whole events of a text of server-sent events, and the id to come back with.
fn read(text: &str) -> (Vec<Event>, String) {
    let (mut events, mut id) = (Vec::new(), String::new());
    let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    for block in whole.split("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        id = field("id: ").map_or(id, str::to_owned);
        if let (Some(kind), Some(data)) = (field("event: "), field("data: ")) {
            let data = serde_json::from_str(data).expect("JSON in data");
            events.push(Event { id: id.clone(), kind: kind.to_owned(), data });
        }
    }
    (events, id)
}

/// Waits until curl has read as much as is wanted.
async fn has(reader: &Program, what: &str, is_so: impl Fn(&[Event]) -> bool) -> Vec<Event> {
    let look = async || match read(&reader.out()) {
        (events, _) if is_so(&events) => Ok(events),
        (events, id) => Err(format!("{} events up to {id:?}", events.len())),
    };
    eventually(what, WITHIN, look).await
}

async fn begins(curl: &Curl, name: &str, path: &str, arguments: &[&str]) -> Program {
    let reader = curl.follow(name, path, arguments);
    let look = async || if reader.out().contains("retry: ") { Ok(()) } else { Err(reader.log()) };
    eventually("the begin of the stream", WITHIN, look).await;
    reader
}

async fn cursor(rest: &Rest) -> String {
    rest.get("/api/v1/events").await["next"].as_str().expect("a cursor").to_owned()
}

#[tokio::test]
async fn a_reader_that_is_killed_again_and_again_loses_nothing() {
    const N_SERVICES: usize = 300;
    let fleet = Fleet::start().await;
    let (rest, curl) = (fleet.rest(), fleet.curl());
    let begin = cursor(&rest).await;
    let mut registering = JoinSet::new();
    registering.spawn({
        let rest = rest.clone();
        async move { register(&rest, 0..N_SERVICES).await }
    });
    let (mut seen, mut last_id, mut n_readers) = (Vec::new(), begin.clone(), 0);
    while seen.len() < N_SERVICES {
        let header = format!("last-event-id: {last_id}");
        let path = format!("{STREAM}?types=service.registered&since=ignored:0");
        let name = format!("curl-{n_readers}");
        let mut reader = curl.follow(&name, &path, &["--header", &header]);
        let n_left = N_SERVICES - seen.len();
        let some = has(&reader, "some events", |events| events.len() >= n_left.min(40)).await;
        reader.kill9().await;
        // It wrote more, perhaps, before it died.
        let (events, id) = read(&reader.out());
        assert!(events.len() >= some.len());
        seen.extend(events);
        (last_id, n_readers) = (id, n_readers + 1);
    }
    registering.join_all().await;
    assert!(n_readers >= 3, "{n_readers}");
    let path = format!("/api/v1/events?since={begin}&types=service.registered&limit=10000");
    let polled = curl.get(&path).await;
    let streamed: Vec<Value> = seen.into_iter().map(|event| event.data).collect();
    assert_eq!(polled["events"], json!(streamed), "once each, in order, and the same");
    assert_eq!(streamed.len(), N_SERVICES);
}

#[tokio::test]
async fn a_crash_of_the_collector_is_a_reset_for_all_who_come_back() {
    let mut fleet = Fleet::start().await;
    let (rest, curl) = (fleet.rest(), fleet.curl());
    let mut reader = begins(&curl, "curl-before", STREAM, &[]).await;
    register(&rest, 0..1).await;
    let old = has(&reader, "an event", |events| !events.is_empty()).await[0].id.clone();
    fleet.restart_collector().await;
    assert!(!reader.exit(WITHIN).await.success(), "the stream broke off");

    let (status, problem) = curl.ask(&format!("/api/v1/events?since={old}&wait=20"), &[]).await;
    assert_eq!((status, &problem["type"]), (StatusCode::GONE, &json!("urn:herdbook:gone")));
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("reset") && detail.contains("snapshot"), "{problem}");
    let header = format!("last-event-id: {old}");
    let reader = begins(&curl, "curl-after", STREAM, &["--header", &header]).await;
    let reset = has(&reader, "a reset", |events| !events.is_empty()).await.remove(0);
    assert_eq!((reset.kind.as_str(), &reset.data["next"]), ("reset", &json!(reset.id)));
    // What it missed is in the snapshot, and what follows goes on from there.
    let snapshot = rest.get("/api/v1/snapshot").await;
    assert_eq!(snapshot["epoch"], reset.data["epoch"]);
    assert_eq!(snapshot["services"].as_array().map(Vec::len), Some(1));
    register(&rest, 1..2).await;
    let events = has(&reader, "the next event", |events| events.len() > 1).await;
    assert_eq!(
        (&*events[1].kind, &events[1].data["data"]["name"]),
        ("service.registered", &json!("finder-1"))
    );
}

#[tokio::test]
async fn a_poll_waits_for_what_it_wants_and_for_nothing_else() {
    let mut fleet = Fleet::start().await;
    let (rest, curl) = (fleet.rest(), fleet.curl());
    let since = cursor(&rest).await;
    let host = SimulatedHost::from_seed(1).having(1, 2).named("gpu-1");
    let polls = ["types=session.opened", "types=gpu.*,service.&service=gpu-1:11434", "types=host."];
    let mut waiting = JoinSet::new();
    for filter in polls {
        let (curl, path) = (curl.clone(), format!("/api/v1/events?since={since}&wait=25&{filter}"));
        waiting.spawn(async move { (filter, curl.get(&path).await) });
    }
    let idle = format!("/api/v1/events?since={since}&wait=1&types=catalog.");
    fleet.simulate(host.clone()).await;
    for (filter, answer) in waiting.join_all().await {
        let first = answer["events"][0]["type"].as_str().unwrap_or_default();
        let expected = match filter.split('&').next() {
            Some("types=session.opened") => "session.opened",
            Some("types=host.") => "host.registered",
            _ => "service.registered",
        };
        assert_eq!(first, expected, "{filter}: {answer}");
        assert_eq!(answer["events"][0]["host_id"], host.host_id.as_str());
    }
    let answer = curl.get(&idle).await;
    assert_eq!(answer["events"], json!([]));
    let seq = answer["seq"].as_u64().expect("a number");
    assert!(seq > 4, "it moved on over what it does not want: {answer}");
}

#[tokio::test]
async fn a_socket_tells_the_same_and_the_shutdown_ends_all_three() {
    let mut fleet = Fleet::start().await;
    let (rest, curl) = (fleet.rest(), fleet.curl());
    let since = cursor(&rest).await;
    let stream = TcpStream::connect(fleet.address()).await.expect("a connection");
    let url = format!("ws://{}{STREAM}?since={since}&types=service.", fleet.address());
    let (mut socket, _) = tokio_tungstenite::client_async(&url, stream).await.expect("an upgrade");
    let mut next = async || loop {
        match socket.next().await.expect("a frame").expect("an open socket") {
            Message::Text(text) => break serde_json::from_str::<Value>(&text).expect("JSON"),
            Message::Close(close) => break json!({"closed": close.map(|c| u16::from(c.code))}),
            _ => (),
        }
    };
    let first = next().await;
    assert_eq!((&first["type"], &first["next"]), (&json!("cursor"), &json!(since)));
    let mut reader = begins(&curl, "curl", STREAM, &[]).await;
    register(&rest, 0..1).await;
    let frame = next().await;
    assert_eq!(frame["type"], "change");
    let streamed = has(&reader, "the same event", |events| !events.is_empty()).await;
    assert_eq!(frame["change"], streamed[0].data);
    let polled = curl.get(&format!("/api/v1/events?since={since}")).await;
    assert_eq!(polled["events"], json!([frame["change"]]));

    let mut waiting = JoinSet::new();
    waiting.spawn(async move { curl.ask("/api/v1/events?wait=25", &[]).await });
    throughout("the poll is on its way", Duration::from_secs(1), async || Ok(())).await;
    fleet.collector().signal(Signal::TERM);
    assert_eq!(next().await["closed"], 1012);
    assert!(reader.exit(WITHIN).await.success(), "the stream ended in order");
    let (status, answer) = waiting.join_next().await.expect("one").expect("no panic");
    assert_eq!((status, &answer["events"]), (StatusCode::OK, &json!([])));
    // Nobody kept it waiting until its grace was over.
    assert!(fleet.collector().exit(Duration::from_secs(4)).await.success());
}

#[tokio::test]
async fn a_reader_that_stalls_is_cut_and_nobody_else_notices() {
    const N_CHANGES: usize = 900;
    let fleet = Fleet::start().await;
    let (rest, curl) = (fleet.rest(), fleet.curl());
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stalled = socket.connect(fleet.address()).await.expect("a connection");
    let request = format!("GET {STREAM} HTTP/1.1\r\nhost: {}\r\n\r\n", fleet.address());
    stalled.write_all(request.as_bytes()).await.expect("a request");
    let reader = begins(&curl, "curl", STREAM, &[]).await;
    // Far more than all buffers on the way.
    let labels: Vec<String> = (0..30).map(|n| format!("{n}-{}", "x".repeat(200))).collect();
    let labels: Value = labels.iter().map(|text| (text[..2].to_owned(), json!(text))).collect();
    let (_, service) = rest.post("/api/v1/services", &form(0)).await;
    let path = format!("/api/v1/services/{}", service["id"].as_str().expect("an id"));
    for n in 0..N_CHANGES {
        let patch = json!({"labels": labels, "priority": n});
        let (status, answer) = rest.patch(&path, &patch).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    has(&reader, "all of it", |events| events.len() > N_CHANGES).await;
    // Whoever takes nothing for 20 s of what waits is cut off.
    throughout("it takes nothing", Duration::from_secs(25), async || Ok(())).await;
    let mut got = Vec::new();
    let rest_of_it = stalled.read_to_end(&mut got);
    let ended = tokio::time::timeout(WITHIN, rest_of_it).await;
    assert!(ended.is_ok(), "the stream goes on");
    let n_got = String::from_utf8_lossy(&got).matches("event: service.").count();
    assert!((1..N_CHANGES).contains(&n_got), "{n_got} of {N_CHANGES}");
}
