//! The layers of questions, each with its own meaning: is it alive, what is loaded and worked on,
//! what is installed, what is it made of.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::answer::{Alive, Installed, Loaded, Told};
use super::super::details::{self, Want};
use super::super::kinds::{Asked, Dialect};
use super::super::lead::Kind;
use super::super::list::List;
use super::super::naps;
use super::super::recognise::{Verdict, known_kind, recognise};
use super::super::runners;
use super::*;

/// A server that is slow to list its models is put on the list without them.
const LISTED_WITHOUT_MODELS_AFTER: Duration = Duration::from_secs(2);

impl<R: Reach> Prober<R> {
    pub(super) async fn ask_what_is_due(&mut self, now: Instant) {
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

    async fn ask_version(&mut self, now: Instant) {
        self.schedule.asked(Layer::Version, now);
        let asked_at = Instant::now();
        let Some(dialect) = self.dialect else {
            self.ask_who(asked_at).await;
            return;
        };
        match dialect.alive(&self.server, &self.seen.alive).await {
            Ok(alive) => self.is_alive(dialect, alive, asked_at),
            Err(error) => {
                if error.error.is_of_another() {
                    // Somebody else may have taken its place.
                    self.dialect = None;
                }
                self.version_failed(&error, asked_at);
            }
        }
    }

    async fn ask_who(&mut self, asked_at: Instant) {
        let Some(lead) = self.lead.clone() else { return };
        match recognise(&self.server, &lead).await {
            Ok(Verdict::Is(dialect, alive)) => self.is_alive(dialect, alive, asked_at),
            Ok(Verdict::Guarded(dialect, error)) => {
                self.is_guarded(dialect.kind(), &error, asked_at)
            }
            Ok(Verdict::Aggregator(how)) => self.is_aggregator(how, asked_at),
            Ok(Verdict::Stranger) => self.is_stranger(asked_at),
            Err(error) => self.version_failed(&error, asked_at),
        }
    }

    fn is_alive(&mut self, dialect: &'static dyn Dialect, alive: Alive, asked_at: Instant) {
        if self.claim_contacted() == Claim::Anothers {
            self.rest(asked_at);
            return;
        }
        if self.seen.kind.is_some_and(|kind| kind != dialect.kind()) {
            self.forget_models();
        }
        let is_news = !self.seen.health.is_seen() || self.seen.errors.version.is_some();
        if is_news && self.journal.admits("answers", asked_at) {
            let listens_on = self.seen.address.unwrap_or(self.target.ip());
            let (kind, version) = (dialect.kind().word(), alive.version.as_deref());
            tracing::info!(server = %self.target, %listens_on, kind, version, "model server answers");
        }
        self.dialect = Some(dialect);
        self.seen.kind = Some(dialect.kind());
        self.seen.answered(asked_at);
        self.seen.health.alive();
        self.seen.errors.version = None;
        if alive.credential {
            self.seen.asks_credential = Some(true);
        }
        let alive = Alive { light_sleeper: self.sleeps_lightly(&alive), ..alive };
        if self.seen.alive != alive {
            self.seen.alive = alive;
            self.schedule.moved(asked_at);
        }
        self.schedule.set_pace(Pace::Alive, asked_at);
    }

    fn sleeps_lightly(&self, alive: &Alive) -> bool {
        let may = || naps::may_fall_asleep(&self.around.proc_root, &self.owner);
        alive.light_sleeper && (alive.asleep || may())
    }

    /// Something stands before it and lets nobody in: that is life, and no more.
    fn is_guarded(&mut self, kind: Kind, error: &Unanswered, asked_at: Instant) {
        if self.claim_contacted() == Claim::Anothers {
            self.rest(asked_at);
            return;
        }
        self.seen.kind = Some(kind);
        self.seen.refused(&error.error);
        self.seen.health.alive();
        self.seen.health.loaded_failed(Failure::Wrong, asked_at);
        self.seen.errors.version = Some(said(error));
        self.schedule.set_pace(Pace::Silent, asked_at);
        self.write(error, asked_at);
        self.schedule.want_installed();
    }

    /// It would be counted twice, so it is taken off the list where it stood there.
    fn is_aggregator(&mut self, how: &str, asked_at: Instant) {
        if self.journal.admits("hands requests on", asked_at) {
            let server = self.target;
            tracing::info!(%server, how, "not listed: it hands requests on to other servers");
        }
        self.rest(asked_at);
    }

    fn rest(&mut self, asked_at: Instant) {
        self.seen = Seen::at(self.seen.identity, self.seen.address);
        self.around.board.withdraw(self.target);
        self.schedule.set_pace(Pace::Stranger, asked_at);
    }

    fn is_stranger(&mut self, asked_at: Instant) {
        if !self.seen.health.is_seen() {
            self.schedule.set_pace(Pace::Stranger, asked_at);
            return;
        }
        // Down stays down where another has taken the place; else it talks nonsense.
        if !self.seen.health.is_gone() {
            self.seen.health.version_failed(Failure::Wrong, asked_at);
        }
        self.schedule.set_pace(Pace::Silent, asked_at);
        self.schedule.want_installed();
    }

    fn forget_models(&mut self) {
        self.seen.gone();
        self.seen.installed = None;
        self.seen.asks_credential = None;
        self.seen.alive = Alive::default();
    }

    fn version_failed(&mut self, error: &Unanswered, asked_at: Instant) {
        let how = Failure::from(&error.error);
        let is_credential = matches!(error.error, ProbeError::Credential(_) | ProbeError::Turned);
        if let (true, Some(kind)) = (is_credential, self.seen.kind) {
            self.is_guarded(kind, error, asked_at);
            return;
        }
        if how != Failure::Refused {
            self.is_there_if_known();
        }
        self.seen.health.version_failed(how, asked_at);
        self.schedule.set_pace(self.pace_after(&error.error), asked_at);
        self.seen.errors.version = Some(said(error));
        if how == Failure::Refused {
            self.gone();
        } else if self.seen.health.is_seen() {
            self.write(error, asked_at);
        }
        // Whatever comes back is looked at from the start.
        self.schedule.want_installed();
    }

    /// A listener whose process is a model server is one, though it never answered.
    fn is_there_if_known(&mut self) {
        let Some(lead) = self.lead.as_ref().filter(|lead| lead.listens_on.is_some()) else {
            return;
        };
        if let (None, Some(kind)) = (self.seen.kind, known_kind(lead)) {
            self.seen.kind = Some(kind);
            self.seen.health.is_there();
        }
    }

    async fn ask_runners(&mut self) {
        let runners = runners(&self.owner);
        let is_asked = self.seen.kind == Some(Kind::Ollama);
        if !is_asked || runners.is_empty() && self.runners.heard.is_empty() {
            return;
        }
        let heard = runners::ask_all(&self.around.reach, runners).await;
        if heard != self.runners.heard {
            // One that became ready is listed now.
            self.schedule.want_loaded();
        }
        self.runners.hear(heard);
    }

    async fn ask_doing(&mut self, now: Instant) {
        let Some(dialect) = self.dialect.filter(|_| self.is_due(Layer::Loaded, now)) else {
            return;
        };
        self.schedule.asked(Layer::Loaded, now);
        let asked_at = Instant::now();
        match dialect.doing(&self.server, &self.seen.alive).await {
            Ok(told) => self.doing_told(told, asked_at),
            Err(error) => {
                self.doing_failed(&error, asked_at);
                // Busy, hung or gone: the version tells.
                self.ask_version(now).await;
            }
        }
    }

    fn doing_told(&mut self, told: Told, asked_at: Instant) {
        self.seen.answered(asked_at);
        self.seen.errors.loaded = None;
        let is_ready_now = self.seen.alive.starting && !told.starting;
        self.seen.alive.starting = told.starting;
        if is_ready_now {
            self.schedule.want_all(asked_at);
        }
        if self.seen.requests != told.requests || self.seen.loading != told.loading {
            self.schedule.moved(asked_at);
        }
        (self.seen.requests, self.seen.loading) = (told.requests, told.loading);
        if told.installed.is_some() || told.loaded.is_some() {
            self.lets_in();
        }
        if let Some(installed) = told.installed {
            self.installed_told(installed, asked_at);
        }
        if let Some(loaded) = told.loaded {
            self.loaded_told(loaded, asked_at);
        }
        if told.starting {
            // It serves one model, and that is on its way.
            self.seen.loading = self.seen.items().iter().map(|model| model.name.clone()).collect();
        }
        if told.knows_loaded {
            let n_loaded = self.seen.loaded.items.len().max(usize::from(told.holds));
            self.seen.health.loaded_told(n_loaded);
        } else {
            self.seen.health.nothing_told();
        }
    }

    fn lets_in(&mut self) {
        if !self.seen.alive.credential {
            self.seen.asks_credential = Some(false);
        }
    }

    fn loaded_told(&mut self, loaded: List<Loaded>, asked_at: Instant) {
        if !same_models(&self.seen.loaded.items, &loaded.items) {
            self.schedule.want_installed();
        }
        if self.seen.loaded != loaded {
            self.schedule.moved(asked_at);
            self.seen.loaded = loaded;
        }
    }

    fn doing_failed(&mut self, error: &Unanswered, asked_at: Instant) {
        self.seen.refused(&error.error);
        self.seen.requests = Default::default();
        self.seen.health.loaded_failed(Failure::from(&error.error), asked_at);
        self.seen.errors.loaded = Some(said(error));
        self.write(error, asked_at);
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

    async fn ask_installed(&mut self, now: Instant) {
        let due = self.dialect.filter(|_| self.is_due(Layer::Installed, now));
        let Some(dialect) = due else { return };
        let asked = std::mem::replace(&mut self.seen.asked, Asked::Again);
        self.schedule.asked(Layer::Installed, now);
        let asked_at = Instant::now();
        match self.installed_or_listed_without(dialect, asked).await {
            Ok(told) => self.inventory_told(told, asked_at),
            Err(error) => {
                self.seen.refused(&error.error);
                self.seen.errors.installed = Some(said(&error));
                self.write(&error, asked_at);
            }
        }
    }

    /// Waits for the list of models; a server that is slow is put on our list before it comes.
    async fn installed_or_listed_without(
        &self,
        dialect: &'static dyn Dialect,
        asked: Asked,
    ) -> Result<Told, Unanswered> {
        let mut answer = dialect.installed(&self.server, &self.seen.alive, asked);
        match timeout(LISTED_WITHOUT_MODELS_AFTER, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.publish();
                answer.await
            }
        }
    }

    fn inventory_told(&mut self, told: Told, asked_at: Instant) {
        self.seen.errors.installed = None;
        if let Some(installed) = told.installed {
            self.lets_in();
            self.installed_told(installed, asked_at);
        }
        if let Some(loaded) = told.loaded {
            self.loaded_told(loaded, asked_at);
        }
    }

    fn installed_told(&mut self, installed: List<Installed>, asked_at: Instant) {
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
        let Some(dialect) = self.dialect else { return };
        for _ in 0..details::PER_ROUND {
            let asked_at = Instant::now();
            let items = self.seen.items();
            let is_nameless = self.runners.has_nameless(items, &self.details);
            let want = if is_nameless { Want::Files } else { Want::Details };
            let wanted = self.details.next(want, items, &self.seen.loaded.items, asked_at);
            let Some(wanted) = wanted else { return };
            let Some(shown) = dialect.show(&self.server, &wanted.model) else { return };
            match shown.await {
                Ok(shown) => self.details.keep(wanted.digest, Some(shown)),
                Err(error) => {
                    self.details.keep(wanted.digest, None);
                    self.write(&error, asked_at);
                    return;
                }
            }
        }
    }
}

/// The server's order means nothing.
fn same_models(before: &[Loaded], after: &[Loaded]) -> bool {
    let is_in = |loaded: &Loaded, list: &[Loaded]| {
        list.iter().any(|other| other.name == loaded.name && other.digest == loaded.digest)
    };
    before.len() == after.len() && before.iter().all(|loaded| is_in(loaded, after))
}
