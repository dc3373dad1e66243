//! Folders to entries, entries to an index, a name to its entry: pure functions, for whoever wants
//! no state. All of them are all or nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::CatalogFolder;

use super::fault::{Fault, LeftOut};
use super::folder::{Allowance, Root};

/// Most entries of one catalog.
pub const ENTRIES_MAX: usize = 1_000;
/// Most words on what was left out.
const LEFT_OUT_MAX: usize = 100;

/// What a catalog holds.
pub trait Definition: Send + Sync + Sized + 'static {
    /// Reads what one folder holds, into `loaded`.
    ///
    /// # Errors
    ///
    /// At the first thing that is not as it should be.
    fn read(root: &Root, allowance: &mut Allowance, loaded: &mut Loaded<Self>)
    -> Result<(), Fault>;
}

/// Where an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// The line where it begins.
        line: usize,
    },
    /// It was registered while the collector ran.
    Manual,
}

/// One definition under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// Its name, unique in its catalog.
    pub name: Arc<str>,
    /// Where it comes from.
    pub origin: Origin,
    /// Two entries that differ have different ones. A service's is of its credential too, and is
    /// never told.
    pub digest: Arc<str>,
    /// What it says.
    pub value: T,
}

/// What lies in the folders of a catalog.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// Its entries, in the order of folders and names.
    pub entries: Vec<Arc<Entry<T>>>,
    /// What makes none.
    pub left_out: Vec<LeftOut>,
}

/// Entries by name.
pub type Index<T> = BTreeMap<Arc<str>, Arc<Entry<T>>>;

impl Origin {
    /// The file, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Manual => None,
        }
    }

    /// The file and line; nothing and 1 where there is none.
    pub(super) fn place(&self) -> (&Path, usize) {
        match self {
            Self::File { path, line } => (path, *line),
            Self::Manual => (Path::new(""), 1),
        }
    }
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), left_out: Vec::new() }
    }
}

impl<T> Loaded<T> {
    /// Takes one entry in.
    ///
    /// # Errors
    ///
    /// Where there are too many.
    pub fn push(&mut self, entry: Entry<T>) -> Result<(), Fault> {
        if self.entries.len() >= ENTRIES_MAX {
            let (file, _) = entry.origin.place();
            return Err(Fault::of(file, format!("a catalog holds {ENTRIES_MAX} entries at most")));
        }
        self.entries.push(Arc::new(entry));
        Ok(())
    }

    /// Says of something that it makes no entry.
    pub fn leave_out(&mut self, path: &Path, why: &'static str) {
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(LeftOut { path: path.to_owned(), why: why.into() });
        }
    }
}

/// Reads all folders. One that may be missing is empty then, and one that was given under two names
/// is read once.
///
/// # Errors
///
/// At the first thing that is not as it should be, and where a name stands twice.
pub fn load<T: Definition>(folders: &[CatalogFolder]) -> Result<Loaded<T>, Fault> {
    let (mut loaded, mut allowance) = (Loaded::default(), Allowance::default());
    let mut roots: Vec<Root> = Vec::new();
    for folder in folders {
        match Root::open(&folder.path)? {
            Some(root) if roots.iter().any(|known| known.is_same(&root)) => (),
            Some(root) => {
                T::read(&root, &mut allowance, &mut loaded)?;
                roots.push(root);
            }
            None if folder.may_be_missing => (),
            None => return Err(Fault::of(&folder.path, "there is no such folder")),
        }
    }
    index(&loaded.entries)?;
    Ok(loaded)
}

/// Entries by name.
///
/// # Errors
///
/// Where a name stands twice: both files are named.
pub fn index<T>(entries: &[Arc<Entry<T>>]) -> Result<Index<T>, Fault> {
    let mut index = Index::new();
    for entry in entries {
        if let Some(first) = index.insert(Arc::clone(&entry.name), Arc::clone(entry)) {
            return Err(twice("name", &format!("the name {:?}", entry.name), &first.origin, entry));
        }
    }
    Ok(index)
}

/// The entry of this name.
#[must_use]
pub fn find<'a, T>(index: &'a Index<T>, name: &str) -> Option<&'a Arc<Entry<T>>> {
    index.get(name)
}

/// Two entries that say the same of what only one may say.
pub(super) fn twice<T>(key: &str, what: &str, first: &Origin, second: &Entry<T>) -> Fault {
    let (path, line) = second.origin.place();
    let (first, _) = first.place();
    Fault::of(path, format!("{what} stands twice")).at(line).about(key).like(first)
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
