use axum::http::{HeaderName, HeaderValue};

use super::*;

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
