//! From changes of the registry to entries of the history: a pure follower, which knows how
//! everybody did last.
//!
//! A service that is deregistered because it is silent may come back for a while; until then its
//! history stays. Whoever is removed takes it along.
//!
//! Whoever changes all the time gets [`ROWS_A_MINUTE`] rows in a minute; what comes on top of
//! them is one row more, which says between what and what, and how many it stands for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::HostId;
use herdbook_shared::time::Timestamp;

use crate::registry::change::{Change, ChangeKind, Subject};
use crate::registry::check::departed::DEPARTED_MAX;
use crate::registry::host::HostEntry;
use crate::registry::service::{ServiceEntry, Word};
use crate::registry::session::SessionChange;
use crate::registry::snapshot::Snapshot;
use crate::store::{Entry, SessionRow, StatusRow, Whose};

use super::rows::session_row;

/// Rows of one host or service in one minute, besides the one that stands for the rest.
pub(super) const ROWS_A_MINUTE: u16 = 20;
const MINUTE_MS: i64 = 60_000;
/// The status of a service that is deregistered, and may come back.
const DEREGISTERED: &str = "deregistered";

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Follower {
    seq: u64,
    known: HashMap<Whose, Known>,
    /// Those for whom a row stands for the rest of a minute.
    held: HashMap<Whose, StatusRow>,
    /// Those that were deregistered, and when, milliseconds: whoever left first comes first.
    departed: BTreeSet<(i64, Whose)>,
    departed_after_ms: i64,
}

/// How somebody did last, and how much was written of it.
#[derive(Clone, Copy, Debug)]
struct Known {
    status: &'static str,
    minute: i64,
    n_rows: u16,
    departed_ms: Option<i64>,
}

impl Follower {
    /// Begins with everybody as they are. Who is deregistered may come back for that long.
    pub(super) fn new(snapshot: &Snapshot, departed_after: Duration) -> Self {
        let known = statuses(snapshot).map(|(whose, status)| (whose, Known::new(status)));
        let departed_after_ms = i64::try_from(departed_after.as_millis()).unwrap_or(i64::MAX);
        Self { seq: snapshot.seq, known: known.collect(), departed_after_ms, ..Self::default() }
    }

    /// The last change that was taken in.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes in changes that follow on it.
    pub(super) fn take(&mut self, changes: &[Arc<Change>]) -> Vec<Entry> {
        let mut entries = Vec::new();
        for change in changes {
            self.seq = change.seq;
            self.take_one(change, &mut entries);
        }
        entries
    }

    /// Goes on from a snapshot, where the ring did not reach back.
    pub(super) fn resume(&mut self, snapshot: &Snapshot) -> Vec<Entry> {
        let n_missed = snapshot.seq.saturating_sub(self.seq);
        tracing::warn!(n_missed, "the history missed changes");
        self.seq = snapshot.seq;
        let cause = format!("{n_missed} changes of the fleet were missed");
        let mut entries = vec![Entry::Gap(snapshot.at, cause)];
        let present: BTreeSet<Whose> = statuses(snapshot).map(|(whose, _)| whose).collect();
        let is_gone = |(whose, known): &(&Whose, &Known)| {
            known.departed_ms.is_none() && !present.contains(*whose)
        };
        let gone = self.known.iter().filter(is_gone).map(|(whose, _)| whose.clone());
        for whose in gone.collect::<Vec<_>>() {
            self.forget(whose, &mut entries);
        }
        for (whose, status) in statuses(snapshot) {
            let cause = Some("seen after changes were missed".to_owned());
            self.turn(whose, status, snapshot.at, cause, &mut entries);
        }
        entries
    }

    /// The rows that stand for the rest of a minute that is over, and who does not come back.
    pub(super) fn release(&mut self, at: Timestamp) -> Vec<Entry> {
        let now = minute(at);
        let is_over = |_: &Whose, row: &mut StatusRow| minute(row.at) != now;
        let rows = self.held.extract_if(is_over).map(|(whose, row)| Entry::Status(whose, row));
        let mut entries: Vec<Entry> = rows.collect();
        let until = at.unix_ms().saturating_sub(self.departed_after_ms);
        while let Some((left, whose)) = self.departed.first()
            && *left <= until
        {
            self.forget(whose.clone(), &mut entries);
        }
        entries
    }

    /// All rows that stand for the rest of a minute.
    pub(super) fn release_all(&mut self) -> Vec<Entry> {
        self.held.drain().map(|(whose, row)| Entry::Status(whose, row)).collect()
    }

