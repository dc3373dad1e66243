//! What an Ollama with runners is shown as, and what wakes its prober.

use std::net::IpAddr;

use herdbook_shared::wire::inventory::ToldBy;

use super::*;
use crate::discovery::lead::{Engine, Kind, Process};

const RUNNER: u16 = 40_001;
const LISTENS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn runner(pid: u32) -> Runner {
    let digest = Some("f".repeat(64));
    Runner { pid, port: Some(RUNNER), digest, engine: Engine::LlamaServer }
}

/// An Ollama whose process is known.
fn ollama(pid: u32, runners: Vec<Runner>) -> Lead {
    let process = Process {
        pid,
        name: "ollama".to_owned(),
        role: Role::Server(Kind::Ollama),
        unit: Some("ollama.service".to_owned()),
        container: None,
        runners,
    };
    Lead {
        listens_on: Some(LISTENS),
        origin: Origin::Process,
        owner: Owner::Known(process.into()),
        ..somewhere("127.0.0.1:11434")
    }
}

/// One with model `a`, whose file is known by `/api/show` alone.
fn server() -> Scripted {
    let server = Scripted::with_models(vec![model("a"), model("b")]);
    server.change(|state| {
        state.files.insert("a".to_owned(), "f".repeat(64));
    });
    server
}

