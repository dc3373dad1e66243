//! Which alerts one message may tell of together.

use crate::registry::alert::Alert;

/// The group of an alert. Alerts of one group that are raised, or resolved, within a few seconds
/// are told in one message: forty hosts behind one switch, or the eight GPUs of one host, are one
/// piece of news. The rule is the group: whoever is told of it looks at one sort of trouble, whatever
/// its severity was set to.
#[must_use]
pub fn group_key(alert: &Alert) -> String {
    alert.rule.to_string()
}
