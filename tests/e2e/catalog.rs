//! Skills and services that lie in folders: written, renamed, swapped, broken and taken away under
//! a running collector.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use herdbook_tests::fake_ollama::{FakeOllama, Story};
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Fleet, Program, Rest, eventually, throughout};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const WITHIN: Duration = Duration::from_secs(25);

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// Writes beside and renames over, as `sed -i`, vim and Ansible do.
fn put_by_rename(path: &Path, text: &str) {
    let beside = path.with_file_name("sedQx71Ab");
    fs::write(&beside, text).expect("a file beside");
    fs::rename(&beside, path).expect("a rename");
}

fn skill(name: &str, description: &str) -> String {
    format!("---\nname: {name}\ndescription: {description}\n---\n# {name}\n")
}

fn service(name: &str, url: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\ntype = \"model\"\nurl = \"{url}\"\n")
}

/// The descriptions of all skills, by name.
async fn skills(rest: &Rest) -> Vec<String> {
    let list = rest.get("/api/v1/skills").await;
    let skills = list["skills"].as_array().expect("a list").iter();
    let told = |skill: &Value| {
        let word = |key: &str| skill[key].as_str().unwrap_or("?").to_owned();
        format!("{}: {}", word("name"), word("description"))
    };
    skills.map(told).collect()
}

async fn skills_become(rest: &Rest, expected: &[&str]) {
    let look = async || {
        let seen = skills(rest).await;
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    };
    eventually(&format!("the skills {expected:?}"), WITHIN, look).await;
}

/// What a catalog says of its folders, once it says that something is wrong there.
async fn fault(rest: &Rest, catalog: &str) -> Value {
    let path = format!("/api/v1/catalogs/{catalog}");
    let look = async || {
        let catalog = rest.get(&path).await;
        if catalog["error"].is_null() { Err(catalog.to_string()) } else { Ok(catalog) }
    };
    eventually("a fault of the catalog", WITHIN, look).await["error"].clone()
}

async fn logs(fleet: &mut Fleet, words: &str) {
    let look = async || {
        let log = fleet.collector().log();
        if log.contains(words) { Ok(()) } else { Err(fleet.collector().log_tail()) }
    };
    eventually(&format!("{words:?} in the log"), WITHIN, look).await;
}

