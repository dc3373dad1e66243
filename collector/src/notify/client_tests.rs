//! One message to a real receiver.

use std::net::SocketAddr;

use super::*;
use crate::checks::{lookup, tls};
use crate::config::Authorities;
use crate::notify::testing::receiver::{Answer, Receiver, says};

const PATH: &str = "/services/T0000/B0000/s3cr3tpath?key=s3cr3tquery";

fn client(url: &str) -> Client {
    let authorization = (hyper::header::AUTHORIZATION, Secret::new("Bearer s3cr3ttoken".into()));
    Client {
        url: TargetUrl::parse(url).unwrap(),
        headers: [authorization].into(),
        timeout: Duration::from_millis(500),
        resolve: lookup::by_system(),
        trust: Trust::new(Authorities::default(), tls::of_system),
    }
}

async fn post(url: &str) -> Outcome {
    client(url).post("{\"a\": 1}".to_owned()).await
}

async fn answered(answer: Answer) -> Outcome {
    let receiver = Receiver::start(vec![answer]).await;
    post(&receiver.url(PATH)).await
}

fn failed(why: &str, wait_s: Option<f64>) -> Outcome {
    Outcome::Failed { why: why.to_owned(), wait: wait_s.map(Duration::from_secs_f64) }
}

#[tokio::test]
async fn a_message_is_json_with_the_headers_that_were_given() {
    let receiver = Receiver::start(vec![says("204 No Content", "", "")]).await;
    assert_eq!(post(&receiver.url(PATH)).await, Outcome::Sent(StatusCode::NO_CONTENT));
    let got = receiver.got().remove(0);
    assert_eq!(got.body, serde_json::json!({"a": 1}));
    let lines: Vec<&str> = got.head.lines().collect();
    assert_eq!(lines[0], format!("POST {PATH} HTTP/1.1"));
    let host = format!("host: {}", receiver.address);
    for expected in [&*host, "content-type: application/json", "authorization: Bearer s3cr3ttoken"]
    {
        assert!(lines.contains(&expected), "{expected}: {lines:?}");
    }
}

#[tokio::test]
async fn what_may_go_well_later_is_told_from_what_never_will() {
    for (status, headers, wait) in [
        ("500 Internal Server Error", "", None),
        ("503 Service Unavailable", "retry-after: 7\r\n", Some(7.0)),
        ("429 Too Many Requests", "Retry-After: 0.65\r\n", Some(0.65)),
        ("429 Too Many Requests", "retry-after: Fri, 20 Nov 2026 10:00:00 GMT\r\n", None),
        ("429 Too Many Requests", "retry-after: -1\r\n", None),
        ("408 Request Timeout", "", None),
    ] {
        assert_eq!(answered(says(status, headers, "x")).await, failed(status, wait), "{status}");
    }
    for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone"] {
        let Outcome::Refused(told, words) = answered(says(status, "", "no_team\n")).await else {
            panic!("{status}");
        };
        assert_eq!((told.to_string(), &*words), (status.to_owned(), "no_team"));
    }
}

#[tokio::test]
async fn an_answer_is_read_within_bounds_and_holds_no_secret() {
    let echo = format!("Cannot POST {PATH} with Bearer s3cr3ttoken\n\u{1b}[31m");
    let Outcome::Refused(_, words) = answered(says("404 Not Found", "", &echo)).await else {
        panic!("it was not refused")
    };
    assert_eq!(
        words,
        "Cannot POST /[secret]/T0000/B0000/[secret]?key=[secret] with [secret]  [31m",
    );
    let long = says("404 Not Found", "", &"x".repeat(ANSWER_BYTES_MAX + 1));
    let Outcome::Refused(_, words) = answered(long).await else { panic!("it was not refused") };
    assert_eq!(words, "");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let trap = Receiver::start(Vec::new()).await;
    let location = format!("location: {}\r\n", trap.url("/"));
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let outcome = answered(says(status, &location, "")).await;
        assert!(
            matches!(&outcome, Outcome::Refused(told, _) if told.is_redirection()),
            "{outcome:?}"
        );
    }
    assert_eq!(trap.got().len(), 0);
}

#[tokio::test]
async fn whoever_does_not_answer_is_not_waited_for() {
    assert_eq!(answered(Answer::Hangs).await, failed("no answer within 0.5 s", None));
    assert_eq!(post("http://127.0.0.1:1/").await, failed("connection refused", None));
    let outcome = answered(Answer::Says("what?\r\n\r\n".to_owned())).await;
    assert_eq!(outcome, failed("it does not speak HTTP", None));
}

#[tokio::test]
async fn a_name_that_leads_to_metadata_is_never_dialled() {
    let trap = Receiver::start(Vec::new()).await;
    let mut client = client(&format!("http://hooks.example:{}/", trap.address.port()));
    client.resolve = Arc::new(|_, port| {
        let address: std::net::IpAddr = "169.254.169.254".parse().unwrap();
        Box::pin(async move { Ok(vec![SocketAddr::new(address, port)]) })
    });
    let why = "169.254.169.254 is never dialled: it is a link-local address";
    assert_eq!(client.post(String::new()).await, failed(why, None));
}

#[tokio::test]
async fn https_is_spoken_with_those_alone_whose_certificate_is_trusted() {
    let receiver = Receiver::start(Vec::new()).await;
    let url = format!("https://{}/", receiver.address);
    let mut client = client(&url);
    client.trust = Trust::new(Authorities::default(), || {
        let own = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        vec![own.cert.der().clone()]
    });
    let outcome = client.post(String::new()).await;
    let Outcome::Failed { why, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(why.contains("TLS") || why.contains("no answer"), "{why}");
    assert_eq!(receiver.got().len(), 0, "nothing is said in the clear");
}
