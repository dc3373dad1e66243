//! What was open when the collector stopped, taken up again.

use std::sync::Arc;

use crate::registry::alert::SubjectKind;
use crate::registry::moment::Moment;
use crate::registry::service::Word as _;

use super::super::Rule;
use super::super::book::Key;
use super::super::kept::Stored;
use super::Engine;

impl Engine {
    pub(super) fn restore(&mut self, stored: Stored, moment: Moment) {
        let rule = Rule::of_word(&stored.alert.rule);
        if rule == Some(Rule::MassEvent) {
            self.masses.restore(&stored, moment.now);
        }
        let Stored { alert, .. } = stored;
        if alert.resolved_at.is_some() {
            return;
        }
        self.voice.registry.restore_alerts([Arc::clone(&alert)]);
        let Some(rule) = rule.filter(|rule| self.voice.settings.of(*rule).enabled) else {
            return self.off.push(Arc::clone(&alert.id));
        };
        if rule == Rule::CollectorDiskFull {
            // Written once more, it shows whether there is room.
            self.voice.kept.write_again(&alert.id);
        }
        let (kind, id) = (alert.subject.kind, Arc::clone(&alert.subject.id));
        let (id, part) = match (kind, alert.part.clone()) {
            (SubjectKind::Fleet, Some(sort)) => (sort, None),
            (_, part) => (id, part),
        };
        self.book.restore(Key { kind, id, rule, part }, Arc::clone(&alert.id));
    }

    /// Begins to tell: resolves the restored alerts whose rules are off. Not when they are restored,
    /// as whoever follows takes what is open for told only after that.
    pub(in super::super) fn begin(&mut self, moment: Moment) {
        for id in std::mem::take(&mut self.off) {
            self.voice.resolve(&id, "its rule is off", moment);
        }
    }
}
