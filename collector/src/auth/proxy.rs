//! What a proxy says of a request, where it is one of those that are trusted. Of any other, headers
//! never raise what a request may.

use std::net::IpAddr;

use axum::http::HeaderMap;

use super::Role;
use crate::config::Proxy;

/// Most hops that are looked at.
const HOPS_MAX: usize = 32;

/// What a trusted proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Via {
    /// Who asked it.
    pub(super) address: IpAddr,
    /// Whether it was asked by https.
    pub(super) is_https: bool,
}

impl Via {
    /// What these headers say, of a request from `peer`, a trusted proxy: the last address in them
    /// that is none of the trusted ones, or the last where all of them are.
    pub(super) fn read(proxy: &Proxy, peer: IpAddr, headers: &HeaderMap) -> Self {
        let (addresses, is_https) = if headers.contains_key("x-forwarded-for") {
            let https = values(headers, "x-forwarded-proto").pop();
            (values(headers, "x-forwarded-for"), https.is_some_and(|proto| proto == "https"))
        } else {
            let hops = values(headers, "forwarded");
            let is_https = hops.last().is_some_and(|hop| of_hop(hop, "proto") == Some("https"));
            let addresses = hops.iter().filter_map(|hop| of_hop(hop, "for"));
            (addresses.map(str::to_owned).collect(), is_https)
        };
        // What cannot be read was not written by a proxy that is trusted, and nothing before it.
        let hops = addresses.iter().rev().take(HOPS_MAX).map_while(|text| read_address(text));
        let hops: Vec<_> = hops.collect();
        let sender = hops.iter().find(|hop| !proxy.trusts(**hop));
        Self { address: *sender.or(hops.first()).unwrap_or(&peer), is_https }
    }
}

/// Whom the header of a trusted proxy says to have signed in, and what they may do.
pub(super) fn signed_in(proxy: &Proxy, headers: &HeaderMap) -> Option<(String, Role)> {
    let name = proxy.user_header.as_ref()?;
    let mut values = headers.get_all(name).iter();
    let user = values.next()?.to_str().ok()?.trim();
    if values.next().is_some() || user.is_empty() || user.len() > 256 {
        return None;
    }
    let is_admin = proxy.admins.iter().any(|admin| admin == user);
    Some((user.to_owned(), if is_admin { Role::Admin } else { proxy.role }))
}

/// The elements of a header that holds a list, of all its lines.
fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|part| part.trim().to_ascii_lowercase()).collect()
}

/// One pair of an element of `Forwarded` (RFC 7239).
fn of_hop<'a>(hop: &'a str, key: &str) -> Option<&'a str> {
    let pairs = hop.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.trim_matches('"'))
}

/// An address with or without a port, in brackets or not.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').split(']').next().unwrap_or_default();
    let address = bare.parse().ok().or_else(|| text.rsplit_once(':')?.0.parse().ok());
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn proxy() -> Proxy {
        Proxy {
            trusted: vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()],
            user_header: Some(HeaderName::from_static("x-forwarded-user")),
            role: Role::Viewer,
            admins: vec!["anna".to_owned()],
        }
    }

    fn address(pairs: &[(&'static str, &'static str)]) -> String {
        let peer = "127.0.0.1".parse().unwrap();
        Via::read(&proxy(), peer, &headers(pairs)).address.to_string()
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_senders() {
        for (list, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("127.0.0.1, 192.0.2.1", "192.0.2.1"),
            ("203.0.113.5, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
            ("10.2.2.2, 10.1.1.1", "10.1.1.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:99", "2001:db8::1"),
            ("::ffff:192.0.2.9", "192.0.2.9"),
            ("127.0.0.1, unknown", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(address(&[("x-forwarded-for", list)]), expected, "{list}");
        }
        assert_eq!(address(&[("forwarded", "for=192.0.2.43;proto=https")]), "192.0.2.43");
        assert_eq!(address(&[("forwarded", "For=\"[2001:db8::7]:1\"")]), "2001:db8::7");
        let two = [("x-forwarded-for", "203.0.113.5"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(address(&two), "192.0.2.1");
    }

    #[test]
    fn the_last_word_says_whether_it_was_https() {
        let via = |pairs: &[(&'static str, &'static str)]| {
            Via::read(&proxy(), "127.0.0.1".parse().unwrap(), &headers(pairs)).is_https
        };
        let of = ("x-forwarded-for", "192.0.2.1");
        assert!(via(&[of, ("x-forwarded-proto", "https")]));
        assert!(!via(&[of, ("x-forwarded-proto", "https, http")]));
        assert!(!via(&[of]));
        assert!(via(&[("forwarded", "for=192.0.2.1;proto=https")]));
    }

    #[test]
    fn one_user_is_named_or_none() {
        let named = |pairs: &[(&'static str, &'static str)]| signed_in(&proxy(), &headers(pairs));
        let (anna, otto) = (("x-forwarded-user", "anna"), ("x-forwarded-user", "otto"));
        assert_eq!(named(&[anna]), Some(("anna".to_owned(), Role::Admin)));
        assert_eq!(named(&[otto]), Some(("otto".to_owned(), Role::Viewer)));
        assert_eq!(named(&[anna, otto]), None);
        assert_eq!(named(&[("x-forwarded-user", " ")]), None);
        let off = Proxy { user_header: None, ..proxy() };
        assert_eq!(signed_in(&off, &headers(&[anna])), None);
    }
}
