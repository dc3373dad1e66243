//! Against the fake, over real sockets, with deadlines short enough for a test.

use fake_ollama::{FakeOllama, Fault, Story};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::discovery::ask::LIST_BYTES_MAX;

const SHORT: Duration = Duration::from_millis(300);

fn client(fake: &FakeOllama) -> Client {
    http().unwrap().at(fake.addr())
}

async fn faulty(fault: Fault) -> (FakeOllama, Client) {
    let fake = FakeOllama::start(Story::with_models(2).with_fault("*", fault)).await.unwrap();
    let client = client(&fake);
    (fake, client)
}

async fn ask(client: &Client, path: &str) -> Result<Reply, ProbeError> {
    client.ask(Question::get(path).within(SHORT)).await
}

#[tokio::test]
async fn asks_over_one_connection_and_says_who_it_is() {
    let fake = FakeOllama::start(Story::with_models(3)).await.unwrap();
    let mut client = client(&fake);
    client.hold(Connection::Kept);
    for path in ["/api/version", "/api/tags", "/nothing", "/"] {
        ask(&client, path).await.unwrap();
    }
    let report = fake.script().report();
    assert_eq!(report.connections, 1);
    assert_eq!(report.forbidden, [""; 0]);
    assert_eq!(report.requests.len(), 4);
    assert!(report.user_agent.unwrap().starts_with("herdbook-agent/"));
}

#[tokio::test]
async fn a_question_may_carry_json() {
    let fake = FakeOllama::start(Story::with_models(1)).await.unwrap();
    let question = Question::post("/api/show", r#"{"model":"llama3.1:8b"}"#.to_owned());
    let reply = client(&fake).ask(question).await.unwrap();
    assert!(reply.body.starts_with(b"{"), "{reply:?}");
    assert_eq!(fake.script().report().n("POST /api/show"), 1);
}

#[tokio::test]
async fn a_server_on_ipv6_gets_a_host_header_that_it_knows() {
    let story = Story::default().at("[::1]:0".parse().unwrap());
    let fake = FakeOllama::start(story).await.unwrap();
    assert_eq!(ask(&client(&fake), "/api/version").await.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn a_port_without_a_listener_is_refused() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    let client = client(&fake);
    ask(&client, "/api/version").await.unwrap();
    fake.stop().await;
    assert!(matches!(ask(&client, "/api/version").await, Err(ProbeError::Refused)));
}

#[tokio::test]
async fn each_fault_has_its_error() {
    type Expected = fn(&ProbeError) -> bool;
    let table: [(Fault, Expected); 9] = [
        (Fault::NeverAnswer, |e| matches!(e, ProbeError::Silent(SHORT))),
        (Fault::SlowBody, |e| matches!(e, ProbeError::Silent(SHORT))),
        (Fault::EndlessBody, |e| matches!(e, ProbeError::TooLarge(_) | ProbeError::Silent(_))),
        (Fault::Redirect, |e| matches!(e, ProbeError::Redirect(_))),
        (Fault::Unauthorized, |e| matches!(e, ProbeError::Credential(_))),
        (Fault::Forbidden, |e| matches!(e, ProbeError::Turned)),
        (Fault::ServerError, |e| matches!(e, ProbeError::Status(_))),
        (Fault::Overloaded, |e| matches!(e, ProbeError::Status(_))),
        (Fault::Reset, |e| matches!(e, ProbeError::Closed(_) | ProbeError::Broken(_))),
    ];
    for (fault, expected) in table {
        let (_fake, client) = faulty(fault).await;
        for path in ["/api/version", "/api/ps"] {
            let reply = ask(&client, path).await;
            let error = reply.and_then(|reply| reply.ok().map(drop)).unwrap_err();
            assert!(expected(&error), "{fault:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_at_its_bound() {
    let (_fake, client) = faulty(Fault::EndlessBody).await;
    let question = Question::get("/api/tags").up_to(LIST_BYTES_MAX);
    let error = client.ask(question.within(Duration::from_secs(20))).await.unwrap_err();
    assert!(matches!(error, ProbeError::TooLarge(LIST_BYTES_MAX)), "{error:?}");
}

/// Answers one caller at a time, each for as long as he holds his connection.
async fn one_at_a_time(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut is_last = false;
        while let Ok(Some(line)) = lines.next_line().await {
            is_last |= line.eq_ignore_ascii_case("connection: close");
            if line.is_empty() {
                let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
                lines.get_mut().write_all(answer.as_bytes()).await.unwrap();
                if is_last {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_server_of_one_caller_at_a_time_is_there_for_others_between_two_questions() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let _server = tokio::task::JoinSet::from_iter([one_at_a_time(listener)]);
    let (first, other) = (http().unwrap().at(target), http().unwrap().at(target));
    for client in [&first, &first, &other, &first] {
        assert_eq!(ask(client, "/api/version").await.unwrap().status.as_u16(), 404);
    }
}

#[tokio::test]
async fn a_connection_that_was_kept_is_closed_when_it_is_kept_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let _server = tokio::task::JoinSet::from_iter([one_at_a_time(listener)]);
    let (mut first, other) = (http().unwrap().at(target), http().unwrap().at(target));
    first.hold(Connection::Kept);
    ask(&first, "/").await.unwrap();
    assert!(matches!(ask(&other, "/").await, Err(ProbeError::Silent(_))));
    first.hold(Connection::Closed);
    ask(&first, "/").await.unwrap();
    ask(&other, "/").await.unwrap();
}

#[tokio::test]
async fn questions_one_after_another_never_hold_two_connections() {
    let fake = FakeOllama::start(Story::with_models(1)).await.unwrap();
    let client = client(&fake);
    for path in ["/api/version", "/nothing", "/api/tags", "/", "/api/ps", "/nothing"] {
        ask(&client, path).await.unwrap();
    }
    let report = fake.script().report();
    assert_eq!((report.connections, report.max_open_connections), (6, 1));
}

#[tokio::test]
async fn without_a_port_to_call_from_nothing_is_known_of_the_server() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    // No address of this host: the kernel says what it says when its ports are used up.
    let elsewhere: std::net::IpAddr = "192.0.2.1".parse().unwrap();
    let http = reqwest::Client::builder().no_proxy().local_address(elsewhere).build().unwrap();
    let error = ask(&http.at(fake.addr()), "/").await.unwrap_err();
    assert!(matches!(error, ProbeError::Unreached(_)), "{error:?}");
}

#[tokio::test]
async fn one_that_hangs_up_at_plain_words_may_want_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = http().unwrap().at(listener.local_addr().unwrap());
    let hangs_up = async { drop(listener.accept().await) };
    let (error, ()) = tokio::join!(ask(&client, "/"), hangs_up);
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "closed the connection: perhaps it speaks TLS");
}

#[tokio::test]
async fn a_question_that_crosses_the_end_of_a_kept_connection_is_asked_once_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = http().unwrap().at(listener.local_addr().unwrap());
    client.hold(Connection::Kept);
    let hangs_up_first = async {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
        one_at_a_time(listener).await;
    };
    tokio::select! {
        reply = ask(&client, "/") => assert_eq!(reply.unwrap().status.as_u16(), 404),
        () = hangs_up_first => {}
    }
}
