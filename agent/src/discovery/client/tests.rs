//! Against the fake, over real sockets, with deadlines short enough for a test.

use fake_ollama::{FakeOllama, Fault, LoadedModel, Model, Story};

use super::*;

const SHORT: Duration = Duration::from_millis(300);

fn client(fake: &FakeOllama) -> OllamaClient {
    let deadlines = Deadlines {
        version: SHORT,
        loaded: SHORT,
        installed_first: Duration::from_secs(20),
        installed: Duration::from_secs(20),
        show: SHORT,
    };
    OllamaClient::new(http().unwrap(), fake.addr(), deadlines)
}

async fn faulty(fault: Fault) -> (FakeOllama, OllamaClient) {
    let fake = FakeOllama::start(Story::with_models(2).with_fault("*", fault)).await.unwrap();
    let client = client(&fake);
    (fake, client)
}

#[tokio::test]
async fn asks_all_four_over_one_connection_and_nothing_else() {
    let fake = FakeOllama::start(Story::with_models(3)).await.unwrap();
    fake.script().load(LoadedModel::named("gemma4:12b"));
    let client = client(&fake);
    assert_eq!(client.version().await.unwrap(), "0.33.0");
    assert_eq!(client.loaded().await.unwrap().items[0].name, "gemma4:12b");
    assert_eq!(client.installed(Asked::First).await.unwrap().items.len(), 3);
    assert_eq!(client.show("gemma4:12b").await.unwrap().context_length, Some(131_072));
    let report = fake.script().report();
    assert_eq!(report.connections, 1);
    assert_eq!(report.forbidden, [""; 0]);
    assert_eq!(report.requests.len(), 4);
    assert!(report.user_agent.unwrap().starts_with("herdbook-agent/"));
}

#[tokio::test]
async fn a_server_on_ipv6_gets_a_host_header_that_it_knows() {
    let story = Story::default().at("[::1]:0".parse().unwrap());
    let fake = FakeOllama::start(story).await.unwrap();
    assert_eq!(client(&fake).version().await.unwrap(), "0.33.0");
}

#[tokio::test]
async fn a_port_without_a_listener_is_refused() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    let client = client(&fake);
    client.version().await.unwrap();
    fake.stop().await;
    assert!(matches!(client.version().await, Err(ProbeError::Refused)));
}

#[tokio::test]
async fn each_fault_has_its_error() {
    type Expected = fn(&ProbeError) -> bool;
    let table: [(Fault, Expected); 11] = [
        (Fault::WrongJson, |e| matches!(e, ProbeError::NotTheAnswer(_))),
        (Fault::OtherJson, |e| matches!(e, ProbeError::NotTheAnswer(_))),
        (Fault::NeverAnswer, |e| matches!(e, ProbeError::Silent(SHORT))),
        (Fault::SlowBody, |e| matches!(e, ProbeError::Silent(SHORT))),
        (Fault::EndlessBody, |e| matches!(e, ProbeError::TooLarge(_) | ProbeError::Silent(_))),
        (Fault::Redirect, |e| matches!(e, ProbeError::Redirect(_))),
        (Fault::Unauthorized, |e| matches!(e, ProbeError::Credential(_))),
        (Fault::Forbidden, |e| matches!(e, ProbeError::Credential(_))),
        (Fault::ServerError, |e| matches!(e, ProbeError::Status(_))),
        (Fault::Overloaded, |e| matches!(e, ProbeError::Status(_))),
        (Fault::Reset, |e| matches!(e, ProbeError::Broken(_))),
    ];
    for (fault, expected) in table {
        let (_fake, client) = faulty(fault).await;
        let version = client.version().await.unwrap_err();
        assert!(expected(&version), "{fault:?}: {version:?}");
        let loaded = client.loaded().await.unwrap_err();
        assert!(expected(&loaded), "{fault:?}: {loaded:?}");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_at_its_bound() {
    let (_fake, client) = faulty(Fault::EndlessBody).await;
    let error = client.installed(Asked::First).await.unwrap_err();
    assert!(matches!(error, ProbeError::TooLarge(LIST_BYTES_MAX)), "{error:?}");
}

#[tokio::test]
async fn null_lists_and_nonsense_are_read_as_far_as_they_go() {
    let (fake, client) = faulty(Fault::NullLists).await;
    assert_eq!(client.installed(Asked::Again).await.unwrap().items, []);
    assert_eq!(client.loaded().await.unwrap().items, []);
    fake.script().fault("*", Fault::Nonsense);
    assert_eq!(client.installed(Asked::Again).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn ten_thousand_models_are_a_thousand_and_a_number() {
    let (_fake, client) = faulty(Fault::ManyModels).await;
    let list = client.installed(Asked::Again).await.unwrap();
    assert_eq!((list.items.len(), list.left_out), (1000, 9000));
}

#[tokio::test]
async fn a_model_that_is_unknown_has_no_details() {
    let fake = FakeOllama::start(Story::default()).await.unwrap();
    fake.script().pull(Model::named("a:latest"));
    let error = client(&fake).show("b:latest").await.unwrap_err();
    assert!(matches!(error, ProbeError::Status(StatusCode::NOT_FOUND)));
}