fn runner_says(server: &Scripted, health: u16, slots: &str) {
    let body = if health == 200 { r#"{"status":"ok"}"# } else { "{}" };
    server.route(RUNNER, "/health", health, body);
    server.route(RUNNER, "/slots", 200, slots);
}

const AT_REST: &str = r#"[{"id":0,"is_processing":false}]"#;
const AT_WORK: &str = r#"[{"id":0,"is_processing":true},{"id":1,"is_processing":true}]"#;

impl Watched {
    fn told_by(&self) -> Option<ToldBy> {
        self.services()[0].state_told_by
    }

    fn loading(&self) -> Vec<String> {
        let services = self.services();
        let loading = services[0].models.iter().filter(|model| model.loading);
        loading.map(|model| model.name.clone()).collect()
    }

    fn running(&self) -> Option<u64> {
        self.found.borrow().moving[0].requests_running
    }
}

#[tokio::test(start_paused = true)]
async fn loading_then_resident_then_busy_then_unloading_as_the_runner_tells() {
    let server = server();
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    assert_eq!((watched.state(), watched.told_by()), (ServiceState::Idle, Some(ToldBy::Api)));
    seconds(3).await;

    runner_says(&server, 503, "");
    watched.now_led(ollama(7, vec![runner(8)]));
    seconds(1).await;
    assert_eq!((watched.state(), watched.told_by()), (ServiceState::Loading, Some(ToldBy::Runner)));
    assert_eq!(watched.loading(), ["a"]);
    assert_eq!(watched.found.borrow().pids, [vec![7, 8]]);

    runner_says(&server, 200, AT_REST);
    server.change(|state| state.warm = vec![warm("a")]);
    seconds(6).await;
    assert_eq!(
        (watched.state(), watched.told_by()),
        (ServiceState::Resident, Some(ToldBy::Runner))
    );
    assert_eq!((watched.warm(), watched.loading()), (vec!["a".to_owned()], Vec::new()));
    assert_eq!(watched.running(), Some(0));

    runner_says(&server, 200, AT_WORK);
    seconds(6).await;
    assert_eq!((watched.state(), watched.told_by()), (ServiceState::Busy, Some(ToldBy::Runner)));
    assert_eq!(watched.running(), Some(2));

    // It works on a long prompt, and keeps its answer back.
    server.change(|state| state.deaf.push((RUNNER, "/slots".to_owned())));
    seconds(6).await;
    assert_eq!((watched.state(), watched.running()), (ServiceState::Busy, None));
    server.change(|state| state.deaf.clear());

    runner_says(&server, 200, AT_REST);
    server.change(|state| state.warm.clear());
    seconds(6).await;
    assert_eq!(watched.state(), ServiceState::Busy, "the runner is still there");
    watched.now_led(ollama(7, Vec::new()));
    seconds(1).await;
    assert_eq!((watched.state(), watched.told_by()), (ServiceState::Idle, Some(ToldBy::Api)));
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_cannot_be_asked_is_told_by_its_process() {
    let server = server();
    let deaf = Runner { port: None, ..runner(8) };
    let watched = watch_at(&server, ollama(7, vec![deaf])).await;
    seconds(6).await;
    let told = (watched.state(), watched.told_by());
    assert_eq!(told, (ServiceState::Loading, Some(ToldBy::Processes)));
    assert_eq!(watched.loading(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_kept_back_while_a_model_is_unloaded_is_busy() {
    let server = server();
    server.change(|state| state.warm = vec![warm("a")]);
    runner_says(&server, 200, AT_REST);
    let watched = watch_at(&server, ollama(7, vec![runner(8)])).await;
    assert_eq!(watched.state(), ServiceState::Resident);
    server.change(|state| state.loaded = Says::Silent);
    seconds(12).await;
    assert_eq!((watched.state(), watched.told_by()), (ServiceState::Busy, Some(ToldBy::Api)));
    assert_eq!(watched.warm(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn runners_are_asked_every_5_seconds_however_quiet_it_is() {
    let server = server();
    server.change(|state| state.warm = vec![warm("a")]);
    runner_says(&server, 200, AT_REST);
    let _watched = watch_at(&server, ollama(7, vec![runner(8)])).await;
    seconds(900).await;
    server.change(|state| state.asked.clear());
    seconds(120).await;
    assert_eq!((server.n_asked("/slots"), server.n_asked("/health")), (24, 24));
    assert_eq!((server.n_asked("ps"), server.n_asked("tags")), (8, 2));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_server_is_looked_at_at_once_when_a_runner_appears() {
    let server = server();
    runner_says(&server, 200, AT_REST);
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    seconds(901).await;
    server.change(|state| state.warm = vec![warm("a")]);
    watched.now_led(ollama(7, vec![runner(8)]));
    seconds(1).await;
    assert_eq!(watched.warm(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_gone_is_down_at_once_even_while_a_question_is_out() {
    let server = server();
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    server.change(|state| state.loaded = Says::Silent);
    seconds(6).await;
    watched.lead.send_replace(None);
    tokio::task::yield_now().await;
    assert_eq!(watched.state(), ServiceState::Down);
    assert_eq!(watched.error().as_deref(), Some("listener: nothing listens"));
    assert_eq!(watched.services()[0].unit.as_deref(), Some("ollama.service"));
    assert!(watched.found.borrow().pids[0].is_empty());
    server.change(|state| state.asked.clear());
    seconds(3600).await;
    assert_eq!(server.n_asked("version"), 0);
    server.change(|state| state.loaded = Says::Well);
    watched.now_led(ollama(9, Vec::new()));
    seconds(1).await;
    assert_eq!((watched.state(), watched.error()), (ServiceState::Idle, None));
    assert_eq!(watched.services()[0].unit.as_deref(), Some("ollama.service"));
}

#[tokio::test(start_paused = true)]
async fn nobody_follows_a_place_that_is_led_no_more() {
    let server = server();
    let mut watched = watch_at(&server, ollama(7, Vec::new())).await;
    drop(std::mem::replace(&mut watched.lead, watch::channel(None).0));
    watched.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(watched.services(), []);
}

#[tokio::test(start_paused = true)]
async fn an_ollama_that_hangs_before_it_is_first_asked_is_hung_and_not_unknown_to_us() {
    let server = server();
    server.change(|state| state.version = Says::Silent);
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    assert_eq!(watched.state(), ServiceState::Unknown);
    seconds(40).await;
    assert_eq!((watched.state(), watched.told_by()), (ServiceState::Hung, Some(ToldBy::Api)));
    assert_eq!(watched.services()[0].kind, "ollama");
    server.change(|state| state.version = Says::Well);
    seconds(6).await;
    assert_eq!((watched.state(), watched.error()), (ServiceState::Idle, None));
}

#[tokio::test(start_paused = true)]
async fn another_process_at_the_same_place_is_asked_who_it_is() {
    let server = server();
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    for (path, body) in [
        ("/version", r#"{"version":"0.11.0"}"#),
        ("/v1/models", r#"{"data":[{"id":"x","owned_by":"vllm"}]}"#),
        ("/metrics", "vllm:num_requests_running 0\n"),
    ] {
        server.route(11434, path, 200, body);
    }
    watched.now_led(ollama(70, Vec::new()));
    seconds(1).await;
    let service = &watched.services()[0];
    assert_eq!((service.kind.as_str(), service.version.as_deref()), ("vllm", Some("0.11.0")));
    assert_eq!(service.models.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_in_the_place_of_a_server_that_is_gone_leaves_it_down() {
    let server = server();
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    server.route(11434, "/", 200, "<title>Welcome</title>");
    let stranger = Process { pid: 70, ..Process::default() };
    watched.now_led(Lead { owner: Owner::Known(stranger.into()), ..ollama(0, Vec::new()) });
    seconds(300).await;
    assert_eq!(watched.state(), ServiceState::Down);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_turns_out_to_hand_requests_on_leaves_the_list() {
    let server = server();
    let watched = watch_at(&server, somewhere("127.0.0.1:9999")).await;
    assert_eq!(watched.services().len(), 1);
    let proxy = Process { pid: 7, role: Role::Aggregator, ..Process::default() };
    let owner = Owner::Known(proxy.into());
    watched.now_led(Lead { owner, ..somewhere("127.0.0.1:9999") });
    seconds(1).await;
    assert_eq!(watched.services(), []);
    server.change(|state| state.asked.clear());
    seconds(600).await;
    assert_eq!(server.n_asked("version"), 0);
}

#[tokio::test(start_paused = true)]
async fn after_the_host_slept_everything_is_looked_at_again() {
    let server = server();
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    seconds(901).await;
    server.change(|state| {
        state.asked.clear();
        state.models.push(model("new"));
    });
    watched.resume.send_replace(1);
    seconds(1).await;
    assert_eq!(server.n_asked("version"), 1);
    assert_eq!(watched.services()[0].models.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_asked_for_or_not() {
    let server = server();
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    assert_eq!(watched.services()[0].asks_credential, Some(false));
    server.change(|state| {
        (state.version, state.loaded) = (Says::Unauthorized, Says::Unauthorized);
        state.installed = Says::Unauthorized;
    });
    seconds(60).await;
    let service = &watched.services()[0];
    assert_eq!(service.asks_credential, Some(true));
    assert_eq!((service.state, service.state_told_by), (ServiceState::Unknown, None));
    assert!(service.last_error.as_ref().unwrap().contains("needs a credential"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_turns_us_away_asks_for_no_credential() {
    let server = Scripted::with_routes(11434, &[("/api/version", 403, "")]);
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    let service = &watched.services()[0];
    assert_eq!((service.asks_credential, service.state), (None, ServiceState::Unknown));
    assert!(watched.error().unwrap().contains("refuses the name"));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_listens_elsewhere_now_is_listed_there() {
    let server = server();
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    watched.now_led(Lead { listens_on: Some(everywhere), ..ollama(9, Vec::new()) });
    seconds(1).await;
    assert_eq!(watched.services().len(), 1);
    assert_eq!(watched.services()[0].address, "0.0.0.0");
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_up_is_not_heard_and_not_hung() {
    let server = server();
    server.change(|state| state.version = Says::Unreached);
    let watched = watch_at(&server, ollama(7, Vec::new())).await;
    seconds(300).await;
    assert_eq!((watched.state(), watched.told_by()), (ServiceState::Unknown, None));
    assert_eq!(watched.error().as_deref(), Some("/api/version: cannot connect"));
    server.change(|state| state.version = Says::Well);
    seconds(60).await;
    assert_eq!((watched.state(), watched.error()), (ServiceState::Idle, None));
    // Who answered before is soon asked again.
    server.change(|state| (state.version, state.loaded) = (Says::Unreached, Says::Unreached));
    seconds(6).await;
    assert_eq!(watched.state(), ServiceState::Unknown);
    server.change(|state| (state.version, state.loaded) = (Says::Well, Says::Well));
    seconds(6).await;
    assert_eq!(watched.state(), ServiceState::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_known_better_is_no_other_process() {
    let server = server();
    let unclear = Process { pid: 7, ..Process::default() };
    let lead = Lead { owner: Owner::Known(unclear.into()), ..ollama(0, Vec::new()) };
    let watched = watch_at(&server, lead).await;
    server.change(|state| {
        state.asked.clear();
        (state.version, state.loaded) = (Says::Silent, Says::Silent);
    });
    watched.now_led(ollama(7, Vec::new()));
    seconds(1).await;
    assert_eq!(server.n_asked("version"), 1);
    assert_eq!(watched.state(), ServiceState::Idle);
}
