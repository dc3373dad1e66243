//! Agents come and go: sessions open, supersede one another, are told for clones, and close.

use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::ids::{HostId, SessionId};
use herdbook_shared::wire::hello::{GoodbyeReason, Hello, RefusalCode};
use herdbook_shared::{limits, missing::Missing};
use tokio_util::sync::CancellationToken;

use tokio::time::Instant;

use crate::budget::Budget;

use super::change::ChangeKind;
use super::condition::Conditions;
use super::host::{Ended, HostEntry, HostFacts, HostLive, HostStatus};
use super::moment::Moment;
use super::names::Peer;
use super::session::{CloseReason, Session, SessionChange, SessionLive};
use super::transaction::Transaction;
use super::{HOSTS_MAX, Registry};

/// How many machines with one identity are listed side by side.
const CLONES_MAX: usize = 8;

/// How often the agents of one host may say hello: at once, and each second.
const HELLOS: (f64, f64) = (30.0, 0.2);

/// The connection by which a host wants in.
#[derive(Clone, Debug)]
pub struct Link {
    /// From where, as the socket says.
    pub remote_address: IpAddr,
    /// Where it came in, likewise.
    pub local_address: Option<IpAddr>,
    /// Cancelled when another connection of the host takes over.
    pub superseded: CancellationToken,
}

/// A host was taken in.
#[derive(Debug)]
pub struct Opened {
    /// Under which id: its own, or that of a clone.
    pub host_id: HostId,
    /// The connection.
    pub session: Arc<Session>,
    /// Where its samples go.
    pub live: Arc<HostLive>,
    /// How often it shall send.
    pub interval_ms: u64,
}

/// A host was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No room for another host.
    #[error("the register is full with {HOSTS_MAX} hosts: remove some, or raise the limit")]
    Full,
    /// No room for another clone.
    #[error(
        "{CLONES_MAX} machines use this identity: empty the state directory of all but one of \
         them and start their agents again"
    )]
    TooManyClones,
    /// It said hello too often; each one is told to everybody.
    #[error("too many hellos of this host: its agents or their connections keep breaking")]
    TooOften,
}

impl OpenError {
    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Full => RefusalCode::Full,
            Self::TooManyClones => RefusalCode::DuplicateIdentity,
            Self::TooOften => RefusalCode::TooManyErrors,
        }
    }
}

impl Registry {
    /// Takes a host in: its newest authenticated hello supersedes an older session.
    ///
    /// # Errors
    ///
    /// Where there is no room for it.
    pub fn open_session(
        &self,
        host_id: &HostId,
        hello: &Hello,
        link: Link,
        moment: Moment,
    ) -> Result<Opened, OpenError> {
        let mut transaction = self.transaction(moment);
        let host_id = transaction.resolve_identity(host_id, hello)?;
        let known = transaction.host(&host_id);
        if known.is_none() && self.n_hosts() >= HOSTS_MAX {
            return Err(OpenError::Full);
        }
        let entry = match known {
            Some(known) => transaction.renew(known.greeted(moment.now)?, hello),
            None => transaction.register(&host_id, hello),
        };
        transaction.ledger.reinstate(&host_id, hello.instance_id);
        let session = Arc::new(Session {
            id: SessionId::random(),
            instance_id: hello.instance_id,
            boot_id: hello.boot_id.clone(),
            remote_address: link.remote_address.to_canonical(),
            local_address: link.local_address.map(|address| address.to_canonical()),
            agent_version: hello.agent_version.clone(),
            opened_at: moment.at,
            opened: moment.now,
            superseded: link.superseded,
            live: SessionLive::default(),
        });
        let peer = Peer::of(link.remote_address, &hello.boot_id, self.boot_id.as_deref());
        let successor = HostEntry { session: Some(Arc::clone(&session)), peer, ..(*entry).clone() };
        let entry = transaction.put_session(successor, SessionChange::Opened(Arc::clone(&session)));
        transaction.reclaim(&host_id);
        let (live, interval_ms) = (Arc::clone(&entry.live), entry.facts.interval_ms);
        Ok(Opened { host_id, session, live, interval_ms })
    }

    /// Ends a session, if it is still its host's. A goodbye takes the host offline at once.
    pub fn close_session(
        &self,
        host_id: &HostId,
        session_id: &SessionId,
        reason: CloseReason,
        moment: Moment,
    ) {
        let mut transaction = self.transaction(moment);
        let Some(host) = transaction.host(host_id) else { return };
        let session = host.session.clone().filter(|session| session.id == *session_id);
        let Some(session) = session else { return };
        let goodbye = match reason {
            CloseReason::Shutdown => Some(GoodbyeReason::Shutdown),
            CloseReason::Suspend => Some(GoodbyeReason::Suspend),
            CloseReason::Upgrade => Some(GoodbyeReason::Upgrade),
            _ => None,
        };
        let ended = Some(Ended { opened: session.opened, at: moment.now, goodbye });
        let successor = HostEntry { session: None, ended, ..(*host).clone() };
        transaction.put_session(successor, SessionChange::Closed(session, reason));
        if matches!(reason, CloseReason::Shutdown | CloseReason::Suspend) {
            let cause = format!("the agent said goodbye: {}", reason.word());
            transaction.mark(host_id, HostStatus::Offline, &cause);
        }
    }
}

