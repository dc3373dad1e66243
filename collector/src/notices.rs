//! What happens to alerts, in order: raised, resolved. Read out of the registry's changes by
//! whoever writes alerts down or tells somebody of them. Pure; which alerts there are is decided
//! by the rules that raise them.

use std::collections::HashMap;
use std::sync::Arc;

use herdbook_shared::time::Timestamp;

use crate::registry::alert::Alert;
use crate::registry::change::{Change, ChangeKind, Subject};
use crate::registry::snapshot::Snapshot;

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// It began.
    Raised,
    /// It is over.
    Resolved,
}

/// One thing that happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub what: What,
    /// When.
    pub at: Timestamp,
    /// To which, as it is after that.
    pub alert: Arc<Alert>,
}

/// A cursor in the registry's changes, and the alerts that are open there.
#[derive(Debug, Default)]
pub struct Notices {
    seq: u64,
    open: HashMap<Arc<str>, Arc<Alert>>,
}

impl Notices {
    /// Begins with the alerts that are open: those were told already.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let open = snapshot.alerts.iter().map(|alert| (Arc::clone(&alert.id), Arc::clone(alert)));
        Self { seq: snapshot.seq, open: open.collect() }
    }

    /// The last change that was taken in.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes in the change that follows on it.
    pub fn take(&mut self, change: &Change) -> Option<Notice> {
        self.seq = change.seq;
        let Subject::Alert(alert) = &change.subject else { return None };
        let notice = |what| Notice { what, at: change.at, alert: Arc::clone(alert) };
        match change.kind {
            ChangeKind::AlertRaised => {
                let before = self.open.insert(Arc::clone(&alert.id), Arc::clone(alert));
                before.is_none().then(|| notice(What::Raised))
            }
            ChangeKind::AlertResolved => {
                self.open.remove(&alert.id);
                Some(notice(What::Resolved))
            }
            _ => None,
        }
    }

    /// Goes on from a snapshot, where the ring did not reach back: what is open now and was not
    /// then was raised meanwhile, and the other way round. What came and went is not seen.
    pub fn resume(&mut self, snapshot: &Snapshot) -> Vec<Notice> {
        let n_missed = snapshot.seq.saturating_sub(self.seq);
        tracing::warn!(n_missed, "changes went by faster than alerts could be read out of them");
        let before = std::mem::replace(self, Self::new(snapshot));
        let over = before.open.values().filter(|alert| !self.open.contains_key(&alert.id));
        let resolved = over.map(|alert| {
            let alert = Alert { resolved_at: Some(snapshot.at), ..(**alert).clone() };
            Notice { what: What::Resolved, at: snapshot.at, alert: Arc::new(alert) }
        });
        let new = snapshot.alerts.iter().filter(|alert| !before.open.contains_key(&alert.id));
        let raised = new.map(|alert| {
            let (what, at) = (What::Raised, alert.raised_at);
            Notice { what, at, alert: Arc::clone(alert) }
        });
        resolved.chain(raised).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Liveness;
    use crate::registry::Registry;
    use crate::registry::testing::Clock;

    use crate::notify::testing::alert;

    fn taken(notices: &mut Notices, registry: &Registry) -> Vec<(What, String)> {
        let changes = registry.changes_since(notices.seq(), usize::MAX).unwrap();
        let taken = changes.iter().filter_map(|change| notices.take(change));
        taken.map(|notice| (notice.what, notice.alert.id.to_string())).collect()
    }

    #[test]
    fn an_alert_is_raised_once_and_resolved() {
        let (registry, mut clock) = (Registry::new(Liveness::default()), Clock::new());
        registry.raise_alert(alert("before", "gpu_lost"), clock.moment()).unwrap();
        let mut notices = Notices::new(&registry.snapshot(clock.moment()));
        registry.raise_alert(alert("a", "gpu_lost"), clock.moment()).unwrap();
        registry.raise_alert(alert("a", "gpu_lost"), clock.moment()).unwrap();
        registry.resolve_alert("a", "it is back", clock.pass(1));
        registry.resolve_alert("before", "it is back", clock.pass(1));
        let expected = [
            (What::Raised, "a".to_owned()),
            (What::Resolved, "a".to_owned()),
            (What::Resolved, "before".to_owned()),
        ];
        assert_eq!(taken(&mut notices, &registry), expected);
        assert_eq!(taken(&mut notices, &registry), []);
    }

    #[test]
    fn after_a_lag_what_differs_is_told() {
        let (registry, mut clock) = (Registry::new(Liveness::default()), Clock::new());
        for id in ["goes", "stays"] {
            registry.raise_alert(alert(id, "gpu_lost"), clock.moment()).unwrap();
        }
        let mut notices = Notices::new(&registry.snapshot(clock.moment()));
        registry.raise_alert(alert("comes", "gpu_lost"), clock.moment()).unwrap();
        registry.resolve_alert("goes", "it is back", clock.moment());
        let snapshot = registry.snapshot(clock.pass(60));
        let resumed = notices.resume(&snapshot);
        let told: Vec<_> = resumed.iter().map(|n| (n.what, &*n.alert.id)).collect();
        assert_eq!(told, [(What::Resolved, "goes"), (What::Raised, "comes")]);
        assert_eq!(resumed[0].alert.resolved_at, Some(snapshot.at));
        assert_eq!(notices.resume(&snapshot), []);
    }
}
