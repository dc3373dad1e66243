//! One catalog in memory: entries of files, entries registered at run time, and the index of both,
//! which is looked into without a lock and replaced as a whole.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::config::CatalogFolder;

use super::fault::Fault;
use super::load::{self, Definition, Entry, Index, Loaded, find};

/// Entries by name, from two layers. An entry of a file hides one of the same name that was
/// registered at run time, which shows again once the file is gone.
#[derive(Debug)]
pub struct Catalog<T> {
    folders: Vec<CatalogFolder>,
    index: ArcSwap<Index<T>>,
    layers: Mutex<Layers<T>>,
}

#[derive(Debug)]
struct Layers<T> {
    files: Index<T>,
    manual: Index<T>,
}

/// What a swap changed, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What was not there.
    pub added: Vec<Arc<str>>,
    /// What says something else.
    pub changed: Vec<Arc<str>>,
    /// What is gone.
    pub removed: Vec<Arc<str>>,
}

impl Difference {
    /// Whether all is as it was.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    fn between<T>(before: &Index<T>, after: &Index<T>) -> Self {
        let mut difference = Self::default();
        for (name, entry) in after {
            let is_same = |known: &Arc<Entry<T>>| {
                known.digest == entry.digest && known.origin.path() == entry.origin.path()
            };
            match before.get(name) {
                None => difference.added.push(Arc::clone(name)),
                Some(known) if !is_same(known) => difference.changed.push(Arc::clone(name)),
                Some(_) => (),
            }
        }
        let is_gone = |name: &&Arc<str>| !after.contains_key(*name);
        difference.removed = before.keys().filter(is_gone).cloned().collect();
        difference
    }
}

impl<T: Definition> Catalog<T> {
    /// An empty one over some folders, with what was registered at run time before.
    #[must_use]
    pub fn new(folders: Vec<CatalogFolder>, manual: Index<T>) -> Self {
        let layers = Layers { files: Index::new(), manual };
        Self { folders, index: ArcSwap::from_pointee(layers.both()), layers: Mutex::new(layers) }
    }

    /// Reads its folders; nothing is swapped yet.
    ///
    /// # Errors
    ///
    /// Where something in them is not as it should be.
    pub fn load(&self) -> Result<Loaded<T>, Fault> {
        load::load(&self.folders)
    }

    /// The folders of its files.
    #[must_use]
    pub fn folders(&self) -> &[CatalogFolder] {
        &self.folders
    }

    /// All its entries.
    #[must_use]
    pub fn entries(&self) -> Arc<Index<T>> {
        self.index.load_full()
    }

    /// One entry.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Entry<T>>> {
        find(&self.index.load(), name).cloned()
    }

    /// Replaces all entries of files by these.
    ///
    /// # Errors
    ///
    /// Where a name stands twice: nothing is replaced then.
    pub fn swap(&self, entries: &[Arc<Entry<T>>]) -> Result<Difference, Fault> {
        let files = load::index(entries)?;
        Ok(self.change(|layers| layers.files = files))
    }

    /// Takes an entry in that was registered at run time.
    pub fn put(&self, entry: Arc<Entry<T>>) -> Difference {
        self.change(|layers| drop(layers.manual.insert(Arc::clone(&entry.name), entry)))
    }

    /// Lets one go again.
    pub fn take(&self, name: &str) -> Difference {
        self.change(|layers| drop(layers.manual.remove(name)))
    }

    /// How many were registered at run time, hidden ones among them.
    #[must_use]
    pub fn n_manual(&self) -> usize {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner).manual.len()
    }

    fn change(&self, change: impl FnOnce(&mut Layers<T>)) -> Difference {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut layers);
        let (before, after) = (self.index.load_full(), Arc::new(layers.both()));
        self.index.store(Arc::clone(&after));
        Difference::between(&before, &after)
    }
}

impl<T> Layers<T> {
    fn both(&self) -> Index<T> {
        let mut both = self.manual.clone();
        both.extend(self.files.iter().map(|(name, entry)| (Arc::clone(name), Arc::clone(entry))));
        both
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::catalog::load::Origin;
    use crate::catalog::skill::Skill;

    use super::*;

    fn entry(name: &str, description: &str, file: Option<&str>) -> Arc<Entry<Skill>> {
        let entry = Skill::registered(name, description, "").unwrap();
        let origin = file.map(|path| Origin::File { path: Path::new(path).to_owned(), line: 1 });
        Arc::new(Entry { origin: origin.unwrap_or(Origin::Manual), ..entry })
    }

    fn told(difference: &Difference) -> (String, String, String) {
        let (Difference { added, changed, removed }, sep) = (difference, " ");
        (added.join(sep), changed.join(sep), removed.join(sep))
    }

    fn words(added: &str, changed: &str, removed: &str) -> (String, String, String) {
        (added.to_owned(), changed.to_owned(), removed.to_owned())
    }

    #[test]
    fn a_swap_tells_the_difference_and_a_twin_changes_nothing() {
        let catalog = Catalog::new(Vec::new(), Index::new());
        let (a, b) = (entry("a", "1", Some("/a")), entry("b", "1", Some("/b")));
        let first = catalog.swap(&[Arc::clone(&a), b]).unwrap();
        assert_eq!(told(&first), words("a b", "", ""));
        let same = catalog.swap(&[entry("a", "1", Some("/a")), entry("b", "1", Some("/b"))]);
        assert!(same.unwrap().is_none());
        let next = catalog.swap(&[entry("a", "2", Some("/a")), entry("c", "1", Some("/c"))]);
        assert_eq!(told(&next.unwrap()), words("c", "a", "b"));
        let before = catalog.entries();
        let fault = catalog.swap(&[entry("d", "1", Some("/d")), entry("d", "1", Some("/e"))]);
        assert_eq!(fault.unwrap_err().other_file.as_deref(), Some(Path::new("/d")));
        assert!(Arc::ptr_eq(&before, &catalog.entries()));
    }

    #[test]
    fn what_was_registered_loses_to_a_file_and_shows_again_after_it() {
        let manual = [("a".into(), entry("a", "mine", None))].into();
        let catalog = Catalog::new(Vec::new(), manual);
        let shown = || catalog.find("a").map(|a| a.value.description.clone());
        assert_eq!(shown().as_deref(), Some("mine"));
        let hidden = catalog.swap(&[entry("a", "of a file", Some("/a"))]).unwrap();
        assert_eq!((told(&hidden), shown().as_deref()), (words("", "a", ""), Some("of a file")));
        assert!(catalog.put(entry("a", "mine, later", None)).is_none());
        assert_eq!(told(&catalog.swap(&[]).unwrap()), words("", "a", ""));
        assert_eq!((shown().as_deref(), catalog.n_manual()), (Some("mine, later"), 1));
        assert_eq!(told(&catalog.take("a")), words("", "", "a"));
        assert_eq!(shown(), None);
    }
}
