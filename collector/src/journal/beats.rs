//! What becomes of services that beat, out of the registry's changes: down, deregistered,
//! restored. Pure, and apart from the rules of alerts: clients that know this log expect all of
//! it, whatever the rules are set to.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::ServiceId;
use herdbook_shared::time::Timestamp;

use crate::registry::change::{Change, ChangeKind, Subject};
use crate::registry::check::departed::{DEPARTED_MAX, Gone};
use crate::registry::declare::remove::REMOVED_BY_HAND;
use crate::registry::service::{Check, ServiceEntry, ServiceStatus};
use crate::registry::snapshot::Snapshot;

use super::line::{HeartbeatAction, HeartbeatAlert, HeartbeatAlertType};

/// From how many missing beats on a service is down.
const DOWN_AT: u32 = 2;
/// From how many on it is deregistered.
const DEREGISTERED_AT: u32 = 3;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Beats {
    known: HashMap<ServiceId, Known>,
    /// Those that are deregistered, and when, milliseconds.
    departed: BTreeSet<(i64, ServiceId)>,
    departed_after_ms: i64,
}

#[derive(Debug)]
struct Known {
    entry: Arc<ServiceEntry>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
    /// Since then, milliseconds.
    Departed(i64),
}

impl Beats {
    /// Begins with services as they are, and with those that were deregistered not long ago.
    pub(super) fn new(snapshot: &Snapshot, departed: &[Gone], departed_after: Duration) -> Self {
        let departed_after_ms = i64::try_from(departed_after.as_millis()).unwrap_or(i64::MAX);
        let mut beats = Self { departed_after_ms, ..Self::default() };
        for gone in departed {
            beats.depart(&gone.entry, gone.at);
        }
        for entry in snapshot.services.iter().filter(|entry| beats_itself(entry)) {
            beats.note(entry, state_of(entry));
        }
        beats
    }

    /// Takes in the next change.
    pub(super) fn take(&mut self, change: &Change) -> Option<HeartbeatAlert> {
        match &change.subject {
            Subject::Service(entry) | Subject::Model(entry, _) => self.see(entry, change.at),
            Subject::NoService(id, _) => self.lose(id, change),
            _ => None,
        }
    }

    /// Goes on from a snapshot, where changes were missed.
    pub(super) fn resume(&mut self, snapshot: &Snapshot, departed: &[Gone]) -> Vec<HeartbeatAlert> {
        let mut alerts = Vec::new();
        let present: BTreeSet<&ServiceId> = snapshot.services.iter().map(|s| &s.id).collect();
        let listed = |known: &Known| !matches!(known.state, State::Departed(_));
        let gone = self.known.iter().filter(|(id, known)| listed(known) && !present.contains(id));
        for id in gone.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            match departed.iter().find(|gone| gone.entry.id == id) {
                Some(gone) => alerts.push(self.leave(&gone.entry, gone.at)),
                None => self.forget(&id),
            }
        }
        let seen = snapshot.services.iter().filter_map(|entry| self.see(entry, snapshot.at));
        alerts.extend(seen.collect::<Vec<_>>());
        alerts
    }

    fn see(&mut self, entry: &Arc<ServiceEntry>, at: Timestamp) -> Option<HeartbeatAlert> {
        if !beats_itself(entry) {
            self.forget(&entry.id);
            return None;
        }
        let before = self.known.get(&entry.id).map(|known| known.state);
        let was_up = match before {
            None | Some(State::Up) => true,
            Some(State::Down) => false,
            // Nobody remembers it by now, so it is as good as new.
            Some(State::Departed(left)) => at.unix_ms() - left >= self.departed_after_ms,
        };
        let state = state_of(entry);
        self.note(entry, state);
        match (was_up, state) {
            (true, State::Down) if before.is_some() => Some(down(entry, at)),
            (false, State::Up) => Some(recovered(entry, at)),
            _ => None,
        }
    }

    fn lose(&mut self, id: &ServiceId, change: &Change) -> Option<HeartbeatAlert> {
        let known = self.known.get(id)?;
        // Whoever took leave, or was removed, is not missed.
        let is_missed = change.kind == ChangeKind::ServiceDeregistered
            && known.state == State::Down
            && change.cause.as_deref() != Some(REMOVED_BY_HAND);
        let entry = Arc::clone(&known.entry);
        if is_missed {
            return Some(self.leave(&entry, change.at));
        }
        self.forget(id);
        None
    }

    fn leave(&mut self, entry: &Arc<ServiceEntry>, at: Timestamp) -> HeartbeatAlert {
        self.depart(entry, at);
        deregistered(entry, at)
    }

    fn depart(&mut self, entry: &Arc<ServiceEntry>, at: Timestamp) {
        self.note(entry, State::Departed(at.unix_ms()));
        self.departed.insert((at.unix_ms(), entry.id.clone()));
        if self.departed.len() > DEPARTED_MAX
            && let Some((_, oldest)) = self.departed.first()
        {
            self.forget(&oldest.clone());
        }
    }

    fn note(&mut self, entry: &Arc<ServiceEntry>, state: State) {
        self.forget(&entry.id);
        self.known.insert(entry.id.clone(), Known { entry: Arc::clone(entry), state });
    }

    fn forget(&mut self, id: &ServiceId) {
        if let Some(Known { state: State::Departed(left), .. }) = self.known.remove(id) {
            self.departed.remove(&(left, id.clone()));
        }
    }
}

fn beats_itself(entry: &ServiceEntry) -> bool {
    entry.facts.check == Check::Heartbeat
}

fn state_of(entry: &ServiceEntry) -> State {
    if entry.status == ServiceStatus::Down { State::Down } else { State::Up }
}

fn down(entry: &ServiceEntry, ts: Timestamp) -> HeartbeatAlert {
    told(entry, ts, HeartbeatAlertType::ServiceDown, DOWN_AT, HeartbeatAction::MarkedDown)
}

fn deregistered(entry: &ServiceEntry, ts: Timestamp) -> HeartbeatAlert {
    let what = HeartbeatAlertType::ServiceDeregistered;
    told(entry, ts, what, DEREGISTERED_AT, HeartbeatAction::Deregistered)
}

fn recovered(entry: &ServiceEntry, ts: Timestamp) -> HeartbeatAlert {
    told(entry, ts, HeartbeatAlertType::ServiceRecovered, 0, HeartbeatAction::Restored)
}

fn told(
    entry: &ServiceEntry,
    ts: Timestamp,
    alert_type: HeartbeatAlertType,
    missed_beats: u32,
    action: HeartbeatAction,
) -> HeartbeatAlert {
    let (service_id, service_name) = (entry.id.to_string(), entry.facts.name.to_string());
    let last_seen = entry.live.beat_at();
    HeartbeatAlert { alert_type, service_id, service_name, missed_beats, last_seen, action, ts }
}

#[cfg(test)]
#[path = "beats_tests.rs"]
mod tests;
