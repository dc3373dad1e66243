//! Tells who sends a request from where it came and what it asked for. Nothing in a header can
//! raise anybody's rights here; a header can only lower them.

use std::net::SocketAddr;

use axum::http::HeaderMap;

use super::{HostKind, Principal, Recognised, Unknown};

/// Headers that say "somebody else sent this first". What begins with `x-forwarded` is one too.
const FORWARDING: [&str; 8] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "true-client-ip",
    "cf-connecting-ip",
];

/// Who sends a request, in loopback mode.
#[must_use]
pub fn recognise(peer: Option<SocketAddr>, host: HostKind, headers: &HeaderMap) -> Principal {
    let Some(peer) = peer else { return Principal::Anonymous(Unknown::Unseen) };
    if !peer.ip().to_canonical().is_loopback() {
        Principal::Anonymous(Unknown::NotLoopback)
    } else if is_forwarded(headers) {
        Principal::Anonymous(Unknown::Forwarded)
    } else if host != HostKind::Loopback {
        Principal::Anonymous(Unknown::PublicName)
    } else {
        Principal::Admin(Recognised::Loopback)
    }
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .map(|name| name.as_str())
        .any(|name| name.starts_with("x-forwarded") || FORWARDING.contains(&name))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn peer(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn whoever_is_on_this_machine_is_admin() {
        for address in ["127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            let principal = recognise(peer(address), HostKind::Loopback, &HeaderMap::new());
            assert_eq!(principal, Principal::Admin(Recognised::Loopback), "{address}");
        }
    }

    #[test]
    fn another_machine_is_nobody_whatever_its_headers_say() {
        let headers: HeaderMap =
            [(HeaderName::from_static("x-real-ip"), HeaderValue::from_static("127.0.0.1"))]
                .into_iter()
                .collect();
        for address in ["192.0.2.1:5", "[2001:db8::1]:5", "[::ffff:192.0.2.1]:5", "0.0.0.0:5"] {
            let principal = recognise(peer(address), HostKind::Loopback, &headers);
            assert_eq!(principal, Principal::Anonymous(Unknown::NotLoopback), "{address}");
        }
    }

    #[test]
    fn every_forwarding_header_makes_its_sender_nobody() {
        let names = FORWARDING.into_iter().chain([
            "X-Forwarded-For",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-anything",
        ]);
        for name in names {
            let mut headers = HeaderMap::new();
            let name: HeaderName = name.parse().unwrap();
            headers.insert(&name, HeaderValue::from_static(""));
            let principal = recognise(peer("127.0.0.1:5"), HostKind::Loopback, &headers);
            assert_eq!(principal, Principal::Anonymous(Unknown::Forwarded), "{name}");
        }
    }

    #[test]
    fn a_public_name_or_an_unseen_peer_is_nobody() {
        let none = HeaderMap::new();
        assert_eq!(
            recognise(peer("127.0.0.1:5"), HostKind::Public, &none),
            Principal::Anonymous(Unknown::PublicName)
        );
        assert_eq!(
            recognise(None, HostKind::Loopback, &none),
            Principal::Anonymous(Unknown::Unseen)
        );
    }
}
