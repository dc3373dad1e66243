//! What one target is told, and when: a pure value. It knows which alerts are open and which of
//! them the target has heard of, and gathers those of one rule for a while into one message.

use std::collections::BTreeMap;
use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

use crate::config::{Target, TargetKind};
use crate::notices::{Notice, What};
use crate::registry::alert::Alert;

use super::alertmanager;
use super::message::{Message, NAMED_MAX};

/// Whether somebody wants to hear nothing of an alert now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hush {
    Silenced,
    Heard,
}

/// How old an alert is of which a restart may have kept a message: one that was gathered, or that
/// waited for a target out of reach. It is told, perhaps for a second time.
const PERHAPS_UNTOLD_MS: i64 = 10 * 60_000;

/// See the module's words.
#[derive(Debug)]
pub(super) struct Desk {
    target: Arc<Target>,
    /// Those that the target shall hear of, by id.
    open: BTreeMap<Arc<str>, Open>,
    /// What is gathered, by what happened and the rule. There are few rules.
    groups: BTreeMap<(What, Arc<str>), Group>,
    /// What is told at once.
    ready: Vec<Message>,
}

#[derive(Debug)]
struct Open {
    alert: Arc<Alert>,
    told: Told,
}

/// Whether the target has heard of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    No,
    /// It is in a group.
    Soon,
    Yes,
}

#[derive(Debug)]
struct Group {
    due: Instant,
    message: Message,
}

impl Desk {
    /// Begins with the alerts that are open at this time. The target has heard of them, but of
    /// those that are silenced, and perhaps of those that are young.
    pub(super) fn new(
        target: Arc<Target>,
        open: impl IntoIterator<Item = (Arc<Alert>, Hush)>,
        at: Timestamp,
    ) -> Self {
        let (groups, ready) = (BTreeMap::new(), Vec::new());
        let mut desk = Self { target, open: BTreeMap::new(), groups, ready };
        for (alert, hush) in open.into_iter().filter(|(alert, _)| desk.target.wants(alert)) {
            let is_young = at.ms_since(alert.raised_at) < PERHAPS_UNTOLD_MS;
            let told = if is_young || hush == Hush::Silenced { Told::No } else { Told::Yes };
            desk.open.insert(Arc::clone(&alert.id), Open { alert, told });
        }
        desk
    }

    /// Takes in what happened to an alert.
    pub(super) fn take(&mut self, notice: &Notice, hush: Hush, now: Instant) {
        if !self.target.wants(&notice.alert) {
            return;
        }
        match notice.what {
            What::Raised => self.raised(&notice.alert, hush, now),
            What::Resolved => self.resolved(&notice.alert, now),
        }
    }

    fn raised(&mut self, alert: &Arc<Alert>, hush: Hush, now: Instant) {
        if self.open.contains_key(&alert.id) {
            return;
        }
        let told = match hush {
            Hush::Silenced => Told::No,
            Hush::Heard => Told::Soon,
        };
        self.open.insert(Arc::clone(&alert.id), Open { alert: Arc::clone(alert), told });
        if told == Told::Soon {
            self.gather(What::Raised, alert, now);
        }
    }

    fn resolved(&mut self, alert: &Arc<Alert>, now: Instant) {
        match self.open.remove(&alert.id).map(|open| open.told) {
            // The message that tells of it tells that it is over.
            Some(Told::Soon) => {
                let groups = self.groups.values_mut().map(|group| &mut group.message);
                let named = groups.flat_map(|message| &mut message.alerts);
                named.filter(|named| named.id == alert.id).for_each(|named| *named = alert.clone());
            }
            // Who heard of it wants to hear that it is over, silenced or not.
            Some(Told::Yes) if self.target.send_resolved => {
                self.gather(What::Resolved, alert, now);
            }
            Some(Told::Yes | Told::No) | None => {}
        }
    }

    fn gather(&mut self, what: What, alert: &Arc<Alert>, now: Instant) {
        let (key, named_max) = match self.target.kind {
            TargetKind::Webhook(_) => ((what, Arc::clone(&alert.rule)), NAMED_MAX),
            TargetKind::Alertmanager => ((what, Arc::default()), alertmanager::AT_ONCE),
        };
        match self.groups.get_mut(&key) {
            Some(group) => group.message.add(alert, named_max),
            None => {
                let due = now + self.target.group_wait;
                self.groups.insert(key.clone(), Group { due, message: Message::of(what, alert) });
            }
        }
        // An Alertmanager is told each of them.
        let is_full = |group: &Group| group.message.alerts.len() >= named_max;
        if self.target.kind == TargetKind::Alertmanager
            && self.groups.get(&key).is_some_and(is_full)
        {
            self.tell(&key);
        }
    }

    /// When the next message is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.groups.values().map(|group| group.due).min()
    }

    /// The messages that are due.
    pub(super) fn collect(&mut self, now: Instant) -> Vec<Message> {
        let due = self.groups.iter().filter(|(_, group)| group.due <= now);
        for key in due.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.tell(&key);
        }
        std::mem::take(&mut self.ready)
    }

    /// All messages, due or not.
    pub(super) fn collect_all(&mut self) -> Vec<Message> {
        for key in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.tell(&key);
        }
        std::mem::take(&mut self.ready)
    }

    fn tell(&mut self, key: &(What, Arc<str>)) {
        let Some(group) = self.groups.remove(key) else { return };
        let is_all = self.target.kind == TargetKind::Alertmanager;
        if key.0 == What::Raised {
            for open in self.open.values_mut() {
                if open.told == Told::Soon && (is_all || open.alert.rule == key.1) {
                    open.told = Told::Yes;
                }
            }
        }
        self.ready.push(group.message);
    }

    /// All alerts that are open, to be looked at again.
    pub(super) fn open(&self) -> Vec<Arc<Alert>> {
        self.open.values().map(|open| Arc::clone(&open.alert)).collect()
    }

    /// Looks at open alerts again, of which it was asked just now who is silenced: those that were
    /// are told now, and an Alertmanager is told all of them.
    pub(super) fn look_again(&mut self, alerts: &[(Arc<Alert>, Hush)], now: Instant) {
        let mut again: Option<Message> = None;
        for (alert, hush) in alerts {
            let Some(open) = self.open.get_mut(&alert.id) else { continue };
            match (open.told, hush) {
                (Told::No, Hush::Heard) => {
                    open.told = Told::Soon;
                    self.gather(What::Raised, alert, now);
                }
                (Told::Yes, Hush::Heard) => match &mut again {
                    Some(message) => message.add(alert, usize::MAX),
                    None => again = Some(Message::of(What::Raised, alert)),
                },
                (Told::No | Told::Yes, Hush::Silenced) | (Told::Soon, _) => {}
            }
        }
        if self.target.kind == TargetKind::Alertmanager {
            self.ready.extend(again.map(|again| Message { is_again: true, ..again }));
        }
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
