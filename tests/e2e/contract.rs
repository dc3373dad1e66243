//! The API keeps what its own description says: schemathesis reads `/openapi.json` and asks every
//! operation in it, with good values and bad ones, from a fixed seed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use herdbook_tests::harness::program::command;
use herdbook_tests::harness::{Fleet, Rest, eventually};
use herdbook_tests::swarm::SimulatedHost;
use serde_json::{Value, json};

/// Longer than a run takes on a machine that is busy with other stories.
const WITHIN: Duration = Duration::from_secs(300);

/// What is held for every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";

/// Operations that are not asked, and why.
const EXCLUDED: [(&str, &str); 3] = [
    ("/api/v1/live", "a WebSocket: its frames are held against their schema beside the code"),
    ("/api/v1/agent", "likewise"),
    ("/api/v1/events/stream", "it never ends: its frames are held likewise"),
];

/// Services of any URL are registered: none of them shall really be asked.
const QUIET: &str = "[checks]\ninterval_s = 3600\nat_once = 1\ndeadline_s = 1\n";

/// Every GPU is too hot.
const ALERTED: &str = "[alerts.gpu_hot]\ncelsius = 1\nfor_s = 0\n";

fn schemathesis() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = root.join("target/tools/schemathesis/bin/schemathesis");
    assert!(program.exists(), "schemathesis is missing: run `make test-tools`");
    program
}

/// A collector that has something to tell: hosts with GPUs and models, services, a lease.
async fn filled() -> Fleet {
    let mut fleet = Fleet::start_with(&format!("{QUIET}{ALERTED}")).await;
    let rest = fleet.rest();
    for seed in 1..=4 {
        fleet.simulate(SimulatedHost::from_seed(seed).having(2, 3)).await;
    }
    for host in rest.hosts().await {
        let id = host["id"].as_str().expect("an id").to_owned();
        rest.host_is(&id, "online", WITHIN, |host| host["status"] == "online").await;
    }
    for form in [
        json!({"name": "finder", "type": "tool", "url": "http://127.0.0.1:9/finder", "ttl_s": 90}),
        json!({"name": "spare", "type": "model", "url": "http://127.0.0.1:9/spare"}),
    ] {
        let (status, answer) = rest.post("/api/v1/services", &form).await;
        assert_eq!(status, 201, "{answer}");
    }
    let form = json!({"name": "old", "type": "agent", "url": "http://127.0.0.1:9/old"});
    let (status, answer) = rest.post("/register", &form).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) =
        rest.put("/heartbeat", &json!({"service_id": answer["service_id"]})).await;
    assert_eq!(status, 200, "{answer}");
    with_skills(&fleet).await;
    with_alerts(&rest).await;
    fleet
}

/// A skill in a file, with a script beside it, and one that was registered.
async fn with_skills(fleet: &Fleet) {
    let scripts = fleet.dir().join("skills/review/scripts");
    std::fs::create_dir_all(&scripts).expect("a folder");
    std::fs::write(scripts.join("check.sh"), "#!/bin/sh\n").expect("a file");
    let text = "---\nname: review\ndescription: Reviews a change\n---\n# How\n";
    std::fs::write(scripts.with_file_name("SKILL.md"), text).expect("a file");
    let rest = fleet.rest();
    let (status, answer) = rest.post("/api/v1/catalogs/skills/reload", &json!({})).await;
    assert_eq!((status.as_u16(), &answer["n_entries"]), (200, &json!(1)), "{answer}");
    let form = json!({"name": "deploy", "description": "Deploys a model", "body": "# How\n"});
    let (status, answer) = rest.post("/api/v1/skills", &form).await;
    assert_eq!(status, 201, "{answer}");
}

/// Alerts that are open, and a silence of them.
async fn with_alerts(rest: &Rest) {
    let until = Timestamp::from_unix_ms(Timestamp::now().unix_ms() + 3_600_000);
    let form = json!({"matcher": {"rule": "gpu_hot"}, "until": until});
    let (status, answer) = rest.post("/api/v1/silences", &form).await;
    assert_eq!(status, 201, "{answer}");
    let silenced = async || {
        let answer = rest.get("/api/v1/alerts?open=true&rule=gpu_hot").await;
        let is_there = answer["alerts"][0]["silenced_by"].is_string();
        if is_there { Ok(()) } else { Err(answer.to_string()) }
    };
    eventually("an alert that is silenced", WITHIN, silenced).await;
}

/// What schemathesis said, and whether it found nothing.
async fn asked(fleet: &Fleet, description: &Value, seconds: u32) -> (bool, String) {
    let mut asking = command(&schemathesis(), fleet.dir());
    let seconds = seconds.to_string();
    // From a file: where it reads the description from a URL, that operation is left out.
    let file = fleet.dir().join("description.json");
    std::fs::write(&file, description.to_string()).expect("a file");
    asking.current_dir(fleet.dir()).arg("run").arg(file);
    asking.args(["--url", &fleet.url(), "--checks", CHECKS, "--seed", "6121"]);
    asking.args(["--phases", "examples,coverage,fuzzing,stateful", "--max-time", &seconds]);
    asking.args(["--generation-database", "none", "--no-color", "--request-timeout", "30"]);
    for (path, _) in EXCLUDED {
        asking.args(["--exclude-path", path]);
    }
    let output = tokio::time::timeout(WITHIN, asking.kill_on_drop(true).output());
    let output = output.await.expect("an end in time").expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

async fn description(rest: &Rest) -> Value {
    rest.get("/openapi.json").await
}

/// The same, where a poll waits for a second at most: nothing happens while it is asked.
async fn impatient_description(rest: &Rest) -> Value {
    let mut description = description(rest).await;
    let poll = &mut description["paths"]["/api/v1/events"]["get"]["parameters"];
    let mut parameters = poll.as_array_mut().expect("parameters").iter_mut();
    let wait = parameters.find(|parameter| parameter["name"] == "wait").expect("wait");
    assert_eq!(wait["schema"]["maximum"], 60);
    wait["schema"]["maximum"] = 1.into();
    description
}

fn n_operations(description: &Value) -> usize {
    let paths = description["paths"].as_object().expect("paths");
    paths.values().map(|methods| methods.as_object().map_or(0, serde_json::Map::len)).sum()
}

#[tokio::test]
async fn every_operation_answers_as_its_description_says() {
    let fleet = filled().await;
    let description = impatient_description(&fleet.rest()).await;
    let (is_clean, said) = asked(&fleet, &description, 60).await;
    assert!(is_clean, "{said}");
    // None was left out but those that are named above, each of which has one method.
    let tested = format!("Tested: {}\n", n_operations(&description) - EXCLUDED.len());
    assert!(said.contains(&tested), "not {tested}: {said}");
}

/// Where the description lies, that is found: else the story above could not fail.
#[tokio::test]
async fn a_description_that_lies_is_found_out() {
    let fleet = filled().await;
    let rest = fleet.rest();
    for (pointer, lie) in [
        ("/components/schemas/ListedModel/properties/name/type", json!("integer")),
        ("/components/schemas/FleetModelList/properties/next_cursor", json!({"const": 1})),
    ] {
        let mut lying = description(&rest).await;
        let models = lying["paths"]["/api/v1/models"].clone();
        lying["paths"] = json!({ "/api/v1/models": models });
        *lying.pointer_mut(pointer).expect("what to lie about") = lie;
        let (is_clean, said) = asked(&fleet, &lying, 10).await;
        assert!(!is_clean && said.contains("violates schema"), "{pointer}: {said}");
    }
}
