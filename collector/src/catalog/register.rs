//! Skills that are registered at run time, and taken out again: on the disk first, then shown.

use std::path::PathBuf;
use std::sync::Arc;

use crate::store::{Store, WriteError};

use super::catalogs::{Catalogs, Held, Named, NotLoaded};
use super::held::Catalog;
use super::load::{ENTRIES_MAX, Entry, Origin};
use super::skill::Skill;
use super::stored;

/// What to do where one of that name was registered before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfThere {
    /// The new one takes its place.
    Replace,
    /// It stays.
    Refuse,
}

/// Why a skill is not registered, or not taken out.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// There is no such catalog of skills.
    #[error("there is no catalog {0:?} of skills")]
    NoCatalog(String),
    /// There is no such skill.
    #[error("there is no skill {0:?}")]
    Unknown(String),
    /// It is there already.
    #[error("there is a skill {0:?} already")]
    Exists(String),
    /// A file has it, and would win.
    #[error("a file has this skill: {}", .0.display())]
    OfFile(PathBuf),
    /// No more are taken in.
    #[error("{ENTRIES_MAX} skills were registered, which is the most that are taken in")]
    Full,
    /// The catalogs are busy.
    #[error(transparent)]
    Busy(#[from] NotLoaded),
    /// It could not be kept.
    #[error("the skill could not be kept")]
    NotKept(#[from] WriteError),
}

/// A skill that was registered.
#[derive(Clone, Debug)]
pub struct Registered {
    /// It.
    pub entry: Arc<Entry<Skill>>,
    /// There was none of its name before.
    pub is_new: bool,
}

impl Catalogs {
    /// Registers a skill. It is on the disk when this returns. Whoever may go away before that
    /// has a task do it: half of it would leave a skill that shows only after a restart.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: nothing changed.
    pub async fn register(
        &self,
        catalog: &str,
        entry: Entry<Skill>,
        if_there: IfThere,
        store: &Store,
    ) -> Result<Registered, RegisterError> {
        let (named, skills) = self.skills(catalog)?;
        let _turn = self.turn().await?;
        let there = skills.find(&entry.name);
        let is_new = match &there {
            Some(there) => {
                of_no_file(there)?;
                if if_there == IfThere::Refuse {
                    return Err(RegisterError::Exists(entry.name.to_string()));
                }
                false
            }
            None if skills.n_manual() >= ENTRIES_MAX => return Err(RegisterError::Full),
            None => true,
        };
        store.write(vec![stored::row(catalog, &entry)]).await?;
        let entry = Arc::new(entry);
        let difference = skills.put(Arc::clone(&entry));
        if !difference.is_none() {
            let reloaded = named.reloaded(&difference, Vec::new());
            self.tell_reloaded(&reloaded, Some(format!("{} was registered", entry.name)));
        }
        Ok(Registered { entry, is_new })
    }

    /// Takes a skill out that was registered, and returns it. The disk has forgotten it then.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: nothing changed.
    pub async fn withdraw(
        &self,
        catalog: &str,
        name: &str,
        store: &Store,
    ) -> Result<Arc<Entry<Skill>>, RegisterError> {
        let (named, skills) = self.skills(catalog)?;
        let _turn = self.turn().await?;
        let there = skills.find(name).ok_or_else(|| RegisterError::Unknown(name.to_owned()))?;
        of_no_file(&there)?;
        store.write(vec![stored::gone(catalog, name)]).await?;
        let reloaded = named.reloaded(&skills.take(name), Vec::new());
        self.tell_reloaded(&reloaded, Some(format!("{name} was removed by hand")));
        Ok(there)
    }

    fn skills(&self, catalog: &str) -> Result<(&Named, &Catalog<Skill>), RegisterError> {
        match self.get(catalog) {
            Some(named @ Named { held: Held::Skills(skills), .. }) => Ok((named, skills)),
            _ => Err(RegisterError::NoCatalog(catalog.to_owned())),
        }
    }
}

fn of_no_file(entry: &Entry<Skill>) -> Result<(), RegisterError> {
    match &entry.origin {
        Origin::File { path, .. } => Err(RegisterError::OfFile(path.clone())),
        Origin::Manual => Ok(()),
    }
}

#[cfg(test)]
#[path = "register_tests.rs"]
mod tests;