impl HostEntry {
    /// A host of which nothing but its facts is known.
    pub(super) fn unheard(
        id: &HostId,
        facts: Arc<HostFacts>,
        live: HostLive,
        moment: Moment,
    ) -> Self {
        Self {
            id: id.clone(),
            revision: 0,
            facts,
            patch: Arc::default(),
            status: HostStatus::Unknown,
            status_since: moment.at,
            status_entered: moment.now,
            session: None,
            peer: None,
            ended: None,
            told_by: None,
            services: Arc::new([]),
            warm: Arc::new([]),
            findings: Vec::new(),
            conditions: Conditions::default(),
            offence: None,
            hellos: Budget::new(HELLOS.0, HELLOS.1, moment.now),
            live: Arc::new(live),
        }
    }

    /// The host with one hello less to say.
    fn greeted(&self, now: Instant) -> Result<Self, OpenError> {
        let mut hellos = self.hellos;
        hellos.take(1, now).then(|| Self { hellos, ..self.clone() }).ok_or(OpenError::TooOften)
    }
}

impl Transaction<'_> {
    /// Under which id a hello is listed. A superseded instance that comes back while its
    /// successor lives is another machine with the same identity; a reboot is not, since the
    /// instance before it never comes back.
    fn resolve_identity(&self, id: &HostId, hello: &Hello) -> Result<HostId, OpenError> {
        let session = self.host(id).and_then(|host| host.session.clone());
        let is_clone = session.is_some_and(|session| session.instance_id != hello.instance_id)
            && self.ledger.was_superseded(id, hello.instance_id);
        if !is_clone {
            return Ok(id.clone());
        }
        let slots = (2..2 + CLONES_MAX).map(|n| id.of_clone(n));
        let mut free = slots.filter(|slot| match self.host(slot) {
            None => true,
            Some(clone) => clone
                .session
                .as_ref()
                .is_none_or(|session| session.instance_id == hello.instance_id),
        });
        free.next().ok_or(OpenError::TooManyClones)
    }

    /// Lists a host that was never heard of.
    fn register(&mut self, id: &HostId, hello: &Hello) -> Arc<HostEntry> {
        let facts = facts_of(hello, None, self.moment).into();
        let entry = HostEntry::unheard(id, facts, HostLive::new(None), self.moment);
        if !id.is_clone() {
            return self.put_host(entry, ChangeKind::HostRegistered, None);
        }
        let findings = entry.derive_findings(&[], self.moment.at);
        let cause = Some("another machine uses this identity".to_owned());
        self.put_host(HostEntry { findings, ..entry }, ChangeKind::HostCloned, cause)
    }

    /// A known host connects: its older session loses it, and what it says of itself is taken in.
    fn renew(&mut self, known: HostEntry, hello: &Hello) -> Arc<HostEntry> {
        let mut entry = Arc::new(known);
        if let Some(older) = entry.session.clone() {
            older.superseded.cancel();
            if older.instance_id != hello.instance_id {
                self.ledger.supersede(&entry.id, older.instance_id);
            }
            let (opened, at) = (older.opened, self.moment.now);
            let ended = Some(Ended { opened, at, goodbye: None });
            let successor = HostEntry { session: None, ended, ..(*entry).clone() };
            let change = SessionChange::Closed(older, CloseReason::Superseded);
            entry = self.put_session(successor, change);
        }
        let facts = facts_of(hello, Some(&entry.facts), self.moment);
        if facts == *entry.facts {
            return entry;
        }
        let successor = HostEntry { facts: facts.into(), ..(*entry).clone() };
        self.put_host(successor, ChangeKind::HostChanged, None)
    }
}

fn facts_of(hello: &Hello, known: Option<&HostFacts>, moment: Moment) -> HostFacts {
    let interval_ms = hello
        .sample_interval_ms
        .clamp(limits::SAMPLE_INTERVAL_MS_MIN, limits::SAMPLE_INTERVAL_MS_MAX);
    HostFacts {
        name: hello.name.clone(),
        role: hello.role.clone(),
        labels: hello.labels.clone(),
        agent_version: hello.agent_version.clone(),
        protocol: herdbook_shared::wire::PROTOCOL,
        interval_ms,
        first_seen: known.map_or(moment.at, |facts| facts.first_seen),
        addresses: known.map(|facts| facts.addresses.clone()).unwrap_or_default(),
        address_details: known.map(|facts| facts.address_details.clone()).unwrap_or_default(),
        system: known.and_then(|facts| facts.system.clone()),
        gpus: known.and_then(|facts| facts.gpus.clone()),
        missing: known.map_or_else(Missing::new, |facts| facts.missing.clone()),
    }
}

#[cfg(test)]
#[path = "arrive_tests.rs"]
mod tests;
