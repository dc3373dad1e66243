//! Who may come in: tokens, keys, and who waits. Pure: time comes in, and nothing here is on the
//! disk. What has to be written first is reserved here and settled when it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::ids::HostId;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::{Knock, Octets};
use ipnet::IpNet;
use tokio::time::Instant;

use super::KEYS_MAX;
use super::door::{Door, Waiting};
use super::key::{AgentKey, AgentView, How, KeyState};
use super::live::Live;
use super::refusal::Refusal;
use super::token::{JoinToken, TokenRefusal, hash_of};
use super::tries::Tries;
use crate::config::Enrol;

/// A moment by both clocks.
pub(super) type Now = (Timestamp, Instant);

/// What an agent that proved its key wants.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) fingerprint: Fingerprint,
    pub(super) public_key: Octets<32>,
    pub(super) host_id: HostId,
    pub(super) name: Arc<str>,
    pub(super) token: Option<Octets<32>>,
    pub(super) from: IpAddr,
}

/// What comes of a claim.
#[derive(Debug)]
pub(super) enum Claimed {
    /// It is known and counts; whether it shall make itself another key.
    Known { rotate: bool },
    /// It counts once this is on the disk.
    New(Box<Writing>),
}

/// What has to be on the disk before a key counts.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    pub(super) key: AgentKey,
    pub(super) token: Option<JoinToken>,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Book {
    rule: Enrol,
    auto_approve: Vec<IpNet>,
    pub(super) tokens: HashMap<Octets<32>, JoinToken>,
    pub(super) keys: BTreeMap<Fingerprint, AgentKey>,
    /// Which key a host has; those that are being let in included.
    owners: HashMap<HostId, Fingerprint>,
    enrolling: HashSet<Fingerprint>,
    /// Keys that count no longer, whatever a database says that is older than that.
    revoked: HashSet<Fingerprint>,
    pub(super) door: Door,
    pub(super) live: Live,
    seen: HashMap<Fingerprint, Timestamp>,
    tries: Tries,
}

impl Book {
    pub(super) fn new(rule: Enrol, auto_approve: Vec<IpNet>, now: Instant) -> Self {
        Self {
            rule,
            auto_approve,
            tokens: HashMap::new(),
            keys: BTreeMap::new(),
            owners: HashMap::new(),
            enrolling: HashSet::new(),
            revoked: HashSet::new(),
            door: Door::new(now),
            live: Live::default(),
            seen: HashMap::new(),
            tries: Tries::default(),
        }
    }

    /// Puts a key in as it is on the disk.
    pub(super) fn hold(&mut self, mut key: AgentKey) {
        if self.revoked.contains(&key.fingerprint) {
            key.state = KeyState::Revoked;
        }
        self.enrolling.remove(&key.fingerprint);
        self.door.remove(&key.fingerprint);
        match (key.state, &key.host_id) {
            (KeyState::Revoked, host_id) => {
                self.revoked.insert(key.fingerprint);
                if let Some(host_id) = host_id
                    && self.owners.get(host_id) == Some(&key.fingerprint)
                {
                    self.owners.remove(host_id);
                }
            }
            (_, Some(host_id)) => {
                self.owners.insert(host_id.clone(), key.fingerprint);
            }
            _ => (),
        }
        self.keys.insert(key.fingerprint, key);
    }

    /// These count no longer.
    pub(super) fn revoke_all(&mut self, revoked: impl IntoIterator<Item = Fingerprint>) {
        self.revoked.extend(revoked);
    }

    /// Whether a key cannot be made another's.
    pub(super) fn is_taken(&self, fingerprint: &Fingerprint) -> bool {
        self.keys.contains_key(fingerprint)
            || self.enrolling.contains(fingerprint)
            || self.revoked.contains(fingerprint)
    }

    /// Whether it is being let in at this moment.
    pub(super) fn is_enrolling(&self, fingerprint: &Fingerprint) -> bool {
        self.enrolling.contains(fingerprint)
    }

    pub(super) fn is_revoked(&self, fingerprint: &Fingerprint) -> bool {
        self.revoked.contains(fingerprint)
    }

