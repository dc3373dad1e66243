//! Tells who sends a request: by where it came from and what it asked for, or, where credentials
//! are demanded, by a token, by a cookie, or by the word of a proxy that is trusted. No other
//! header raises anybody's rights; it can only lower them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use herdbook_shared::time::Timestamp;

use super::proxy::{Via, signed_in};
use super::secret::{Digest, digest};
use super::{Access, Caller, HostKind, Lapse, Principal, Role, Unknown, Who};
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

/// How long what a proxy said of somebody is believed by an answer that goes on.
const PROXY_ASKED_EVERY_MS: i64 = 10 * 60_000;

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
    let Some(access) = access.filter(|access| access.demands_credentials()) else {
        let names = access.and_then(|access| access.proxy().user_header.as_ref());
        let is_named = names.is_some_and(|name| headers.contains_key(name));
        let is_forwarded = is_named || is_forwarded(headers);
        return Ok(Caller::of(in_loopback_mode(peer, host, is_forwarded)).at(peer));
    };
    let is_by_proxy = access.proxy().trusts(peer) && is_forwarded(headers);
    let via = is_by_proxy.then(|| Via::read(access.proxy(), peer, headers));
    let is_secure = match via {
        Some(via) => via.is_https,
        None => matches!(channel, Channel::Tls(_)),
    };
    let address = via.map_or(peer, |via| via.address);
    let caller = with_credentials(&asking, access, peer, is_secure)?;
    Ok(Caller { is_secure, ..caller }.at(address))
}

fn in_loopback_mode(peer: IpAddr, host: HostKind, is_forwarded: bool) -> Principal {
    if !peer.is_loopback() {
        Principal::Anonymous(Unknown::NotLoopback)
    } else if is_forwarded {
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
    if shows_bearer(headers) {
        let caller = bearer(headers).and_then(|token| access.by_token(&token));
        return Ok(caller.unwrap_or_else(|| Caller::nobody(Unknown::BadToken)));
    }
    // What a browser sends along by itself must be shown to be what the page wants.
    if access.proxy().trusts(peer)
        && let Some((name, role)) = signed_in(access.proxy(), headers)
    {
        let who = Who::Proxy(Arc::from(name));
        return from_page(asking).map(|()| named_by_proxy(role, who));
    }
    if let Some(sign_in) = cookie(headers, is_secure) {
        from_page(asking)?;
        let caller = access.by_sign_in(&sign_in);
        return Ok(caller.unwrap_or_else(|| Caller::nobody(Unknown::SignedOut)));
    }
    Ok(Caller::nobody(Unknown::NoCredentials))
}

/// Nobody tells when the proxy would no longer let them in, so that long answers end, and whoever
/// reads them asks it again.
fn named_by_proxy(role: Role, who: Who) -> Caller {
    let until = Timestamp::now().unix_ms().saturating_add(PROXY_ASKED_EVERY_MS);
    Caller {
        lapse: Lapse::after(Duration::from_millis(PROXY_ASKED_EVERY_MS.unsigned_abs())),
        expires_at: Some(Timestamp::from_unix_ms(until)),
        ..Caller::of(Principal::Known { role, who })
    }
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

/// Whether a token is shown. Credentials of other schemes are for a proxy, which passed them on.
fn shows_bearer(headers: &HeaderMap) -> bool {
    let is_bearer = |value: &HeaderValue| {
        let bytes = value.as_bytes().trim_ascii_start();
        let scheme = bytes.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer")
    };
    headers.get_all(header::AUTHORIZATION).iter().any(is_bearer)
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
