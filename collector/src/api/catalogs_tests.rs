//! Catalogs over the whole API.

use std::fs;

use axum::http::{Method, header};
use serde_json::json;

use crate::api::testing::App;
use crate::store::StoreState;

const SERVICE: &str = "[[service]]\nname = \"reload\"\ntype = \"tool\"\nurl = \"http://a:1\"\n\
                       credential = { header = \"x-key\", value = \"canary\" }\n";

fn put(app: &App, text: &str) {
    fs::create_dir_all(app.dir.path().join("services.d")).unwrap();
    fs::write(app.dir.path().join("services.d/a.toml"), text).unwrap();
}

#[tokio::test]
async fn a_catalog_is_loaded_anew_and_says_what_changed() {
    let app = App::new();
    let list = app.get("/api/v1/catalogs").await.body;
    assert_eq!(
        (&list["catalogs"][0]["name"], &list["catalogs"][1]["name"]),
        (&json!("services"), &json!("skills"))
    );
    assert_eq!(list["catalogs"][0]["loaded_at"], json!(null));
    put(&app, SERVICE);
    let reloaded = app.post("/api/v1/catalogs/services/reload", json!({})).await;
    assert_eq!((reloaded.status, &reloaded.body["added"]), (200, &json!(["reload"])));
    let one = app.get("/api/v1/catalogs/services").await.body;
    assert_eq!((&one["n_entries"], &one["error"]), (&json!(1), &json!(null)));
    assert_eq!(one["entries"][0]["service_id"], "a:1");
    assert!(one["loaded_at"].is_string());
    let entry = app.get("/api/v1/catalogs/services/reload").await;
    assert_eq!((&entry.body["line"], &entry.body["source"]), (&json!(1), &json!("file")));
    let service = app.get("/api/v1/services/a%3A1").await.body;
    assert_eq!(service["sources"], json!(["file"]));
    for told in [list, one, entry.body, service, reloaded.body] {
        assert!(!told.to_string().contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn the_tag_of_a_service_is_of_what_is_shown_and_tells_no_credential() {
    let app = App::new();
    let path = "/api/v1/catalogs/services/reload";
    let tags = ["canary", "another"].map(|value| SERVICE.replace("canary", value));
    let mut told = Vec::new();
    for text in tags {
        put(&app, &text);
        let reloaded = app.post("/api/v1/catalogs/services/reload", json!({})).await;
        let n_new = [&reloaded.body["n_added"], &reloaded.body["n_changed"]];
        assert!(n_new.contains(&&json!(1)), "{:?}", reloaded.body);
        let tag = app.get(path).await.headers[header::ETAG].to_str().unwrap().to_owned();
        told.push(tag);
    }
    assert_eq!(told[0], told[1], "another credential shows nowhere");
    let known = ("if-none-match", told[0].as_str());
    assert_eq!(app.send(Method::GET, path, &[known], "").await.status, 304);
    // The line is shown: who has the old one is told the new one.
    put(&app, &format!("\n{SERVICE}"));
    app.post("/api/v1/catalogs/services/reload", json!({})).await;
    let moved = app.send(Method::GET, path, &[known], "").await;
    assert_eq!((moved.status, &moved.body["line"]), (200, &json!(2)));
}

#[tokio::test]
async fn a_mistake_is_answered_with_file_line_and_key() {
    let app = App::new();
    put(&app, SERVICE);
    app.post("/api/v1/catalogs/services/reload", json!({})).await;
    put(&app, &SERVICE.replace("\"http://a:1\"", "\"ftp://a\""));
    let refused = app.post("/api/v1/catalogs/services/reload", json!({})).await;
    assert_eq!((refused.status, refused.field()), (422, "url"));
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("services.d/a.toml:4: "), "{detail}");
    let catalog = app.get("/api/v1/catalogs/services").await.body;
    let error = &catalog["error"];
    assert_eq!((&error["line"], &error["key"]), (&json!(4), &json!("url")));
    assert_eq!(catalog["n_entries"], 1, "it stays as it was");
    assert_eq!(app.get("/api/v1/services/a%3A1").await.status, 200);
    assert!(!catalog.to_string().contains("canary"), "{catalog}");
}

#[tokio::test]
async fn services_are_not_loaded_anew_while_nothing_can_be_kept_and_skills_are() {
    let app = App::new();
    let database = rusqlite::Connection::open(app.dir.path().join("state.db")).unwrap();
    database.execute("ALTER TABLE services RENAME TO away", []).unwrap();
    put(&app, SERVICE);
    let untold = app.post("/api/v1/catalogs/services/reload", json!({})).await;
    assert_eq!(untold.status, 503, "it changed something, and is not on the disk");
    let is_failing = |state: &StoreState| *state == StoreState::Failing;
    app.store.watch_state().wait_for(is_failing).await.unwrap();
    put(&app, &SERVICE.replace("a:1", "a:2"));
    let refused = app.post("/api/v1/catalogs/services/reload", json!({})).await;
    assert_eq!(refused.status, 503);
    assert!(refused.body["detail"].as_str().unwrap().contains("nothing was changed"));
    assert_eq!(app.get("/api/v1/services/a%3A2").await.status, 404);
    // Skills need no disk; that the log does not tell who had them loaded is said.
    let done = app.post("/api/v1/catalogs/skills/reload", json!({})).await;
    let detail = done.body["detail"].as_str().unwrap();
    assert!(done.status == 503 && detail.contains("this was done"), "{done:?}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let app = App::new();
    for path in ["/api/v1/catalogs/x", "/api/v1/catalogs/x/y", "/api/v1/catalogs/skills/y"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    assert_eq!(app.post("/api/v1/catalogs/x/reload", json!({})).await.status, 404);
    assert_eq!(app.get("/api/v1/catalogs/skills/reload").await.status, 404);
    let wrong = app.post("/api/v1/catalogs/skills/reload?force=1", json!({})).await;
    assert_eq!((wrong.status, wrong.field()), (422, "force"));
}
