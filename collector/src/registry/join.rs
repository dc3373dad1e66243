//! Entries that are one server: a service that people or files declared joins the one that an
//! agent found at its address, whichever came first. The entry that was there keeps its id for
//! ever, and the other's id becomes another name of it. Agents' entries never join each other, nor
//! self-registered ones, nor URLs with a path, behind which many services may stand.

use std::sync::Arc;

use herdbook_shared::ids::ServiceId;
use herdbook_shared::time::Timestamp;

use super::alias::Hosted;
use super::change::ChangeKind;
use super::identity;
use super::service::record::{Declared, Records};
use super::service::{Check, ServiceEntry, ServiceFacts, ServiceStatus, Source};
use super::transaction::Transaction;
use super::url::ServiceUrl;

/// Most other names that one service keeps for ever; of more, the oldest are let go.
const ALIASES_MAX: usize = 32;

/// What became of a declared service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeclaredAs {
    /// It is an entry of its own, and a new one.
    New,
    /// It joined an entry that did not have this source.
    Joined,
    /// The entry had this source, whose record it replaced.
    Replaced,
}

impl Records {
    /// The place of a source's record, for those that declare; `None` for an agent's.
    pub(super) fn of_source(&mut self, source: Source) -> Option<&mut Option<Arc<Declared>>> {
        match source {
            Source::Agent => None,
            Source::Own => Some(&mut self.own),
            Source::Manual => Some(&mut self.manual),
            Source::File => Some(&mut self.file),
        }
    }

    /// The records of two entries of one server: these win, and those of the other fill the gaps.
    fn joined_by(&self, other: &Self) -> Self {
        let declared =
            |mine: &Option<Arc<Declared>>, others: &Option<Arc<Declared>>| match (mine, others) {
                (Some(mine), Some(others)) => Some(Arc::new(mine.joined_by(others))),
                (mine, others) => mine.clone().or_else(|| others.clone()),
            };
        Self {
            agent: self.agent.clone().or_else(|| other.agent.clone()),
            own: self.own.clone(),
            manual: declared(&self.manual, &other.manual),
            file: declared(&self.file, &other.file),
            patch: declared(&self.patch, &other.patch),
            checked: self.checked.clone().or_else(|| other.checked.clone()),
        }
    }

    /// Whether it was declared, and nothing stands against its joining what an agent found.
    pub(super) fn may_join(&self) -> bool {
        self.agent.is_none() && self.own.is_none()
    }
}

impl ServiceEntry {
    /// The smallest is the oldest.
    fn age(&self) -> (Timestamp, ServiceId) {
        (self.facts.registered_at, self.id.clone())
    }

    /// Whether this is its id, or another name that it keeps.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.id.as_str() == name || self.facts.aliases.iter().any(|alias| **alias == *name)
    }

    /// The other names that it keeps for ever, with some more.
    pub(super) fn with_aliases(&self, more: impl IntoIterator<Item = String>) -> Arc<[Arc<str>]> {
        let mut aliases = self.facts.aliases.to_vec();
        for name in more {
            let is_known = self.id.as_str() == name || aliases.iter().any(|a| **a == *name);
            if !is_known {
                aliases.push(name.into());
            }
        }
        let too_many = aliases.len().saturating_sub(ALIASES_MAX);
        aliases.drain(..too_many);
        aliases.into()
    }
}

impl Declared {
    fn joined_by(&self, other: &Self) -> Self {
        let (mine, other) = (self.clone(), other.clone());
        // A secret goes to no other URL than the one that it was given for.
        let is_of_mine = self.url.is_none() || self.url == other.url;
        // Who placed it there answers for the place.
        let placed = if mine.url.is_some() { &mine.owner } else { &other.owner };
        Self {
            owner: placed.clone(),
            name: mine.name.or(other.name),
            r#type: mine.r#type.or(other.r#type),
            kind: mine.kind.or(other.kind),
            url: mine.url.or(other.url),
            check: mine.check.or(other.check),
            role: mine.role.or(other.role),
            caps: mine.caps.or(other.caps),
            labels: mine.labels.or(other.labels),
            label_edits: mine.label_edits.or(other.label_edits),
            priority: mine.priority.or(other.priority),
            ctx_limit: mine.ctx_limit.or(other.ctx_limit),
            cost_hint_usd_per_1k: mine.cost_hint_usd_per_1k.or(other.cost_hint_usd_per_1k),
            heartbeat_interval_s: mine.heartbeat_interval_s.or(other.heartbeat_interval_s),
            ttl_s: mine.ttl_s.or(other.ttl_s),
            models: mine.models.or(other.models),
            drain: mine.drain.or(other.drain),
            credential: mine.credential.or(other.credential.filter(|_| is_of_mine)),
        }
    }
}

