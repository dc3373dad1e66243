//! From what the registry tells to alerts: looks at who changed, and raises and resolves. Time comes
//! in; nothing here waits.
//!
//! What is not known resolves nothing: hosts that were not heard and services that were not judged
//! since the collector's start keep their alerts, and while the collector itself was away no time
//! went by.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use herdbook_shared::ids::HostId;
use tokio::time::Instant;

use crate::config::Alerts;
use crate::registry::Registry;
use crate::registry::alert::SubjectKind;
use crate::registry::change::{Change, ChangeKind, Subject};
use crate::registry::host::{HostEntry, HostStatus};
use crate::registry::moment::Moment;
use crate::registry::service::ServiceEntry;
use crate::registry::snapshot::Snapshot;
use crate::store::StoreState;

use super::book::{Book, Due, Key};
use super::kept::Kept;
use super::masses::{Masses, Sort};
use super::told::{Told, Words};
use super::voice::Voice;
use super::{Rule, host, sample, service};

mod restored;

/// Alerts that are raised in one turn, before the sockets get theirs.
pub(super) const RAISED_A_TURN: usize = 100;
/// Hosts whose samples are looked at in one tick, at least; the others come at the next ones.
const HOSTS_A_TICK: usize = 1_000;
/// A clock that was not read for this long shows that the collector was away.
const AWAY: Duration = Duration::from_secs(3);
/// How often it is looked whether subjects of open alerts are still there.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How much longer than a status may stay after the start it is waited for subjects to be listed.
const LISTED_LATER: Duration = Duration::from_secs(60);

/// For how long all must have found room until the disk is not full any more: longer than whoever
/// found none waits before the next try.
const ROOM_FOR: Duration = Duration::from_secs(8);
/// The subject of what is about the collector itself.
const COLLECTOR: (SubjectKind, &str, &str) = (SubjectKind::Collector, "collector", "collector");
/// Why alerts of a subject are over that is no longer listed.
const REMOVED: &str = "removed";
/// Why a host went offline, or a service down, that went with a mass event.
const MASS: &str = "mass";
/// What members of a mass event raise nothing of until they have been back.
const OF_MEMBERS: [Rule; 3] = [Rule::HostOffline, Rule::ServiceDown, Rule::ServiceUnhealthy];

/// See the module's words.
#[derive(Debug)]
pub(super) struct Engine {
    voice: Voice,
    book: Book,
    masses: Masses,
    seq: u64,
    hosts: BTreeSet<HostId>,
    sampled: Option<HostId>,
    clock_read: Instant,
    looked: Instant,
    started: Instant,
    /// Open alerts of rules that are off now, until [`Engine::begin`].
    off: Vec<Arc<str>>,
    /// Since when everything could be written that was to be.
    room_since: Option<Instant>,
}

impl Engine {
    /// Begins with the registry as it is, and with the alerts that were open when the collector
    /// stopped.
    pub(super) fn new(
        registry: Arc<Registry>,
        settings: Arc<Alerts>,
        kept: Arc<Kept>,
        moment: Moment,
    ) -> Self {
        let snapshot = registry.snapshot(moment);
        let mut engine = Self {
            book: Book::new(Arc::clone(&settings)),
            masses: Masses::new(registry.liveness()),
            seq: snapshot.seq,
            hosts: snapshot.hosts.iter().map(|host| host.id.clone()).collect(),
            sampled: None,
            clock_read: moment.now,
            looked: moment.now,
            started: moment.now,
            off: Vec::new(),
            room_since: None,
            voice: Voice::new(registry, settings, kept),
        };
        for stored in engine.voice.kept.restorable() {
            engine.restore(stored, moment);
        }
        engine
    }

    /// The last change that was taken in.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes in changes that follow on the last one.
    pub(super) fn take(&mut self, changes: &[Arc<Change>], moment: Moment) {
        self.read_clock(moment);
        for change in changes {
            self.seq = change.seq;
            self.take_one(change, moment);
        }
    }

    /// Goes on from a snapshot, where the ring did not reach back; its hosts and services are to be
    /// seen next.
    pub(super) fn resume(&mut self, snapshot: &Snapshot) {
        let n_missed = snapshot.seq.saturating_sub(self.seq);
        tracing::warn!(n_missed, "the alerts missed changes");
        self.seq = snapshot.seq;
        self.hosts = snapshot.hosts.iter().map(|host| host.id.clone()).collect();
    }

    /// Looks at hosts of which no change told.
    pub(super) fn see_hosts(&mut self, hosts: &[Arc<HostEntry>], moment: Moment) {
        self.read_clock(moment);
        let why = self.masses.hosts.holds().then_some(MASS);
        hosts.iter().for_each(|host| self.see_host(host, why, moment));
    }

    /// Looks at services of which no change told.
    pub(super) fn see_services(&mut self, services: &[Arc<ServiceEntry>], moment: Moment) {
        self.read_clock(moment);
        services.iter().for_each(|service| self.see_service(service, None, moment));
    }

