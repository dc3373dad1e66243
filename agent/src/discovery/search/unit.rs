//! What systemd's units say of Ollama's address: `OLLAMA_HOST` in the unit of any service that
//! runs it, in its drop-ins, or in the files of variables that those name.
//!
//! Files are read as systemd reads them; systemd itself is not asked, and no program is run.
//! Nothing is read again before a folder or file that counted has changed.

mod folders;
mod reading;
mod syntax;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use self::folders::{Folders, Scope};
use self::reading::{Part, Reading};
use self::syntax::{Specifiers, UnitText};
use super::ollama_host::{self, Place};

/// Nobody runs so many.
const PLACES_MAX: usize = 64;
/// No more units than these are looked into.
const UNITS_MAX: usize = 4096;

/// How long until users' own folders are looked at again.
const HOMES_AGAIN: Duration = Duration::from_secs(60);

/// The place that a unit names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnitPlace {
    /// `ollama.service`
    pub(super) unit: String,
    pub(super) place: Place,
}

/// All units' places.
#[derive(Debug)]
pub(super) struct Units {
    system: Reading,
    homes: Reading,
    homes_due_at: Option<Instant>,
    places: Vec<UnitPlace>,
}

impl Units {
    /// The mounts are those of the process whose root that is.
    pub(super) fn new(root: &Path, mountinfo: &Path) -> Self {
        let reading = |part| Reading::new(part, root, mountinfo);
        Self {
            system: reading(Part::System),
            homes: reading(Part::Homes),
            homes_due_at: None,
            places: Vec::new(),
        }
    }

    /// Reads again what has changed. Costs one look at each folder and file where nothing has.
    pub(super) async fn refresh(&mut self, now: Instant) {
        let mut has_changed = self.system.refresh().await;
        if self.homes_due_at.is_none_or(|due_at| now >= due_at) {
            self.homes_due_at = Some(now + HOMES_AGAIN);
            has_changed |= self.homes.refresh().await;
        }
        if has_changed {
            let all = self.system.places().iter().chain(self.homes.places());
            self.places = all.take(PLACES_MAX).cloned().collect();
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

/// The places that these folders' units name.
fn places(folders: &mut Folders, scopes: &[Scope]) -> Vec<UnitPlace> {
    let mut places = Vec::new();
    for scope in scopes {
        for (unit, path) in units(folders, scope) {
            if places.len() == PLACES_MAX {
                return places;
            }
            let place = place_of(folders, scope, &unit, &path);
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
