//! All catalogs by name: loading them anew, one at a time and beside the thread that carries the
//! sockets, and telling what came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use serde::Serialize;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::timeout;

use crate::config::{self, CatalogKind};
use crate::registry::Registry;
use crate::registry::change::ChangeKind;
use crate::registry::moment::Moment;
use crate::seal::Seal;

use super::apply::{self, FileEntry, Orphans};
use super::fault::{Fault, LeftOut};
use super::held::{Catalog, Difference};
use super::load::Index;
use super::service::FileService;
use super::skill::Skill;
use super::stored;

/// How long a folder may take, and how long somebody waits for whoever else is reading one.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most names that one change tells.
const NAMES_TOLD: usize = 100;

/// The catalogs.
#[derive(Debug)]
pub struct Catalogs {
    by_name: BTreeMap<String, Named>,
    pub(super) registry: Arc<Registry>,
    seal: Arc<Seal>,
    /// Whoever reads or changes a catalog has it, also while a folder does not answer: so one
    /// thread at most waits for a file system that is gone.
    turn: Arc<Turn<()>>,
}

/// One catalog, and how it does.
#[derive(Debug)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub held: Held,
    status: Mutex<Status>,
}

/// What a catalog holds.
#[derive(Debug)]
pub enum Held {
    /// Skills.
    Skills(Catalog<Skill>),
    /// Services declared in files.
    Services(Catalog<FileService>),
}

/// How a catalog does.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// When it was loaded last; `None`: it never was.
    pub loaded_at: Option<Timestamp>,
    /// Why it was not loaded since.
    pub fault: Option<Fault>,
    /// What in its folders makes no entry.
    pub left_out: Vec<LeftOut>,
}

/// Why a catalog is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The collector starts.
    Start,
    /// Somebody asked.
    Asked,
    /// Its folder changed.
    Noticed,
}

/// What came of loading a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "CatalogReloaded")]
pub struct Reloaded {
    /// Its name.
    pub name: String,
    /// What it holds, in a word.
    #[schemars(with = "CatalogKind")]
    pub kind: &'static str,
    /// How many entries it has now.
    pub n_entries: usize,
    /// How many were not there before, …
    pub n_added: usize,
    /// … say something else, …
    pub n_changed: usize,
    /// … or are gone.
    pub n_removed: usize,
    /// Their names, 100 at most.
    pub added: Vec<Arc<str>>,
    /// The same of those that changed.
    pub changed: Vec<Arc<str>>,
    /// And of those that are gone.
    pub removed: Vec<Arc<str>>,
    /// What in its folders makes no entry, 100 words at most.
    pub left_out: Vec<LeftOut>,
}

/// A catalog stays as it was.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "CatalogRejected")]
pub(crate) struct Rejected<'a> {
    pub(crate) name: &'a str,
    #[schemars(with = "CatalogKind")]
    pub(crate) kind: &'static str,
    /// How many entries it still has.
    pub(crate) n_entries: usize,
    pub(crate) error: &'a Fault,
}

/// Why a catalog was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum NotLoaded {
    /// There is none of this name.
    #[error("there is no catalog {0:?}")]
    Unknown(String),
    /// What is in its folders cannot be used; it stays as it was.
    #[error("{0}")]
    Rejected(Fault),
    /// Another load, or the file system, takes its time.
    #[error("the folders of the catalogs do not answer")]
    Busy,
    /// A fault of the collector.
    #[error("the catalog could not be loaded")]
    Broken,
}

impl Catalogs {
    /// The catalogs that were configured, with what was registered at run time before; nothing is
    /// read yet.
    #[must_use]
    pub fn new(
        rules: &config::Catalogs,
        kept: &[String],
        registry: Arc<Registry>,
        seal: Arc<Seal>,
    ) -> Self {
        let mut kept = stored::read(kept);
        let named = rules.0.iter().map(|(name, rules)| {
            let folders = rules.folders.clone();
            let held = match rules.kind {
                CatalogKind::Skills => {
                    Held::Skills(Catalog::new(folders, kept.remove(name).unwrap_or_default()))
                }
                CatalogKind::Services => Held::Services(Catalog::new(folders, Index::new())),
            };
            (name.clone(), Named { name: name.clone(), held, status: Mutex::default() })
        });
        let by_name = named.collect();
        for (name, skills) in kept {
            let n_skills = skills.len();
            tracing::warn!(catalog = name, n_skills, "skills are kept for a catalog that is none");
        }
        Self { by_name, registry, seal, turn: Arc::default() }
    }

