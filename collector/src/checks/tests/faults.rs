//! Servers that misbehave.

use super::*;

const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";

async fn fails(does: Does, kind: &str) -> String {
    let fake = Fake::start([("/api/version", does.clone()), ("/v1/models", does)]).await;
    check(&fake.url(), kind).await.unwrap_err().to_string()
}

#[tokio::test]
async fn who_says_nothing_or_one_byte_at_a_time_is_given_up_at_the_deadline() {
    for does in
        [Does::Hangs, Does::Drips(ENDLESS.to_vec()), Does::Drips(b"HTTP/1.1 200 OK\r\nx:".to_vec())]
    {
        let fake = Fake::start([("/api/version", does), ("/v1/models", Does::Hangs)]).await;
        for kind in ["ollama", "vllm"] {
            let failure = prober(300).check_vouched(&of_kind(&fake.url(), kind)).await.unwrap_err();
            assert_eq!(failure.to_string(), "it did not answer within 0.3 s");
        }
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut() {
    for head in [ENDLESS, b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"] {
        let failure = fails(Does::Floods(head.to_vec()), "ollama").await;
        assert_eq!(failure, "it does not answer as an Ollama does");
        let fake = Fake::start([("/v1/models", Does::Floods(head.to_vec()))]).await;
        let probed = check(&fake.url(), "openai").await.unwrap();
        let note = "its models cannot be told: its list is too long";
        assert_eq!((probed.note.as_deref(), probed.models), (Some(note), None));
    }
}

#[tokio::test]
async fn a_body_shorter_than_was_told_is_no_answer() {
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n{\"version\":\"1\"}".to_vec();
    let failure = fails(Does::Writes(short), "ollama").await;
    assert_eq!(failure, "it closed the connection before it had answered");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Fake::ollama(r#"{"models":[]}"#).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}/api/version\r\n\r\n", target.url())
        .into_bytes();
    for kind in ["ollama", "openai"] {
        let failure = fails(Does::Writes(redirect.clone()), kind).await;
        assert_eq!(failure, "it answered 302");
    }
    assert_eq!(target.n_connections(), 0);
}

#[tokio::test]
async fn what_is_no_json_or_no_http_is_told() {
    let no_json = fails(says(200, "<html>"), "ollama").await;
    assert_eq!(no_json, "it does not answer as an Ollama does");
    let no_list = fails(says(200, r#"{"data":7}"#), "vllm").await;
    assert_eq!(no_list, "it does not answer as an OpenAI server does");
    let ssh = Does::Writes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    assert_eq!(fails(ssh, "ollama").await, "it does not speak HTTP");
    let head = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(50_000)].concat();
    let many = fails(Does::Writes(head), "ollama").await;
    assert!(many.contains("HTTP") || many.contains("connection"), "{many}");
}

#[tokio::test]
async fn a_broken_connection_is_told_and_so_is_none() {
    assert_eq!(fails(Does::Resets, "ollama").await, "it reset the connection");
    let closed = fails(Does::Writes(Vec::new()), "ollama").await;
    assert_eq!(closed, "it closed the connection before it had answered");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = check(&format!("http://{nobody}"), "ollama").await.unwrap_err();
    assert_eq!(refused.to_string(), "connection refused");
}

#[tokio::test]
async fn an_ollama_that_is_too_busy_to_tell_its_models_lives() {
    let does = [
        ("/api/version", says(200, r#"{"version":"0.33.0"}"#)),
        ("/api/ps", Does::Hangs),
        ("/api/tags", says(200, r#"{"models":[]}"#)),
    ];
    let fake = Fake::start(does).await;
    let probed = prober(600).check_vouched(&of_kind(&fake.url(), "ollama")).await.unwrap();
    let note = "its models cannot be told: it takes too long";
    assert_eq!((probed.note.as_deref(), probed.models), (Some(note), None));
    assert_eq!(probed.version.as_deref(), Some("0.33.0"));
}

#[tokio::test]
async fn a_hundred_thousand_models_are_a_thousand_and_a_count() {
    let models: Vec<String> = (0..100_000).map(|n| format!(r#"{{"name":"m{n}"}}"#)).collect();
    let fake = Fake::ollama(&format!(r#"{{"models":[{}]}}"#, models.join(","))).await;
    let probed = check(&fake.url(), "ollama").await.unwrap();
    assert_eq!(probed.models.unwrap().len(), 1000);
    assert_eq!(probed.models_left_out, 99_001, "the one that is loaded is told by no list");
}
