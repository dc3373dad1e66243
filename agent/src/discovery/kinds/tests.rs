//! What all kinds have in common, and what each reads of believable and of unbelievable answers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::discovery::answer::Requests;
use crate::discovery::client::Reach as _;
use crate::discovery::scripted::Scripted;

const PORT: u16 = 8000;
const ALL: [Kind; 6] =
    [Kind::Ollama, Kind::Vllm, Kind::LlamaCpp, Kind::LmStudio, Kind::Sglang, Kind::OpenAi];

async fn doing(kind: Kind, known: &Alive, routes: &[(&str, u16, &str)]) -> Told {
    let server = Scripted::with_routes(PORT, routes);
    let server = server.at(([127, 0, 0, 1], PORT).into());
    dialect(kind).doing(&server, known).await.unwrap()
}

async fn installed(kind: Kind, known: &Alive, body: &str) -> Told {
    let server = Scripted::with_routes(PORT, &[("/v1/models", 200, body)]);
    let server = server.at(([127, 0, 0, 1], PORT).into());
    dialect(kind).installed(&server, known, Asked::First).await.unwrap()
}

#[test]
fn each_kind_has_its_line_in_the_table() {
    for kind in ALL {
        assert_eq!(dialect(kind).kind(), kind);
    }
    assert_eq!(TABLE.len(), ALL.len());
}

#[test]
fn the_process_of_each_kind_is_known_and_where_it_usually_listens() {
    let table: [(&[&str], Kind, Option<u16>); 6] = [
        (&["ollama", "serve"], Kind::Ollama, Some(11434)),
        (&["vllm", "serve", "m"], Kind::Vllm, Some(8000)),
        (&["llama-server", "-m", "m.gguf"], Kind::LlamaCpp, Some(8080)),
        (&["/opt/.lmstudio/bin/lms-node"], Kind::LmStudio, Some(1234)),
        (&["python3", "-m", "sglang.launch_server"], Kind::Sglang, Some(30000)),
        (&["local-ai"], Kind::OpenAi, None),
    ];
    for (args, kind, port) in table {
        assert_eq!(crate::discovery::search::kind_of(args), Some((kind, port)), "{args:?}");
        // A mark is the same port, or none where others use it as well.
        let marked = dialect(kind).marks().port;
        assert!(marked.is_none() || marked == port, "{kind:?}");
    }
    assert!(ALL.iter().all(|kind| table.iter().any(|(_, known, _)| known == kind)));
}

#[tokio::test(start_paused = true)]
async fn vllm_and_sglang_count_their_requests() {
    let vllm = "vllm:num_requests_running{engine=\"0\"} 2.0\nvllm:num_requests_waiting{engine=\"0\"} 5.0\n";
    let told = doing(Kind::Vllm, &Alive::default(), &[("/metrics", 200, vllm)]).await;
    assert_eq!(told.requests, Requests::counted(Some(2), Some(5)));
    let sglang = "sglang:num_running_reqs{model_name=\"a\"} 0.0\nsglang:num_queue_reqs 0.0\n";
    let told = doing(Kind::Sglang, &Alive::default(), &[("/metrics", 200, sglang)]).await;
    assert_eq!(told.requests, Requests::counted(Some(0), Some(0)));
    assert!(told.holds);
    // Its gauges are not shown to everybody, and not by default.
    for status in [404, 401] {
        let told = doing(Kind::Sglang, &Alive::default(), &[("/metrics", status, "x")]).await;
        assert_eq!((told.requests, told.holds), (Requests::default(), true));
    }
}

#[tokio::test(start_paused = true)]
async fn what_vllm_lists_is_loaded() {
    let body = r#"{"object":"list","data":[
        {"id":"meta/llama","owned_by":"vllm","root":"meta/llama","max_model_len":32768},
        {"id":"adapter","owned_by":"vllm","parent":"meta/llama"}]}"#;
    let told = installed(Kind::Vllm, &Alive::default(), body).await;
    let names: Vec<String> = told.loaded.unwrap().items.into_iter().map(|m| m.name).collect();
    assert_eq!(names, ["meta/llama", "adapter"]);
    assert_eq!(told.installed.unwrap().items[0].context_length, Some(32_768));
}