impl Transaction<'_> {
    /// The entry that a declared URL is about: the one that was declared there before, else the
    /// only one that an agent found there, else the one that is known by that name. A URL with a
    /// path joins none, and none joins one that only itself registered.
    pub(super) fn owner_of(&self, url: &ServiceUrl) -> Option<Arc<ServiceEntry>> {
        let declared = self.declared_at(url);
        if declared.is_some() || !url.path().is_empty() {
            return declared;
        }
        self.found_at(&url.key()).or_else(|| {
            let known = self.registry.aliases.owner(&url.key())?;
            self.registry.service(known.as_str()).filter(|entry| entry.facts.records.may_join())
        })
    }

    /// The entry that people or files declared at this very URL, path and all.
    pub(super) fn declared_at(&self, url: &ServiceUrl) -> Option<Arc<ServiceEntry>> {
        self.declared_now(&url.id()).next()
    }

    /// Who is declared at this very address now. An id of an entry that joined it before, or that
    /// it would have got, is no reason to join: an agent may have called another server so since.
    fn declared_now(&self, name: &str) -> impl Iterator<Item = Arc<ServiceEntry>> {
        let entries = self.declared(name).into_iter();
        entries.filter(move |entry| entry.facts.records.declared_ids().any(|id| id == name))
    }

    /// Who claims a name because people called it so.
    fn declared(&self, name: &str) -> Vec<Arc<ServiceEntry>> {
        let ids = self.registry.aliases.declared(name);
        ids.iter().filter_map(|id| self.registry.service(id.as_str())).collect()
    }

    /// The only entry of an agent that is called so by its host, or declared so now.
    pub(super) fn found_at(&self, name: &str) -> Option<Arc<ServiceEntry>> {
        let by_host = self.registry.aliases.by_host(name);
        let mut found = match &by_host {
            Hosted::Many => return None,
            Hosted::One(id) => self.registry.service(id.as_str()),
            Hosted::None => None,
        };
        for known in self.declared_now(name).filter(|e| e.facts.records.agent.is_some()) {
            if found.as_ref().is_some_and(|found| found.id != known.id) {
                return None;
            }
            found = Some(known);
        }
        found
    }

    /// Takes in what a person or a file declares: a new entry, or one more record of the entry
    /// that stands at this URL. The caller has seen to the bound on services.
    pub(super) fn declare(
        &mut self,
        source: Source,
        mut declared: Declared,
        url: &ServiceUrl,
    ) -> (Arc<ServiceEntry>, DeclaredAs) {
        declared.url = Some(url.as_str().to_owned());
        let declared = Arc::new(declared);
        let known = self.owner_of(url);
        let Some(known) = known else {
            return (self.declare_new(source, declared, url), DeclaredAs::New);
        };
        let mut records = known.facts.records.clone();
        let before = records.of_source(source).and_then(|place| place.replace(declared));
        let declared_as = match before {
            Some(_) => DeclaredAs::Replaced,
            None => DeclaredAs::Joined,
        };
        let aliases = known.with_aliases(self.no_ids([url.id()]));
        let after = self.with_records(&known, records, aliases);
        let id = after.id.clone();
        if *after.facts != *known.facts {
            let cause = Some(format!("declared: {}", url.key()));
            let kind = known.kind_of_change(&after);
            self.put_service(after, kind, cause);
        } else {
            self.confirm(&known);
        }
        self.settle_names();
        (self.registry.service(id.as_str()).unwrap_or(known), declared_as)
    }

    fn declare_new(
        &mut self,
        source: Source,
        declared: Arc<Declared>,
        url: &ServiceUrl,
    ) -> Arc<ServiceEntry> {
        let mut records = Records::default();
        records.of_source(source).and_then(|place| place.replace(declared));
        let id = identity::fresh_id_of_url(url, |id| self.is_id_taken(id));
        let check = records.check(false);
        let facts = ServiceFacts::of(records, check, self.moment.at, None);
        let entry = ServiceEntry::unjudged(id, facts);
        let entry = self.put_service(entry, ChangeKind::ServiceRegistered, None);
        self.settle_names();
        self.registry.service(entry.id.as_str()).unwrap_or(entry)
    }

    /// Those of some names that are no ids: who asks for an id gets the service that has it.
    fn no_ids(&self, names: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
        names.into_iter().filter(|name| !self.registry.services.contains_key(name.as_str()))
    }

    /// Whether a service has this id, or keeps it as another name.
    pub(super) fn is_id_taken(&self, id: &str) -> bool {
        let is_named = |entry: &Arc<ServiceEntry>| entry.is_named(id);
        self.registry.services.contains_key(id) || self.declared(id).iter().any(is_named)
    }

    /// A source takes back what it said. The entry stays while another one has a record of it.
    pub(super) fn lose_source(&mut self, id: &ServiceId, source: Source, cause: &str) {
        let Some(known) = self.registry.service(id.as_str()) else { return };
        let mut records = known.facts.records.clone();
        let taken_back = match records.of_source(source) {
            Some(place) => place.take(),
            None => None,
        };
        let found = if source == Source::Agent { records.agent.take() } else { None };
        if taken_back.is_none() && found.is_none() {
            return;
        }
        if records.sources().is_empty() {
            return self.remove_service(id, cause);
        }
        // An address that nobody gives it any more may be another's one day.
        let let_go = taken_back.and_then(|declared| declared.service_url()).map(|url| url.id());
        let is_given = |name: &str| records.declared_ids().any(|at| at == name);
        let is_kept = |name: &&Arc<str>| let_go.as_deref() != Some(&***name) || is_given(name);
        let aliases: Arc<[Arc<str>]> =
            known.facts.aliases.iter().filter(is_kept).cloned().collect();
        let mut after = self.with_records(&known, records, aliases);
        if found.is_some() {
            // Nobody looked at it since.
            (after.status, after.state, after.told) = (ServiceStatus::Unknown, None, None);
            (after.unconfirmed, after.host_drains) = (false, false);
            (after.findings, after.names) = (Vec::new(), Arc::new([]));
        }
        self.put_service(after, ChangeKind::ServiceChanged, Some(cause.to_owned()));
        if let Some(found) = found {
            self.unfollow_service(&found.host_id, id);
        }
    }

    /// A service with other records, and the other names that it keeps for ever.
    pub(super) fn with_records(
        &self,
        known: &ServiceEntry,
        records: Records,
        aliases: Arc<[Arc<str>]>,
    ) -> ServiceEntry {
        let judged = self.judged_by(known, records);
        let facts = ServiceFacts { aliases, ..(*judged.facts).clone() };
        ServiceEntry { facts: Arc::new(facts), ..judged }
    }

    /// The oldest service that was declared at one of these names, if no agent found that yet.
    pub(super) fn declared_as_one_of(&self, names: &[String]) -> Option<Arc<ServiceEntry>> {
        let is_free = |name: &&String| {
            self.registry.aliases.by_host(name) == Hosted::None
                && self.declared_now(name).all(|entry| entry.facts.records.agent.is_none())
        };
        let declared = names.iter().filter(is_free).flat_map(|name| self.joining(name));
        declared.min_by_key(|entry| entry.age())
    }

    /// A name was claimed anew, or is clear now: who was declared there joins who was found there.
    pub(super) fn join_at(&mut self, name: &str) {
        for declared in self.joining(name) {
            let Some(found) = self.found_at(name) else { return };
            self.join(&found, &declared);
        }
    }

    /// Who is declared at this very address and would join who is found there.
    fn joining(&self, name: &str) -> Vec<Arc<ServiceEntry>> {
        self.declared_now(name).filter(|entry| entry.facts.records.may_join()).collect()
    }

    /// How it does is what who judges it now said of either: its agent of what was found, or its
    /// checks, which may have gone on where it was declared.
    fn judged_as_one(
        &self,
        joined: ServiceEntry,
        found: &ServiceEntry,
        declared: &ServiceEntry,
    ) -> ServiceEntry {
        let check = joined.facts.check;
        let is_of_found = check == Check::Agent || found.facts.check == check;
        let judged = if is_of_found { found } else { declared };
        if !is_of_found {
            found.live.take_over_checks(&declared.live);
        }
        let is_known = is_of_found || judged.facts.check == check;
        let status = if is_known { judged.status } else { ServiceStatus::Unknown };
        let (unconfirmed, flapping) = (judged.unconfirmed, judged.flapping);
        ServiceEntry { status, unconfirmed, flapping, ..joined }
    }

    /// Two entries turned out to be one: the older takes in what the younger has, and its id.
    fn join(&mut self, found: &Arc<ServiceEntry>, declared: &Arc<ServiceEntry>) {
        let is_older = found.age() <= declared.age();
        let (older, younger) = if is_older { (found, declared) } else { (declared, found) };
        let lost = &younger.facts.records;
        let records = older.facts.records.joined_by(lost);
        let given = younger.facts.aliases.iter().map(|alias| alias.as_ref().to_owned());
        let of_younger =
            given.chain(self.no_ids(lost.declared_ids())).chain([younger.id.to_string()]);
        let aliases = older.with_aliases(of_younger);
        let joined = self.with_records(older, records, aliases);
        found.live.take_over_requests(&declared.live);
        let joined = self.judged_as_one(joined, found, declared);
        // What it is called, and what it does, is what its agent says.
        let joined = ServiceEntry {
            host_drains: found.host_drains,
            state: found.state,
            told: found.told,
            findings: found.findings.clone(),
            names: Arc::clone(&found.names),
            live: Arc::clone(&found.live),
            ..joined
        };
        let (older, younger) = (older.id.clone(), younger.id.clone());
        tracing::info!(service = %older, joined = %younger, "two entries are one server");
        self.put_service(joined, ChangeKind::ServiceChanged, Some(format!("joined by {younger}")));
        self.remove_service(&younger, &format!("joined {older}"));
        if let Some(host) = found.host_id() {
            self.follow_services(host, |services| services.push(older));
        }
    }
}

#[cfg(test)]
#[path = "join_tests.rs"]
mod tests;
