//! What is loaded, and what does it work on?

use tokio::time::Instant;

use super::super::answer::{Loaded, Told};
use super::super::lead::Kind;
use super::super::list::List;
use super::super::runners;
use super::*;

impl<R: Reach> Prober<R> {
    pub(super) async fn ask_runners(&mut self) {
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

    pub(super) async fn ask_doing(&mut self, now: Instant) {
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

    pub(super) fn lets_in(&mut self) {
        if !self.seen.alive.credential {
            self.seen.asks_credential = Some(false);
        }
    }

    pub(super) fn loaded_told(&mut self, loaded: List<Loaded>, asked_at: Instant) {
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
}

/// The server's order means nothing.
fn same_models(before: &[Loaded], after: &[Loaded]) -> bool {
    let is_in = |loaded: &Loaded, list: &[Loaded]| {
        list.iter().any(|other| other.name == loaded.name && other.digest == loaded.digest)
    };
    before.len() == after.len() && before.iter().all(|loaded| is_in(loaded, after))
}