    fn take_one(&mut self, change: &Change, entries: &mut Vec<Entry>) {
        let cause = || change.cause.clone();
        match &change.subject {
            Subject::Host(host) => {
                if let Some((whose, status)) = host_status(host) {
                    self.turn(whose, status, change.at, cause(), entries);
                }
            }
            Subject::Service(service) | Subject::Model(service, _) => {
                if let Some((whose, status)) = service_status(service) {
                    self.turn(whose, status, change.at, cause(), entries);
                }
            }
            Subject::Session(host_id, session) if !host_id.is_clone() => {
                let row = match session {
                    // How many samples there will be is known at its end, if that is seen.
                    SessionChange::Opened(session) => {
                        SessionRow { samples: None, ..session_row(host_id, session, None) }
                    }
                    SessionChange::Closed(session, why) => {
                        session_row(host_id, session, Some((change.at, *why)))
                    }
                };
                entries.push(Entry::Session(row));
            }
            Subject::NoHost(id) => self.forget(Whose::Host(id.to_string()), entries),
            Subject::NoService(id, _) => {
                let whose = Whose::Service(id.to_string());
                if change.kind == ChangeKind::ServiceDeregistered {
                    self.depart(whose, change.at, cause(), entries);
                } else {
                    self.forget(whose, entries);
                }
            }
            Subject::Session(..)
            | Subject::Fleet(_)
            | Subject::Alert(_)
            | Subject::Catalog(_)
            | Subject::Agent => {}
        }
    }

    /// Notes how somebody does now.
    fn turn(
        &mut self,
        whose: Whose,
        status: &'static str,
        at: Timestamp,
        cause: Option<String>,
        entries: &mut Vec<Entry>,
    ) {
        let from = self.known.get(&whose).map(|known| known.status);
        if from == Some(status) {
            return;
        }
        let known = self.known.entry(whose.clone()).or_insert_with(|| Known::new(status));
        known.status = status;
        if let Some(left) = known.departed_ms.take() {
            self.departed.remove(&(left, whose.clone()));
        }
        if known.minute != minute(at) {
            (known.minute, known.n_rows) = (minute(at), 0);
            let held = self.held.remove(&whose);
            entries.extend(held.map(|row| Entry::Status(whose.clone(), row)));
        }
        let (from, to) = (from.map(str::to_owned), Some(status.to_owned()));
        let row = StatusRow { at, from, to, cause, n_more: 0 };
        if known.n_rows < ROWS_A_MINUTE {
            known.n_rows += 1;
            entries.push(Entry::Status(whose, row));
            return;
        }
        let row = match self.held.remove(&whose) {
            Some(held) => StatusRow { from: held.from, n_more: held.n_more + 1, ..row },
            None => row,
        };
        self.held.insert(whose, row);
    }

    /// Notes that a service left, and may come back.
    fn depart(
        &mut self,
        whose: Whose,
        at: Timestamp,
        cause: Option<String>,
        entries: &mut Vec<Entry>,
    ) {
        if !self.known.contains_key(&whose) {
            return;
        }
        self.turn(whose.clone(), DEREGISTERED, at, cause, entries);
        if let Some(known) = self.known.get_mut(&whose) {
            known.departed_ms = Some(at.unix_ms());
            self.departed.insert((at.unix_ms(), whose));
        }
        if self.departed.len() > DEPARTED_MAX
            && let Some((_, oldest)) = self.departed.first()
        {
            self.forget(oldest.clone(), entries);
        }
    }

    fn forget(&mut self, whose: Whose, entries: &mut Vec<Entry>) {
        self.held.remove(&whose);
        // Of clones nothing is known, and nothing kept.
        if let Some(known) = self.known.remove(&whose) {
            if let Some(left) = known.departed_ms {
                self.departed.remove(&(left, whose.clone()));
            }
            entries.push(Entry::Forget(whose));
        }
    }
}

impl Known {
    fn new(status: &'static str) -> Self {
        Self { status, minute: i64::MIN, n_rows: 0, departed_ms: None }
    }
}

fn minute(at: Timestamp) -> i64 {
    at.unix_ms().div_euclid(MINUTE_MS)
}

fn statuses(snapshot: &Snapshot) -> impl Iterator<Item = (Whose, &'static str)> {
    let hosts = snapshot.hosts.iter().filter_map(|host| host_status(host));
    hosts.chain(snapshot.services.iter().filter_map(|service| service_status(service)))
}

/// How a host does; nothing of a clone is kept.
fn host_status(host: &HostEntry) -> Option<(Whose, &'static str)> {
    (!host.id.is_clone()).then(|| (Whose::Host(host.id.to_string()), host.status.word()))
}

/// How a service does, as it is shown; likewise.
fn service_status(service: &ServiceEntry) -> Option<(Whose, &'static str)> {
    let is_of_clone = service.host_id().is_some_and(HostId::is_clone);
    let whose = || Whose::Service(service.id.to_string());
    (!is_of_clone).then(|| (whose(), service.shown_status().word()))
}

#[cfg(test)]
mod tests;
