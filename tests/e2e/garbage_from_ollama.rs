//! An Ollama that lies, hangs or never stops talking. The host does not suffer, and neither does
//! its other Ollama.

use std::time::Duration;

use herdbook_tests::fake_ollama::{FakeOllama, Fault, LoadedModel, Model, Story};
use herdbook_tests::harness::{Fleet, eventually, throughout};
use herdbook_tests::swarm::usage::peak_rss_kib;
use serde_json::Value;

/// Runs one host with two Ollamas, one well, one with `fault` on `route` after a good start; and
/// returns the ill one's service as it stood at the end.
async fn with_a_fault(route: &str, fault: Fault) -> Value {
    let fleet = Fleet::start().await;
    let start = async |n_models| {
        let loaded = vec![LoadedModel::named("llama3.1:8b")];
        let story = Story { loaded, ..Story::with_models(n_models) };
        FakeOllama::start(story).await.expect("a fake Ollama")
    };
    let (well, ill) = (start(2).await, start(3).await);
    let setup = fleet.agent("gpu-1").ollama_host(&well.url());
    let mut agent = setup.env("HERDBOOK_OLLAMA", &ill.url()).start();
    let host_id = fleet.id_of("gpu-1").await;
    let mut viewer = fleet.viewer().await;
    viewer.watch(&[&host_id]).await;
    let service = |ollama: &FakeOllama| {
        let id = format!("gpu-1:{}", ollama.addr().port());
        viewer.folded().services.get(&id).cloned().unwrap_or_default()
    };
    let both = async || {
        let counts = [n_models(&service(&well)), n_models(&service(&ill))];
        if counts == [2, 3] { Ok(()) } else { Err(format!("{counts:?} models")) }
    };
    eventually("both servers listed", Duration::from_secs(30), both).await;

    ill.script().fault(route, fault);
    let asked = ill.script().report().connections;
    let unmoved = async || {
        let status = viewer.status(&host_id);
        if !matches!(status.as_str(), "online" | "degraded") {
            return Err(format!("{status}: {:?}", viewer.changes_of(&host_id)));
        }
        match service(&well) {
            service if service["status"] == "healthy" && n_models(&service) == 2 => Ok(()),
            service => Err(format!("the other server: {service}")),
        }
    };
    throughout("host and other server are well", Duration::from_secs(25), unmoved).await;
    assert!(ill.script().report().connections >= asked, "nobody asked any more");
    assert_eq!(ill.script().report().forbidden, Vec::<String>::new());
    let peak_kib = peak_rss_kib(agent.program().pid()).expect("a running agent");
    assert!(peak_kib < 100 * 1024, "the agent held {peak_kib} KiB");

    let at_end = service(&ill);
    // Something moves once it is well, so that what was known before does not pass for new.
    ill.script().heal();
    ill.script().pull(Model::named("phi4:14b"));
    ill.script().load(LoadedModel::named("phi4:14b"));
    let healed = async || match service(&ill) {
        service if service["status"] == "healthy" && n_warm(&service) == 2 => Ok(()),
        service => Err(service.to_string()),
    };
    eventually("the server well again", Duration::from_secs(60), healed).await;
    at_end
}

fn n_warm(service: &Value) -> usize {
    let models = service["models"].as_array().into_iter().flatten();
    models.filter(|model| model["warm"] == true).count()
}

fn n_models(service: &Value) -> usize {
    service["models"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn wrong_json_of_every_route() {
    with_a_fault("*", Fault::WrongJson).await;
}

#[tokio::test]
async fn lists_that_are_null() {
    with_a_fault("*", Fault::NullLists).await;
}

#[tokio::test]
async fn fields_full_of_nonsense() {
    let service = with_a_fault("/api/tags", Fault::Nonsense).await;
    for model in service["models"].as_array().expect("a list") {
        let name = model["name"].as_str().expect("a name");
        assert!(!name.is_empty() && name.len() <= 256, "{name:?}");
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends() {
    with_a_fault("/api/tags", Fault::EndlessBody).await;
}

#[tokio::test]
async fn a_body_that_drips() {
    with_a_fault("/api/ps", Fault::SlowBody).await;
}

#[tokio::test]
async fn ten_thousand_models() {
    let service = with_a_fault("/api/tags", Fault::ManyModels).await;
    assert!(n_models(&service) <= 1000, "{} models", n_models(&service));
}

#[tokio::test]
async fn a_redirect_off_the_host() {
    with_a_fault("*", Fault::Redirect).await;
}

#[tokio::test]
async fn no_answer_at_all() {
    with_a_fault("*", Fault::NeverAnswer).await;
}
