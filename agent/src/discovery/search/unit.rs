//! What systemd's units say of Ollama's address: `OLLAMA_HOST` in the unit of any service that
//! runs it, in its drop-ins, or in the files of variables that those name.
//!
//! Files are read as systemd reads them; systemd itself is not asked, and no program is run.
//! Nothing is read again before a folder or file that counted has changed.

mod folders;
mod syntax;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::folders::{Folders, Scope, Stamp};
use self::syntax::{Specifiers, UnitText};
use super::ollama_host::{self, Place};

/// Nobody runs so many.
const PLACES_MAX: usize = 64;
/// No more units than these are looked into.
const UNITS_MAX: usize = 4096;

/// The place that a unit names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnitPlace {
    /// `ollama.service`
    pub(super) unit: String,
    pub(super) place: Place,
}

/// All units' places, and what they were read from.
#[derive(Debug)]
pub(super) struct Units {
    root: PathBuf,
    read_from: Vec<(PathBuf, Stamp)>,
    places: Vec<UnitPlace>,
}

impl Units {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), read_from: Vec::new(), places: Vec::new() }
    }

    /// Reads again what has changed. Costs one look at each folder and file where nothing has.
    /// Others have their turn after each file: a cold disk takes its time.
    pub(super) async fn refresh(&mut self) {
        let is_as_before = |(path, stamp): &(PathBuf, Stamp)| Stamp::of(path) == *stamp;
        if self.read_from.is_empty() || !self.read_from.iter().all(is_as_before) {
            let mut folders = Folders::new(&self.root);
            self.places = places(&mut folders).await;
            self.read_from = folders.into_read_from();
        }
    }

    pub(super) fn places(&self) -> &[UnitPlace] {
        &self.places
    }

    /// The port that this unit's service was told.
    pub(super) fn port_of(&self, unit: &str) -> Option<u16> {
        self.places.iter().find(|place| place.unit == unit).map(|place| place.place.port)
    }
}

async fn places(folders: &mut Folders) -> Vec<UnitPlace> {
    let mut places = Vec::new();
    for scope in folders.scopes() {
        for (unit, path) in units(folders, &scope) {
            if places.len() == PLACES_MAX {
                return places;
            }
            let place = place_of(folders, &scope, &unit, &path);
            tokio::task::yield_now().await;
            places.extend(place.map(|place| UnitPlace { unit, place }));
        }
    }
    places
}

/// Each unit of a scope with its file: the first folder that has one decides. A template stands
/// for those instances of it that somebody wants or has written a drop-in for.
fn units(folders: &mut Folders, scope: &Scope) -> BTreeMap<String, PathBuf> {
    let (mut files, mut instances) = (BTreeMap::new(), Vec::new());
    for folder in scope.folders() {
        for name in folders.list(folder) {
            let path = folder.join(&name);
            if let Some(unit) = name.strip_suffix(".d").filter(|unit| unit.ends_with(".service")) {
                instances.push(unit.to_owned());
            } else if name.ends_with(".wants") || name.ends_with(".requires") {
                instances.extend(folders.list(&path));
            } else if name.ends_with(".service") && files.len() < UNITS_MAX {
                files.entry(name).or_insert(path);
            }
        }
    }
    for instance in instances {
        let template = syntax::template(&instance).and_then(|template| files.get(&template));
        if let Some(path) = template.cloned() {
            files.entry(instance).or_insert(path);
        }
    }
    files.retain(|unit, _| !syntax::is_template(unit));
    files
}

/// Where the Ollama of this unit listens, where it is one and says so.
fn place_of(folders: &mut Folders, scope: &Scope, unit: &str, path: &Path) -> Option<Place> {
    let main = folders.peek(path)?;
    if !main.to_ascii_lowercase().contains("ollama") {
        return None;
    }
    // Only these count: when they change, all is read again.
    folders.watch(path);
    let mut text = UnitText::default();
    text.apply(&main);
    for path in drop_ins(folders, scope, unit) {
        text.apply(&folders.read(&path).unwrap_or_default());
    }
    if !text.runs_ollama() {
        return None;
    }
    let specifiers = Specifiers::of(unit);
    let mut value = text.environment("OLLAMA_HOST");
    for file in text.environment_files() {
        // Its settings win over the unit's own, and those of later files over earlier ones.
        let path = folders.at(&specifiers.expand(file.trim_start_matches('-')));
        let variables = folders.read(&path).unwrap_or_default();
        value = syntax::variable(&variables, "OLLAMA_HOST").or(value);
    }
    let value = text.on_command_line("OLLAMA_HOST").or(value)?;
    ollama_host::ollama_host(&specifiers.expand(&value))
}

/// The drop-ins of a unit by their names, whichever folder they are in; of two with one name the
/// first folder's counts.
fn drop_ins(folders: &mut Folders, scope: &Scope, unit: &str) -> Vec<PathBuf> {
    let mut by_name = BTreeMap::new();
    let names = [Some(unit.to_owned()), syntax::template(unit)];
    // An instance's own folders come before its template's.
    for name in names.into_iter().flatten() {
        for folder in scope.folders() {
            let folder = folder.join(format!("{name}.d"));
            for file in folders.list(&folder) {
                if file.ends_with(".conf") {
                    by_name.entry(file.clone()).or_insert_with(|| folder.join(file));
                }
            }
        }
    }
    by_name.into_values().collect()
}

#[cfg(test)]
mod tests;