    /// Whether whoever knocks is asked for a proof. Who then waits and was not told of is returned.
    pub(super) fn knock(
        &mut self,
        knock: &Knock,
        from: IpAddr,
        now: Now,
    ) -> Result<(), (Refusal, Option<Waiting>)> {
        let fingerprint = knock.fingerprint;
        let refuse = |refusal| Err((refusal, None));
        if self.revoked.contains(&fingerprint) {
            return refuse(Refusal::Revoked);
        }
        if self.enrolling.contains(&fingerprint) {
            return refuse(Refusal::Busy);
        }
        if self.keys.contains_key(&fingerprint) {
            return Ok(());
        }
        if knock.has_token {
            return if self.tries.may(from, now.1) { Ok(()) } else { refuse(Refusal::Tries) };
        }
        if self.how_without_token(from).is_some() {
            return Ok(());
        }
        if self.rule == Enrol::Token {
            return refuse(Refusal::UnknownKey);
        }
        let is_new = self.door.knocked(fingerprint, &knock.name, from, now);
        match self.door.get(&fingerprint) {
            Some(waiting) => Err((Refusal::Pending(fingerprint), is_new.then(|| waiting.clone()))),
            None => refuse(Refusal::Crowded),
        }
    }

    fn how_without_token(&self, from: IpAddr) -> Option<How> {
        let from = from.to_canonical();
        match self.rule {
            Enrol::Open => Some(How::Open),
            Enrol::Approve if self.auto_approve.iter().any(|net| net.contains(&from)) => {
                Some(How::Cidr)
            }
            Enrol::Approve | Enrol::Token => None,
        }
    }

    /// Whether it is known and counts, and then whether it shall make itself another key; nothing
    /// where that has to be decided.
    pub(super) fn claim_known(&mut self, claim: &Claim) -> Result<Option<bool>, Refusal> {
        if self.revoked.contains(&claim.fingerprint) {
            return Err(Refusal::Revoked);
        }
        let Some(key) = self.keys.get_mut(&claim.fingerprint) else { return Ok(None) };
        match &key.host_id {
            Some(host_id) if *host_id != claim.host_id => {
                Err(Refusal::NotYours(claim.host_id.clone()))
            }
            Some(_) => {
                key.name = Arc::clone(&claim.name);
                Ok(Some(key.rotate))
            }
            None => Ok(None),
        }
    }

    /// What an agent that proved its key may do. What is new is reserved until it is settled.
    pub(super) fn claim(&mut self, claim: Claim, now: Now) -> Result<Claimed, Refusal> {
        let fingerprint = claim.fingerprint;
        if self.revoked.contains(&fingerprint) {
            return Err(Refusal::Revoked);
        }
        if self.enrolling.contains(&fingerprint) {
            return Err(Refusal::Busy);
        }
        // Whose a host is, is told to nobody who could not come in at all.
        self.may_come(&claim, now)?;
        let owner = self.owners.get(&claim.host_id);
        if owner.is_some_and(|owner| *owner != fingerprint) {
            return Err(Refusal::NotYours(claim.host_id));
        }
        let writing = match self.keys.get_mut(&fingerprint) {
            Some(key) if key.host_id.as_ref().is_some_and(|host_id| *host_id != claim.host_id) => {
                return Err(Refusal::NotYours(claim.host_id));
            }
            Some(key) if key.host_id.is_some() => {
                key.name = claim.name;
                return Ok(Claimed::Known { rotate: key.rotate });
            }
            Some(key) => {
                let (public_key, host_id) = (Some(claim.public_key), Some(claim.host_id.clone()));
                let key = AgentKey { public_key, host_id, name: claim.name, ..key.clone() };
                Writing { key, token: None }
            }
            None => self.enrol(&claim, now)?,
        };
        self.enrolling.insert(fingerprint);
        self.owners.insert(claim.host_id, fingerprint);
        Ok(Claimed::New(Box::new(writing)))
    }

    fn enrol(&mut self, claim: &Claim, now: Now) -> Result<Writing, Refusal> {
        if self.keys.len() + self.enrolling.len() >= KEYS_MAX {
            return Err(Refusal::Full);
        }
        let (how, token) = match &claim.token {
            Some(hash) => (How::Token, Some(self.use_token(hash)?)),
            None => (self.how_without_token(claim.from).ok_or(Refusal::UnknownKey)?, None),
        };
        let by = match &token {
            Some(token) => Arc::clone(&token.created_by),
            None => "the configuration".into(),
        };
        let key = AgentKey {
            fingerprint: claim.fingerprint,
            public_key: Some(claim.public_key),
            host_id: Some(claim.host_id.clone()),
            name: Arc::clone(&claim.name),
            state: KeyState::Approved,
            how,
            token: token.as_ref().map(|token| Arc::clone(&token.id)),
            from_address: claim.from,
            first_seen_at: now.0,
            approved_at: now.0,
            approved_by: by,
            revoked_at: None,
            key_made_at: now.0,
            rotate: false,
        };
        Ok(Writing { key, token })
    }

