use proptest::prelude::*;
use reqwest::StatusCode;

use super::*;
use crate::discovery::answer::Shown;
use crate::discovery::scripted::Scripted;

const PORT: u16 = 40_001;

fn runner(pid: u32, digest: Option<&str>) -> Runner {
    let digest = digest.map(str::to_owned);
    Runner { pid, port: Some(PORT), digest, engine: Engine::LlamaServer }
}

fn heard(pid: u32, digest: &str, says: Says) -> Heard {
    Heard { runner: runner(pid, Some(digest)), says }
}

fn loaded(name: &str) -> Loaded {
    Loaded {
        name: name.to_owned(),
        digest: Some(format!("manifest of {name}")),
        ..Loaded::default()
    }
}

fn installed(name: &str) -> Installed {
    let digest = Some(format!("manifest of {name}"));
    Installed { name: name.to_owned(), digest, ..Installed::default() }
}

/// Knows the files of these models.
fn details(names: &[&str]) -> DetailsCache {
    let mut details = DetailsCache::default();
    for name in names {
        let shown = Shown { files: vec![format!("file of {name}")], ..Shown::default() };
        details.keep(format!("manifest of {name}"), Some(shown));
    }
    details
}

async fn says(health: (u16, &str), slots: Option<(u16, &str)>, engine: Engine) -> Says {
    let server = Scripted::with_routes(PORT, &[("/health", health.0, health.1)]);
    if let Some((status, body)) = slots {
        server.route(PORT, "/slots", status, body);
    }
    let runner = Runner { engine, ..runner(1, None) };
    ask_all(&server, &[runner]).await[0].says
}

