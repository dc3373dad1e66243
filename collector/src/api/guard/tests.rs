//! The guard from outside: a sample application with a route for every action, asked by everybody
//! under every name.

use std::net::SocketAddr;

use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, Method, Request};
use axum::routing::{any, delete, get, post};
use http_body_util::BodyExt;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::*;
use crate::auth::{Action, Principal, Unknown, authorize};
use crate::config::Proxy;
use crate::store::Store;

fn routes() -> Routes {
    Routes::new()
        .on(Action::Health, "/healthz", get(|| async { "health" }))
        .on(Action::Dashboard, "/", get(|| async { "page" }))
        .on(Action::ReadFleet, "/hosts/{id}", get(|Path(id): Path<String>| async { id }))
        .on(Action::Change, "/hosts/{id}", delete(|| async { "gone" }))
        .on(Action::Watch, "/live", any(|| async { "live" }))
        .on(Action::Watch, "/more", get(|| async { "more" }).fallback(|| async { "other" }))
        .on(Action::Ingest, "/agent", get(|| async { "agent" }))
        .merge(Routes::new().on(Action::Change, "/hosts", post(|body: String| async { body })))
}

fn app() -> Router {
    Guarded::new(routes(), AllowedHosts::new(["fleet.example".parse().unwrap()])).router()
}

/// A request as it comes from this machine.
fn local(method: Method, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:6121");
    from("127.0.0.1:40000", request.body(Body::empty()).unwrap())
}