#[tokio::test(start_paused = true)]
async fn llamacpp_tells_its_model_and_its_slots() {
    let body = r#"{"models":[],"data":[{"id":"models/gemma.gguf","owned_by":"llamacpp","meta":
        {"n_ctx_train":262144,"n_params":11907350576,"size":12653822144,"ftype":"Q8_0"}}]}"#;
    let known = Alive { context_length: Some(8192), ..Alive::default() };
    let told = installed(Kind::LlamaCpp, &known, body).await;
    let model = &told.installed.as_ref().unwrap().items[0];
    assert_eq!(model.details.parameters.as_deref(), Some("11.9B"));
    assert_eq!(model.details.quantization.as_deref(), Some("Q8_0"));
    assert_eq!(model.size_bytes, Some(12_653_822_144));
    assert_eq!(told.loaded.unwrap().items[0].context_length, Some(8192));

    let slots = r#"[{"id":0,"is_processing":true,"prompt":"x"},{"id":1,"is_processing":false}]"#;
    let told = doing(Kind::LlamaCpp, &known, &[("/slots", 200, slots)]).await;
    assert_eq!(told.requests, Requests::counted(Some(1), None));
    let gauges = "llamacpp:requests_processing 3\nllamacpp:requests_deferred 1\n";
    let routes = [("/slots", 501, "{}"), ("/metrics", 200, gauges)];
    let told = doing(Kind::LlamaCpp, &known, &routes).await;
    assert_eq!(told.requests, Requests::counted(Some(3), Some(1)));
    let told = doing(Kind::LlamaCpp, &known, &[("/slots", 503, "{}")]).await;
    assert!(told.starting && !told.holds);
}

#[tokio::test(start_paused = true)]
async fn a_llamacpp_that_may_sleep_is_asked_nothing_that_wakes_it() {
    let known = Alive { light_sleeper: true, ..Alive::default() };
    for (sleeps, n_loaded) in [(true, Some(0)), (false, None)] {
        let body = json!({"build_info": "b1", "is_sleeping": sleeps}).to_string();
        let routes = [("/health", 200, r#"{"status":"ok"}"#), ("/props", 200, &body)];
        let server = Scripted::with_routes(PORT, &routes);
        let at = server.at(([127, 0, 0, 1], PORT).into());
        let told = dialect(Kind::LlamaCpp).doing(&at, &known).await.unwrap();
        assert_eq!((told.holds, told.loaded.map(|l| l.items.len())), (!sleeps, n_loaded));
        assert_eq!(server.n_asked("/slots") + server.n_asked("/metrics"), 0);
        assert_eq!(server.n_asked("/props") + server.n_asked("/health"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_llamacpp_router_tells_how_each_model_stands() {
    let stands = |name: &str, status: &str| json!({"id": name, "status": {"value": status}});
    let data = [("a", "loaded"), ("b", "loading"), ("c", "unloaded"), ("d", "sleeping")];
    let data: Vec<Value> = data.iter().map(|(name, status)| stands(name, status)).collect();
    let body = json!({"object": "list", "data": data}).to_string();
    let known = Alive { routes: true, ..Alive::default() };
    let told = doing(Kind::LlamaCpp, &known, &[("/v1/models", 200, &body)]).await;
    assert_eq!(told.installed.unwrap().items.len(), 4);
    assert_eq!(told.loaded.unwrap().items[0].name, "a");
    assert_eq!(told.loading, ["b"]);
}

#[tokio::test(start_paused = true)]
async fn lm_studio_tells_disk_and_memory_in_one_list() {
    let newer = r#"{"models":[
        {"type":"llm","key":"google/gemma","architecture":"gemma4","size_bytes":17990911801,
         "quantization":{"name":"Q4_K_M","bits_per_weight":4},"params_string":"26B",
         "loaded_instances":[{"id":"x","config":{"context_length":4096}}],
         "max_context_length":262144,"capabilities":{"vision":true,"trained_for_tool_use":true}},
        {"type":"embedding","key":"nomic","loaded_instances":[]}]}"#;
    let told = doing(Kind::LmStudio, &Alive::default(), &[("/api/v1/models", 200, newer)]).await;
    let models = told.installed.unwrap().items;
    assert_eq!(models[0].details.quantization.as_deref(), Some("Q4_K_M"));
    assert_eq!(models[0].capabilities, ["completion", "vision", "tools"]);
    assert_eq!(models[1].capabilities, ["embedding"]);
    let loaded = told.loaded.unwrap().items;
    assert_eq!((loaded[0].name.as_str(), loaded[0].context_length), ("google/gemma", Some(4096)));

    let older = r#"{"object":"list","data":[
        {"id":"a","type":"vlm","arch":"qwen2_vl","quantization":"4bit","state":"loaded",
         "max_context_length":32768,"loaded_context_length":8192},
        {"id":"b","type":"llm","state":"not-loaded"}]}"#;
    let known = Alive { older: true, ..Alive::default() };
    let told = doing(Kind::LmStudio, &known, &[("/api/v0/models", 200, older)]).await;
    assert_eq!(told.installed.unwrap().items.len(), 2);
    assert_eq!(told.loaded.unwrap().items[0].context_length, Some(8192));
}

#[tokio::test(start_paused = true)]
async fn lm_studio_before_0_4_is_asked_in_its_own_words() {
    let unknown = r#"{"error":"Unexpected endpoint or method. (GET /api/v1/models)"}"#;
    let older = r#"{"data":[{"id":"a","state":"not-loaded"}]}"#;
    let routes = [("/api/v1/models", 200, unknown), ("/api/v0/models", 200, older)];
    let server = Scripted::with_routes(PORT, &routes);
    let at = server.at(([127, 0, 0, 1], PORT).into());
    let alive = dialect(Kind::LmStudio).alive(&at, &Alive::default()).await.unwrap();
    assert!(alive.older);
}

#[tokio::test(start_paused = true)]
async fn of_any_other_it_is_not_known_what_is_loaded() {
    let body = r#"{"data":[{"id":"a"}]}"#;
    let told = doing(Kind::OpenAi, &Alive::default(), &[("/v1/models", 200, body)]).await;
    assert!(!told.knows_loaded && told.loaded.is_none());
    assert_eq!(told.installed.unwrap().items[0].name, "a");
}

/// Every route that any kind asks, each with the same answer.
fn everywhere(status: u16, body: &str) -> Scripted {
    let paths = [
        "/",
        "/api/version",
        "/api/ps",
        "/api/tags",
        "/api/show",
        "/v1/models",
        "/version",
        "/metrics",
        "/health",
        "/props",
        "/slots",
        "/model_info",
        "/get_model_info",
        "/server_info",
        "/get_server_info",
        "/api/v1/models",
        "/api/v0/models",
    ];
    let routes: Vec<_> = paths.iter().map(|path| (*path, status, body)).collect();
    Scripted::with_routes(PORT, &routes)
}

/// What no kind may ever ask, since it loads, makes a token, writes or leaves the host.
const NEVER: [&str; 4] = ["/health_generate", "/api/generate", "/api/chat", "/v1/completions"];

async fn ask_everything(kind: Kind, server: &Scripted) -> Vec<Told> {
    let at = server.at(([127, 0, 0, 1], PORT).into());
    let dialect = dialect(kind);
    let mut told = Vec::new();
    for known in [
        dialect.alive(&at, &Alive::default()).await.unwrap_or_default(),
        Alive { routes: true, ..Alive::default() },
        Alive { light_sleeper: true, ..Alive::default() },
        Alive { older: true, ..Alive::default() },
    ] {
        told.extend(dialect.doing(&at, &known).await.ok());
        told.extend(dialect.installed(&at, &known, Asked::Again).await.ok());
    }
    if let Some(shown) = dialect.show(&at, "a") {
        let _ = shown.await;
    }
    told
}

/// JSON of any shape, with the field names that are looked for.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z:\u{1b}\n]{0,20}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "models",
        "data",
        "name",
        "id",
        "key",
        "status",
        "value",
        "meta",
        "version",
        "config",
        "loaded_instances",
        "quantization",
        "capabilities",
        "details",
        "size",
        "model_path",
        "state",
        "is_processing",
        "default_generation_settings",
        "n_ctx",
        "is_sleeping",
        "role",
    ]);
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

