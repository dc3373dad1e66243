//! What is installed, and what is it made of?

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::answer::{Installed, Told};
use super::super::details::{self, Want};
use super::super::kinds::{Asked, Dialect};
use super::super::list::List;
use super::*;

/// A server that is slow to list its models is put on the list without them.
const LISTED_WITHOUT_MODELS_AFTER: Duration = Duration::from_secs(2);

impl<R: Reach> Prober<R> {
    pub(super) async fn ask_installed(&mut self, now: Instant) {
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
                if let Some(first_look) = &self.first_look {
                    first_look.over();
                }
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

    pub(super) fn installed_told(&mut self, installed: List<Installed>, asked_at: Instant) {
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

    pub(super) async fn ask_details(&mut self) {
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