fn from(peer: &str, mut request: Request<Body>) -> Request<Body> {
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

async fn ask(request: Request<Body>) -> Answer {
    answered(app(), request).await
}

async fn answered(app: Router, request: Request<Body>) -> Answer {
    let response = app.oneshot(request).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

#[tokio::test]
async fn the_peer_is_that_of_the_connection_whatever_a_trusted_proxy_tells() {
    let dir = tempfile::tempdir().unwrap();
    let (store, loaded) = Store::open(dir.path()).unwrap();
    let trusted = vec!["127.0.0.1/32".parse().unwrap()];
    let rules = (true, Proxy { trusted, ..Proxy::default() });
    let access = Access::with_rules(rules, &loaded, Arc::new(store), TaskTracker::new());
    let told = |Extension(peer): Extension<PeerAddr>, caller: Caller| async move {
        format!("{} {:?}", peer.0, caller.address)
    };
    let routes = Routes::new().on(Action::Health, "/told", get(told));
    let app = Guarded::with_access(routes, AllowedHosts::new([]), Arc::new(access)).router();
    let forwarded = with(local(Method::GET, "/told"), &[("x-forwarded-for", "10.0.0.9")]);
    assert_eq!(answered(app, forwarded).await.body, "127.0.0.1:40000 Some(10.0.0.9)");
}

/// Asks under a Host (as the header says it) with an Origin, if any.
async fn status(host: &str, origin: Option<&str>) -> u16 {
    let mut request = local(Method::GET, "/live");
    request.headers_mut().insert("host", host.parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    ask(request).await.status
}

/// Everybody who can ask, with what makes them so.
fn everybody() -> [(Principal, &'static str, &'static str, Option<&'static str>); 4] {
    [
        (Principal::LOCAL, "127.0.0.1:1", "localhost", None),
        (Principal::Anonymous(Unknown::NotLoopback), "192.0.2.1:1", "localhost", None),
        (Principal::Anonymous(Unknown::Forwarded), "127.0.0.1:1", "localhost", Some("192.0.2.1")),
        (Principal::Anonymous(Unknown::PublicName), "127.0.0.1:1", "fleet.example", None),
    ]
}

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

#[tokio::test]
async fn every_route_lets_in_whom_its_action_allows_and_nobody_else() {
    let routes = routes();
    assert_eq!(routes.declared().len(), 8);
    for route in routes.declared() {
        let path = route.path.replace("{id}", "x");
        for (principal, peer, host, forwarded) in everybody() {
            let mut n_routed = 0;
            for method in METHODS {
                let mut request = from(peer, local(method.clone(), &path));
                request.headers_mut().insert("host", host.parse().unwrap());
                if let Some(address) = forwarded {
                    request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
                }
                let answer = ask(request).await;
                let allowed = routes.declared().iter().filter(|other| other.path == route.path);
                let allowed: Vec<_> =
                    allowed.map(|route| authorize(&principal, route.action).is_ok()).collect();
                let words = format!("{principal:?} {method} {path}: {}", answer.status);
                match answer.status {
                    405 => {}
                    403 => assert!(allowed.contains(&false), "{words}"),
                    200 => assert!(allowed.contains(&true), "{words}"),
                    _ => panic!("{words}"),
                }
                n_routed += usize::from(answer.status != 405);
            }
            assert!(n_routed > 0, "{path} answers no method");
        }
    }
}

#[tokio::test]
async fn a_path_may_have_one_action_a_method() {
    let forwarded = [("forwarded", "for=192.0.2.1")];
    for (method, path, status) in
        [(Method::GET, "/hosts/x", 200), (Method::DELETE, "/hosts/x", 200), (Method::GET, "/", 200)]
    {
        assert_eq!(ask(local(method.clone(), path)).await.status, status, "{method} {path}");
        let answer = ask(with(local(method, path), &forwarded)).await;
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("ssh -L"), "{}", answer.body);
    }
    assert_eq!(ask(with(local(Method::GET, "/healthz"), &forwarded)).await.status, 200);
}

#[tokio::test]
async fn without_the_guard_nobody_gets_through() {
    for route in routes().declared() {
        let path = route.path.replace("{id}", "x");
        let request = local(Method::GET, &path);
        let answer = answered(routes().into_router(), request).await;
        let expected = if route.action == Action::Health { 200 } else { 403 };
        assert!([expected, 405].contains(&answer.status), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn the_host_must_be_one_of_ours() {
    for host in ["localhost", "127.0.0.1:9", "[::1]:6121", "x.localhost", "localhost.:6121"] {
        assert_eq!(status(host, None).await, 200, "{host}");
    }
    for host in ["evil.example", "0.0.0.0:6121", "192.168.0.9", "localhost@evil", ""] {
        assert_eq!(status(host, None).await, 421, "{host}");
    }
    let mut none = local(Method::GET, "/healthz");
    none.headers_mut().remove("host");
    assert_eq!(ask(none).await.status, 400);
    let twice = with(local(Method::GET, "/healthz"), &[("host", "localhost:6121")]);
    assert_eq!(ask(twice).await.status, 400);
    let unknown = with(local(Method::GET, "/nowhere"), &[]);
    assert_eq!(ask(unknown).await.status, 404);
    let mut misdirected = local(Method::GET, "/nowhere");
    misdirected.headers_mut().insert("host", "evil.example".parse().unwrap());
    assert_eq!(ask(misdirected).await.status, 421);
}

#[tokio::test]
async fn a_whole_url_in_the_request_line_must_agree_with_the_host() {
    for (url, status) in [
        ("http://localhost:6121/live", 200),
        ("http://LOCALHOST:6121/live", 200),
        ("http://evil.example/live", 400),
        ("http://localhost/live", 400),
        ("http://user@localhost:6121/live", 400),
    ] {
        assert_eq!(ask(local(Method::GET, url)).await.status, status, "{url}");
    }
}

#[tokio::test]
async fn only_our_own_page_may_ask_from_a_browser() {
    let host = "localhost:6121";
    assert_eq!(status(host, None).await, 200);
    assert_eq!(status(host, Some("http://localhost:6121")).await, 200);
    assert_eq!(status("[::1]:6121", Some("http://[::1]:6121")).await, 200);
    for origin in [
        "null",
        "",
        "http://evil.example",
        "https://localhost:6121",
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:61210",
        "http://127.0.0.1:6121",
        "http://localhost:6121.evil.example",
        "http://evil.example:6121",
        "localhost:6121",
        "http://localhost:6121/",
        "file://",
        "http://localhost:6121 http://evil.example",
    ] {
        assert_eq!(status(host, Some(origin)).await, 403, "{origin}");
    }
    let both = [("origin", "http://localhost:6121"), ("origin", "http://localhost:6121")];
    assert_eq!(ask(with(local(Method::GET, "/live"), &both)).await.status, 403);
    // Under a public name the scheme is the proxy's; the sender is nobody all the same.
    let mut public = with(local(Method::GET, "/healthz"), &[("origin", "https://fleet.example")]);
    public.headers_mut().insert("host", "fleet.example".parse().unwrap());
    assert_eq!(ask(public).await.status, 200);
}

#[tokio::test]
async fn an_upgrade_is_checked_like_everything_else() {
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let evil = with(local(Method::GET, "/live"), &upgrade);
    let evil = with(evil, &[("origin", "http://evil.example")]);
    assert_eq!(ask(evil).await.status, 403);
    let mut rebound = with(local(Method::GET, "/live"), &upgrade);
    rebound.headers_mut().insert("host", "evil.example".parse().unwrap());
    assert_eq!(ask(rebound).await.status, 421);
    assert_eq!(ask(with(local(Method::GET, "/live"), &upgrade)).await.status, 200);
}

fn sent(body: &str, headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = with(local(Method::POST, "/hosts"), headers);
    *request.body_mut() = Body::from(body.to_owned());
    request
}

#[tokio::test]
async fn a_body_is_json_or_refused() {
    for (kind, status) in [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ] {
        let request = sent("{}", &[("content-length", "2"), ("content-type", kind)]);
        assert_eq!(ask(request).await.status, status, "{kind}");
    }
    assert_eq!(ask(sent("{}", &[("content-length", "2")])).await.status, 415);
    let chunked = [("transfer-encoding", "chunked"), ("content-type", "text/plain")];
    assert_eq!(ask(sent("{}", &chunked)).await.status, 415);
    let twice = [("content-type", "application/json"), ("content-type", "text/plain")];
    assert_eq!(ask(sent("", &twice)).await.status, 400);
}

#[tokio::test]
async fn a_body_is_bounded_whether_it_tells_its_size_or_not() {
    let large = " ".repeat(BODY_BYTES + 1);
    let length = large.len().to_string();
    let json = ("content-type", "application/json");
    let told = ask(sent(&large, &[("content-length", &length), json])).await;
    let untold = ask(sent(&large, &[("transfer-encoding", "chunked"), json])).await;
    for answer in [told, untold] {
        assert_eq!(answer.status, 413);
        assert!(answer.body.contains("urn:herdbook:too_large"), "{}", answer.body);
    }
    let fits = " ".repeat(BODY_BYTES);
    assert_eq!(ask(sent(&fits, &[("transfer-encoding", "chunked"), json])).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let mut request =
        sent("", &[("transfer-encoding", "chunked"), ("content-type", "application/json")]);
    let endless = futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    *request.body_mut() = Body::from_stream(endless);
    assert_eq!(ask(request).await.status, 408);
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_with_every_header() {
    for (method, path, status) in [
        (Method::GET, "/nowhere", 404),
        (Method::GET, "/hosts/x/y", 404),
        (Method::GET, "//hosts", 404),
        (Method::PUT, "/hosts/x", 405),
        (Method::OPTIONS, "/hosts/x", 405),
        (Method::TRACE, "/", 405),
        (Method::CONNECT, "/", 405),
        (Method::from_bytes(b"BREW").unwrap(), "/", 405),
    ] {
        let answer = ask(local(method.clone(), path)).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_hardened(&answer.headers);
    }
    let allow = ask(local(Method::PUT, "/hosts/x")).await.headers["allow"].clone();
    assert!(allow.to_str().unwrap().contains("DELETE"), "{allow:?}");
    assert_hardened(&ask(local(Method::GET, "/live")).await.headers);
}

fn assert_hardened(headers: &HeaderMap) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(!headers.contains_key("access-control-allow-origin"));
}
