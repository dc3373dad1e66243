//! A credential goes in and never comes out.

use serde_json::json;

use crate::api::testing::App;
use crate::registry::encode;
use crate::registry::testing::*;
use crate::registry::view::View;

const ALL: &str = "/api/v1/services";
const CANARY: &str = "canary-5d1c-9f86";

#[tokio::test]
async fn a_credential_is_in_no_answer_no_change_no_log_and_no_file() {
    let app = App::new();
    let credential = json!({"header": "Authorization", "value": format!("Bearer {CANARY}")});
    let form = json!({"name": "a", "type": "model", "url": "gpu-9:1", "credential": credential});
    let added = app.post(ALL, form.clone()).await;
    assert_eq!(added.status, 201);
    let again = app.post(ALL, form).await;
    assert_eq!((again.status, &again.body), (200, &added.body), "the same one changes nothing");

    let entry = app.registry.service("gpu-9:1").unwrap();
    assert!(app.registry.take_dirty(10).is_empty(), "it was kept before the answer");
    let mut told = format!("{added:?} {entry:?} {:?}", app.seal);
    for change in app.registry.changes_since(0, 10).unwrap() {
        for view in [View::Summary, View::Full] {
            told.push_str(std::str::from_utf8(&change.encoded(view)).unwrap());
            told.push_str(&encode::service(&entry, view));
        }
        told.push_str(&format!("{change:?}"));
    }
    assert!(!told.contains(CANARY), "{told}");
    assert!(!added.body.to_string().contains("\"credential\""), "{}", added.body);

    let mut n_files = 0;
    for file in std::fs::read_dir(app.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
        n_files += 1;
    }
    assert!(n_files >= 3, "the database, its lock and the key");

    let kept = entry.facts.records.manual.as_ref().unwrap().credential.clone().unwrap();
    assert_eq!(kept.header, "authorization");
    assert_eq!(app.seal.open(&kept).unwrap().expose(), format!("Bearer {CANARY}"));
}

#[tokio::test]
async fn a_refusal_does_not_repeat_what_may_be_a_secret() {
    let app = App::new();
    for credential in [
        json!(CANARY),
        json!([CANARY]),
        json!({"header": "x-key", "value": [CANARY]}),
        json!({"header": "x-key", "value": format!("{CANARY}\n")}),
        json!({"header": "x-key", "value": {CANARY: 1}}),
        json!({"header": {"name": CANARY}, "value": "a"}),
        json!(format!("\" at line 1, expected {CANARY}")),
    ] {
        let form =
            json!({"name": "a", "type": "model", "url": "gpu-9:1", "credential": credential});
        let refused = app.post(ALL, form).await;
        assert_eq!(refused.status, 422, "{credential}");
        assert!(refused.field().starts_with("credential"), "{refused:?}");
        assert!(!format!("{refused:?}").contains(CANARY), "{refused:?}");
    }
}

#[tokio::test]
async fn another_credential_replaces_the_first_and_none_takes_it_away() {
    let app = App::new();
    let without = || json!({"name": "a", "type": "model", "url": "gpu-9:1"});
    let post = |more: serde_json::Value| {
        let mut form = without();
        form["credential"] = match more {
            serde_json::Value::Null => more,
            value => json!({"header": "X-Key", "value": value}),
        };
        app.post(ALL, form)
    };
    let sealed = || {
        let entry = app.registry.service("gpu-9:1").unwrap();
        let credential = entry.facts.records.manual.as_ref().unwrap().credential.clone();
        credential.map(|credential| app.seal.open(&credential).unwrap().expose().to_owned())
    };
    post(json!("one")).await;
    assert_eq!(sealed().as_deref(), Some("one"));
    post(json!("two")).await;
    assert_eq!(sealed().as_deref(), Some("two"));
    let mut renamed = without();
    renamed["name"] = json!("b");
    for form in [without(), renamed] {
        let kept = app.post(ALL, form).await;
        assert_eq!((kept.status, &kept.body["credential_header"]), (200, &json!("x-key")));
        assert_eq!(sealed().as_deref(), Some("two"), "nothing was said of it");
    }
    let none = post(serde_json::Value::Null).await;
    assert_eq!(none.body["credential_header"], serde_json::Value::Null);
    assert_eq!(sealed(), None);
}

#[tokio::test]
async fn a_credential_is_not_kept_for_another_url() {
    let (app, clock) = (App::new(), Clock::new());
    let arrival = Arrival { name: "gpu-1", peer: "10.0.0.7", boot_id: "b" };
    let opened = arrive(&app.registry, 1, arrival, clock.moment());
    app.registry.take_inventory(&opened, vec![service("0.0.0.0", 8000, vec![])], clock.moment());
    let credential = json!({"header": "x-key", "value": CANARY});
    let first =
        json!({"name": "a", "type": "model", "url": "gpu-1:8000", "credential": credential});
    let first = app.post(ALL, first).await;
    assert_eq!(first.body["credential_header"], "x-key");
    let other = json!({"name": "a", "type": "model", "url": "10.0.0.7:8000"});
    let other = app.post(ALL, other).await;
    assert_eq!(other.body["id"], first.body["id"]);
    assert_eq!(other.body["credential_header"], serde_json::Value::Null);
}