    /// One catalog.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Named> {
        self.by_name.get(name)
    }

    /// All catalogs, by name.
    pub fn all(&self) -> impl Iterator<Item = &Named> {
        self.by_name.values()
    }

    /// Loads one catalog anew: all of it, or nothing.
    ///
    /// # Errors
    ///
    /// [`NotLoaded`]: it stays as it was.
    pub async fn reload(
        self: &Arc<Self>,
        name: &str,
        trigger: Trigger,
    ) -> Result<Reloaded, NotLoaded> {
        if self.get(name).is_none() {
            return Err(NotLoaded::Unknown(name.to_owned()));
        }
        let (this, name) = (Arc::clone(self), name.to_owned());
        self.beside(move || this.reload_now(&name, trigger)).await?
    }

    /// Loads all catalogs, one by one. Whether each was loaded is told where it was asked.
    pub async fn reload_all(
        self: &Arc<Self>,
        trigger: Trigger,
    ) -> Vec<Result<Reloaded, NotLoaded>> {
        let mut all = Vec::new();
        for name in self.by_name.keys() {
            let loaded = self.reload(name, trigger).await;
            // A rejection was told already.
            if let Err(error @ (NotLoaded::Busy | NotLoaded::Broken)) = &loaded {
                tracing::error!(catalog = name, %error, "a catalog stays as it was");
            }
            all.push(loaded);
        }
        all
    }

    /// Waits for the turn of whoever reads or changes a catalog.
    pub(super) async fn turn(&self) -> Result<OwnedMutexGuard<()>, NotLoaded> {
        let turn = Arc::clone(&self.turn).lock_owned();
        timeout(PATIENCE, turn).await.map_err(|_| NotLoaded::Busy)
    }

    /// Does what reads folders beside the thread of the sockets, when it is its turn.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotLoaded> {
        let turn = self.turn().await?;
        let done = tokio::task::spawn_blocking(move || (work(), drop(turn)).0);
        let done = timeout(PATIENCE, done).await.map_err(|_| NotLoaded::Busy)?;
        done.map_err(|_| NotLoaded::Broken)
    }

    fn reload_now(&self, name: &str, trigger: Trigger) -> Result<Reloaded, NotLoaded> {
        let named = self.get(name).ok_or_else(|| NotLoaded::Unknown(name.to_owned()))?;
        let loaded = match &named.held {
            Held::Skills(catalog) => skills(catalog),
            Held::Services(catalog) => self.services(named, catalog),
        };
        match loaded {
            Ok((difference, left_out)) => Ok(self.accept(named, &difference, left_out, trigger)),
            Err(fault) => Err(self.reject(named, fault, trigger)),
        }
    }

    fn services(
        &self,
        named: &Named,
        catalog: &Catalog<FileService>,
    ) -> Result<(Difference, Vec<LeftOut>), Fault> {
        let loaded = catalog.load()?;
        apply::check(&self.registry, &loaded.entries, &self.file_services(|n| n != named.name))?;
        let before = self.file_services(|name| name == named.name);
        let difference = catalog.swap(&loaded.entries)?;
        let is_unread = |other: &Named| other.name != named.name && !other.is_known();
        let some_are_unread = self.all().any(is_unread);
        let orphans = if some_are_unread { Orphans::Only(&before) } else { Orphans::Go };
        let wanted = self.file_services(|_| true);
        let more = apply::apply(&self.registry, &self.seal, &wanted, orphans);
        Ok((difference, [loaded.left_out, more].concat()))
    }

    /// What the files of some catalogs declare, as it was loaded last.
    pub(super) fn file_services(&self, of: impl Fn(&str) -> bool) -> Vec<FileEntry> {
        let of_catalog = |named: &Named| match &named.held {
            Held::Services(catalog) => catalog.entries().values().cloned().collect(),
            Held::Skills(_) => Vec::new(),
        };
        self.all().filter(|named| of(&named.name)).flat_map(of_catalog).collect()
    }

    fn accept(
        &self,
        named: &Named,
        difference: &Difference,
        left_out: Vec<LeftOut>,
        trigger: Trigger,
    ) -> Reloaded {
        let reloaded = named.reloaded(difference, left_out.clone());
        let before = named.set(Status { loaded_at: Some(Timestamp::now()), fault: None, left_out });
        let is_news = !difference.is_none() || before.fault.is_some();
        let is_told = match trigger {
            Trigger::Start => false,
            Trigger::Asked => true,
            Trigger::Noticed => is_news,
        };
        if is_told {
            self.tell_reloaded(&reloaded, None);
        }
        if is_news || is_told {
            let Reloaded { n_entries, n_added, n_changed, n_removed, .. } = reloaded;
            let (name, n_left_out) = (&named.name, reloaded.left_out.len());
            tracing::info!(
                name,
                n_entries,
                n_added,
                n_changed,
                n_removed,
                n_left_out,
                "catalog loaded"
            );
        }
        reloaded
    }

    /// Tells those who follow what changed in a catalog.
    pub(super) fn tell_reloaded(&self, reloaded: &Reloaded, cause: Option<String>) {
        let data = serde_json::to_value(reloaded).unwrap_or_default();
        self.registry.tell_catalog(ChangeKind::CatalogReloaded, data, cause, Moment::now());
    }

    fn reject(&self, named: &Named, fault: Fault, trigger: Trigger) -> NotLoaded {
        let before = named.status();
        let is_news = before.fault.as_ref() != Some(&fault);
        named.set(Status { fault: Some(fault.clone()), ..before });
        // A folder that is looked at again and is as wrong as before is no news.
        if is_news || trigger != Trigger::Noticed {
            let (kind, n_entries) = (named.held.kind().word(), named.held.n_entries());
            let rejected = Rejected { name: &named.name, kind, n_entries, error: &fault };
            let data = serde_json::to_value(rejected).unwrap_or_default();
            let (change, cause) = (ChangeKind::CatalogRejected, Some(fault.to_string()));
            self.registry.tell_catalog(change, data, cause, Moment::now());
            let name = &named.name;
            tracing::error!(name, n_entries, %fault, "a catalog is not loaded and stays as it was");
        }
        NotLoaded::Rejected(fault)
    }
}

