use serde_json::{Value, json};

use super::*;

async fn get(fake: &FakeKin, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("{}{path}", fake.url())).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn each_answers_as_its_real_self() {
    let table = [
        (Kin::Vllm, "/version", "0.11.0"),
        (Kin::Vllm, "/metrics", "vllm:num_requests_running{"),
        (Kin::Vllm, "/v1/models", "\"owned_by\":\"vllm\""),
        (Kin::Sglang, "/get_model_info", "model_path"),
        (Kin::Sglang, "/metrics", "sglang:num_queue_reqs{"),
        (Kin::LlamaCpp, "/health", "\"ok\""),
        (Kin::LlamaCpp, "/props", "build_info"),
        (Kin::LlamaCpp, "/slots", "is_processing"),
        (Kin::LlamaRouter, "/v1/models", "\"unloaded\""),
        (Kin::LmStudio, "/api/v1/models", "loaded_instances"),
        (Kin::OlderLmStudio, "/api/v1/models", "Unexpected endpoint"),
        (Kin::OlderLmStudio, "/api/v0/models", "not-loaded"),
        (Kin::OlderRunner, "/health", "\"status\":0"),
        (Kin::OpenAi, "/v1/models", "\"object\":\"list\""),
    ];
    for (kin, path, expected) in table {
        let fake = FakeKin::start(KinStory::of(kin)).await.unwrap();
        let (status, body) = get(&fake, path).await;
        assert!(status == 200 && body.contains(expected), "{kin:?} {path}: {status} {body}");
        assert_eq!(fake.report().forbidden, [""; 0]);
    }
}

#[tokio::test]
async fn its_story_can_be_changed_in_process_and_over_http() {
    let fake = FakeKin::start(KinStory::default()).await.unwrap();
    fake.change(|story| story.loading = true);
    assert_eq!(get(&fake, "/health").await.0, 503);
    let story = json!({"kin": "llama_cpp", "running": 2});
    let url = format!("{}/_story", fake.url());
    let post = reqwest::Client::new().post(url).body(story.to_string());
    assert_eq!(post.send().await.unwrap().status().as_u16(), 200);
    let slots: Value = serde_json::from_str(&get(&fake, "/slots").await.1).unwrap();
    let busy = slots.as_array().unwrap().iter().filter(|slot| slot["is_processing"] == true);
    assert_eq!(busy.count(), 2);
}

#[tokio::test]
async fn a_key_keeps_out_who_has_none() {
    for (kin, open, closed) in [
        (Kin::Vllm, "/metrics", "/v1/models"),
        (Kin::LlamaCpp, "/health", "/slots"),
        (Kin::Sglang, "/metrics", "/get_model_info"),
    ] {
        let story = KinStory { key: Some("k".to_owned()), ..KinStory::of(kin) };
        let fake = FakeKin::start(story).await.unwrap();
        assert_eq!((get(&fake, open).await.0, get(&fake, closed).await.0), (200, 401), "{kin:?}");
    }
}

#[tokio::test]
async fn what_makes_tokens_is_written_down() {
    let fake = FakeKin::start(KinStory::of(Kin::Sglang)).await.unwrap();
    get(&fake, "/health").await;
    assert_eq!(fake.report().forbidden, ["GET /health"]);
}
