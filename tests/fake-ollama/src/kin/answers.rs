//! What each kind answers: field names as in the real ones, values invented.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Kin, KinStory};

type Answer = (StatusCode, String);

/// What the real ones call themselves in each answer.
pub(super) fn server_header(kin: Kin) -> Option<&'static str> {
    match kin {
        Kin::Vllm | Kin::Sglang | Kin::OpenAi => Some("uvicorn"),
        Kin::LlamaCpp | Kin::LlamaRouter => Some("llama.cpp"),
        Kin::LmStudio | Kin::OlderLmStudio | Kin::OlderRunner => None,
    }
}

/// What is told without the key.
pub(super) fn is_open(story: &KinStory, path: &str) -> bool {
    match story.kin {
        Kin::Vllm => !path.starts_with("/v1"),
        Kin::Sglang => matches!(path, "/health" | "/metrics"),
        Kin::LlamaCpp | Kin::LlamaRouter => {
            matches!(path, "/health" | "/v1/models" | "/models" | "/")
        }
        Kin::LmStudio | Kin::OlderLmStudio | Kin::OpenAi | Kin::OlderRunner => false,
    }
}

pub(super) fn answer(story: &KinStory, path: &str) -> Answer {
    let told = match story.kin {
        Kin::Vllm => vllm(story, path),
        Kin::Sglang => sglang(story, path),
        Kin::LlamaCpp | Kin::LlamaRouter => return llamacpp(story, path),
        Kin::LmStudio | Kin::OlderLmStudio => return lm_studio(story, path),
        Kin::OpenAi => (path == "/v1/models").then(|| list(story, "me", |_| json!({}))),
        Kin::OlderRunner => older_runner(story, path),
    };
    told.map_or_else(absent, ok)
}

fn ok(body: String) -> Answer {
    (StatusCode::OK, body)
}

fn absent() -> Answer {
    (StatusCode::NOT_FOUND, json!({"detail": "Not Found"}).to_string())
}

fn list(story: &KinStory, owner: &str, more: impl Fn(&str) -> Value) -> String {
    let one = |name: &String| {
        let mut model = json!({
            "id": name, "object": "model", "created": 1_785_000_000, "owned_by": owner,
        });
        for (key, value) in more(name).as_object().into_iter().flatten() {
            model[key] = value.clone();
        }
        model
    };
    json!({"object": "list", "data": story.models.iter().map(one).collect::<Vec<_>>()}).to_string()
}

fn vllm(story: &KinStory, path: &str) -> Option<String> {
    match path {
        "/health" => Some(String::new()),
        "/version" => Some(json!({"version": story.version}).to_string()),
        "/v1/models" => Some(list(
            story,
            "vllm",
            |name| json!({"root": name, "parent": null, "max_model_len": 131_072, "permission": []}),
        )),
        "/metrics" if story.shows_metrics => Some(gauges(
            &[
                ("vllm:num_requests_running", story.running),
                ("vllm:num_requests_waiting", story.waiting),
            ],
            "engine=\"0\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\"",
        )),
        _ => None,
    }
}

fn sglang(story: &KinStory, path: &str) -> Option<String> {
    let model = story.models.first()?;
    match path {
        "/health" => Some(String::new()),
        "/get_model_info" => Some(
            json!({"model_path": model, "tokenizer_path": model, "is_generation": true})
                .to_string(),
        ),
        "/get_server_info" => Some(
            json!({
                "model_path": model, "api_key": story.key, "internal_states": [{}],
                "version": story.version,
            })
            .to_string(),
        ),
        "/v1/models" => {
            Some(list(story, "sglang", |name| json!({"root": name, "max_model_len": 32_768})))
        }
        "/metrics" if story.shows_metrics => Some(gauges(
            &[("sglang:num_running_reqs", story.running), ("sglang:num_queue_reqs", story.waiting)],
            "model_name=\"meta-llama/Llama-3.1-8B-Instruct\"",
        )),
        _ => None,
    }
}

fn gauges(told: &[(&str, u64)], labels: &str) -> String {
    let mut text = "# HELP python_gc_objects_collected_total Objects collected during gc.\n\
                    # TYPE python_gc_objects_collected_total counter\n\
                    python_gc_objects_collected_total{generation=\"0\"} 14073.0\n"
        .to_owned();
    for (name, n) in told {
        text += &format!("# HELP {name} Number of requests.\n# TYPE {name} gauge\n");
        text += &format!("{name}{{{labels}}} {n}.0\n");
    }
    text
}