#[tokio::test]
async fn a_skill_appears_is_edited_broken_and_mended() {
    let fleet = Fleet::start().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    skills_become(&rest, &[]).await;
    // The folder comes after the start, beside the file of settings.
    let file = fleet.dir().join("skills/review/SKILL.md");
    put(&file, &skill("review", "first"));
    put(&file.with_file_name("checklist.md"), "* look\n");
    skills_become(&rest, &["review: first"]).await;
    put_by_rename(&file, &skill("review", "second"));
    skills_become(&rest, &["review: second"]).await;

    put_by_rename(&file, "---\nname: review\ndescription: [third]\n---\n");
    let error = fault(&rest, "skills").await;
    assert_eq!((&error["line"], &error["key"]), (&json!(3), &json!("description")), "{error}");
    assert!(error["file"].as_str().is_some_and(|f| f.ends_with("review/SKILL.md")), "{error}");
    let (status, refused) = rest.post("/api/v1/catalogs/skills/reload", &json!({})).await;
    assert_eq!((status.as_u16(), &refused["field"]), (422, &json!("description")), "{refused}");
    let detail = refused["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("review/SKILL.md:3: "), "{refused}");
    assert_eq!(skills(&rest).await, ["review: second"], "it stays as it was");
    let one = rest.get("/api/v1/skills/review").await;
    assert_eq!((&one["body"], &one["files"][0]["size_bytes"]), (&json!("# review\n"), &json!(7)));

    put_by_rename(&file, &skill("review", "fourth"));
    skills_become(&rest, &["review: fourth"]).await;
    let twin = fleet.dir().join("data/skills/twin/SKILL.md");
    put(&twin, &skill("review", "the same again"));
    let error = fault(&rest, "skills").await;
    for (key, of) in [("file", "twin/SKILL.md"), ("other_file", "review/SKILL.md")] {
        assert!(error[key].as_str().is_some_and(|file| file.ends_with(of)), "{error}");
    }
    fs::remove_dir_all(fleet.dir().join("data/skills/twin")).expect("no twin");
    fs::remove_dir_all(fleet.dir().join("skills")).expect("no skills");
    skills_become(&rest, &[]).await;
    put(&file, &skill("review", "back"));
    skills_become(&rest, &["review: back"]).await;
    assert!(viewer.n_changes("catalog.rejected") >= 2);
    assert!(viewer.n_changes("catalog.reloaded") >= 5);
}

#[tokio::test]
async fn a_folder_of_links_is_swapped_at_once() {
    let fleet = Fleet::start().await;
    let rest = fleet.rest();
    // As Kubernetes mounts a ConfigMap, …
    let folder = fleet.dir().join("skills/review");
    put(&folder.join("..v1/SKILL.md"), &skill("review", "v1"));
    put(&folder.join("..v2/SKILL.md"), &skill("review", "v2"));
    symlink("..v1", folder.join("..data")).expect("a link");
    symlink("..data/SKILL.md", folder.join("SKILL.md")).expect("a link");
    skills_become(&rest, &["review: v1"]).await;
    symlink("..v2", folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("a swap");
    fs::remove_dir_all(folder.join("..v1")).expect("the old one goes");
    skills_become(&rest, &["review: v2"]).await;
    // … and as a release is switched by its link.
    let (releases, current) = (fleet.dir().join("releases"), fleet.dir().join("data/skills"));
    put(&releases.join("1/deploy/SKILL.md"), &skill("deploy", "r1"));
    put(&releases.join("2/deploy/SKILL.md"), &skill("deploy", "r2"));
    symlink(releases.join("1"), &current).expect("a link");
    skills_become(&rest, &["deploy: r1", "review: v2"]).await;
    symlink(releases.join("2"), fleet.dir().join("data/next")).expect("a link");
    fs::rename(fleet.dir().join("data/next"), &current).expect("a swap");
    skills_become(&rest, &["deploy: r2", "review: v2"]).await;
    // What leads out of the folder is not followed.
    symlink("/etc", folder.join("etc")).expect("a link");
    let error = fault(&rest, "skills").await;
    assert!(error["why"].as_str().is_some_and(|why| why.contains("leads out")), "{error}");
    assert_eq!(skills(&rest).await, ["deploy: r2", "review: v2"]);
}

#[tokio::test]
async fn a_skill_that_was_registered_is_there_after_a_crash() {
    let mut fleet = Fleet::start().await;
    let rest = fleet.rest();
    let form = json!({"name": "deploy", "description": "Deploys", "body": "# Deploy\n"});
    let (status, made) = rest.post("/api/v1/skills", &form).await;
    assert_eq!((status, &made["source"]), (StatusCode::CREATED, &json!("manual")), "{made}");
    let gone = json!({"name": "gone", "description": "Goes", "body": ""});
    assert_eq!(rest.post("/api/v1/skills", &gone).await.0, StatusCode::CREATED);
    assert_eq!(rest.delete("/api/v1/skills/gone").await.0, StatusCode::OK);
    fleet.restart_collector().await;
    assert_eq!(rest.get("/api/v1/skills/deploy").await, made);
    assert_eq!(skills(&rest).await, ["deploy: Deploys"]);
    // A file of the same name wins for as long as it is there.
    let file = fleet.dir().join("skills/deploy/SKILL.md");
    put(&file, &skill("deploy", "by file"));
    skills_become(&rest, &["deploy: by file"]).await;
    let (status, refused) = rest.post("/api/v1/skills", &form).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let detail = refused["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("deploy/SKILL.md"), "{refused}");
    fleet.restart_collector().await;
    assert_eq!(skills(&rest).await, ["deploy: by file"]);
    fs::remove_file(&file).expect("no file");
    skills_become(&rest, &["deploy: Deploys"]).await;
}

/// Asks for a path exactly as it is spelt, and returns the status and all that came back.
async fn ask(fleet: &Fleet, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(fleet.address()).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), answer)
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_to_another_file() {
    let fleet = Fleet::start().await;
    let rest = fleet.rest();
    let folder = fleet.dir().join("skills/review");
    put(&folder.join("SKILL.md"), &skill("review", "r"));
    put(&folder.join("scripts/run.html"), "<script>1</script>");
    put(&fleet.dir().join("canary"), "canary-7391");
    skills_become(&rest, &["review: r"]).await;
    let files = "/api/v1/skills/review/files";
    let (status, answer) = ask(&fleet, &format!("{files}/scripts/run.html")).await;
    assert_eq!(status, 200, "{answer}");
    for header in ["content-type: text/plain; charset=utf-8", "x-content-type-options: nosniff"] {
        assert!(answer.to_lowercase().contains(header), "{answer}");
    }
    let ups = ["..", "%2e%2e", "%2E.", "..%00", "%252e%252e", "..;", "..%c0%af", "....", ".%2e"];
    let slashes = ["/", "%2f", "%5c", "\\", "//", "%252f", "%c0%af"];
    for up in ups {
        for slash in slashes {
            for depth in [1, 2, 3, 6] {
                let path = format!("{files}/{}canary", format!("{up}{slash}").repeat(depth));
                let (status, answer) = ask(&fleet, &path).await;
                assert!(matches!(status, 400 | 404), "{path}: {answer}");
                assert!(!answer.contains("canary-7391"), "{path}: {answer}");
            }
        }
    }
    for path in [
        format!("{files}//etc/passwd"),
        format!("{files}/%2fetc%2fpasswd"),
        format!("{files}/scripts"),
        format!("{files}/scripts/"),
        format!("{files}/"),
        format!("{files}/skill.md"),
        format!("{files}/scripts/./run.html"),
        "/api/v1/skills/..%2f..%2fdata/files/SKILL.md".to_owned(),
        "/api/v1/skills/../skills/review/files/SKILL.md".to_owned(),
    ] {
        let (status, answer) = ask(&fleet, &path).await;
        assert_eq!(status, 404, "{path}: {answer}");
    }
}

const QUICK: &str = "[checks]\ninterval_s = 2\ndeadline_s = 1\n";

fn sources(service: &Value) -> Vec<&str> {
    service["sources"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn a_service_of_a_file_comes_joins_and_goes() {
    let mut fleet = Fleet::start_with(QUICK).await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let ollama = FakeOllama::start(Story::with_models(2)).await.expect("a fake Ollama");
    let (id, folder) = (ollama.addr().to_string(), fleet.dir().join("services.d"));
    let (big, other) = (folder.join("big.toml"), folder.join("other.toml"));
    put(&big, &service("big", &ollama.url()));
    put(&other, &service("other", "http://192.0.2.7:8000"));
    viewer.tells(&id, "service.registered", WITHIN).await;
    let healthy = |service: &Value| service["status"] == "healthy" && sources(service) == ["file"];
    rest.service_is(&id, "asked, by its file", WITHIN, healthy).await;
    let (status, refused) = rest.delete("/api/v1/services/192.0.2.7%3A8000").await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");

    // A mistake in one file changes nothing of the other.
    put_by_rename(&big, &(service("renamed", &ollama.url()) + "priority = \"high\"\n"));
    fs::remove_file(&other).expect("no other file");
    let error = fault(&rest, "services").await;
    assert_eq!((&error["line"], &error["key"]), (&json!(5), &json!("priority")), "{error}");
    assert_eq!(rest.services().await.len(), 2);
    put_by_rename(&big, &(service("renamed", &ollama.url()) + "priority = 7\n"));
    rest.service_is(&id, "renamed", WITHIN, |service| service["name"] == "renamed").await;
    let gone = viewer.tells("192.0.2.7:8000", "service.removed", WITHIN).await;
    assert_eq!(gone["cause"], "no file declares it any more", "{gone}");

    let _agent = fleet.agent("gpu-1").ollama(&ollama.url()).start();
    let joined = |service: &Value| sources(service) == ["agent", "file"];
    let service = rest.service_is(&id, "joined by its agent", WITHIN, joined).await;
    assert_eq!((&service["name"], &service["priority"]), (&json!("renamed"), &json!(7)));
    fs::remove_file(&big).expect("no file");
    rest.service_is(&id, "its agent's alone", WITHIN, |s| sources(s) == ["agent"]).await;
    // What went while nobody looked is gone after the start.
    put(&other, &service_at_rest());
    viewer.tells("192.0.2.8:8000", "service.registered", WITHIN).await;
    let settled = async || Ok(());
    throughout("it is written", Duration::from_secs(1), settled).await;
    fleet.collector().kill9().await;
    fs::remove_file(&other).expect("no file");
    fleet.restart_collector().await;
    assert!(rest.services().await.iter().all(|service| service["id"] != "192.0.2.8:8000"));
}

fn service_at_rest() -> String {
    service("rest", "http://192.0.2.8:8000")
}

#[tokio::test]
async fn a_mistake_does_not_keep_the_collector_from_starting() {
    let mut fleet = Fleet::start().await;
    let (rest, viewer) = (fleet.rest(), fleet.viewer().await);
    let file = fleet.dir().join("services.d/a.toml");
    put(&file, &service_at_rest());
    viewer.tells("192.0.2.8:8000", "service.registered", WITHIN).await;
    throughout("it is written", Duration::from_secs(1), async || Ok(())).await;
    fleet.collector().kill9().await;
    put(&file, "[[service]]\nname = 8\n");
    fleet.restart_collector().await;
    assert_eq!(rest.service("192.0.2.8:8000").await["sources"], json!(["file"]), "it is known");
    let error = fault(&rest, "services").await;
    assert_eq!((&error["line"], &error["key"]), (&json!(2), &json!("name")), "{error}");
    logs(&mut fleet, "a.toml:2: name: it is 8; expected a string").await;
}

#[tokio::test]
async fn a_check_of_the_configuration_reads_the_catalogs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let check = async |text: &str| {
        put(&dir.path().join("services.d/a.toml"), text);
        put(&dir.path().join("collector.toml"), "[catalog.services]\npaths = [\"services.d\"]\n");
        let mut command = command(&built("herdbook-collector"), dir.path());
        command.arg("--config").arg(dir.path().join("collector.toml")).arg("check-config");
        let mut program = Program::start("check", command, dir.path());
        (program.exit(WITHIN).await.code(), program.out(), program.log())
    };
    let (code, out, _) = check(&service_at_rest()).await;
    assert!(code == Some(0) && out.contains("the configuration is good"), "{out}");
    let (code, out, log) = check("[[service]]\nname = \"a\"\n").await;
    assert!(code == Some(2) && !out.contains("good"), "{out}");
    assert!(log.contains("the catalog services cannot be loaded: "), "{log}");
    assert!(log.contains("services.d/a.toml:1: type: \"type\" is missing"), "{log}");
}

#[tokio::test]
async fn a_hangup_reads_catalogs_and_settings_anew() {
    let mut fleet = Fleet::start_with("log_level = \"info\"\n[checks]\ninterval_s = 30\n").await;
    let (rest, settings) = (fleet.rest(), fleet.dir().join("collector.toml"));
    put(&fleet.dir().join("skills/review/SKILL.md"), &skill("review", "r"));
    fleet.collector().signal(Signal::HUP);
    skills_become(&rest, &["review: r"]).await;
    logs(&mut fleet, "the configuration is as it was").await;
    put(&settings, "log_level = \"debug\"\n[checks]\ninterval_s = 20\n");
    fleet.collector().signal(Signal::HUP);
    logs(&mut fleet, "the log level changed").await;
    logs(&mut fleet, "key=\"checks.interval_s\"").await;
    put(&settings, "log_level = \"loud\"\n");
    fleet.collector().signal(Signal::HUP);
    logs(&mut fleet, "collector.toml:1: log_level: expected off, error").await;
    // Many at once are one or two, and none of them ends it.
    for _ in 0..50 {
        fleet.collector().signal(Signal::HUP);
    }
    assert_eq!(skills(&rest).await, ["review: r"]);
    assert!(fleet.collector().is_running());
    fleet.collector().signal(Signal::TERM);
    assert_eq!(fleet.collector().exit(WITHIN).await.code(), Some(0));
}
