//! The index from a model's name to the services that have it: the question that routers ask.
//!
//! Each service has one place, which holds the service as it is now, and under each of its models
//! a posting that leads to the place. So a service that changes is replaced in one place, however
//! many models it has, and only models that came or went touch the index.
//!
//! Within one mutation a service is put before its postings, and the postings of models that it
//! no longer has go before it is put. Whoever looks up holds the lock of the model's postings
//! while it reads the places that they lead to, so as long as it sees a posting, the service that
//! it finds has the model: there is never a false hit, and at rest the index equals one that is
//! rebuilt.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use herdbook_shared::ids::ServiceId;

use super::super::Map;
use super::super::service::ServiceEntry;

/// Postings of one model that are kept in a row; more of them are kept as a tree.
const ROW_MAX: usize = 64;

/// See the module's words.
#[derive(Debug, Default)]
pub(in crate::registry) struct ModelIndex {
    places: Map<ServiceId, Arc<Place>>,
    postings: Map<Arc<str>, Postings>,
}

/// Where one service stands as it is now; empty once it is gone.
#[derive(Debug)]
struct Place {
    id: ServiceId,
    entry: ArcSwapOption<ServiceEntry>,
}

/// One service under one of its models.
type Posting = Arc<Place>;

/// The services that have one model, by id.
#[derive(Debug)]
enum Postings {
    Row(Vec<Posting>),
    Tree(BTreeMap<ServiceId, Posting>),
}

impl ModelIndex {
    /// Lets go of the models that a service no longer has: before it is put.
    pub(in crate::registry) fn release(&self, before: Option<&ServiceEntry>, entry: &ServiceEntry) {
        let Some(before) = before.filter(|before| !before.names_as(entry)) else { return };
        for gone in before.facts.models.iter().filter(|model| entry.model(&model.name).is_none()) {
            self.withdraw(&gone.name, &before.id);
        }
    }

    /// Takes in a service with its models: after it was put.
    pub(in crate::registry) fn take(
        &self,
        before: Option<&ServiceEntry>,
        entry: &Arc<ServiceEntry>,
    ) {
        let place = self.place(entry);
        if before.is_some_and(|before| before.names_as(entry)) {
            return;
        }
        let is_new = |name: &str| before.is_none_or(|before| before.model(name).is_none());
        for model in entry.facts.models.iter().filter(|model| is_new(&model.name)) {
            let posting = Arc::clone(&place);
            if let Some(mut postings) = self.postings.get_mut(&*model.name) {
                postings.put(posting);
                continue;
            }
            self.postings.insert(Arc::clone(&model.facts.name), Postings::Row(vec![posting]));
        }
    }

    /// Lets go of a service: before it is removed.
    pub(in crate::registry) fn remove(&self, entry: &ServiceEntry) {
        for model in entry.facts.models.iter() {
            self.withdraw(&model.name, &entry.id);
        }
        if let Some((_, place)) = self.places.remove(&entry.id) {
            place.entry.store(None);
        }
    }

    /// Finds the services that have a model of this very name and are to be kept, by id.
    pub(in crate::registry) fn find(
        &self,
        model: &str,
        keep: impl Fn(&ServiceEntry) -> bool,
        found: &mut Vec<Arc<ServiceEntry>>,
    ) {
        let Some(postings) = self.postings.get(model) else { return };
        let look = |place: &Posting| {
            let entry = place.entry.load_full()?;
            debug_assert!(entry.model(model).is_some(), "a false hit: {} has no {model}", entry.id);
            keep(&entry).then_some(entry)
        };
        match &*postings {
            Postings::Row(row) => {
                found.reserve(row.len());
                found.extend(row.iter().filter_map(look));
            }
            Postings::Tree(tree) => {
                found.reserve(tree.len());
                found.extend(tree.values().filter_map(look));
            }
        }
    }

    /// How many services have a model of this very name.
    pub(in crate::registry) fn n_postings(&self, model: &str) -> usize {
        self.postings.get(model).map_or(0, |postings| postings.len())
    }

    /// How many names of models there are.
    pub(in crate::registry) fn n_models(&self) -> usize {
        self.postings.len()
    }

    fn place(&self, entry: &Arc<ServiceEntry>) -> Arc<Place> {
        if let Some(place) = self.places.get(entry.id.as_str()) {
            place.entry.store(Some(Arc::clone(entry)));
            return Arc::clone(&place);
        }
        let now = ArcSwapOption::from(Some(Arc::clone(entry)));
        let place = Arc::new(Place { id: entry.id.clone(), entry: now });
        self.places.insert(entry.id.clone(), Arc::clone(&place));
        place
    }

    fn withdraw(&self, model: &str, service: &ServiceId) {
        if let Some(mut postings) = self.postings.get_mut(model) {
            postings.remove(service);
        }
        self.postings.remove_if(model, |_, postings| postings.len() == 0);
    }

    /// The whole index as it answers, for comparison with one that is rebuilt.
    #[cfg(test)]
    pub(in crate::registry) fn all(
        &self,
    ) -> BTreeMap<String, std::collections::BTreeSet<ServiceId>> {
        let names: Vec<Arc<str>> = self.postings.iter().map(|p| Arc::clone(p.key())).collect();
        let of_name = |name: Arc<str>| {
            let mut found = Vec::new();
            self.find(&name, |_| true, &mut found);
            let n_postings = self.n_postings(&name);
            let ids: std::collections::BTreeSet<_> =
                found.iter().map(|entry| entry.id.clone()).collect();
            assert_eq!((ids.len(), n_postings), (found.len(), found.len()), "of {name}");
            (name.to_string(), ids)
        };
        names.into_iter().map(of_name).collect()
    }

    /// The services that have a place, and their revisions there.
    #[cfg(test)]
    pub(in crate::registry) fn revisions(&self) -> BTreeMap<ServiceId, u64> {
        let entry = |place: &Arc<Place>| place.entry.load_full().expect("a place in use");
        self.places
            .iter()
            .map(|place| (place.key().clone(), entry(place.value()).revision))
            .collect()
    }
}

impl Postings {
    fn put(&mut self, posting: Posting) {
        match self {
            Self::Row(row) => match row.binary_search_by(|other| other.id.cmp(&posting.id)) {
                Ok(at) => row[at] = posting,
                Err(at) if row.len() < ROW_MAX => row.insert(at, posting),
                Err(_) => {
                    let all = std::mem::take(row).into_iter().chain([posting]);
                    *self = Self::Tree(all.map(|posting| (posting.id.clone(), posting)).collect());
                }
            },
            Self::Tree(tree) => {
                tree.insert(posting.id.clone(), posting);
            }
        }
    }

    fn remove(&mut self, service: &ServiceId) {
        match self {
            Self::Row(row) => row.retain(|posting| posting.id != *service),
            Self::Tree(tree) => {
                tree.remove(service);
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Row(row) => row.len(),
            Self::Tree(tree) => tree.len(),
        }
    }
}
