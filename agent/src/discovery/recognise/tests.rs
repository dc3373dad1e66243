use super::*;
use crate::discovery::client::Reach as _;
use crate::discovery::lead::Process;
use crate::discovery::scripted::Scripted;

const PORT: u16 = 8000;

fn lead(owner: Owner, origin: Origin, port: u16) -> Lead {
    Lead { target: ([127, 0, 0, 1], port).into(), listens_on: None, origin, owner }
}

fn known(role: Role) -> Owner {
    Owner::Known(Process { pid: 7, role, ..Process::default() }.into())
}

/// Routes that answer: path, status, body.
type Routes = &'static [(&'static str, u16, &'static str)];

async fn verdict_of(lead: Lead, header: Option<&str>, routes: &[(&str, u16, &str)]) -> String {
    let server = Scripted::with_routes(lead.target.port(), routes);
    server.change(|state| state.header = header.map(str::to_owned));
    match recognise(&server.at(lead.target), &lead).await {
        Ok(Verdict::Is(dialect, alive)) => {
            format!("{} {}", dialect.kind().word(), alive.version.unwrap_or_default())
        }
        Ok(Verdict::Guarded(dialect, _)) => format!("guarded {}", dialect.kind().word()),
        Ok(Verdict::Aggregator(how)) => format!("aggregator: {how}"),
        Ok(Verdict::NotYet) => "not yet".to_owned(),
        Ok(Verdict::Stranger) => "stranger".to_owned(),
        Err(error) => error.to_string(),
    }
}

