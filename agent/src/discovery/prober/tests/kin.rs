//! Servers of other kinds, from the first look to their end.

use herdbook_shared::wire::inventory::ToldBy;

use super::*;

const PORT: u16 = 8000;

async fn found(routes: &[(&str, u16, &str)]) -> (Scripted, Watched) {
    let server = Scripted::with_routes(PORT, routes);
    let watched = watch_at(&server, somewhere(&format!("127.0.0.1:{PORT}"))).await;
    (server, watched)
}

fn one(watched: &Watched) -> (String, ServiceState, Option<ToldBy>) {
    let service = watched.services().remove(0);
    (service.kind, service.state, service.state_told_by)
}

#[tokio::test(start_paused = true)]
async fn a_vllm_is_resident_busy_and_gone() {
    let (server, watched) = found(&[
        ("/version", 200, r#"{"version":"0.11.0"}"#),
        ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"vllm","max_model_len":4096}]}"#),
        ("/metrics", 200, "vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n"),
    ])
    .await;
    let resident = ("vllm".to_owned(), ServiceState::Resident, Some(ToldBy::Metrics));
    assert_eq!(one(&watched), resident);
    assert_eq!(watched.warm(), ["a"]);
    assert_eq!(watched.services()[0].asks_credential, Some(false));

    server.route(
        PORT,
        "/metrics",
        200,
        "vllm:num_requests_running 3\nvllm:num_requests_waiting 9\n",
    );
    seconds(6).await;
    assert_eq!(one(&watched).1, ServiceState::Busy);
    let moving = watched.found.borrow().moving[0].clone();
    assert_eq!((moving.requests_running, moving.requests_waiting), (Some(3), Some(9)));

    for path in ["/version", "/metrics", "/api/version"] {
        server.route(PORT, path, 0, "");
    }
    seconds(6).await;
    assert_eq!(one(&watched), ("vllm".to_owned(), ServiceState::Down, None));
    assert_eq!(watched.warm(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_vllm_with_a_key_tells_its_work_but_not_its_models() {
    let (_server, watched) = found(&[
        ("/version", 200, r#"{"version":"0.11.0"}"#),
        ("/v1/models", 401, r#"{"error":"Unauthorized"}"#),
        ("/metrics", 200, "vllm:num_requests_running 1\n"),
    ])
    .await;
    seconds(30).await;
    assert_eq!(one(&watched), ("vllm".to_owned(), ServiceState::Busy, Some(ToldBy::Metrics)));
    let service = &watched.services()[0];
    assert_eq!(service.asks_credential, Some(true));
    assert!(service.last_error.as_ref().unwrap().contains("needs a credential"));
}

#[tokio::test(start_paused = true)]
async fn a_vllm_whose_engine_died_is_hung() {
    let (server, watched) = found(&[
        ("/version", 200, r#"{"version":"0.11.0"}"#),
        ("/health", 200, ""),
        ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"vllm"}]}"#),
    ])
    .await;
    assert_eq!(one(&watched).1, ServiceState::Resident);
    server.route(PORT, "/health", 503, "");
    seconds(120).await;
    assert_eq!(one(&watched).1, ServiceState::Hung);
    assert!(watched.error().unwrap().starts_with("/health: answered 503"));
}

#[tokio::test(start_paused = true)]
async fn a_llamacpp_that_may_sleep_is_left_to_it() {
    let properties = |sleeps: bool| format!(r#"{{"build_info":"b1","is_sleeping":{sleeps}}}"#);
    let (server, watched) = found(&[
        ("/health", 200, r#"{"status":"ok"}"#),
        ("/props", 200, &properties(false)),
        ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"llamacpp"}]}"#),
        ("/slots", 200, "[]"),
    ])
    .await;
    let resident = ("llamacpp".to_owned(), ServiceState::Resident, Some(ToldBy::Api));
    assert_eq!(one(&watched), resident);
    server.route(PORT, "/props", 200, &properties(true));
    seconds(70).await;
    assert_eq!(one(&watched).1, ServiceState::Idle);
    assert_eq!(watched.warm(), [""; 0]);
    assert_eq!(watched.services()[0].models.len(), 1);
    assert_eq!(server.n_asked("/slots"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_llamacpp_loads_its_model_and_then_holds_it() {
    let loading = r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#;
    let paths = ["/health", "/props", "/slots", "/v1/models"];
    let routes: Vec<_> = paths.iter().map(|path| (*path, 503, loading)).collect();
    let server = Scripted::with_routes(PORT, &routes);
    server.change(|state| state.header = Some("llama.cpp".to_owned()));
    let watched = watch_at(&server, somewhere(&format!("127.0.0.1:{PORT}"))).await;
    assert_eq!(one(&watched), ("llamacpp".to_owned(), ServiceState::Loading, Some(ToldBy::Api)));

    server.route(PORT, "/health", 200, r#"{"status":"ok"}"#);
    server.route(
        PORT,
        "/props",
        200,
        r#"{"build_info":"b1","default_generation_settings":{"n_ctx":4096}}"#,
    );
    server.route(PORT, "/slots", 200, r#"[{"is_processing":false}]"#);
    server.route(PORT, "/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"llamacpp"}]}"#);
    seconds(11).await;
    assert_eq!(
        one(&watched),
        ("llamacpp".to_owned(), ServiceState::Resident, Some(ToldBy::Metrics))
    );
    assert_eq!(watched.warm(), ["a"]);
    seconds(60).await;
    assert_eq!(watched.services()[0].version.as_deref(), Some("b1"));
}

#[tokio::test(start_paused = true)]
async fn an_lm_studio_lists_disk_and_memory() {
    let models = |loaded: &str| {
        format!(
            r#"{{"models":[{{"key":"a","type":"llm","loaded_instances":[{loaded}]}},
                {{"key":"b","type":"llm","loaded_instances":[]}}]}}"#
        )
    };
    let listed = r#"{"data":[{"id":"a","owned_by":"organization_owner"}]}"#;
    let (server, watched) =
        found(&[("/v1/models", 200, listed), ("/api/v1/models", 200, &models(""))]).await;
    assert_eq!(one(&watched), ("lmstudio".to_owned(), ServiceState::Idle, Some(ToldBy::Api)));
    assert_eq!(watched.services()[0].models.len(), 2);
    server.route(PORT, "/api/v1/models", 200, &models(r#"{"id":"a"}"#));
    seconds(6).await;
    assert_eq!(one(&watched).1, ServiceState::Resident);
    assert_eq!(watched.warm(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_sglang_without_metrics_is_resident_by_its_list() {
    let (server, watched) = found(&[
        ("/get_model_info", 200, r#"{"model_path":"a/b"}"#),
        ("/get_server_info", 200, r#"{"version":"0.5.3"}"#),
        ("/v1/models", 200, r#"{"data":[{"id":"a/b","owned_by":"sglang"}]}"#),
    ])
    .await;
    assert_eq!(one(&watched), ("sglang".to_owned(), ServiceState::Resident, Some(ToldBy::Api)));
    assert_eq!(watched.services()[0].version.as_deref(), Some("0.5.3"));
    seconds(600).await;
    // Whoever has to ask its scheduler for the version asks once.
    assert_eq!(server.n_asked("/get_server_info"), 1);
    assert_eq!(server.n_asked("/health"), 0);
}

#[tokio::test(start_paused = true)]
async fn of_any_other_the_state_is_not_known() {
    let (_server, watched) = found(&[("/v1/models", 200, r#"{"data":[{"id":"a"}]}"#)]).await;
    assert_eq!(one(&watched), ("openai".to_owned(), ServiceState::Unknown, None));
    assert_eq!(watched.services()[0].models.len(), 1);
    assert_eq!(watched.warm(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn each_kind_is_asked_no_more_than_one_question_a_layer_in_5_seconds() {
    let (server, _watched) = found(&[
        ("/version", 200, r#"{"version":"0.11.0"}"#),
        ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"vllm"}]}"#),
        ("/metrics", 200, "vllm:num_requests_running 0\n"),
    ])
    .await;
    server.change(|state| state.asked.clear());
    seconds(124).await;
    let n = ["/version", "/metrics", "/v1/models"].map(|path| server.n_asked(path));
    assert_eq!(n, [2, 24, 12]);
}

/// A lead to a process, and why it is one.
fn led_by(role: Role, origin: Origin) -> Lead {
    let process = crate::discovery::lead::Process { pid: 7, role, ..Default::default() };
    Lead {
        listens_on: Some(Ipv4Addr::LOCALHOST.into()),
        origin,
        owner: Owner::Known(process.into()),
        ..somewhere(&format!("127.0.0.1:{PORT}"))
    }
}

fn n_asked_in_all(server: &Scripted) -> usize {
    let mut n = 0;
    server.change(|state| n = std::mem::take(&mut state.asked).len());
    n
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_by_known_kinds_alone() {
    let vllm: &[_] = &[
        ("/version", 200, r#"{"version":"0.11.0"}"#),
        ("/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"vllm"}]}"#),
    ];
    let any: &[_] = &[("/v1/models", 200, r#"{"data":[{"id":"a"}]}"#)];
    let stranger: &[_] = &[("/", 200, "<title>Welcome</title>")];
    for (routes, expected) in
        [(vllm, Connection::Kept), (any, Connection::Closed), (stranger, Connection::Closed)]
    {
        let (server, _watched) = found(routes).await;
        seconds(20).await;
        server.change(|state| assert_eq!(state.connection, expected, "{routes:?}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_is_seen_within_10_seconds_where_one_is_expected() {
    let begun: [&[(&str, u16, &str)]; 2] =
        [&[("/v1/models", 503, "")], &[("/v1/models", 200, r#"{"object":"list","data":[]}"#)]];
    for routes in begun {
        let server = Scripted::with_routes(PORT, routes);
        let watched = watch_at(&server, led_by(Role::Unclear, Origin::Process)).await;
        seconds(500).await;
        assert_eq!(watched.services(), []);
        server.route(PORT, "/v1/models", 200, r#"{"data":[{"id":"a"}]}"#);
        seconds(10).await;
        assert_eq!(watched.services().len(), 1, "{routes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_says_nothing_is_left_alone() {
    for origin in [Origin::Port, Origin::Process] {
        let server = Scripted::with_models(Vec::new());
        server.change(|state| state.version = Says::Silent);
        let _watched = watch_at(&server, led_by(Role::Unclear, origin)).await;
        seconds(599).await;
        let n = n_asked_in_all(&server);
        assert!(n <= 10, "{origin:?} {n}");
        seconds(3600).await;
        let n = n_asked_in_all(&server);
        assert!(n <= 7, "{origin:?} {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_lets_nobody_in_is_asked_one_question_a_minute() {
    let keyed: &[_] = &[
        ("/api/version", 401, ""),
        ("/v1/models", 401, ""),
        ("/version", 401, ""),
        ("/metrics", 401, ""),
    ];
    for role in [Role::Unclear, Role::Server(Kind::Vllm)] {
        let server = Scripted::with_routes(PORT, keyed);
        let watched = watch_at(&server, led_by(role, Origin::Process)).await;
        assert_eq!(watched.services()[0].asks_credential, Some(true), "{role:?}");
        n_asked_in_all(&server);
        seconds(602).await;
        assert_eq!(n_asked_in_all(&server), 10, "{role:?}");
        // It lets everybody in now.
        server.route(PORT, "/v1/models", 200, r#"{"data":[{"id":"a","owned_by":"vllm"}]}"#);
        server.route(PORT, "/version", 200, r#"{"version":"0.11.0"}"#);
        server.route(PORT, "/api/version", 404, "");
        seconds(60).await;
        assert_eq!(one(&watched).0, "vllm", "{role:?}");
        assert_eq!(watched.services()[0].asks_credential, Some(false), "{role:?}");
    }
}
