use axum::http::{HeaderName, HeaderValue, Method};
use herdbook_shared::time::Timestamp;

use super::*;
use crate::api::testing::App;
use crate::config::Proxy;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// In loopback mode, where nobody has credentials.
fn principal(peer: Option<&str>, host: HostKind, headers: &HeaderMap) -> Principal {
    let peer = peer.map(|peer| peer.parse().unwrap());
    let asking = Asking { channel: Channel::Plain, peer, host, headers, is_safe: false };
    recognise(asking, None).unwrap().principal
}

#[test]
fn whoever_is_on_this_machine_is_admin() {
    for address in ["127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
        let principal = principal(Some(address), HostKind::Loopback, &HeaderMap::new());
        assert_eq!(principal, Principal::LOCAL, "{address}");
    }
}

#[test]
fn another_machine_is_nobody_whatever_its_headers_say() {
    let headers = headers(&[("x-real-ip", "127.0.0.1"), ("authorization", "Bearer hbt_x")]);
    for address in ["192.0.2.1:5", "[2001:db8::1]:5", "[::ffff:192.0.2.1]:5", "0.0.0.0:5"] {
        let principal = principal(Some(address), HostKind::Loopback, &headers);
        assert_eq!(principal, Principal::Anonymous(Unknown::NotLoopback), "{address}");
    }
}

#[test]
fn every_forwarding_header_makes_its_sender_nobody() {
    let names = FORWARDING.into_iter().chain([
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-user",
        "x-forwarded-anything",
    ]);
    for name in names {
        let principal = principal(Some("127.0.0.1:5"), HostKind::Loopback, &headers(&[(name, "")]));
        assert_eq!(principal, Principal::Anonymous(Unknown::Forwarded), "{name}");
    }
}

#[test]
fn a_public_name_or_an_unseen_peer_is_nobody() {
    let none = HeaderMap::new();
    assert_eq!(
        principal(Some("127.0.0.1:5"), HostKind::Public, &none),
        Principal::Anonymous(Unknown::PublicName)
    );
    assert_eq!(principal(None, HostKind::Loopback, &none), Principal::Anonymous(Unknown::Unseen));
}

#[test]
fn whoever_opens_the_control_socket_is_admin() {
    let headers = HeaderMap::new();
    let (channel, host) = (Channel::Control, HostKind::Loopback);
    let asking = Asking { channel, peer: None, host, headers: &headers, is_safe: false };
    let caller = recognise(asking, None).unwrap();
    assert_eq!(caller.principal, Principal::Known { role: Role::Admin, who: Who::Control });
}

fn proxied() -> Proxy {
    Proxy {
        trusted: vec!["127.0.0.1/32".parse().unwrap()],
        user_header: Some(HeaderName::from_static("x-user")),
        ..Proxy::default()
    }
}

#[tokio::test]
async fn whom_a_proxy_names_is_never_whoever_is_on_this_machine() {
    let app = App::behind(false, proxied());
    for (name, status) in [("x-user", 403), ("x-other", 200)] {
        let answer = app.send(Method::GET, "/api/v1/hosts", &[(name, "anna")], "").await;
        assert_eq!(answer.status, status, "{name}");
    }
}

#[tokio::test]
async fn credentials_for_the_proxy_are_none_of_ours() {
    let app = App::behind(true, proxied());
    let user = ("x-user", "anna");
    for (shown, status) in [("Basic YW5uYTp4", 200), ("Bearer hbt_x", 401)] {
        let headers = [user, ("authorization", shown)];
        let answer = app.send(Method::GET, "/api/v1/hosts", &headers, "").await;
        assert_eq!(answer.status, status, "{shown}");
    }
    let two = [user, ("authorization", "Basic YW5uYTp4"), ("authorization", "Bearer hbt_x")];
    assert_eq!(app.send(Method::GET, "/api/v1/hosts", &two, "").await.status, 401);
}

#[tokio::test]
async fn a_stream_of_whom_a_proxy_signed_in_ends_for_it_to_be_asked_again() {
    let app = App::behind(true, proxied());
    let session = app.send(Method::GET, "/api/v1/session", &[("x-user", "anna")], "").await;
    assert_eq!(session.body["principal"]["kind"], "proxy");
    let until: Timestamp = serde_json::from_value(session.body["expires_at"].clone()).unwrap();
    let ms = until.ms_since(Timestamp::now());
    assert!((590_000..=600_000).contains(&ms), "{ms}");
}

#[test]
fn one_token_is_read_and_two_are_none() {
    let of = |pairs: &[(&'static str, &str)]| bearer(&headers(pairs));
    let expected = Some(digest("hbt_x"));
    for value in ["Bearer hbt_x", "bearer hbt_x", "BEARER  hbt_x "] {
        assert_eq!(of(&[("authorization", value)]), expected, "{value}");
    }
    for value in ["hbt_x", "Basic hbt_x", ""] {
        assert_eq!(of(&[("authorization", value)]), None, "{value}");
    }
    assert_eq!(of(&[("authorization", "Bearer hbt_x"), ("authorization", "Bearer hbt_x")]), None);
}

#[test]
fn one_cookie_of_ours_is_read_and_two_are_none() {
    let of = |line: &str, is_secure| cookie(&headers(&[("cookie", line)]), is_secure);
    assert_eq!(of("a=b; herdbook=x; c=d", false), Some(digest("x")));
    assert_eq!(of("__Host-herdbook=x", true), Some(digest("x")));
    assert_eq!(of("herdbook=x", true), None, "over TLS only one that needs it");
    assert_eq!(of("__Host-herdbook=x", false), None);
    assert_eq!(of("herdbook=x; herdbook=y", false), None);
    assert_eq!(of("xherdbook=x", false), None);
}
