//! The page with and without its files, and everything that is no file of it.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::api::guard::Guarded;
use crate::auth::AllowedHosts;
use crate::serve::PeerAddr;

fn app(files: &[(&str, &'static str)]) -> Router {
    let form = |text: &'static str| {
        let mut hash = [0; 32];
        hash[0] = u8::try_from(text.len()).unwrap();
        Form::hashed(Bytes::from_static(text.as_bytes()), hash)
    };
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), form(text))).collect();
    Guarded::new(routes_of(files), AllowedHosts::default()).router()
}

fn built() -> Router {
    app(&[
        ("index.html", "<html>"),
        ("assets/app-1a2b.js", "let x"),
        ("assets/app-1a2b.js.gz", "squeezed"),
        ("favicon.svg", "<svg>"),
    ])
}

async fn ask(app: &Router, path: &str, headers: &[(&'static str, &str)]) -> (Response, String) {
    let mut request = Request::builder().uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerAddr("127.0.0.1:1".parse().unwrap()));
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    (Response::from_parts(head, Body::empty()), text)
}

#[tokio::test]
async fn the_page_is_checked_again_and_its_named_files_are_kept() {
    let (index, text) = ask(&built(), "/", &[]).await;
    assert_eq!((index.status().as_u16(), text.as_str()), (200, "<html>"));
    assert_eq!(index.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(index.headers()["cache-control"], "no-cache");
    assert_eq!(index.headers()["content-security-policy"], PAGE_POLICY);
    assert_eq!(index.headers()["x-content-type-options"], "nosniff");
    let (script, text) = ask(&built(), "/assets/app-1a2b.js", &[]).await;
    assert_eq!((script.status().as_u16(), text.as_str()), (200, "let x"));
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(script.headers()["cache-control"], "public, max-age=31536000, immutable");
}

#[tokio::test]
async fn a_browser_that_has_the_file_gets_none() {
    let (first, _) = ask(&built(), "/", &[]).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let (again, text) = ask(&built(), "/", &[("if-none-match", &known)]).await;
        assert_eq!((again.status().as_u16(), text.as_str()), (304, ""), "{known}");
        assert_eq!(again.headers()["etag"], tag.as_str());
    }
    let (changed, _) = ask(&built(), "/", &[("if-none-match", "\"other\"")]).await;
    assert_eq!(changed.status(), 200);
}

#[tokio::test]
async fn the_compressed_twin_is_for_those_who_take_it() {
    let path = "/assets/app-1a2b.js";
    for takes in ["gzip", "br, GZIP;q=0.5", "deflate,gzip"] {
        let (answer, text) = ask(&built(), path, &[("accept-encoding", takes)]).await;
        assert_eq!(text, "squeezed", "{takes}");
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(answer.headers()["vary"], "accept-encoding");
    }
    for takes in ["", "br", "gzip;q=0", "gzipped"] {
        let (answer, text) = ask(&built(), path, &[("accept-encoding", takes)]).await;
        assert_eq!(text, "let x", "{takes}");
        assert!(!answer.headers().contains_key("content-encoding"));
    }
}

#[tokio::test]
async fn nothing_but_the_files_is_found() {
    for path in [
        "/index.html",
        "/assets",
        "/assets/",
        "/assets/app-1a2b.js.gz",
        "/assets/app-1a2b.js/",
        "/assets/APP-1A2B.JS",
        "/assets/%61pp-1a2b.js",
        "/assets//app-1a2b.js",
        "//",
        "/.",
        "/..",
        "/../",
        "/../state.db",
        "/assets/../index.html",
        "/assets/../../Cargo.toml",
        "/assets/..%2f..%2fCargo.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cCargo.toml",
        "/assets/..;/Cargo.toml",
        "/....//....//etc/passwd",
        "/etc/passwd",
        "/%00",
        "/assets/%00",
        "/assets/app-1a2b.js%00.html",
        "/assets\\app-1a2b.js",
        "/%252e%252e/state.db",
        "/dashboard/../data/config.yaml",
        "/state.db",
        "/.git/config",
        "/dashboard/dist/index.html",
        "/{path}",
        "/assets/{path}",
        "/~root",
        "/favicon.svg.gz",
        "/favicon.svg/x",
    ] {
        let (answer, _) = ask(&built(), path, &[]).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
    assert_eq!(ask(&built(), "/favicon.svg", &[]).await.0.status(), 200);
}

#[tokio::test]
async fn without_files_one_page_says_how_to_build_it() {
    for files in [&[][..], &[("assets/half.js", "x")]] {
        let app = app(files);
        let (page, text) = ask(&app, "/", &[]).await;
        assert_eq!(page.status(), 200);
        assert!(text.contains("make run") && text.contains("make page"), "{text}");
        assert!(!text.contains("<script") && !text.contains("style="), "the policy forbids it");
        assert_eq!(ask(&app, "/assets/half.js", &[]).await.0.status(), 404);
    }
}

#[tokio::test]
async fn what_was_embedded_can_be_served() {
    let embedded = Guarded::new(routes(), AllowedHosts::default()).router();
    let (page, text) = ask(&embedded, "/", &[]).await;
    assert_eq!(page.status(), 200);
    assert!(text.starts_with("<!doctype html>"), "{text}");
}
