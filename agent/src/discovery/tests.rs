//! The whole of discovery against the fake, over real sockets and the real clock.

use fake_ollama::{FakeKin, FakeOllama, Fault, Kin, KinStory, LoadedModel, Model, Story};
use herdbook_shared::wire::inventory::ServiceState;

use super::*;

/// Far beyond what any of these takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// As long as `--once` looks.
const LOOK: Duration = Duration::from_secs(3);

fn settings(urls: &[String]) -> DiscoverySettings {
    DiscoverySettings {
        ollama_urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
        ollama_host_env: None,
        roots: Roots::default(),
        resumed: watch::channel(0).1,
    }
}

/// What listens at this port; other servers of the machine that runs the test do not count.
fn at(found: &Found, port: u16) -> Vec<Service> {
    found.services.iter().filter(|service| service.port == port).cloned().collect()
}

/// Discovery as the agent runs it, until the test ends.
struct Running {
    found: watch::Receiver<Arc<Found>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    fn start(settings: DiscoverySettings) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let found = Discovery::start(settings, &mut tasks, stop.clone());
        Self { found, stop, tasks }
    }

    async fn until(&mut self, port: u16, holds: impl Fn(&[Service]) -> bool) -> Vec<Service> {
        let waiting = self.found.wait_for(|found| holds(&at(found, port)));
        let found = tokio::time::timeout(PATIENCE, waiting).await;
        let found = found.expect("never came").expect("discovery ended");
        at(&found, port)
    }

    async fn stop(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.join_next()).await;
        ended.expect("does not stop").expect("a task").expect("no panic");
    }
}

/// The first look, as `--once` tells it.
async fn look_once(settings: DiscoverySettings) -> Found {
    let mut running = Running::start(settings);
    let looked = tokio::time::timeout(LOOK, running.found.wait_for(|found| found.revision > 0));
    let found = looked.await.expect("never over").expect("discovery ended").as_ref().clone();
    running.stop().await;
    found
}

#[tokio::test]
async fn one_look_waits_for_the_slower_of_two_servers() {
    let quick = FakeOllama::start(Story::with_models(1)).await.unwrap();
    let slow = Story { first_tags_ms: 1_200, ..Story::with_models(2) };
    let slow = FakeOllama::start(slow).await.unwrap();
    let found = look_once(settings(&[quick.url(), slow.url()])).await;
    assert_eq!(at(&found, quick.addr().port()).len(), 1);
    assert_eq!(at(&found, slow.addr().port()).len(), 1);
}

#[tokio::test]
async fn one_look_tells_what_a_server_holds() {
    let fake = FakeOllama::start(Story::with_models(3)).await.unwrap();
    fake.script().load(LoadedModel::named("gemma4:12b"));
    let found = look_once(settings(&[fake.url()])).await;
    let services = at(&found, fake.addr().port());
    assert_eq!(services.len(), 1);
    assert_eq!(services[0].state, ServiceState::Resident);
    assert_eq!(services[0].address, "127.0.0.1");
    assert_eq!(services[0].models.len(), 3);
    assert!(found.moving.iter().any(|sample| sample.checked_at.is_some()));
    assert!(found.revision > 0);
}

#[tokio::test]
async fn one_look_waits_for_a_server_that_hangs_no_longer_than_its_deadline() {
    let story = Story::default().with_fault("*", Fault::NeverAnswer);
    let hung = FakeOllama::start(story).await.unwrap();
    let well = FakeOllama::start(Story::default()).await.unwrap();
    let found = look_once(settings(&[hung.url(), well.url()])).await;
    assert_eq!(at(&found, hung.addr().port()), []);
    assert_eq!(at(&found, well.addr().port()).len(), 1);
}

#[tokio::test]
async fn a_listener_on_all_addresses_is_one_server_with_one_connection() {
    let story = Story::with_models(1).at("[::]:0".parse().unwrap());
    let fake = FakeOllama::start(story).await.unwrap();
    let port = fake.addr().port();
    let urls = ["127.0.0.1", "[::1]", "localhost", "127.0.0.2"]
        .map(|host| format!("http://{host}:{port}"));
    let mut running = Running::start(settings(&urls));
    let services = running.until(port, |services| !services.is_empty()).await;
    running.found.wait_for(|found| found.revision > 0).await.unwrap();
    assert_eq!(services[0].address, "::");
    let first_look = look_once(settings(&urls)).await;
    assert_eq!(at(&first_look, port).len(), 1);
    running.stop().await;
    assert_eq!(fake.script().report().forbidden, [""; 0]);
}

#[tokio::test]
async fn never_more_than_one_connection_a_server_even_where_it_hangs() {
    let story = Story::with_models(1).at("[::]:0".parse().unwrap());
    let fake = FakeOllama::start(story.with_fault("/api/ps", Fault::NeverAnswer)).await.unwrap();
    let port = fake.addr().port();
    let urls = ["127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}"));
    let mut running = Running::start(settings(&urls));
    running.until(port, |services| services.iter().any(|s| s.state == ServiceState::Busy)).await;
    running.stop().await;
    assert_eq!(fake.script().report().max_open_connections, 1);
}

