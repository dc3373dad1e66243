//! The loop of one place: who listens there, how it does, what it holds.
//!
//! It asks one question at a time, so a server sees one connection, and a server that hangs keeps
//! nobody waiting but this loop.

mod alive;
mod doing;
mod installed;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::ask::{Ask as _, Connection, ProbeError, Unanswered};
use super::board::{Board, Claim, FirstLook, Identity};
use super::client::Reach;
use super::details::DetailsCache;
use super::health::Failure;
use super::journal::Journal;
use super::kinds::Dialect;
use super::lead::{Kind, Lead, Owner, Role, Runner};
use super::naps::Naps;
use super::runners::Runners;
use super::schedule::{Layer, Pace, Schedule, TICK};
use super::seen::{Seen, said};

/// What all probers share.
#[derive(Clone, Debug)]
pub(super) struct Around<R> {
    pub(super) reach: R,
    pub(super) board: Arc<Board>,
    pub(super) proc_root: PathBuf,
}

/// Probes whatever listens at one socket address.
#[derive(Debug)]
pub(super) struct Prober<R: Reach> {
    target: SocketAddr,
    around: Around<R>,
    server: R::Server,
    /// `None` where nobody listens any more.
    lead: Option<Lead>,
    /// Who listens, or did.
    owner: Owner,
    schedule: Schedule,
    journal: Journal,
    /// How it is asked, once it is known who it is.
    dialect: Option<&'static dyn Dialect>,
    /// What lets nobody in, while that is all that is known.
    guarded: Option<&'static dyn Dialect>,
    naps: Naps,
    /// Until it has looked once.
    first_look: Option<FirstLook>,
    seen: Seen,
    details: DetailsCache,
    runners: Runners,
}

impl<R: Reach> Prober<R> {
    pub(super) fn new(target: SocketAddr, around: Around<R>) -> Self {
        Self {
            target,
            server: around.reach.at(target),
            around,
            lead: None,
            owner: Owner::Unknown,
            schedule: Schedule::new(Instant::now()),
            journal: Journal::default(),
            dialect: None,
            guarded: None,
            naps: Naps::default(),
            first_look: None,
            seen: Seen::default(),
            details: DetailsCache::default(),
            runners: Runners::default(),
        }
    }

