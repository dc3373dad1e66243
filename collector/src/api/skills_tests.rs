//! Skills over the whole API: reading, registering, files and what must not be reached.

use std::fs;

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::testing::App;
use crate::catalog::catalogs::Trigger;

fn put(app: &App, path: &str, text: impl AsRef<[u8]>) {
    let path = app.dir.path().join("skills").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

const REVIEW: &str = "---\nname: review\ndescription: Reviews a change\n---\n# How\n";

async fn app() -> App {
    let app = App::new();
    put(&app, "r/SKILL.md", REVIEW);
    put(&app, "r/scripts/run.html", "<script>alert(1)</script>");
    put(&app, "r/logo.png", [0x89, b'P', b'N', b'G', 0]);
    app.catalogs.reload("skills", Trigger::Start).await.unwrap();
    app
}

fn form(name: &str) -> Value {
    json!({"name": name, "description": "does it", "body": "# Do it\n"})
}

#[tokio::test]
async fn the_list_has_the_shape_that_clients_know() {
    let app = app().await;
    let list = app.get("/api/v1/skills").await;
    assert_eq!(list.status, 200);
    let skill = &list.body["skills"][0];
    for (key, value) in [
        ("name", json!("review")),
        ("description", json!("Reviews a change")),
        ("source", json!("file")),
        ("sha256", json!(&*crate::catalog::skill::SkillFile::of_text(REVIEW).sha256)),
    ] {
        assert_eq!(skill[key], value, "{skill}");
    }
    assert!(list.body["next_cursor"].is_null() && skill.get("body").is_none(), "{}", list.body);
    let paths: Vec<_> = skill["files"].as_array().unwrap().iter().map(|f| &f["path"]).collect();
    assert_eq!(paths, ["logo.png", "scripts/run.html"]);
    assert_eq!(skill["files"][0]["size_bytes"], 5);
    let one = app.get("/api/v1/skills/review").await;
    assert_eq!(one.body["body"], "# How\n");
    let known = [("if-none-match", one.header("etag"))];
    let again = app.send(Method::GET, "/api/v1/skills/review", &known, "").await;
    assert_eq!((again.status, again.body), (304, Value::Null));
    assert_eq!(app.get("/api/v1/skills/none").await.status, 404);
}

#[tokio::test]
async fn a_skill_is_registered_replaced_and_removed() {
    let app = app().await;
    let made = app.post("/api/v1/skills", form("a b/")).await;
    assert_eq!((made.status, made.field()), (422, "name"));
    let made = app.post("/api/v1/skills", form("a b")).await;
    assert_eq!((made.status, made.header("location")), (201, "/api/v1/skills/a%20b"));
    assert_eq!((&made.body["source"], &made.body["path"]), (&json!("manual"), &Value::Null));
    let again = app.post("/api/v1/skills", form("a b")).await;
    assert_eq!((again.status, again.header("etag")), (200, made.header("etag")));
    let new = [("if-none-match", "*")];
    let text = form("a b").to_string();
    let there = app.send(Method::POST, "/api/v1/skills", &new, &text).await;
    assert_eq!((there.status, there.field()), (409, "If-None-Match"));
    let other = json!({"name": "a b", "description": "does more", "body": ""});
    let other = app.post("/api/v1/skills", other).await;
    assert!(other.status == 200 && other.header("etag") != made.header("etag"));
    let file = app.get_text("/api/v1/skills/a%20b/files/SKILL.md").await;
    assert!(file.contains("description: \"does more\""), "{file}");
    let gone = app.delete("/api/v1/skills/a%20b").await;
    assert_eq!((gone.status, &gone.body["description"]), (200, &json!("does more")));
    assert_eq!(app.delete("/api/v1/skills/a%20b").await.status, 404);
    let kinds = app.registry.kinds_since(0);
    assert_eq!(kinds, ["catalog.reloaded", "catalog.reloaded", "catalog.reloaded"]);
}

#[tokio::test]
async fn what_a_file_has_is_changed_in_the_file() {
    let app = app().await;
    for refused in [
        app.post("/api/v1/skills", form("review")).await,
        app.delete("/api/v1/skills/review").await,
    ] {
        assert_eq!((refused.status, refused.field()), (409, "name"));
        let told = refused.body["detail"].as_str().unwrap();
        assert!(told.contains("skills/r/SKILL.md"), "{told}");
    }
    let before = app.post("/api/v1/skills", form("later")).await;
    assert_eq!(before.status, 201);
    put(&app, "l/SKILL.md", "---\nname: later\ndescription: of a file\n---\n");
    app.catalogs.reload("skills", Trigger::Asked).await.unwrap();
    assert_eq!(app.get("/api/v1/skills/later").await.body["description"], "of a file");
    fs::remove_dir_all(app.dir.path().join("skills/l")).unwrap();
    app.catalogs.reload("skills", Trigger::Asked).await.unwrap();
    assert_eq!(app.get("/api/v1/skills/later").await.body["description"], "does it");
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named() {
    let app = App::new();
    for (body, status, field) in [
        (json!({"name": "a", "description": "b"}), 422, "body"),
        (json!({"name": "a", "description": "", "body": ""}), 422, "description"),
        (json!({"name": 7, "description": "b", "body": ""}), 422, "name"),
        (json!({"name": "a", "description": "b", "body": "", "x": 1}), 422, "x"),
        (json!([]), 422, "body"),
    ] {
        let refused = app.post("/api/v1/skills", body.clone()).await;
        assert_eq!((refused.status, refused.field()), (status, field), "{body}");
    }
    let wrong = app.send(Method::POST, "/api/v1/skills?x=1", &[], &form("a").to_string()).await;
    assert_eq!((wrong.status, wrong.field()), (422, "x"));
}

#[tokio::test]
async fn files_are_what_was_loaded_and_no_browser_runs_them() {
    let app = app().await;
    let html = app.get_raw("/api/v1/skills/review/files/scripts/run.html").await;
    assert_eq!(html.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(html.header("x-content-type-options"), "nosniff");
    let png = app.get_raw("/api/v1/skills/review/files/logo.png").await;
    assert_eq!(png.header("content-type"), "application/octet-stream");
    put(&app, "r/logo.png", "another");
    let same = app.get_raw("/api/v1/skills/review/files/logo.png").await;
    assert_eq!(same.header("etag"), png.header("etag"), "nothing is read when asked");
    let known = [("if-none-match", png.header("etag"))];
    let path = "/api/v1/skills/review/files/logo.png";
    assert_eq!(app.send(Method::GET, path, &known, "").await.status, 304);
}

/// Spellings by which servers were led out of their folders.
const CORPUS: [&str; 22] = [
    "../r/SKILL.md",
    "../../seal.key",
    "..%2f..%2fseal.key",
    "..%2F..%2F..%2Fetc%2Fpasswd",
    "%2e%2e/%2e%2e/seal.key",
    "%2e%2e%2f%2e%2e%2fseal.key",
    "..%5c..%5cseal.key",
    "..%255c..%255cseal.key",
    "%252e%252e%252fseal.key",
    "....//....//seal.key",
    "..;/seal.key",
    "./SKILL.md",
    "scripts/../SKILL.md",
    "scripts//run.html",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "SKILL.md%00",
    "SKILL.md%00.txt",
    "..%c0%af..%c0%afseal.key",
    "%ef%bc%8e%ef%bc%8e/seal.key",
    "skill.md",
    "scripts",
];

#[tokio::test]
async fn no_spelling_leads_out() {
    let app = app().await;
    for spelling in CORPUS {
        for path in [
            format!("/api/v1/skills/review/files/{spelling}"),
            format!("/api/v1/skills/{spelling}/files/SKILL.md"),
        ] {
            let answer = app.get_raw(&path).await;
            assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        }
    }
    assert_eq!(app.get_raw("/api/v1/skills/review/files/SKILL.md").await.status, 200);
}

#[tokio::test]
async fn pages_follow_one_another() {
    let app = App::new();
    for name in ["c", "a", "b"] {
        assert_eq!(app.post("/api/v1/skills", form(name)).await.status, 201);
    }
    let first = app.get("/api/v1/skills?limit=2").await.body;
    let names = |body: &Value| {
        let skills = body["skills"].as_array().unwrap().iter();
        skills.map(|skill| skill["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(&first), &first["next_cursor"]), (vec!["a".into(), "b".into()], &json!("b")));
    let second = app.get("/api/v1/skills?limit=2&cursor=b").await.body;
    assert_eq!((names(&second), &second["next_cursor"]), (vec!["c".into()], &Value::Null));
    assert_eq!(app.get("/api/v1/skills?limit=0").await.field(), "limit");
}