    fn take_one(&mut self, change: &Change, moment: Moment) {
        let why = change.cause.as_deref();
        match &change.subject {
            Subject::Host(host) => {
                self.hosts.insert(host.id.clone());
                self.see_host(host, why, moment);
            }
            Subject::NoHost(id) => {
                self.hosts.remove(id);
                self.masses.hosts.is_back(id.as_str());
                self.forget((SubjectKind::Host, id.as_str()), None, REMOVED, moment);
            }
            Subject::Service(service) => self.see_service(service, why, moment),
            Subject::NoService(id, _) => {
                self.masses.services.is_back(id.as_str());
                let is_silence = change.kind == ChangeKind::ServiceDeregistered;
                let departed = self.voice.registry.departed(id.as_str()).filter(|_| is_silence);
                match departed {
                    Some(service) => self.see_departed(&service, why, moment),
                    None => {
                        let subject = (SubjectKind::Service, id.as_str());
                        self.forget(subject, None, REMOVED, moment);
                    }
                }
            }
            Subject::Fleet(data) => self.see_mass(change, data, moment),
            Subject::Session(..)
            | Subject::Model(..)
            | Subject::Alert(_)
            | Subject::Catalog(_)
            | Subject::Agent => {}
        }
    }

    fn see_host(&mut self, host: &HostEntry, why: Option<&str>, moment: Moment) {
        let id = host.id.as_str();
        if host.status.is_heard() {
            self.masses.hosts.is_back(id);
        } else if host.status == HostStatus::Offline && why == Some(MASS) {
            self.masses.hosts.went(id);
        }
        let is_of_mass = self.masses.hosts.has(id);
        for (rule, told) in host::look(host, why, is_of_mass) {
            self.see((SubjectKind::Host, id, &host.facts.name), rule, told, moment);
        }
    }

    fn see_service(&mut self, entry: &ServiceEntry, why: Option<&str>, moment: Moment) {
        let id = entry.id.as_str();
        if service::is_well(entry) {
            self.masses.services.is_back(id);
        } else if why == Some(MASS) {
            self.masses.services.went(id);
        }
        let is_of_mass = self.masses.services.has(id);
        let mut was_gone = false;
        for (rule, told) in service::look(entry, why, is_of_mass) {
            let n_over =
                self.see((SubjectKind::Service, id, &entry.facts.name), rule, told, moment);
            was_gone |= n_over > 0 && rule != Rule::ServiceUnhealthy;
        }
        if was_gone && service::is_well(entry) {
            self.tell_recovered(entry, why, moment);
        }
    }

    /// A service is no longer listed since it was silent, and may come back.
    fn see_departed(&mut self, entry: &ServiceEntry, why: Option<&str>, moment: Moment) {
        let (kind, id) = (SubjectKind::Service, entry.id.as_str());
        let kept = Some(Rule::ServiceDeregistered);
        self.forget((kind, id), kept, "deregistered", moment);
        if self.masses.services.has(id) || entry.drains() {
            return;
        }
        let name = &entry.facts.name;
        let message = format!("service {name} is no longer listed ({id}): it is silent");
        let told = Told::holds(message, why.map(str::to_owned));
        self.see((kind, id, name), Rule::ServiceDeregistered, told, moment);
    }

    /// Tells that a service is well again: raised and over at once.
    fn tell_recovered(&mut self, entry: &ServiceEntry, why: Option<&str>, moment: Moment) {
        let (kind, id, rule) = (SubjectKind::Service, entry.id.as_str(), Rule::ServiceRecovered);
        let key = Key { kind, id: id.into(), rule, part: None };
        let is_on = self.voice.settings.of(rule).enabled;
        if !is_on || !self.book.flash(key.clone(), moment.now) {
            return;
        }
        let name = &entry.facts.name;
        let message = format!("service {name} answers again ({id})");
        let words = Words { message, cause: why.map(str::to_owned) };
        if let Some(alert) = self.voice.raise(&key, name, words, moment) {
            self.voice.resolve(&alert, "it answers", moment);
        }
    }

    fn see_mass(&mut self, change: &Change, data: &serde_json::Value, moment: Moment) {
        let Some(sort) = Sort::of_data(data) else { return };
        let cause = change.cause.clone();
        let told = match change.kind {
            ChangeKind::FleetMassOffline => {
                let gone = self.masses.begin(sort, &self.voice.registry, moment.now);
                for (id, rule) in gone.iter().flat_map(|id| OF_MEMBERS.map(|rule| (id, rule))) {
                    self.book.wait_no_longer(sort.kind(), id, rule);
                }
                let message = format!("many {} went at once", sort.word());
                Told::holds(message, cause)
            }
            ChangeKind::FleetMassRecovered => {
                self.masses.of(sort).end();
                Told::over(cause.unwrap_or_default())
            }
            _ => return,
        };
        self.see((SubjectKind::Fleet, sort.word(), "fleet"), Rule::MassEvent, told, moment);
    }