const OLLAMA: Routes = &[
    ("/", 200, "Ollama is running"),
    ("/api/version", 200, r#"{"version":"0.33.0"}"#),
    ("/metrics", 404, "404 page not found"),
];

/// What each program answers to those who do not know its process: its `Server` header, its
/// routes, and what it is taken for.
const PROGRAMS: [(&str, Option<&str>, Routes, &str); 18] = [
    ("Ollama", None, OLLAMA, "ollama 0.33.0"),
    (
        "ollama-exporter, which hands everything on and adds metrics",
        None,
        &[
            ("/", 200, "Ollama is running"),
            ("/api/version", 200, r#"{"version":"0.33.0"}"#),
            ("/metrics", 200, "# TYPE ollama_requests_total counter\nollama_requests_total 3\n"),
        ],
        "aggregator: it has metrics, which Ollama has not",
    ),
    (
        "ollama-herd, in front of many",
        Some("uvicorn"),
        &[("/", 200, "Ollama is running"), ("/api/version", 200, r#"{"version":"0.6.0"}"#)],
        "aggregator: another program answers for Ollama",
    ),
    (
        "ollama-herd with a page",
        Some("uvicorn"),
        &[
            ("/", 200, r#"{"name":"ollama-herd","status":"ok"}"#),
            ("/api/version", 200, r#"{"version":"0.6.0"}"#),
        ],
        "aggregator: ollama-herd",
    ),
    (
        "Open WebUI",
        Some("uvicorn"),
        &[
            ("/", 200, "<!doctype html><title>Open WebUI</title>"),
            ("/api/version", 200, r#"{"version":"0.6.36"}"#),
        ],
        "aggregator: Open WebUI",
    ),
    (
        "LiteLLM",
        Some("uvicorn"),
        &[
            ("/", 200, "<title>LiteLLM API - Swagger UI</title>"),
            ("/v1/models", 200, r#"{"object":"list","data":[{"id":"a","owned_by":"openai"}]}"#),
        ],
        "aggregator: LiteLLM",
    ),
    (
        "Olla, which answers under paths of its own",
        None,
        &[
            ("/version", 200, r#"{"name":"Olla","version":"v0.0.20"}"#),
            ("/internal/health", 200, r#"{"status":"healthy"}"#),
        ],
        "stranger",
    ),
    (
        "a router over several kinds",
        None,
        &[(
            "/v1/models",
            200,
            r#"{"data":[{"id":"a","owned_by":"vllm"},{"id":"b","owned_by":"library"}]}"#,
        )],
        "aggregator: it lists models of several owners",
    ),
    (
        "a part of Ollama",
        None,
        &[("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"library"}]}"#)],
        "aggregator: it hands on a part of Ollama",
    ),
    (
        "llama.cpp",
        Some("llama.cpp"),
        &[
            ("/health", 200, r#"{"status":"ok"}"#),
            ("/api/tags", 200, r#"{"models":[]}"#),
            ("/props", 200, r#"{"build_info":"b9992-abc","total_slots":4}"#),
            ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"llamacpp"}]}"#),
        ],
        "llamacpp b9992-abc",
    ),
    (
        "llama.cpp behind a proxy that hides its header",
        None,
        &[
            ("/health", 200, r#"{"status":"ok"}"#),
            ("/props", 200, r#"{"build_info":"b9992-abc"}"#),
            ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"llamacpp"}]}"#),
        ],
        "llamacpp b9992-abc",
    ),
    (
        "vLLM",
        Some("uvicorn"),
        &[
            ("/version", 200, r#"{"version":"0.11.0"}"#),
            ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"vllm"}]}"#),
        ],
        "vllm 0.11.0",
    ),
    (
        "vLLM with a key",
        Some("uvicorn"),
        &[
            ("/version", 200, r#"{"version":"0.11.0"}"#),
            ("/v1/models", 401, r#"{"error":"Unauthorized"}"#),
            ("/metrics", 200, "vllm:num_requests_running{engine=\"0\"} 0.0\n"),
        ],
        "vllm 0.11.0",
    ),
    (
        "SGLang",
        Some("uvicorn"),
        &[
            ("/get_model_info", 200, r#"{"model_path":"a/b","is_generation":true}"#),
            ("/get_server_info", 200, r#"{"version":"0.5.3"}"#),
            ("/v1/models", 200, r#"{"data":[{"id":"a/b","owned_by":"sglang"}]}"#),
        ],
        "sglang 0.5.3",
    ),
    (
        "SGLang with a key",
        Some("uvicorn"),
        &[
            ("/model_info", 401, r#"{"error":"Unauthorized"}"#),
            ("/v1/models", 401, r#"{"error":"Unauthorized"}"#),
            ("/metrics", 200, "sglang:num_running_reqs 0.0\n"),
        ],
        "guarded sglang",
    ),
    (
        "LM Studio",
        None,
        &[
            (
                "/api/version",
                200,
                r#"{"error":"Unexpected endpoint or method. (GET /api/version)"}"#,
            ),
            ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"organization_owner"}]}"#),
            ("/api/v1/models", 200, r#"{"models":[{"key":"a","loaded_instances":[]}]}"#),
        ],
        "lmstudio ",
    ),
    (
        "any other",
        Some("uvicorn"),
        &[("/v1/models", 200, r#"{"object":"list","data":[{"id":"a","owned_by":"me"}]}"#)],
        "openai ",
    ),
    ("a web server", Some("nginx"), &[("/", 200, "<title>Welcome</title>")], "stranger"),
];

#[tokio::test(start_paused = true)]
async fn each_program_is_told_by_what_it_answers() {
    for (who, header, routes, expected) in PROGRAMS {
        let lead = lead(Owner::Unknown, Origin::Port, PORT);
        assert_eq!(verdict_of(lead, header, routes).await, expected, "{who}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_process_is_asked_as_what_it_is() {
    let lead = || lead(known(Role::Server(Kind::Ollama)), Origin::Process, PORT);
    let server = Scripted::with_routes(PORT, OLLAMA);
    let verdict = recognise(&server.at(lead().target), &lead()).await.unwrap();
    assert!(matches!(verdict, Verdict::Is(dialect, _) if dialect.kind() == Kind::Ollama));
    assert_eq!((server.n_asked("/api/version"), server.n_asked("/")), (1, 0));
    // One that speaks another language is what it speaks.
    let vllm: Routes = &[
        ("/version", 200, r#"{"version":"0.11.0"}"#),
        ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"vllm"}]}"#),
    ];
    assert_eq!(verdict_of(lead(), None, vllm).await, "vllm 0.11.0");
}

#[tokio::test(start_paused = true)]
async fn an_aggregator_by_its_process_is_not_even_asked() {
    let lead = lead(known(Role::Aggregator), Origin::Port, PORT);
    let server = Scripted::with_routes(PORT, OLLAMA);
    let verdict = recognise(&server.at(lead.target), &lead).await.unwrap();
    assert!(matches!(verdict, Verdict::Aggregator(_)));
    assert_eq!(server.n_asked("/api/version"), 0);
}

#[tokio::test(start_paused = true)]
async fn whom_a_person_named_may_stand_behind_a_proxy() {
    let flagged = lead(Owner::Unknown, Origin::Flag, PORT);
    assert_eq!(verdict_of(flagged, Some("nginx"), OLLAMA).await, "ollama 0.33.0");
}

#[tokio::test(start_paused = true)]
async fn one_that_lets_nobody_in_is_what_else_is_known_of_it() {
    const GUARDED: Routes = &[
        ("/api/version", 401, "Unauthorized"),
        ("/v1/models", 401, "Unauthorized"),
        ("/version", 401, "Unauthorized"),
        ("/metrics", 401, "Unauthorized"),
    ];
    let table = [
        (lead(Owner::Unknown, Origin::Port, PORT), "stranger"),
        (lead(Owner::Unknown, Origin::Port, 11434), "guarded ollama"),
        (lead(Owner::Unknown, Origin::Flag, PORT), "guarded ollama"),
        (lead(Owner::Unknown, Origin::Environment, PORT), "guarded ollama"),
        (lead(known(Role::Unclear), Origin::Process, PORT), "guarded openai"),
        (lead(known(Role::Unclear), Origin::Port, PORT), "stranger"),
        (lead(Owner::Forwarder, Origin::Port, 8000), "guarded vllm"),
        (lead(Owner::Forwarder, Origin::Port, 30000), "guarded sglang"),
        (lead(Owner::Forwarder, Origin::Port, 1234), "guarded lmstudio"),
        (lead(Owner::Forwarder, Origin::Port, 8080), "stranger"),
        (lead(known(Role::Server(Kind::Ollama)), Origin::Process, PORT), "guarded ollama"),
        (lead(known(Role::Server(Kind::Vllm)), Origin::Process, PORT), "guarded vllm"),
    ];
    for (lead, expected) in table {
        assert_eq!(verdict_of(lead.clone(), None, GUARDED).await, expected, "{lead:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_where_nobody_listens_tells_nothing() {
    let refused: Routes = &[("/api/version", 0, "")];
    let lead = lead(Owner::Unknown, Origin::Usual, PORT);
    assert_eq!(verdict_of(lead, None, refused).await, "/api/version: nothing listens");
}

#[tokio::test(start_paused = true)]
async fn who_hands_requests_on_is_told_by_whose_he_says_the_models_are() {
    let table = [
        ("llama-swap", "aggregator: llama-swap"),
        ("olla", "aggregator: Olla"),
        ("LiteLLM", "aggregator: LiteLLM"),
        ("one-api", "aggregator: One API"),
        ("new-api", "aggregator: New API"),
        ("gpustack", "aggregator: GPUStack"),
        ("openrouter", "aggregator: OpenRouter"),
        ("me", "openai "),
    ];
    for (owner, expected) in table {
        let body = format!(r#"{{"data":[{{"id":"a","owned_by":"{owner}"}}]}}"#);
        let lead = lead(Owner::Unknown, Origin::Port, PORT);
        assert_eq!(verdict_of(lead, None, &[("/v1/models", 200, &body)]).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_starts_is_a_stranger_where_no_server_is_expected() {
    let answers: [&[(&str, u16, &str)]; 2] =
        [&[("/v1/models", 503, "")], &[("/v1/models", 200, r#"{"object":"list","data":[]}"#)]];
    for routes in answers {
        for (origin, expected) in [(Origin::Process, "not yet"), (Origin::Port, "stranger")] {
            let lead = lead(known(Role::Unclear), origin, PORT);
            assert_eq!(verdict_of(lead, None, routes).await, expected, "{routes:?}");
        }
    }
}
