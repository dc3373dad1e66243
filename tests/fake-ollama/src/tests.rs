//! The fake is a measure for others, so it is measured itself.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::*;

async fn get(fake: &FakeOllama, path: &str) -> (u16, Value) {
    let answer = reqwest::get(format!("{}{path}", fake.url())).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

#[tokio::test]
async fn answers_in_the_shapes_of_the_real_one() {
    let fake = FakeOllama::start(Story::with_models(2)).await.unwrap();
    assert_eq!(get(&fake, "/api/version").await, (200, json!({"version": "0.33.0"})));
    assert_eq!(get(&fake, "/").await.1, json!("Ollama is running"));
    let (_, tags) = get(&fake, "/api/tags").await;
    assert_eq!(tags["models"][0]["name"], "llama3.1:8b");
    assert_eq!(tags["models"][0]["digest"].as_str().unwrap().len(), 64);
    assert_ne!(tags["models"][0]["digest"], tags["models"][1]["digest"]);
    assert_eq!(get(&fake, "/api/ps").await.1, json!({"models": []}));
    assert_eq!(get(&fake, "/api/nothing").await.0, 404);
}

#[tokio::test]
async fn the_story_can_be_changed_over_http_and_in_process() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    fake.script().pull(Model::named("qwen3:30b"));
    let steps = json!([{"do": "load", "model": {"name": "qwen3:30b", "keep": "forever"}}]);
    let client = reqwest::Client::new();
    let url = format!("{}/_story", fake.url());
    let answer = client.post(&url).body(steps.to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let (_, ps) = get(&fake, "/api/ps").await;
    assert_eq!(ps["models"][0]["name"], "qwen3:30b");
    assert!(ps["models"][0]["expires_at"].as_str().unwrap().starts_with("2318"));
    let refused = client.post(&url).body(r#"[{"do":"dance"}]"#).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
}

#[tokio::test]
async fn counts_what_it_was_asked() {
    let fake = FakeOllama::start(Story::with_models(1)).await.unwrap();
    get(&fake, "/api/version").await;
    get(&fake, "/api/version").await;
    get(&fake, "/api/generate").await;
    let report = fake.script().report();
    assert_eq!(report.n("GET /api/version"), 2);
    assert_eq!(report.forbidden, ["GET /api/generate"]);
    assert_eq!(report.connections, 3);
}

#[tokio::test]
async fn a_foreign_host_header_is_refused_without_a_word() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    let client = reqwest::Client::new();
    let url = format!("{}/api/version", fake.url());
    for (host, status) in [("evil.example", 403), ("127.0.0.1:11434", 200), ("gpu.local", 200)] {
        let answer = client.get(&url).header("host", host).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn a_stopped_one_cuts_its_connections_and_frees_its_port() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    let (addr, url): (SocketAddr, _) = (fake.addr(), format!("{}/api/version", fake.url()));
    let client = reqwest::Client::new();
    client.get(&url).send().await.unwrap();
    fake.stop().await;
    assert!(client.get(&url).send().await.unwrap_err().is_connect());
    let again = FakeOllama::start(Story::default().at(addr)).await.unwrap();
    assert_eq!(again.addr(), addr);
}

#[tokio::test]
async fn a_reset_breaks_the_connection() {
    let story = Story::default().with_fault("/api/version", Fault::Reset);
    let fake = FakeOllama::start(story).await.unwrap();
    let error = reqwest::get(format!("{}/api/version", fake.url())).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
}

#[tokio::test]
async fn each_version_tells_what_it_told_then() {
    // Version, then whether it has a status, the context of loaded models, capabilities in its
    // list, and shows what it loads.
    let table = [
        ("0.6.2", [false, false, false, true]),
        ("0.15.0", [false, true, false, true]),
        ("0.22.0", [true, true, false, true]),
        ("0.30.0", [true, true, true, false]),
        ("0.33.0", [true, true, true, false]),
    ];
    for (version, expected) in table {
        let story = Story {
            loaded: vec![LoadedModel::named("llama3.1:8b")],
            loading: vec!["gemma4:12b".to_owned()],
            ..Story::with_models(2)
        };
        let fake = FakeOllama::start(story.in_version(version)).await.unwrap();
        let (_, ps) = get(&fake, "/api/ps").await;
        let (_, tags) = get(&fake, "/api/tags").await;
        let told = [
            get(&fake, "/api/status").await.0 == 200,
            ps["models"][0]["context_length"].is_u64(),
            tags["models"][0]["capabilities"].is_array(),
            ps["models"].as_array().unwrap().len() == 2,
        ];
        assert_eq!(told, expected, "{version}");
    }
}

#[tokio::test]
async fn the_first_list_may_take_its_time() {
    let story = Story { first_tags_ms: 300, ..Story::with_models(1) };
    let fake = FakeOllama::start(story).await.unwrap();
    let client = reqwest::Client::new();
    let tags = || client.get(format!("{}/api/tags", fake.url()));
    let early = tags().timeout(std::time::Duration::from_millis(50)).send().await;
    assert!(early.unwrap_err().is_timeout());
    assert_eq!(tags().send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_runner_is_named_by_the_file_that_details_tell() {
    let fake = FakeOllama::start(Story::with_models(1)).await.unwrap();
    let url = format!("{}/api/show", fake.url());
    let post = reqwest::Client::new().post(url).body(r#"{"model":"llama3.1:8b"}"#);
    let shown: Value =
        serde_json::from_str(&post.send().await.unwrap().text().await.unwrap()).unwrap();
    let file = fake.script().story().models[0].file_digest();
    assert!(shown["modelfile"].as_str().unwrap().contains(&format!("sha256-{file}")));
    assert_ne!(file, fake.script().story().models[0].digest());
}
