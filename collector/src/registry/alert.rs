//! Alerts: what a person should see. The registry holds those that are not resolved, so that a
//! snapshot has them and every change of them is numbered. Which there are is decided elsewhere,
//! by rules that follow the registry.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Registry;
use super::change::{ChangeKind, Subject};
use super::finding::Severity;
use super::moment::Moment;
use super::service::{ServiceEntry, Word};

/// Most alerts that are not resolved at one time.
pub const ALERTS_MAX: usize = 10_000;

/// What an alert is about.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[schemars(rename = "AlertSubjectKind")]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A host.
    Host,
    /// A service.
    Service,
    /// The fleet as a whole.
    Fleet,
    /// The collector itself.
    Collector,
}

/// Whom an alert is about.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct AlertSubject {
    /// Of which kind.
    pub kind: SubjectKind,
    /// Its id; `fleet` and `collector` for those two.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alert {
    /// A random UUID: the same condition that comes again is another alert.
    pub id: Arc<str>,
    /// The word of the rule, such as `host_offline`.
    pub rule: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// Whom it is about.
    pub subject: AlertSubject,
    /// Which part of it, where it is about one: the id of a GPU, the mount of a disk; of a mass
    /// event `hosts` or `services`.
    pub part: Option<Arc<str>>,
    /// What happened, for a person.
    pub message: String,
    /// Why, where that is known.
    pub cause: Option<String>,
    /// When it began.
    pub raised_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
}

impl Word for SubjectKind {
    const ALL: &'static [Self] = &[Self::Host, Self::Service, Self::Fleet, Self::Collector];

    fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Service => "service",
            Self::Fleet => "fleet",
            Self::Collector => "collector",
        }
    }
}

impl Word for Severity {
    const ALL: &'static [Self] = &[Self::Info, Self::Warning, Self::Critical];

    fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// There are too many alerts already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {ALERTS_MAX} alerts are open")]
pub struct TooManyAlerts;

impl Registry {
    /// Takes in alerts that were open when the collector stopped; no change is told of it.
    pub fn restore_alerts(&self, alerts: impl IntoIterator<Item = Arc<Alert>>) {
        let open = alerts.into_iter().filter(|alert| alert.resolved_at.is_none());
        let open = open.map(|alert| (Arc::clone(&alert.id), alert)).take(ALERTS_MAX);
        self.ledger().alerts.extend(open);
    }

    /// Raises an alert.
    ///
    /// # Errors
    ///
    /// Where too many are open.
    pub fn raise_alert(&self, alert: Arc<Alert>, moment: Moment) -> Result<(), TooManyAlerts> {
        let mut transaction = self.transaction(moment);
        if transaction.ledger.alerts.len() >= ALERTS_MAX {
            return Err(TooManyAlerts);
        }
        transaction.ledger.alerts.insert(Arc::clone(&alert.id), Arc::clone(&alert));
        let cause = alert.cause.clone();
        transaction.tell(ChangeKind::AlertRaised, Subject::Alert(alert), cause);
        Ok(())
    }

    /// Resolves an alert, and returns it as it is then. `None` where it is not open.
    pub fn resolve_alert(&self, id: &str, cause: &str, moment: Moment) -> Option<Arc<Alert>> {
        let mut transaction = self.transaction(moment);
        let open = transaction.ledger.alerts.remove(id)?;
        let resolved = Alert { resolved_at: Some(moment.at), ..(*open).clone() };
        let alert = Arc::new(resolved);
        let subject = Subject::Alert(Arc::clone(&alert));
        transaction.tell(ChangeKind::AlertResolved, subject, Some(cause.to_owned()));
        Some(alert)
    }

    /// All alerts that are not resolved.
    #[must_use]
    pub fn open_alerts(&self) -> Vec<Arc<Alert>> {
        self.ledger().alerts.values().cloned().collect()
    }

    /// A service that was deregistered since its beats were missing, while it may come back.
    #[must_use]
    pub fn departed(&self, id: &str) -> Option<Arc<ServiceEntry>> {
        self.ledger().departed.get(id).map(|gone| Arc::clone(&gone.entry))
    }

    /// Tells what came of loading a catalog.
    pub fn tell_catalog(
        &self,
        kind: ChangeKind,
        data: serde_json::Value,
        cause: Option<String>,
        moment: Moment,
    ) {
        self.transaction(moment).tell(kind, Subject::Catalog(data), cause);
    }

    /// Tells that something became of the key of an agent.
    pub fn tell_agent(&self, kind: ChangeKind, moment: Moment) {
        self.transaction(moment).tell(kind, Subject::Agent, None);
    }
}
