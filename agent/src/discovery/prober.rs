//! The loop of one socket address: who listens there, how it does, what it holds.
//!
//! It asks one question at a time, so a server sees one connection, and a server that hangs keeps
//! nobody waiting but this loop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::answer::{Installed, List, Loaded};
use super::board::{Board, Claim, Identity};
use super::client::{Ask, Asked, ProbeError};
use super::details::{self, DetailsCache};
use super::health::Failure;
use super::journal::Journal;
use super::listeners::{Hearing, Listeners};
use super::schedule::{Layer, Pace, Schedule, TICK};
use super::seen::Seen;
use super::text;

/// A server that is slow to list its models is put on the list without them.
const LISTED_WITHOUT_MODELS_AFTER: Duration = Duration::from_secs(2);

/// Probes whatever listens at one socket address.
#[derive(Debug)]
pub(super) struct Prober<A> {
    target: SocketAddr,
    server: A,
    board: Arc<Board>,
    listeners: Arc<Listeners>,
    schedule: Schedule,
    journal: Journal,
    hearing: Hearing,
    seen: Seen,
    details: DetailsCache,
}

impl<A: Ask> Prober<A> {
    pub(super) fn new(
        target: SocketAddr,
        server: A,
        board: Arc<Board>,
        listeners: Arc<Listeners>,
    ) -> Self {
        Self {
            target,
            server,
            board,
            listeners,
            schedule: Schedule::new(Instant::now()),
            journal: Journal::default(),
            hearing: Hearing::CannotTell,
            seen: Seen::default(),
            details: DetailsCache::default(),
        }
    }

    /// Looks for the first time.
    pub(super) async fn first_round(&mut self) {
        self.round(Instant::now()).await;
    }

    /// Looks again and again, for ever.
    pub(super) async fn run(mut self) {
        let mut ticks = interval_at(Instant::now() + TICK, TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = ticks.tick().await;
            self.round(now).await;
        }
    }

    /// One look: whatever is due is asked, then the list is brought up to date.
    async fn round(&mut self, now: Instant) {
        if self.claim_listener(now) == Claim::Anothers {
            self.seen = Seen::default();
            self.schedule = Schedule::new(now);
            self.board.withdraw(self.target);
            return;
        }
        if !self.is_anything_due(now) {
            return;
        }
        if self.is_alive(now).await {
            self.ask_loaded(now).await;
        }
        if self.is_telling() {
            self.ask_installed(now).await;
            self.ask_details().await;
        }
        self.publish();
    }