    /// Looks again and again, until nobody leads it any more.
    pub(super) async fn run(
        mut self,
        mut leads: watch::Receiver<Option<Lead>>,
        mut resumed: watch::Receiver<u64>,
        first_look: FirstLook,
    ) {
        self.led(leads.borrow_and_update().clone(), Instant::now());
        self.first_look = Some(first_look);
        self.round_while_it_is_there(&leads).await;
        self.first_look = None;
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                changed = leads.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let lead = leads.borrow_and_update().clone();
                    self.led(lead, Instant::now());
                }
                () = changes(&mut resumed) => self.schedule.want_all(Instant::now()),
                _ = ticks.tick() => {}
            }
            self.round_while_it_is_there(&leads).await;
        }
        self.around.board.withdraw(self.target);
    }

    /// A question to somebody who is gone is dropped.
    async fn round_while_it_is_there(&mut self, leads: &watch::Receiver<Option<Lead>>) {
        let mut leads = leads.clone();
        tokio::select! {
            biased;
            _ = leads.wait_for(Option::is_none) => {}
            () = self.round(Instant::now()) => {}
        }
    }

    /// Takes in what is newly known of the place.
    fn led(&mut self, lead: Option<Lead>, now: Instant) {
        let before = std::mem::replace(&mut self.lead, lead);
        let Some(lead) = &self.lead else {
            self.nobody_listens(now);
            return;
        };
        self.owner = lead.owner.clone();
        let Some(before) = before else {
            self.schedule.want_all(now);
            return;
        };
        if who(&before.owner) != who(&lead.owner) {
            let pids = (pid(&before.owner), pid(&lead.owner));
            let is_another = matches!(pids, (Some(before), Some(now)) if before != now);
            self.speaks(None);
            self.schedule.want_all(now);
            if is_another && self.seen.health.is_seen() {
                self.seen.health.version_failed(Failure::Refused, now);
                self.gone();
            }
        } else if before.listens_on != lead.listens_on {
            self.schedule.want_all(now);
        } else if runners(&before.owner) != runners(&lead.owner) {
            self.schedule.want_loaded();
            self.schedule.moved(now);
        }
    }

    fn nobody_listens(&mut self, now: Instant) {
        self.seen.health.version_failed(Failure::Refused, now);
        let error = Unanswered { path: "listener", error: ProbeError::Refused };
        self.seen.errors.version = Some(said(&error));
        self.gone();
        self.publish();
    }

    /// One look: whatever is due is asked, then the list is brought up to date.
    async fn round(&mut self, now: Instant) {
        if self.lead.is_none() {
            return;
        }
        if self.claim_listener() == Claim::Anothers {
            self.seen = Seen::default();
            self.speaks(None);
            self.schedule = Schedule::new(now);
            self.around.board.withdraw(self.target);
            return;
        }
        self.ask_what_is_due(now).await;
        self.publish();
    }

    /// Before anything is asked: does another prober reach the same listener?
    fn claim_listener(&mut self) -> Claim {
        match self.lead.as_ref().and_then(|lead| lead.listens_on) {
            Some(address) => self.claim(address, address),
            None => Claim::Mine,
        }
    }

    /// After the first answer of a listener that cannot be told: loopback is then one server.
    fn claim_contacted(&mut self) -> Claim {
        let contacted = self.target.ip();
        match self.seen.identity {
            Some(_) => Claim::Mine,
            None if contacted.is_loopback() => self.claim(Ipv4Addr::LOCALHOST.into(), contacted),
            None => self.claim(contacted, contacted),
        }
    }

    fn claim(&mut self, key: IpAddr, address: IpAddr) -> Claim {
        let identity = Identity { address: key, port: self.target.port() };
        let claim = self.around.board.claim(self.target, identity);
        if claim == Claim::Mine {
            self.seen.identity = Some(identity);
            self.seen.address = Some(address);
        }
        claim
    }

    /// The layers of questions, each with its own meaning.
    async fn ask_what_is_due(&mut self, now: Instant) {
        if self.is_due(Layer::Version, now) {
            self.ask_version(now).await;
        }
        if self.is_telling() {
            self.ask_runners().await;
            self.ask_doing(now).await;
        }
        self.conclude();
        if self.is_telling() {
            self.ask_installed(now).await;
            self.ask_details().await;
            self.conclude();
        }
    }

    /// Puts together what the server and its runners tell.
    fn conclude(&mut self) {
        let now = Instant::now();
        let believed = self.seen.believed(now);
        let concluded = self.runners.conclude(believed, self.seen.items(), &self.details);
        if self.seen.conclude(concluded) {
            self.schedule.moved(now);
        }
    }

    /// Whether it is worth asking for more than the version.
    fn is_telling(&self) -> bool {
        self.dialect.is_some() && self.seen.errors.version.is_none()
    }

    fn is_due(&self, layer: Layer, now: Instant) -> bool {
        self.schedule.is_due(layer, now)
    }

    /// It is asked as this kind from now on, or asked who it is. Only a kind that is known to
    /// serve many callers at a time is not hung up on.
    fn speaks(&mut self, dialect: Option<&'static dyn Dialect>) {
        self.dialect = dialect;
        self.guarded = None;
        let is_known = dialect.is_some_and(|dialect| dialect.kind() != Kind::OpenAi);
        self.server.hold(if is_known { Connection::Kept } else { Connection::Closed });
    }

    /// Nobody is there; whoever comes next has to say who he is.
    fn gone(&mut self) {
        let now = Instant::now();
        if self.seen.health.is_seen() && self.journal.admits("nothing listens any more", now) {
            tracing::info!(server = %self.target, "model server is gone: nothing listens any more");
        }
        self.speaks(None);
        self.seen.gone();
        self.runners = Runners::default();
        self.details.forget_unanswered();
    }

    fn write(&mut self, error: &Unanswered, now: Instant) {
        let line = said(error);
        if self.journal.admits(&line, now) {
            tracing::warn!(server = %self.target, cause = error.cause(), "model server: {line}");
        }
    }

    fn publish(&self) {
        if let Some(entry) = self.seen.entry(self.target.port(), &self.owner, &self.details) {
            self.around.board.put(self.target, entry);
        }
    }
}

/// Whoever it is that listens, as far as that decides how it is asked.
fn who(owner: &Owner) -> Option<(u32, Role)> {
    match owner {
        Owner::Known(process) => Some((process.pid, process.role)),
        Owner::Forwarder | Owner::Unknown => None,
    }
}

fn pid(owner: &Owner) -> Option<u32> {
    who(owner).map(|(pid, _)| pid)
}

fn runners(owner: &Owner) -> &[Runner] {
    match owner {
        Owner::Known(process) => &process.runners,
        Owner::Forwarder | Owner::Unknown => &[],
    }
}

/// Never where nobody can change it any more.
async fn changes(value: &mut watch::Receiver<u64>) {
    if value.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
