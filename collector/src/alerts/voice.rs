//! Raises and resolves: tells the registry, which numbers it for everybody, and has it kept.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::config::Alerts;
use crate::registry::Registry;
use crate::registry::alert::{Alert, AlertSubject, SubjectKind};
use crate::registry::moment::Moment;
use crate::registry::service::Word;
use crate::serve::Rarely;

use super::book::Key;
use super::kept::Kept;
use super::told::Words;

/// See the module's words.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) registry: Arc<Registry>,
    pub(super) settings: Arc<Alerts>,
    pub(super) kept: Arc<Kept>,
    too_many: Rarely,
}

impl Voice {
    pub(super) fn new(registry: Arc<Registry>, settings: Arc<Alerts>, kept: Arc<Kept>) -> Self {
        Self { registry, settings, kept, too_many: Rarely::every(Duration::from_mins(1)) }
    }

    /// Raises an alert. Returns its id; `None` where the registry has no room for it.
    pub(super) fn raise(
        &self,
        key: &Key,
        name: &str,
        words: Words,
        moment: Moment,
    ) -> Option<Arc<str>> {
        // What is a sort of mass event here is the fleet to everybody else.
        let (id, name, part) = match key.kind {
            SubjectKind::Fleet => ("fleet".into(), "fleet", Some(Arc::clone(&key.id))),
            _ => (Arc::clone(&key.id), name, key.part.clone()),
        };
        let alert = Arc::new(Alert {
            id: Uuid::new_v4().to_string().into(),
            rule: key.rule.word().into(),
            severity: self.settings.of(key.rule).severity,
            subject: AlertSubject { kind: key.kind, id, name: name.into() },
            part,
            message: words.message,
            cause: words.cause,
            raised_at: moment.at,
            resolved_at: None,
        });
        if let Err(error) = self.registry.raise_alert(Arc::clone(&alert), moment) {
            if let Some(n_more) = self.too_many.allow() {
                tracing::error!(%error, rule = %alert.rule, n_more, "an alert was not raised");
            }
            return None;
        }
        self.kept.put(Arc::clone(&alert));
        Some(Arc::clone(&alert.id))
    }

    /// Resolves an alert, because.
    pub(super) fn resolve(&self, id: &str, cause: &str, moment: Moment) {
        if let Some(alert) = self.registry.resolve_alert(id, cause, moment) {
            self.kept.put(alert);
        }
    }
}