    /// Before anything is asked: does another prober reach the same listener?
    fn claim_listener(&mut self, now: Instant) -> Claim {
        let before = self.hearing;
        self.hearing = self.listeners.hearing(self.target, now);
        match self.hearing {
            Hearing::At(address) => self.claim(address, address),
            Hearing::Nobody => {
                if matches!(before, Hearing::At(_)) {
                    self.schedule.want_version();
                }
                Claim::Mine
            }
            Hearing::CannotTell => Claim::Mine,
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
        let claim = self.board.claim(self.target, identity);
        if claim == Claim::Mine {
            self.seen.identity = Some(identity);
            self.seen.address = Some(address);
        }
        claim
    }

    fn is_anything_due(&self, now: Instant) -> bool {
        let layers: &[Layer] = if self.is_telling() {
            &[Layer::Version, Layer::Loaded, Layer::Installed]
        } else {
            &[Layer::Version]
        };
        layers.iter().any(|layer| self.schedule.is_due(*layer, now))
    }

    /// Whether it is worth asking for more than the version.
    fn is_telling(&self) -> bool {
        self.seen.version.is_some() && self.seen.errors.version.is_none()
    }

    /// Asks for the version where that is due; what answered well a moment ago is alive.
    async fn is_alive(&mut self, now: Instant) -> bool {
        if self.schedule.is_due(Layer::Version, now) {
            self.ask_version(now).await;
        }
        self.is_telling()
    }

    async fn ask_version(&mut self, now: Instant) {
        self.schedule.asked(Layer::Version, now);
        let asked_at = Instant::now();
        match self.server.version().await {
            Ok(version) => self.version_told(version, asked_at),
            Err(error) => self.version_failed(&error, asked_at),
        }
    }

    fn version_told(&mut self, version: String, asked_at: Instant) {
        if self.claim_contacted() == Claim::Anothers {
            self.seen = Seen::default();
            self.schedule.set_pace(Pace::Stranger, asked_at);
            return;
        }
        let is_news = !self.seen.health.is_seen() || self.seen.errors.version.is_some();
        if is_news && self.journal.admits("answers", asked_at) {
            let listens_on = self.seen.address.unwrap_or(self.target.ip());
            tracing::info!(server = %self.target, %listens_on, version, "Ollama answers");
        }
        self.seen.answered(asked_at);
        self.seen.health.alive();
        self.seen.errors.version = None;
        if self.seen.version.as_ref() != Some(&version) {
            self.seen.version = Some(version);
            self.schedule.moved(asked_at);
        }
        self.schedule.set_pace(Pace::Alive, asked_at);
    }

    fn version_failed(&mut self, error: &ProbeError, asked_at: Instant) {
        let how = Failure::from(error);
        if matches!(error, ProbeError::Credential(_)) && self.claim_contacted() == Claim::Mine {
            // Something stands before it and lets nobody in: that is life, and no more.
            self.seen.health.alive();
            self.seen.health.loaded_failed(how, asked_at);
            self.schedule.set_pace(Pace::Silent, asked_at);
        } else {
            self.seen.health.version_failed(how, asked_at);
            self.schedule.set_pace(self.pace_after(error), asked_at);
        }
        self.seen.errors.version = Some(said("/api/version", error));
        if how == Failure::Refused {
            self.gone();
        } else {
            self.write("/api/version", error, asked_at);
        }
        // Whatever comes back is looked at from the start.
        self.schedule.want_installed();
    }

    fn pace_after(&self, error: &ProbeError) -> Pace {
        match error {
            ProbeError::Refused => Pace::Gone,
            ProbeError::Silent(_) | ProbeError::Broken(_) => Pace::Silent,
            _ if self.seen.health.is_seen() => Pace::Silent,
            _ => Pace::Stranger,
        }
    }

    /// Nothing is loaded in what is not there, and a restart may answer better.
    fn gone(&mut self) {
        if self.seen.health.is_seen()
            && self.journal.admits("nothing listens any more", Instant::now())
        {
            tracing::info!(server = %self.target, "Ollama is gone: nothing listens any more");
        }
        self.seen.asked = Asked::First;
        self.seen.loaded = List::default();
        self.seen.errors.loaded = None;
        self.seen.errors.installed = None;
        self.details.forget_unanswered();
    }

    async fn ask_loaded(&mut self, now: Instant) {
        if !self.schedule.is_due(Layer::Loaded, now) {
            return;
        }
        self.schedule.asked(Layer::Loaded, now);
        let asked_at = Instant::now();
        match self.server.loaded().await {
            Ok(loaded) => self.loaded_told(loaded, asked_at),
            Err(error) => {
                self.loaded_failed(&error, asked_at);
                // Busy, hung or gone: the version tells.
                self.ask_version(now).await;
            }
        }
    }

    fn loaded_told(&mut self, loaded: List<Loaded>, asked_at: Instant) {
        self.seen.answered(asked_at);
        self.seen.health.loaded_told(loaded.items.len());
        self.seen.errors.loaded = None;
        if !same_models(&self.seen.loaded.items, &loaded.items) {
            self.schedule.want_installed();
        }
        if self.seen.loaded != loaded {
            self.schedule.moved(asked_at);
            self.seen.loaded = loaded;
        }
    }

    fn loaded_failed(&mut self, error: &ProbeError, asked_at: Instant) {
        self.seen.health.loaded_failed(Failure::from(error), asked_at);
        self.seen.errors.loaded = Some(said("/api/ps", error));
        self.write("/api/ps", error, asked_at);
    }

    async fn ask_installed(&mut self, now: Instant) {
        if !self.schedule.is_due(Layer::Installed, now) {
            return;
        }
        let asked = std::mem::replace(&mut self.seen.asked, Asked::Again);
        self.schedule.asked(Layer::Installed, now);
        let asked_at = Instant::now();
        let server = self.server.clone();
        let mut answer = std::pin::pin!(server.installed(asked));
        let answer = match timeout(LISTED_WITHOUT_MODELS_AFTER, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.publish();
                answer.await
            }
        };
        match answer {
            Ok(installed) => self.installed_told(installed, asked_at),
            Err(error) => {
                self.seen.errors.installed = Some(said("/api/tags", &error));
                self.write("/api/tags", &error, asked_at);
            }
        }
    }

    fn installed_told(&mut self, installed: List<Installed>, asked_at: Instant) {
        self.seen.errors.installed = None;
        let n_left_out_before = self.seen.installed.as_ref().map_or(0, |list| list.left_out);
        if installed.left_out > n_left_out_before && self.journal.admits("too many", asked_at) {
            tracing::warn!(
                server = %self.target,
                listed = installed.items.len(),
                left_out = installed.left_out,
                "more models than are listed"
            );
        }
        self.details.retain_installed(&installed.items);
        if self.seen.installed.as_ref() != Some(&installed) {
            self.seen.installed = Some(installed);
            self.schedule.moved(asked_at);
        }
    }

    async fn ask_details(&mut self) {
        for _ in 0..details::PER_ROUND {
            let installed = self.seen.installed.as_ref().map_or(&[][..], |list| &list.items);
            let asked_at = Instant::now();
            let Some(wanted) = self.details.next(installed, asked_at) else { return };
            match self.server.show(&wanted.model).await {
                Ok(shown) => self.details.keep(wanted.digest, Some(shown)),
                Err(error) => {
                    self.details.keep(wanted.digest, None);
                    self.write("/api/show", &error, asked_at);
                    return;
                }
            }
        }
    }

    fn write(&mut self, path: &str, error: &ProbeError, now: Instant) {
        let line = said(path, error);
        if self.journal.admits(&line, now) {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(server = %self.target, cause, "model server: {line}");
        }
    }

    fn publish(&self) {
        if let Some(entry) = self.seen.entry(self.target.port(), &self.details) {
            self.board.put(self.target, entry);
        }
    }
}

/// What a failed question says on the page.
fn said(path: &str, error: &ProbeError) -> String {
    text::message(&format!("{path}: {error}"))
}

/// The server's order means nothing.
fn same_models(before: &[Loaded], after: &[Loaded]) -> bool {
    let is_in = |loaded: &Loaded, list: &[Loaded]| {
        list.iter().any(|other| other.name == loaded.name && other.digest == loaded.digest)
    };
    before.len() == after.len() && before.iter().all(|loaded| is_in(loaded, after))
}

#[cfg(test)]
mod tests;
