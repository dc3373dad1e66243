//! Carries the services that files declare into the registry: what is new or says something else
//! is declared, and what no file declares any more loses that source.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use crate::registry::declare::{Upserted, Whole};
use crate::registry::moment::Moment;
use crate::registry::service::record::{Credential, Declared};
use crate::registry::service::{ServiceEntry, Source};
use crate::registry::{Registry, SERVICES_MAX};
use crate::seal::Seal;

use super::fault::{Fault, LeftOut};
use super::load::{Entry, twice};
use super::service::FileService;

/// One declaration of a file.
pub(super) type FileEntry = Arc<Entry<FileService>>;

/// What becomes of services that no file declares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Orphans<'a> {
    /// They lose that source.
    Go,
    /// Only those of these do, which the catalog declared until now. Files that could not be read
    /// yet may declare the others.
    Only(&'a [FileEntry]),
}

/// Looks whether all of these can be declared together, and beside those of other catalogs.
pub(super) fn check(
    registry: &Registry,
    entries: &[FileEntry],
    others: &[FileEntry],
) -> Result<(), Fault> {
    let mut by_url: HashMap<&str, &FileEntry> =
        others.iter().map(|other| (other.value.url.as_str(), other)).collect();
    for entry in entries {
        if let Some(first) = by_url.insert(&entry.value.url, entry) {
            let what = format!("the URL {}", entry.value.url);
            return Err(twice("url", &what, &first.origin, entry));
        }
    }
    let known = registry.services();
    let n_files = known.iter().filter(|service| service.facts.records.file.is_some()).count();
    let n_more = by_url.len().saturating_sub(n_files);
    match entries.first() {
        Some(first) if known.len() + n_more > SERVICES_MAX => {
            let why = format!("the register is full: it holds {SERVICES_MAX} services");
            Err(Fault::of(first.origin.place().0, why))
        }
        _ => Ok(()),
    }
}

/// Brings the registry to what the files of all catalogs say. Returns what could not be declared.
pub(super) fn apply(
    registry: &Registry,
    seal: &Seal,
    wanted: &[FileEntry],
    orphans: Orphans<'_>,
) -> Vec<LeftOut> {
    let mut applying = Applying { registry, seal, by_id: HashMap::new(), left_out: Vec::new() };
    for entry in wanted {
        applying.declare(entry);
    }
    take_back(registry, wanted, orphans);
    applying.left_out
}

/// Takes what no file declares any more out of the registry.
fn take_back(registry: &Registry, wanted: &[FileEntry], orphans: Orphans<'_>) {
    let wanted = urls(wanted);
    let had = match orphans {
        Orphans::Go => None,
        Orphans::Only(before) => Some(urls(before)),
    };
    let goes = |service: &&Arc<ServiceEntry>| {
        let Some(record) = service.facts.records.file.as_deref() else { return false };
        let is_of = |urls: &HashSet<&str>| record.url.as_deref().is_some_and(|u| urls.contains(u));
        !is_of(&wanted) && had.as_ref().is_none_or(is_of)
    };
    for service in registry.services().iter().filter(goes) {
        let gone = registry.remove_source(service.id.as_str(), Source::File, Moment::now());
        if let Err(error) = gone {
            tracing::warn!(service = %service.id, %error, "a source of a file stays");
        }
    }
}

fn urls(entries: &[FileEntry]) -> HashSet<&str> {
    entries.iter().map(|entry| entry.value.url.as_str()).collect()
}

struct Applying<'a> {
    registry: &'a Registry,
    seal: &'a Seal,
    by_id: HashMap<ServiceId, &'a FileEntry>,
    left_out: Vec<LeftOut>,
}

impl<'a> Applying<'a> {
    fn declare(&mut self, entry: &'a FileEntry) {
        let moment = Moment::now();
        let whole = match Whole::of(Source::File, entry.value.declared.clone()) {
            Ok(whole) => whole,
            Err(refused) => return self.leave_out(entry, refused.to_string()),
        };
        let known = self.registry.declared_service(&whole, moment);
        if let Some(first) = known.as_ref().and_then(|known| self.by_id.get(&known.id)) {
            let why = format!("it is the same server as {:?} in {}", first.name, place(first));
            return self.leave_out(entry, why);
        }
        let record = known.as_ref().and_then(|known| known.facts.records.file.as_deref());
        let whole = match self.sealed(entry, record) {
            Ok(credential) => whole.with_credential(credential),
            Err(why) => return self.leave_out(entry, why),
        };
        if let Some(known) = known.as_ref().filter(|_| record == Some(whole.declared())) {
            self.by_id.insert(known.id.clone(), entry);
            return;
        }
        match self.registry.upsert(whole, moment) {
            Ok(Upserted { entry: service, .. }) => {
                self.by_id.insert(service.id.clone(), entry);
            }
            Err(error) => self.leave_out(entry, error.to_string()),
        }
    }

    /// The credential as it is kept. The same one again stays as it was sealed, so that nothing
    /// changes.
    fn sealed(
        &self,
        entry: &FileEntry,
        record: Option<&Declared>,
    ) -> Result<Option<Arc<Credential>>, String> {
        let Some(given) = &entry.value.credential else { return Ok(None) };
        let (header, value) = given.checked().map_err(|refused| refused.to_string())?;
        let is_same_url = |record: &&Declared| record.url.as_deref() == Some(&entry.value.url);
        let known = record.filter(is_same_url).and_then(|record| record.credential.as_deref());
        let sealed = self.seal.seal(&header, value, known);
        sealed.map(|sealed| Some(Arc::new(sealed))).map_err(|error| error.to_string())
    }

    fn leave_out(&mut self, entry: &FileEntry, why: String) {
        let (path, line) = entry.origin.place();
        let (file, name) = (path.display(), &entry.name);
        tracing::warn!(%file, line, %name, why, "a service of a file is left out");
        self.left_out.push(LeftOut { path: path.to_owned(), why: why.into() });
    }
}

fn place(entry: &FileEntry) -> String {
    let (path, line) = entry.origin.place();
    format!("{}:{line}", path.display())
}
