//! Tokens of join lines: what lets a host in that nobody knows. Pure: time comes in.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::Octets;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::glob;
use crate::auth::{JOIN_TOKEN, digest, made, random_id};
use crate::secret::Secret;

/// A token as it is kept. Of the token itself only the hash is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// What it is called by; no secret.
    pub id: Arc<str>,
    /// SHA-256 of the token. It has 256 random bits, so that a slow hash would add nothing.
    pub hash: Octets<32>,
    /// How many hosts it lets in.
    pub uses: u32,
    /// How many it has let in.
    pub used: u32,
    /// Which names it lets in.
    pub name_pattern: Option<Arc<str>>,
    /// From which addresses.
    pub from: Option<IpNet>,
    /// Since when there is one.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Arc<str>,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Since when it is good no longer, where somebody said so.
    pub revoked_at: Option<Timestamp>,
}

/// How a token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "JoinTokenState")]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// It lets hosts in.
    Active,
    /// It has let in as many as it may.
    UsedUp,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

/// Why a token lets this host not in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenRefusal {
    Unknown,
    Not(TokenState),
    Name(Arc<str>),
    Address(IpNet),
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the token is unknown"),
            Self::Not(TokenState::UsedUp) => f.write_str("the token is used up"),
            Self::Not(TokenState::Expired) => f.write_str("the token has expired"),
            Self::Not(_) => f.write_str("the token was revoked"),
            Self::Name(pattern) => write!(f, "the token is for hosts with names like {pattern:?}"),
            Self::Address(from) => write!(f, "the token is for hosts with addresses in {from}"),
        }?;
        f.write_str(": make another (herdbook-collector token create)")
    }
}

/// What a token shall be.
#[derive(Clone, Debug)]
pub struct TokenOrder {
    /// How many hosts it lets in.
    pub uses: u32,
    /// Until when.
    pub expires_at: Timestamp,
    /// Which names.
    pub name_pattern: Option<Arc<str>>,
    /// From where.
    pub from: Option<IpNet>,
}

impl JoinToken {
    /// A fresh one, and its text, which nobody can tell again.
    ///
    /// `None`: the system gives no randomness.
    pub(super) fn make(order: TokenOrder, by: Arc<str>, at: Timestamp) -> Option<(Self, Secret)> {
        let (text, id) = (made(JOIN_TOKEN)?, random_id()?);
        let token = Self {
            id: id.into(),
            hash: Octets(digest(text.expose())),
            uses: order.uses,
            used: 0,
            name_pattern: order.name_pattern,
            from: order.from,
            created_at: at,
            created_by: by,
            expires_at: order.expires_at,
            revoked_at: None,
        };
        Some((token, text))
    }

    /// How it does.
    #[must_use]
    pub fn state(&self, at: Timestamp) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.used >= self.uses {
            TokenState::UsedUp
        } else if at >= self.expires_at {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }

    /// Since when it lets nobody in; `None` while it does, or where nobody knows.
    pub(super) fn over_since(&self) -> Timestamp {
        self.revoked_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }

    /// Whether it lets in a host of this name that comes from there.
    pub(super) fn admits(
        &self,
        name: &str,
        from: IpAddr,
        at: Timestamp,
    ) -> Result<(), TokenRefusal> {
        match self.state(at) {
            TokenState::Active => (),
            over => return Err(TokenRefusal::Not(over)),
        }
        if let Some(pattern) = self.name_pattern.as_ref().filter(|p| !glob::matches(p, name)) {
            return Err(TokenRefusal::Name(Arc::clone(pattern)));
        }
        match self.from.filter(|net| !net.contains(&from.to_canonical())) {
            Some(net) => Err(TokenRefusal::Address(net)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(NOW + ms)
    }

    fn order() -> TokenOrder {
        TokenOrder { uses: 2, expires_at: at(1000), name_pattern: None, from: None }
    }

    fn token(order: TokenOrder) -> JoinToken {
        JoinToken::make(order, "ada".into(), at(0)).unwrap().0
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    #[test]
    fn a_token_is_random_and_only_its_hash_is_kept() {
        let (token, text) = JoinToken::make(order(), "ada".into(), at(0)).unwrap();
        let (other, _) = JoinToken::make(order(), "ada".into(), at(0)).unwrap();
        assert_eq!(text.expose().len(), JOIN_TOKEN.len() + 43);
        assert_eq!(Octets(digest(text.expose())), token.hash);
        assert!(other.hash != token.hash && other.id != token.id);
        let kept = serde_json::to_string(&token).unwrap();
        assert!(
            !kept.contains(text.expose()) && !kept.contains(&text.expose()[JOIN_TOKEN.len()..])
        );
        assert_eq!(serde_json::from_str::<JoinToken>(&kept).unwrap(), token);
    }

    #[test]
    fn it_ends_by_use_by_time_and_by_word() {
        let token = token(order());
        assert_eq!(token.admits("a", HERE, at(999)), Ok(()));
        let refused = |token: &JoinToken, ms| token.admits("a", HERE, at(ms)).unwrap_err();
        assert_eq!(refused(&token, 1000), TokenRefusal::Not(TokenState::Expired));
        let used = JoinToken { used: 2, ..token.clone() };
        assert_eq!(refused(&used, 0), TokenRefusal::Not(TokenState::UsedUp));
        let revoked = JoinToken { revoked_at: Some(at(1)), ..used };
        assert_eq!(refused(&revoked, 0), TokenRefusal::Not(TokenState::Revoked));
        assert_eq!(revoked.over_since(), at(1));
    }

    #[test]
    fn it_is_for_names_and_addresses() {
        let of_name = TokenOrder { name_pattern: Some("gpu-*".into()), ..order() };
        assert_eq!(token(of_name.clone()).admits("GPU-1", HERE, at(0)), Ok(()));
        let refused = token(of_name).admits("web-1", HERE, at(0)).unwrap_err();
        assert!(refused.to_string().contains("names like \"gpu-*\""), "{refused}");
        let of_net = TokenOrder { from: Some("10.0.0.0/29".parse().unwrap()), ..order() };
        let token = token(of_net);
        assert_eq!(token.admits("a", HERE, at(0)), Ok(()));
        assert_eq!(token.admits("a", "::ffff:10.0.0.7".parse().unwrap(), at(0)), Ok(()));
        let refused = token.admits("a", "10.0.0.8".parse().unwrap(), at(0)).unwrap_err();
        assert!(refused.to_string().contains("10.0.0.0/29"), "{refused}");
        assert!(token.admits("a", "::1".parse().unwrap(), at(0)).is_err());
    }
}
