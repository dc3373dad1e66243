//! What strangers tell of their models.

use super::*;

fn names(models: &[Model]) -> Vec<&str> {
    models.iter().map(|model| &*model.facts.name).collect()
}

#[test]
fn what_is_installed_and_what_is_in_memory_are_one_list() {
    let tags = br#"{"models":[
        {"name":"llama3.1:8b","digest":"46e0","size":4700,"details":{"family":"llama",
         "parameter_size":"8.0B","quantization_level":"Q4_K_M","context_length":131072},
         "capabilities":["completion","tools",7]},
        {"name":"qwen:latest","size":9},
        {"name":"gpt-oss:120b-cloud","remote_host":"https://x","size":384},
        {"model":"only-model","size":-1}]}"#;
    let ps = br#"{"models":[
        {"name":"llama3.1:8b","size":6000,"size_vram":5000,"context_length":8192,
         "expires_at":"2026-08-21T14:38:31.83753-07:00"},
        {"name":"qwen","size":10,"size_vram":11,"expires_at":"2318-12-01T00:00:00Z"},
        {"name":"unlisted:1b","size":7,"size_vram":7,"expires_at":"0001-01-01T00:00:00Z"}]}"#;
    let now = "2026-08-21T21:00:00Z".parse().unwrap();
    let inventory = ollama(&list(tags, "models").unwrap(), list(ps, "models").as_ref(), now);
    let names = names(&inventory.models);
    let expected =
        ["gpt-oss:120b-cloud", "llama3.1:8b", "only-model", "qwen:latest", "unlisted:1b"];
    assert_eq!(names, expected);
    let [cloud, llama, only, qwen, unlisted] = &inventory.models[..] else { panic!("five") };
    assert!(cloud.remote && cloud.size_bytes.is_none() && !cloud.warm);
    assert!(llama.warm && llama.vram_bytes == Some(5000));
    assert_eq!(llama.loaded_context_length, Some(8192));
    assert_eq!((llama.context_length, llama.capabilities.len()), (Some(131_072), 2));
    assert_eq!(only.size_bytes, None);
    assert!(qwen.warm && qwen.is_kept && qwen.vram_bytes.is_none(), "more than the whole");
    assert!(unlisted.warm && unlisted.size_bytes.is_none());
    let at = "2026-08-21T21:38:31.837Z".parse().unwrap();
    assert_eq!(inventory.expires, [("llama3.1:8b".into(), at)]);
}

#[test]
fn more_models_than_the_limit_are_counted_and_those_in_memory_stay() {
    let of = |range: std::ops::Range<usize>| -> Vec<u8> {
        let models: Vec<_> = range.map(|n| format!(r#"{{"name":"m{n:06}"}}"#)).collect();
        format!(r#"{{"models":[{}]}}"#, models.join(",")).into_bytes()
    };
    let (tags, ps) = (of(0..100_000), of(5_000..5_003));
    let now = Timestamp::from_unix_ms(0);
    let inventory = ollama(&list(&tags, "models").unwrap(), list(&ps, "models").as_ref(), now);
    assert_eq!((inventory.models.len(), inventory.n_left_out), (MODELS, 99_003));
    assert_eq!(inventory.models.iter().filter(|model| model.warm).count(), 3);
}

#[test]
fn what_is_no_word_is_left_out() {
    let long = "x".repeat(WORD_BYTES + 1);
    let fat = format!(r#"{{"id":"fat","x":"{}"}}"#, "y".repeat(MODEL_BYTES_MAX));
    let body = format!(
        r#"{{"object":"list","data":[{{"id":"{long}"}},{{"id":"a\u0007"}},{{"id":""}},{{"id":7}},
            7,null,{fat},{{"id":"good","max_model_len":4096}},{{"id":"good"}}]}}"#
    );
    let inventory = openai(&list(body.as_bytes(), "data").unwrap());
    assert_eq!((names(&inventory.models), inventory.n_left_out), (vec!["good"], 7));
}

#[test]
fn what_is_no_list_is_none() {
    for body in ["", "{}", "[]", "{\"data\":7}", "{\"data\":{}}", "{\"data\":[1", "{\"data\":[]} x"]
    {
        assert!(list(body.as_bytes(), "data").is_none(), "{body}");
    }
    assert!(openai(&list(br#"{"data":null}"#, "data").unwrap()).models.is_empty());
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(list(deep.as_bytes(), "data").is_none());
    assert_eq!(version(br#"{"version":"0.33.0"}"#).as_deref(), Some("0.33.0"));
    assert_eq!(version(br#"{"version":7}"#), None);
}