/// With nothing loaded yet, all but its life is kept back.
fn llamacpp(story: &KinStory, path: &str) -> Answer {
    let is_router = story.kin == Kin::LlamaRouter;
    if story.loading && !is_router {
        let error = json!({"code": 503, "message": "Loading model", "type": "unavailable_error"});
        return (StatusCode::SERVICE_UNAVAILABLE, json!({"error": error}).to_string());
    }
    let told = match path {
        "/health" => json!({"status": "ok"}).to_string(),
        "/props" if is_router => {
            json!({"role": "router", "build_info": build_info(story)}).to_string()
        }
        "/props" => properties(story).to_string(),
        "/v1/models" | "/models" => models(story),
        "/slots" if !is_router => slots(story).to_string(),
        "/metrics" => {
            let error = json!({"code": 501, "message": "start it with `--metrics`"});
            return (StatusCode::NOT_IMPLEMENTED, json!({"error": error}).to_string());
        }
        _ => return absent(),
    };
    ok(told)
}

fn build_info(story: &KinStory) -> String {
    format!("b9992-{}", story.version)
}

fn properties(story: &KinStory) -> Value {
    json!({
        "default_generation_settings": {"n_ctx": 8192, "params": {"temperature": 0.8}},
        "total_slots": 4,
        "model_path": story.models.first(),
        "chat_template": "{% for message in messages %}{% endfor %}",
        "modalities": {"vision": false, "audio": false},
        "build_info": build_info(story),
        "is_sleeping": story.sleeping,
    })
}

fn models(story: &KinStory) -> String {
    let meta = json!({
        "vocab_type": 2, "n_vocab": 262_144, "n_ctx_train": 131_072, "n_embd": 3840,
        "n_params": 8_030_261_312_u64, "size": 4_912_898_304_u64, "ftype": "Q4_K_M",
    });
    if story.kin == Kin::LlamaCpp {
        return list(story, "llamacpp", |_| json!({"meta": meta, "aliases": []}));
    }
    let on_its_way = story.models.iter().find(|name| !story.loaded.contains(name));
    list(story, "llamacpp", |name| {
        let status = match () {
            () if story.loaded.iter().any(|loaded| loaded == name) => "loaded",
            () if story.loading && on_its_way.is_some_and(|other| other == name) => "loading",
            () => "unloaded",
        };
        json!({"status": {"value": status, "args": ["llama-server"]}, "source": "models_dir"})
    })
}

fn slots(story: &KinStory) -> Value {
    let slot = |n: u64| {
        json!({
            "id": n, "n_ctx": 8192, "speculative": false, "is_processing": n < story.running,
            "prompt": "what nobody may read", "next_token": [{"n_decoded": 7}],
        })
    };
    (0..story.running.max(4)).map(slot).collect()
}

/// It answers 200 to what it does not know.
fn lm_studio(story: &KinStory, path: &str) -> Answer {
    let is_older = story.kin == Kin::OlderLmStudio;
    let told = match path {
        "/v1/models" => list(story, "organization_owner", |_| json!({})),
        "/api/v1/models" if !is_older => {
            json!({"models": story.models.iter().map(|name| newer(story, name)).collect::<Vec<_>>()})
                .to_string()
        }
        "/api/v0/models" => {
            let data: Vec<_> = story.models.iter().map(|name| older(story, name)).collect();
            json!({"object": "list", "data": data}).to_string()
        }
        _ => json!({"error": format!("Unexpected endpoint or method. (GET {path})")}).to_string(),
    };
    ok(told)
}

fn newer(story: &KinStory, name: &str) -> Value {
    let instance = json!({"id": name, "config": {"context_length": 4096, "parallel": 4}});
    let is_loaded = story.loaded.iter().any(|loaded| loaded == name);
    json!({
        "type": "llm", "publisher": "google", "key": name, "display_name": name,
        "architecture": "gemma4", "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
        "size_bytes": 17_990_911_801_u64, "params_string": "26B", "format": "gguf",
        "loaded_instances": if is_loaded { vec![instance] } else { Vec::new() },
        "max_context_length": 262_144,
        "capabilities": {"vision": true, "trained_for_tool_use": true},
    })
}

fn older(story: &KinStory, name: &str) -> Value {
    let is_loaded = story.loaded.iter().any(|loaded| loaded == name);
    json!({
        "id": name, "object": "model", "type": "llm", "publisher": "lmstudio-community",
        "arch": "llama", "compatibility_type": "gguf", "quantization": "Q4_K_M",
        "state": if is_loaded { "loaded" } else { "not-loaded" }, "max_context_length": 131_072,
    })
}

/// 0 ready, 1 no slot free, 3 loading.
fn older_runner(story: &KinStory, path: &str) -> Option<String> {
    let status = match () {
        () if story.loading => 3,
        () if story.running > 0 => 1,
        () => 0,
    };
    (path == "/health").then(|| json!({"status": status, "progress": 0.4}).to_string())
}