fn is_bounded(told: &Told) -> bool {
    let words = told.installed.iter().flat_map(|list| &list.items).map(|model| &model.name);
    let words = words.chain(told.loaded.iter().flat_map(|list| &list.items).map(|m| &m.name));
    let mut words = words.chain(&told.loading);
    words.all(|word| {
        !word.is_empty()
            && word.len() <= herdbook_shared::limits::WORD_BYTES
            && !word.chars().any(char::is_control)
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn any_answer_is_read_without_harm(
        status in prop::sample::select(vec![200_u16, 401, 403, 404, 500, 503]),
        body in any_json(),
    ) {
        let body = body.to_string();
        for kind in ALL {
            let server = everywhere(status, &body);
            let told = block_on(ask_everything(kind, &server));
            prop_assert!(told.iter().all(is_bounded), "{kind:?}: {told:?}");
            for path in NEVER {
                prop_assert_eq!(server.n_asked(path), 0);
            }
        }
    }

    #[test]
    fn any_text_is_read_without_harm(body in ".{0,200}") {
        for kind in ALL {
            let told = block_on(ask_everything(kind, &everywhere(200, &body)));
            prop_assert!(told.iter().all(is_bounded), "{kind:?}: {told:?}");
        }
    }
}

#[test]
fn sglang_is_never_asked_for_its_health() {
    let server = everywhere(200, r#"{"model_path":"a","data":[]}"#);
    block_on(ask_everything(Kind::Sglang, &server));
    assert_eq!(server.n_asked("/health"), 0);
}
