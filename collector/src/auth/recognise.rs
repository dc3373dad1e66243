//! Tells who sends a request: by where it came from and what it asked for, or, where credentials
//! are demanded, by a token, by a cookie, or by the word of a proxy that is trusted. No other
//! header raises anybody's rights; it can only lower them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::{HeaderMap, header};

use super::proxy::{Via, signed_in};
use super::secret::{Digest, digest};
use super::{Access, Caller, HostKind, Principal, Role, Unknown, Who};
use crate::serve::Channel;

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
/// What only the page's own code can send along with a cookie.
const PAGE: (&str, &str) = ("x-herdbook", "page");
/// Cookies of a sign-in: over TLS one that a browser accepts over nothing else.
const SECURE_COOKIE: &str = "__Host-herdbook";
const PLAIN_COOKIE: &str = "herdbook";

/// What of a request tells who sends it.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// What carries it.
    pub channel: Channel,
    /// Where its connection comes from.
    pub peer: Option<SocketAddr>,
    /// What sort of name it asks for.
    pub host: HostKind,
    /// What it says.
    pub headers: &'a HeaderMap,
    /// Whether its method changes nothing.
    pub is_safe: bool,
}

/// A browser sends the cookie by itself, and nothing shows that the page asked it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFromPage {
    /// It changes something.
    #[error("a request that changes something by a cookie needs the header X-Herdbook: page")]
    Header,
    /// It is an upgrade.
    #[error("an upgrade by a cookie needs the header Origin")]
    Origin,
}

/// Who sends a request. Without `access` nobody has credentials.
///
/// # Errors
///
/// [`NotFromPage`].
pub fn recognise(asking: Asking<'_>, access: Option<&Access>) -> Result<Caller, NotFromPage> {
    let Asking { channel, peer, host, headers, .. } = asking;
    if channel == Channel::Control {
        return Ok(Caller::of(Principal::Known { role: Role::Admin, who: Who::Control }));
    }
    let Some(peer) = peer.map(|peer| peer.ip().to_canonical()) else {
        return Ok(Caller::of(Principal::Anonymous(Unknown::Unseen)));
    };
    let by_proxy = access.filter(|access| access.proxy().trusts(peer) && is_forwarded(headers));
    let demanding = access.filter(|access| access.demands_credentials());
    let Some(access) = by_proxy.or(demanding) else {
        return Ok(Caller::of(in_loopback_mode(peer, host, headers)).at(peer));
    };
    let via = by_proxy.map(|access| Via::read(access.proxy(), peer, headers));
    let is_secure = match via {
        Some(via) => via.is_https,
        None => matches!(channel, Channel::Tls(_)),
    };
    let address = via.map_or(peer, |via| via.address);
    let caller = with_credentials(&asking, access, peer, is_secure)?;
    Ok(Caller { is_secure, ..caller }.at(address))
}

fn in_loopback_mode(peer: IpAddr, host: HostKind, headers: &HeaderMap) -> Principal {
    if !peer.is_loopback() {
        Principal::Anonymous(Unknown::NotLoopback)
    } else if is_forwarded(headers) {
        Principal::Anonymous(Unknown::Forwarded)
    } else if host != HostKind::Loopback {
        Principal::Anonymous(Unknown::PublicName)
    } else {
        Principal::LOCAL
    }
}

fn with_credentials(
    asking: &Asking<'_>,
    access: &Access,
    peer: IpAddr,
    is_secure: bool,
) -> Result<Caller, NotFromPage> {
    let headers = asking.headers;
    if headers.contains_key(header::AUTHORIZATION) {
        let caller = bearer(headers).and_then(|token| access.by_token(&token));
        return Ok(caller.unwrap_or_else(|| Caller::nobody(Unknown::BadToken)));
    }
    // What a browser sends along by itself must be shown to be what the page wants.
    if access.proxy().trusts(peer)
        && let Some((name, role)) = signed_in(access.proxy(), headers)
    {
        let who = Who::Proxy(Arc::from(name));
        return from_page(asking).map(|()| Caller::of(Principal::Known { role, who }));
    }
    if let Some(sign_in) = cookie(headers, is_secure) {
        from_page(asking)?;
        let caller = access.by_sign_in(&sign_in);
        return Ok(caller.unwrap_or_else(|| Caller::nobody(Unknown::SignedOut)));
    }
    Ok(Caller::nobody(Unknown::NoCredentials))
}

fn from_page(asking: &Asking<'_>) -> Result<(), NotFromPage> {
    let Asking { headers, is_safe, .. } = asking;
    let is_page = headers.get(PAGE.0).is_some_and(|value| value == PAGE.1);
    if !is_safe && !is_page {
        return Err(NotFromPage::Header);
    }
    if headers.contains_key(header::UPGRADE) && !headers.contains_key(header::ORIGIN) {
        return Err(NotFromPage::Origin);
    }
    Ok(())
}

/// The digest of the one token that the request shows.
fn bearer(headers: &HeaderMap) -> Option<Digest> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = all.next()?.to_str().ok()?.split_once(' ')?;
    let is_one = all.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    is_one.then(|| digest(token.trim()))
}

/// The digest of the one cookie of ours.
fn cookie(headers: &HeaderMap, is_secure: bool) -> Option<Digest> {
    let name = cookie_name(is_secure);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut ours = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    let value = ours.next()?;
    ours.next().is_none().then(|| digest(value))
}

/// The name of the cookie of a sign-in.
pub(super) fn cookie_name(is_secure: bool) -> &'static str {
    if is_secure { SECURE_COOKIE } else { PLAIN_COOKIE }
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .map(|name| name.as_str())
        .any(|name| name.starts_with("x-forwarded") || FORWARDING.contains(&name))
}

#[cfg(test)]
#[path = "recognise_tests.rs"]
mod tests;