    /// Whether whoever is unknown may come in by a token, or without one.
    fn may_come(&mut self, claim: &Claim, now: Now) -> Result<(), Refusal> {
        if self.keys.contains_key(&claim.fingerprint) {
            return Ok(());
        }
        let Some(hash) = &claim.token else {
            return self.how_without_token(claim.from).map(drop).ok_or(Refusal::UnknownKey);
        };
        let admitted = match self.tokens.get(hash) {
            Some(token) => token.admits(&claim.name, claim.from, now.0),
            None => Err(TokenRefusal::Unknown),
        };
        admitted.map_err(|refusal| {
            self.tries.failed(claim.from, now.1);
            Refusal::Token(refusal)
        })
    }

    /// Uses a token that lets this one in.
    fn use_token(&mut self, hash: &Octets<32>) -> Result<JoinToken, Refusal> {
        let token = self.tokens.get_mut(hash).ok_or(Refusal::Token(TokenRefusal::Unknown))?;
        token.used += 1;
        Ok(token.clone())
    }

    /// It is on the disk, and counts.
    pub(super) fn settle(&mut self, writing: Writing) {
        self.hold(writing.key);
    }

    /// It is not: all is as before.
    pub(super) fn give_back(&mut self, writing: &Writing) {
        let key = &writing.key;
        self.enrolling.remove(&key.fingerprint);
        if let Some(host_id) = &key.host_id {
            self.owners.remove(host_id);
        }
        let token = writing.token.as_ref().and_then(|token| self.tokens.get_mut(&token.hash));
        if let Some(token) = token {
            token.used = token.used.saturating_sub(1);
        }
    }

    /// The old key goes, and the new one counts.
    pub(super) fn rekeyed(&mut self, old: &Fingerprint, new: AgentKey, connection: u64) {
        self.keys.remove(old);
        self.live.rekeyed(old, new.fingerprint, connection);
        if let Some(at) = self.seen.remove(old) {
            self.seen.insert(new.fingerprint, at);
        }
        self.hold(new);
    }

    /// Notes that an agent is here.
    pub(super) fn seen(&mut self, fingerprint: Fingerprint, at: Timestamp) {
        if self.keys.contains_key(&fingerprint) {
            self.seen.insert(fingerprint, at);
        }
    }

    /// Takes a key from the list. One that was revoked stays so.
    pub(super) fn forget(&mut self, fingerprint: &Fingerprint) {
        self.keys.remove(fingerprint);
        self.seen.remove(fingerprint);
    }

    /// One key, or one that waits.
    pub(super) fn view(&self, fingerprint: &Fingerprint, at: Timestamp) -> Option<AgentView> {
        match self.keys.get(fingerprint) {
            Some(key) => Some(self.view_of(key, at)),
            None => self.door.get(fingerprint).map(|waiting| waiting.view(*fingerprint)),
        }
    }

    fn view_of(&self, key: &AgentKey, at: Timestamp) -> AgentView {
        let connected = self.live.has(&key.fingerprint);
        let seen = self.seen.get(&key.fingerprint).copied();
        key.view(if connected { Some(at) } else { seen }, connected)
    }

    /// All of them, by fingerprint.
    pub(super) fn views(&self, at: Timestamp) -> Vec<AgentView> {
        let keys = self.keys.values().map(|key| self.view_of(key, at));
        let waiting = self.door.views(at).filter(|view| !self.keys.contains_key(&view.fingerprint));
        let mut all: Vec<AgentView> = keys.chain(waiting).collect();
        all.sort_by_key(|view| view.fingerprint);
        all
    }

    /// Which key a host has.
    pub(super) fn owner(&self, host_id: &str) -> Option<Fingerprint> {
        self.owners.get(host_id).copied()
    }

    /// The token with this id.
    pub(super) fn token(&self, id: &str) -> Option<&JoinToken> {
        self.tokens.values().find(|token| &*token.id == id)
    }
}

/// What is looked for of a token that came.
pub(super) fn token_key(token: Option<&str>) -> Option<Octets<32>> {
    token.map(hash_of)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