#[tokio::test(start_paused = true)]
async fn a_runner_says_what_it_does() {
    use Engine::{LlamaServer, OllamaRunner};
    type Answer = (u16, &'static str);
    let slots: Option<Answer> = Some((
        200,
        r#"[{"id":0,"is_processing":true,"prompt":"secret"},{"id":1,"is_processing":false},
            {"id":2,"state":1},{"id":3,"state":0}]"#,
    ));
    let ok: Answer = (200, r#"{"status":"ok"}"#);
    let table: [(Answer, Option<Answer>, Engine, Says); 14] = [
        (ok, slots, LlamaServer, Says::Ready(Some(2))),
        (ok, Some((200, "[]")), LlamaServer, Says::Ready(Some(0))),
        (ok, Some((501, "{}")), LlamaServer, Says::Ready(None)),
        (ok, Some((200, "{}")), LlamaServer, Says::Ready(None)),
        (ok, slots, OllamaRunner, Says::Ready(None)),
        (
            (503, r#"{"error":{"code":503,"message":"Loading model"}}"#),
            None,
            LlamaServer,
            Says::Loading,
        ),
        ((503, r#"{"status":"loading model"}"#), None, LlamaServer, Says::Loading),
        ((200, r#"{"status":"loading model","progress":0.4}"#), None, OllamaRunner, Says::Loading),
        ((200, r#"{"status":3,"progress":0.4}"#), None, OllamaRunner, Says::Loading),
        ((200, r#"{"status":2}"#), None, OllamaRunner, Says::Loading),
        ((200, r#"{"status":1}"#), None, OllamaRunner, Says::Works),
        ((200, r#"{"status":0,"progress":1}"#), None, OllamaRunner, Says::Ready(None)),
        ((503, r#"{"status":"no slot available"}"#), None, LlamaServer, Says::Works),
        ((500, "x"), None, LlamaServer, Says::Nothing),
    ];
    for (health, slots, engine, expected) in table {
        assert_eq!(says(health, slots, engine).await, expected, "{health:?} {slots:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_its_answer_back_works() {
    for path in ["/health", "/slots"] {
        let ok = [("/health", 200, r#"{"status":"ok"}"#), ("/slots", 200, "[]")];
        let server = Scripted::with_routes(PORT, &ok);
        server.change(|state| state.deaf.push((PORT, path.to_owned())));
        assert_eq!(ask_all(&server, &[runner(1, None)]).await[0].says, Says::Works, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_are_asked_at_the_same_time_and_not_endlessly_many() {
    let server = Scripted::with_routes(PORT, &[("/health", 200, "{}")]);
    server.change(|state| state.deaf.push((PORT, "/health".to_owned())));
    let many: Vec<Runner> = (0..100).map(|pid| runner(pid, None)).collect();
    let started_at = tokio::time::Instant::now();
    assert_eq!(ask_all(&server, &many).await.len(), RUNNERS_MAX);
    assert_eq!(started_at.elapsed(), AT_ONCE);
}

#[test]
fn a_runner_whose_model_is_not_listed_loads_it() {
    let (a, b) = (installed("a"), installed("b"));
    let mut runners = Runners::default();
    for says in [Says::Nothing, Says::Loading, Says::Ready(Some(0))] {
        runners.hear(vec![heard(1, "file of b", says)]);
        let told = runners.conclude(Some(&[]), &[a.clone(), b.clone()], &details(&["a", "b"]));
        assert!(told.is_loading && !told.is_busy, "{says:?}");
        assert_eq!(told.loading, ["b"]);
        let exact = says != Says::Nothing;
        assert_eq!(told.told_by == Some(ToldBy::Runner), exact, "{says:?}");
    }
}

#[test]
fn a_runner_that_is_still_there_when_its_model_is_no_longer_listed_unloads_it() {
    let mut runners = Runners::default();
    let known = details(&["a"]);
    runners.hear(vec![heard(1, "file of a", Says::Ready(Some(0)))]);
    let told = runners.conclude(Some(&[loaded("a")]), &[installed("a")], &known);
    assert!(!told.is_loading && !told.is_busy);
    let told = runners.conclude(Some(&[]), &[installed("a")], &known);
    assert!(told.is_busy && !told.is_loading, "{told:?}");
    // Another process for the same model is loading it anew.
    runners.hear(vec![heard(2, "file of a", Says::Nothing)]);
    assert!(runners.conclude(Some(&[]), &[installed("a")], &known).is_loading);
}

#[test]
fn requests_are_counted_over_all_of_them() {
    let table: [(&[Says], bool, Option<u64>); 4] = [
        (&[Says::Ready(Some(0)), Says::Ready(Some(0))], false, Some(0)),
        (&[Says::Ready(Some(2)), Says::Ready(Some(1))], true, Some(3)),
        (&[Says::Ready(Some(2)), Says::Works], true, None),
        (&[Says::Ready(None), Says::Ready(Some(1))], true, None),
    ];
    for (says, is_busy, running) in table {
        let mut runners = Runners::default();
        let names = ["a", "b"];
        let all = names.iter().zip(says).zip(1..);
        runners.hear(all.map(|((n, s), pid)| heard(pid, &format!("file of {n}"), *s)).collect());
        let told = runners.conclude(Some(&names.map(loaded)), &[], &details(&names));
        assert_eq!((told.is_busy, told.running, told.is_loading), (is_busy, running, false));
    }
}

#[test]
fn where_files_are_not_known_any_listed_model_will_do() {
    let mut runners = Runners::default();
    let unknown = DetailsCache::default();
    runners.hear(vec![heard(1, "x", Says::Ready(Some(0))), heard(2, "y", Says::Loading)]);
    let told = runners.conclude(Some(&[loaded("a")]), &[installed("a")], &unknown);
    assert!(told.is_loading && told.loading.is_empty());
    assert!(runners.has_nameless(&[installed("a")], &unknown));
    // The one that was ready is held to be the listed one, and not to load.
    runners.hear(vec![heard(1, "x", Says::Ready(Some(0)))]);
    assert!(!runners.conclude(Some(&[loaded("a")]), &[], &unknown).is_loading);
}

#[test]
fn without_a_list_only_what_they_say_counts() {
    let mut runners = Runners::default();
    runners.hear(vec![heard(1, "x", Says::Ready(Some(1))), heard(2, "y", Says::Nothing)]);
    let told = runners.conclude(None, &[], &DetailsCache::default());
    assert!(told.is_busy && !told.is_loading);
    assert_eq!(told.told_by, Some(ToldBy::Processes));
    runners.hear(Vec::new());
    assert_eq!(runners.conclude(None, &[], &DetailsCache::default()), Concluded::default());
}

proptest! {
    #[test]
    fn any_health_is_read_without_harm(status in 200..600_u16, body in any::<Vec<u8>>()) {
        let status = StatusCode::from_u16(status).unwrap();
        let _ = health_says(&Reply { status, server: None, body });
    }

    /// However many there are: nothing loads and is listed, and each is counted once.
    #[test]
    fn each_runner_is_one_of_loading_unloading_or_listed(
        says in prop::collection::vec(0..5_u8, 0..8), n_listed in 0..8_usize,
    ) {
        let says = says.into_iter().map(|n| match n {
            0 => Says::Loading,
            1 => Says::Works,
            2 => Says::Nothing,
            n => Says::Ready(Some(u64::from(n))),
        });
        let all: Vec<Heard> = says.zip(1..).map(|(s, pid)| heard(pid, "x", s)).collect();
        let n_ready = all.iter().filter(|h| h.says != Says::Loading).count();
        let n_loading = all.len() - n_ready;
        let list: Vec<Loaded> = (0..n_listed).map(|n| loaded(&n.to_string())).collect();
        let mut runners = Runners::default();
        runners.hear(all);
        let told = runners.conclude(Some(&list), &[], &DetailsCache::default());
        prop_assert_eq!(told.is_loading, n_loading > 0 || n_ready > n_listed);
    }
}