#[tokio::test]
async fn two_servers_on_two_ports_are_two() {
    let first = FakeOllama::start(Story::default()).await.unwrap();
    let second = FakeOllama::start(Story::default()).await.unwrap();
    let found = look_once(settings(&[first.url(), second.url()])).await;
    assert_eq!(at(&found, first.addr().port()).len(), 1);
    assert_eq!(at(&found, second.addr().port()).len(), 1);
}

#[tokio::test]
async fn ollama_host_is_a_candidate_and_another_machine_is_none() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    let port = fake.addr().port();
    let named = |host: &str| DiscoverySettings {
        ollama_host_env: Some(format!(" \"{host}:{port}\" ")),
        ..settings(&[])
    };
    let found = look_once(named("0.0.0.0")).await;
    assert_eq!(at(&found, port).len(), 1);
    fake.script().forget_report();
    let found = look_once(named("192.0.2.1")).await;
    assert_eq!(at(&found, port), []);
    assert_eq!(fake.script().report().connections, 0);
}

#[tokio::test]
async fn follows_a_server_through_its_life() {
    let fake = FakeOllama::start(Story::with_models(1)).await.unwrap();
    let addr = fake.addr();
    let mut running = Running::start(settings(&[fake.url()]));
    let is = |state: ServiceState| move |s: &[Service]| s.iter().any(|s| s.state == state);
    running.until(addr.port(), is(ServiceState::Idle)).await;
    fake.script().pull(Model::named("new:7b"));
    fake.script().load(LoadedModel::named("new:7b"));
    let services = running.until(addr.port(), is(ServiceState::Resident)).await;
    assert_eq!(services[0].models.iter().filter(|model| model.warm).count(), 1);
    assert_eq!(services[0].models.len(), 2);
    assert_eq!(fake.script().report().max_open_connections, 1);
    fake.stop().await;
    let services = running.until(addr.port(), is(ServiceState::Down)).await;
    assert_eq!(services[0].models.len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_is_slow_to_start_is_listed_before_its_models() {
    let story = Story { first_tags_ms: 4_000, ..Story::with_models(2) };
    let fake = FakeOllama::start(story).await.unwrap();
    let port = fake.addr().port();
    let mut running = Running::start(settings(&[fake.url()]));
    let early = running.until(port, |services| !services.is_empty()).await;
    assert_eq!((early[0].state, early[0].models.len()), (ServiceState::Idle, 0));
    let late = running.until(port, |s| s.iter().any(|s| s.models.len() == 2)).await;
    assert_eq!((late[0].state, &late[0].last_error), (ServiceState::Idle, &None));
    running.stop().await;
}

#[tokio::test]
async fn each_version_is_listed_whole() {
    for version in ["0.6.2", "0.15.0", "0.30.0", "0.33.0"] {
        let story =
            Story { loaded: vec![LoadedModel::named("llama3.1:8b")], ..Story::with_models(2) };
        let fake = FakeOllama::start(story.in_version(version)).await.unwrap();
        let found = look_once(settings(&[fake.url()])).await;
        let service = &at(&found, fake.addr().port())[0];
        assert_eq!(service.version.as_deref(), Some(version));
        assert_eq!(service.state, ServiceState::Resident, "{version}");
        // What its list lacks was asked for.
        assert!(service.models.iter().all(|model| model.context_length == Some(131_072)));
        assert!(service.models.iter().all(|model| !model.capabilities.is_empty()));
        let told_context = service.models[0].loaded_context_length.is_some();
        assert_eq!(told_context, version != "0.6.2", "{version}");
        assert_eq!(fake.script().report().forbidden, [""; 0]);
    }
}

#[tokio::test]
async fn no_answer_is_too_large_or_too_strange() {
    let faults = [Fault::GzipBomb, Fault::Flood, Fault::Garbage, Fault::Reset];
    futures_util::future::join_all(faults.map(fails_and_heals)).await;
}

async fn fails_and_heals(fault: Fault) {
    let story = Story::with_models(1).with_fault("/api/tags", fault);
    let fake = FakeOllama::start(story).await.unwrap();
    let port = fake.addr().port();
    let mut running = Running::start(settings(&[fake.url()]));
    // While the others keep this thread to themselves, a list may come late: that is busy.
    let failing = |s: &[Service]| {
        let is_told = |error: &String| error.starts_with("/api/tags: ");
        s.iter()
            .any(|s| s.state == ServiceState::Idle && s.last_error.as_ref().is_some_and(is_told))
    };
    running.until(port, failing).await;
    fake.script().heal();
    running.until(port, |s| s.iter().any(|s| s.models.len() == 1)).await;
    assert_eq!(fake.script().report().max_open_connections, 1, "{fault:?}");
    running.stop().await;
}

#[tokio::test]
async fn kin_that_a_person_named_are_told_by_what_they_answer() {
    let fake = FakeKin::start(KinStory::of(Kin::Vllm)).await.unwrap();
    let found = look_once(settings(&[fake.url()])).await;
    let services = at(&found, fake.addr().port());
    assert_eq!((services[0].kind.as_str(), services[0].state), ("vllm", ServiceState::Resident));
    assert_eq!(found.pids.len(), found.services.len());
    assert_eq!(fake.report().forbidden, [""; 0]);
}

mod follow;
