//! Is it alive, and who is it?

use tokio::time::Instant;

use super::super::answer::Alive;
use super::super::kinds::{Dialect, dialect};
use super::super::recognise::{
    Verdict, is_expected, is_guarded, is_named, known_kind, recognise, usual_kind,
};
use super::*;

impl<R: Reach> Prober<R> {
    pub(super) async fn ask_version(&mut self, now: Instant) {
        self.schedule.asked(Layer::Version, now);
        let asked_at = Instant::now();
        let Some(dialect) = self.dialect else {
            if !self.is_still_guarded(asked_at).await {
                self.ask_who(asked_at).await;
            }
            return;
        };
        match dialect.alive(&self.server, &self.seen.alive).await {
            Ok(alive) => self.is_alive(dialect, alive, asked_at).await,
            Err(error) => {
                if error.error.is_of_another() {
                    // Somebody else may have taken its place.
                    self.speaks(None);
                }
                self.version_failed(&error, asked_at);
            }
        }
    }

    /// Whoever let nobody in is asked no more than that, until he answers otherwise.
    async fn is_still_guarded(&mut self, asked_at: Instant) -> bool {
        let Some(dialect) = self.guarded.take() else { return false };
        match dialect.alive(&self.server, &self.seen.alive).await {
            Err(error) if is_guarded(&error.error) => {
                self.is_guarded(dialect, &error, asked_at);
                true
            }
            _ => false,
        }
    }

    async fn ask_who(&mut self, asked_at: Instant) {
        let Some(lead) = self.lead.clone() else { return };
        match recognise(&self.server, &lead).await {
            Ok(Verdict::Is(dialect, alive)) => self.is_alive(dialect, alive, asked_at).await,
            Ok(Verdict::Guarded(dialect, error)) => self.is_guarded(dialect, &error, asked_at),
            Ok(Verdict::Aggregator(how)) => self.is_aggregator(how, asked_at),
            Ok(Verdict::Stranger) => self.is_stranger(asked_at),
            Ok(Verdict::NotYet) => self.schedule.set_pace(Pace::Silent, asked_at),
            Err(error) => self.version_failed(&error, asked_at),
        }
    }

    async fn is_alive(&mut self, dialect: &'static dyn Dialect, alive: Alive, asked_at: Instant) {
        if self.claim_contacted() == Claim::Anothers {
            self.rest(asked_at);
            return;
        }
        if self.seen.kind.is_some_and(|kind| kind != dialect.kind()) {
            self.forget_models();
        }
        self.write_that_it_answers(dialect, &alive, asked_at);
        self.speaks(Some(dialect));
        self.seen.kind = Some(dialect.kind());
        self.seen.answered(asked_at);
        self.seen.health.alive();
        self.seen.errors.version = None;
        if alive.credential {
            self.seen.asks_credential = Some(true);
        }
        let alive = Alive { light_sleeper: self.sleeps_lightly(&alive).await, ..alive };
        if self.seen.alive != alive {
            self.seen.alive = alive;
            self.schedule.moved(asked_at);
        }
        self.schedule.set_pace(Pace::Alive, asked_at);
    }

    fn write_that_it_answers(&mut self, dialect: &dyn Dialect, alive: &Alive, now: Instant) {
        let is_news = !self.seen.health.is_seen() || self.seen.errors.version.is_some();
        if is_news && self.journal.admits("answers", now) {
            let listens_on = self.seen.address.unwrap_or(self.target.ip());
            let (kind, version) = (dialect.kind().word(), alive.version.as_deref());
            tracing::info!(server = %self.target, %listens_on, kind, version, "model server answers");
        }
    }

    async fn sleeps_lightly(&mut self, alive: &Alive) -> bool {
        alive.light_sleeper
            && (alive.asleep
                || self.naps.may_fall_asleep(&self.around.proc_root, &self.owner).await)
    }

    /// Something stands before it and lets nobody in: that is life, and no more.
    fn is_guarded(&mut self, dialect: &'static dyn Dialect, error: &Unanswered, asked_at: Instant) {
        if self.claim_contacted() == Claim::Anothers {
            self.rest(asked_at);
            return;
        }
        self.guarded = Some(dialect);
        self.seen.kind = Some(dialect.kind());
        self.seen.refused(&error.error);
        self.seen.health.alive();
        self.seen.health.loaded_failed(Failure::Wrong, asked_at);
        self.seen.errors.version = Some(said(error));
        self.schedule.set_pace(Pace::Alive, asked_at);
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
        let how = self.failure(&error.error);
        if let (true, Some(kind)) = (is_guarded(&error.error), self.seen.kind) {
            self.is_guarded(dialect(kind), error, asked_at);
            return;
        }
        if how != Failure::Refused {
            self.is_there_if_known();
        }
        self.seen.health.version_failed(how, asked_at);
        self.schedule.set_pace(self.pace_after(how), asked_at);
        self.seen.errors.version = Some(said(error));
        if how == Failure::Refused {
            self.gone();
        } else if self.seen.health.is_seen() {
            self.write(error, asked_at);
        }
        // Whatever comes back is looked at from the start.
        self.schedule.want_installed();
    }

    /// Where nobody is seen to listen, and nobody is reached either, nobody is there.
    fn failure(&self, error: &ProbeError) -> Failure {
        let is_seen_to_listen = self.lead.as_ref().is_some_and(|lead| lead.listens_on.is_some());
        match error {
            ProbeError::Unreached(_) if !is_seen_to_listen => Failure::Refused,
            error => Failure::from(error),
        }
    }

    /// Whoever was never seen may be anybody, and is left alone: his callers wait in one queue with
    /// ours. A forwarder breaks off while nobody listens behind it.
    fn pace_after(&self, how: Failure) -> Pace {
        let Some(lead) = &self.lead else { return Pace::Gone };
        let is_forwarder = lead.owner == Owner::Forwarder && usual_kind(lead).is_some();
        let was_heard = self.seen.has_answered();
        match how {
            Failure::Refused => Pace::Gone,
            Failure::Unheard if is_forwarder || was_heard => Pace::Silent,
            Failure::Unheard if self.seen.health.is_seen() => Pace::Alive,
            _ if self.seen.health.is_seen() => Pace::Silent,
            // Whom a person named, and who answers that he is not ready, is waited for.
            Failure::Silent if is_named(lead) => Pace::Silent,
            Failure::Wrong if is_expected(lead) => Pace::Silent,
            _ => Pace::Stranger,
        }
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
}
