//! What a person may remove, over the whole API.

use std::fs;

use serde_json::json;

use crate::api::testing::App;
use crate::registry::moment::Moment;
use crate::registry::service::Source;
use crate::registry::testing::declared;

fn list(app: &App, id: &str, source: Source) {
    let declared = declared(id, &format!("http://{id}"));
    app.registry.upsert_service(source, declared, Moment::now()).unwrap();
}

#[tokio::test]
async fn what_no_file_declares_any_more_may_be_removed_and_what_one_does_may_not() {
    let app = App::new();
    let folder = app.dir.path().join("services.d");
    fs::create_dir_all(&folder).unwrap();
    let text = "[[service]]\nname = \"a\"\ntype = \"model\"\nurl = \"http://a:1\"\n";
    fs::write(folder.join("a.toml"), text).unwrap();
    list(&app, "early:1", Source::File);
    assert_eq!(app.delete("/api/v1/services/early%3A1").await.status, 409, "none was read yet");
    app.post("/api/v1/catalogs/services/reload", json!({})).await;
    // As it is after a restart, while a catalog cannot be read.
    list(&app, "old:1", Source::File);
    list(&app, "both:1", Source::File);
    list(&app, "both:1", Source::Manual);
    assert_eq!(app.delete("/api/v1/services/a%3A1").await.status, 409);
    for id in ["old%3A1", "both%3A1"] {
        let path = format!("/api/v1/services/{id}");
        assert_eq!(app.delete(&path).await.status, 200, "{id}");
        assert_eq!(app.get(&path).await.status, 404, "{id}");
    }
}
