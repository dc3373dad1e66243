//! The command line against the real application, over a socket as the collector has it.

use axum::extract::Request;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use super::*;
use crate::api::testing::App;
use crate::auth::Role;
use crate::serve::{CONTROL_FILE, Channel};

/// Serves the application on a socket in this directory.
fn serve(app: &std::sync::Arc<App>, dir: &Path) -> JoinSet<()> {
    let listener = UnixListener::bind(dir.join(CONTROL_FILE)).unwrap();
    let app = std::sync::Arc::clone(app);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
                let app = std::sync::Arc::clone(&app);
                async move {
                    let request: Request = request.map(axum::body::Body::new);
                    Ok::<_, std::convert::Infallible>(app.ask_by(Channel::Control, request).await)
                }
            });
            let served = hyper::server::conn::http1::Builder::new();
            drop(served.serve_connection(TokioIo::new(stream), service).await);
        }
    });
    serving
}

async fn asked(dir: &Path, ask: Ask) -> Result<String, ControlError> {
    let mut out = Vec::new();
    run(dir, ask, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn create(role: Role) -> Ask {
    Ask::Token(TokenAsk::Create {
        role: Some(role),
        name: Some("ci".to_owned()),
        uses: None,
        expires: Some(3_600),
        name_pattern: None,
        from: None,
        json: false,
    })
}

#[tokio::test]
async fn a_token_is_made_and_revoked_and_the_log_tells_who_did() {
    let (app, dir) = (std::sync::Arc::new(App::demanding()), tempfile::tempdir().unwrap());
    let _serving = serve(&app, dir.path());
    let made = asked(dir.path(), create(Role::Viewer)).await.unwrap();
    assert!(made.starts_with("hbt_") && made.lines().count() == 1, "{made}");
    let id = app.access.tokens()[0].id.to_string();
    asked(dir.path(), Ask::Token(TokenAsk::Revoke { id })).await.unwrap();
    let log = asked(dir.path(), Ask::Audit { verify: false, json: false }).await.unwrap();
    assert!(log.contains("command line  revokeToken"), "{log}");
    let whole = asked(dir.path(), Ask::Audit { verify: true, json: false }).await.unwrap();
    assert!(whole.starts_with("the audit log is whole: 2 rows"), "{whole}");
    let people = asked(dir.path(), Ask::Person(PersonAsk::List { json: true })).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&people).unwrap()["people"], json!([]));
    let name = "anna".to_owned();
    let refused = asked(dir.path(), Ask::Person(PersonAsk::Remove { name })).await.unwrap_err();
    assert!(refused.to_string().contains("there is no such person"), "{refused}");
}

#[tokio::test]
async fn a_log_that_was_tampered_with_is_told_and_fails() {
    let (app, dir) = (std::sync::Arc::new(App::demanding()), tempfile::tempdir().unwrap());
    let _serving = serve(&app, dir.path());
    asked(dir.path(), create(Role::Viewer)).await.unwrap();
    let direct = rusqlite::Connection::open(app.dir.path().join("state.db")).unwrap();
    direct.execute("UPDATE audit SET doc = replace(doc, 'command', 'somebody')", []).unwrap();
    let mut out = Vec::new();
    let ask = Ask::Audit { verify: true, json: false };
    let failed = run(dir.path(), ask, &mut out).await.unwrap_err();
    assert!(failed.to_string().contains("the audit log is not whole"), "{failed}");
    assert_eq!(out, b"the audit log is broken at row 1, of 1 rows\n");
}

#[tokio::test]
async fn where_no_collector_runs_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let ask = || Ask::Audit { verify: true, json: false };
    let none = asked(dir.path(), ask()).await.unwrap_err();
    assert!(matches!(none, ControlError::NotRunning { .. }), "{none}");
    // What a collector that was killed leaves behind.
    drop(UnixListener::bind(dir.path().join(CONTROL_FILE)).unwrap());
    let left = asked(dir.path(), ask()).await.unwrap_err();
    assert!(left.to_string().contains("no collector runs on"), "{left}");
}

#[tokio::test]
async fn a_directory_with_a_long_path_is_reached() {
    let (app, dir) = (std::sync::Arc::new(App::demanding()), tempfile::tempdir().unwrap());
    let _serving = serve(&app, dir.path());
    let long = dir.path().join("a".repeat(100)).join("b".repeat(100));
    std::fs::create_dir_all(&long).unwrap();
    std::fs::rename(dir.path().join(CONTROL_FILE), long.join(CONTROL_FILE)).unwrap();
    let people = asked(&long, Ask::Person(PersonAsk::List { json: false })).await.unwrap();
    assert!(people.starts_with("NAME"), "{people}");
}

#[tokio::test]
async fn whoever_stops_reading_has_read_enough() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (app, dir) = (std::sync::Arc::new(App::demanding()), tempfile::tempdir().unwrap());
    let _serving = serve(&app, dir.path());
    run(dir.path(), Ask::Person(PersonAsk::List { json: false }), &mut Closed).await.unwrap();
}

/// Serves two pages of agents, and agrees to whatever is done to one.
fn serve_agents(dir: &Path) -> JoinSet<()> {
    let listener = UnixListener::bind(dir.join(CONTROL_FILE)).unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                let agent = |fingerprint: &str, state: &str| {
                    json!({ "name": "gpu-1", "fingerprint": fingerprint, "state": state })
                };
                let query = request.uri().query().unwrap_or_default();
                let page = match (request.method(), query.contains("cursor=sha256:a")) {
                    (&hyper::Method::GET, false) => json!({
                        "agents": [agent("sha256:a", "approved")], "next_cursor": "sha256:a",
                    }),
                    (&hyper::Method::GET, true) => json!({
                        "agents": [agent("sha256:b", "pending")], "next_cursor": null,
                    }),
                    _ => json!({}),
                };
                let body = axum::body::Body::from(page.to_string());
                Ok::<_, std::convert::Infallible>(hyper::Response::new(body))
            });
            let served = hyper::server::conn::http1::Builder::new();
            drop(served.serve_connection(TokioIo::new(stream), service).await);
        }
    });
    serving
}

#[tokio::test]
async fn a_host_is_approved_by_its_fingerprint_and_never_by_the_name_that_it_tells() {
    let dir = tempfile::tempdir().unwrap();
    let _serving = serve_agents(dir.path());
    let approve = |which: &str| Ask::Host(HostAsk::Approve { which: which.to_owned() });
    let refused = asked(dir.path(), approve("gpu-1")).await.unwrap_err().to_string();
    assert!(refused.contains("sha256:b") && !refused.contains("sha256:a"), "{refused}");
    asked(dir.path(), approve("sha256:b")).await.unwrap();
    let none = asked(dir.path(), approve("gpu-2")).await.unwrap_err();
    assert!(matches!(none, ControlError::NoHost(_)), "{none}");
    // Both pages are looked at.
    let revoke = Ask::Host(HostAsk::Revoke { which: "gpu-1".to_owned() });
    let refused = asked(dir.path(), revoke).await.unwrap_err().to_string();
    assert!(refused.contains("sha256:a, sha256:b"), "{refused}");
}