fn skills(catalog: &Catalog<Skill>) -> Result<(Difference, Vec<LeftOut>), Fault> {
    let loaded = catalog.load()?;
    Ok((catalog.swap(&loaded.entries)?, loaded.left_out))
}

impl Held {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> CatalogKind {
        match self {
            Self::Skills(_) => CatalogKind::Skills,
            Self::Services(_) => CatalogKind::Services,
        }
    }

    /// How many entries it has.
    #[must_use]
    pub fn n_entries(&self) -> usize {
        match self {
            Self::Skills(catalog) => catalog.entries().len(),
            Self::Services(catalog) => catalog.entries().len(),
        }
    }

    /// The folders of its files.
    #[must_use]
    pub fn folders(&self) -> &[config::CatalogFolder] {
        match self {
            Self::Skills(catalog) => catalog.folders(),
            Self::Services(catalog) => catalog.folders(),
        }
    }
}

impl Named {
    /// How it does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, status: Status) -> Status {
        let mut place = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, status)
    }

    /// Whether what its files declare is known, as far as it declares anything.
    fn is_known(&self) -> bool {
        self.held.kind() != CatalogKind::Services || self.status().loaded_at.is_some()
    }

    pub(super) fn reloaded(&self, difference: &Difference, left_out: Vec<LeftOut>) -> Reloaded {
        let told = |names: &[Arc<str>]| names.iter().take(NAMES_TOLD).cloned().collect();
        Reloaded {
            name: self.name.clone(),
            kind: self.held.kind().word(),
            n_entries: self.held.n_entries(),
            n_added: difference.added.len(),
            n_changed: difference.changed.len(),
            n_removed: difference.removed.len(),
            added: told(&difference.added),
            changed: told(&difference.changed),
            removed: told(&difference.removed),
            left_out,
        }
    }
}

#[cfg(test)]
#[path = "catalogs_tests.rs"]
mod tests;