    /// How the store does, told after each try to write.
    pub(super) fn see_store(&mut self, state: StoreState, moment: Moment) {
        self.read_clock(moment);
        let since = self.room_since.unwrap_or(moment.now);
        self.room_since = (state == StoreState::Ok).then_some(since);
        if state == StoreState::DiskFull {
            let message = "the disk of the collector is full: what changes is kept in memory only";
            let told = Told::holds(message.to_owned(), None);
            self.see(COLLECTOR, Rule::CollectorDiskFull, told, moment);
        }
    }

    /// Once a second: looks at samples, and at what is only seen by the clock.
    pub(super) fn tick(&mut self, moment: Moment) {
        self.read_clock(moment);
        self.look_at_samples(moment);
        for sort in self.masses.over(moment.now) {
            self.masses.of(sort).end();
            let (subject, told) = ((SubjectKind::Fleet, sort.word(), "fleet"), Told::over("over"));
            self.see(subject, Rule::MassEvent, told, moment);
        }
        self.masses.keep(&self.voice.kept);
        let has_room = |since| moment.now.saturating_duration_since(since) >= ROOM_FOR;
        if self.room_since.is_some_and(has_room) {
            let told = Told::over("there is room again");
            self.see(COLLECTOR, Rule::CollectorDiskFull, told, moment);
        }
        if moment.now.saturating_duration_since(self.looked) >= LOOK_EVERY {
            self.looked = moment.now;
            self.look_for_gone(moment);
            self.book.tidy_all(moment.now);
        }
    }

    /// Raises what is due, up to some. Returns whether there may be more.
    pub(super) fn raise_due(&mut self, moment: Moment) -> bool {
        self.read_clock(moment);
        let due = self.book.due(RAISED_A_TURN, moment.now);
        let is_more = due.len() == RAISED_A_TURN;
        due.into_iter().for_each(|due| self.raise(due, moment));
        is_more
    }

    fn look_at_samples(&mut self, moment: Moment) {
        let from = self.sampled.take().map_or(Bound::Unbounded, Bound::Excluded);
        let ids: Vec<HostId> =
            self.hosts.range((from, Bound::Unbounded)).take(HOSTS_A_TICK).cloned().collect();
        for id in ids.iter().filter(|id| !id.is_clone()) {
            let Some(host) = self.voice.registry.host(id.as_str()) else { continue };
            let is_known = self.book.knows(SubjectKind::Host, id.as_str());
            for (rule, told) in sample::look(&host, &self.voice.settings, is_known) {
                let subject = (SubjectKind::Host, id.as_str(), &*host.facts.name);
                self.see(subject, rule, told, moment);
            }
        }
        self.sampled = ids.last().filter(|_| ids.len() == HOSTS_A_TICK).cloned();
    }

    /// Resolves what is open of subjects that are not listed: what a snapshot no longer has, what
    /// was not restored, and services that did not come back in time.
    fn look_for_gone(&mut self, moment: Moment) {
        let waits_for = self.voice.registry.liveness().grace + LISTED_LATER;
        if moment.now.saturating_duration_since(self.started) < waits_for {
            return;
        }
        let registry = &self.voice.registry;
        let hosts = self.book.open(SubjectKind::Host).filter(|id| registry.host(id).is_none());
        let hosts: Vec<_> = hosts.cloned().collect();
        let services = self.book.open(SubjectKind::Service);
        let services = services.filter(|id| registry.service(id).is_none());
        let services: Vec<_> = services.cloned().collect();
        hosts.iter().for_each(|id| self.forget((SubjectKind::Host, id), None, REMOVED, moment));
        for id in services {
            let departed = self.voice.registry.departed(&id);
            let kept = departed.map(|_| Rule::ServiceDeregistered);
            self.forget((SubjectKind::Service, &id), kept, REMOVED, moment);
        }
    }

    /// A clock that was not read for long shows that the collector was away: whatever waits begins
    /// anew.
    fn read_clock(&mut self, moment: Moment) {
        if moment.now.saturating_duration_since(self.clock_read) >= AWAY {
            self.book.start_anew(moment.now);
        }
        self.clock_read = moment.now;
    }

    /// Returns how many alerts are over by it.
    fn see(
        &mut self,
        subject: (SubjectKind, &str, &str),
        rule: Rule,
        told: Told,
        moment: Moment,
    ) -> usize {
        let over = self.book.see(subject, rule, told, moment.now);
        over.iter().for_each(|over| self.voice.resolve(&over.alert, &over.cause, moment));
        over.len()
    }

    fn forget(
        &mut self,
        (kind, id): (SubjectKind, &str),
        kept: Option<Rule>,
        cause: &str,
        moment: Moment,
    ) {
        for over in self.book.forget(kind, id, kept, cause) {
            self.voice.resolve(&over.alert, &over.cause, moment);
        }
    }

    fn raise(&mut self, due: Due, moment: Moment) {
        let Due { key, name, words, .. } = due;
        let Some(alert) = self.voice.raise(&key, &name, words, moment) else {
            return self.book.put_off(&key, moment.now);
        };
        self.book.opened(&key, Arc::clone(&alert), moment.now);
        if let Some(sort) = Sort::of_word(&key.id).filter(|_| key.kind == SubjectKind::Fleet) {
            self.masses.raised(sort, alert, &self.voice.kept);
        }
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
