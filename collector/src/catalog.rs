//! Definitions loaded from folders and reloaded while running: skills, and services declared in
//! files. All of a catalog is swapped or nothing, and a reload that fails keeps what was there.
//! The collector never runs what is in them.
//!
//! Read in this order: what stands in the way of loading ([`fault`]), how folders are read
//! ([`folder`]), the pure functions over them ([`load`]), the two things that are loaded
//! ([`skill`], [`service`]), one catalog in memory ([`held`]), all of them by name ([`catalogs`]),
//! what is removed by hand (`orphan`), what is registered at run time ([`register`]), and how changes of the folders are noticed
//! ([`watch`]).

pub mod fault;

pub mod folder;

pub mod load;

pub(crate) mod digest;

pub mod service;
pub mod skill;

pub mod held;

mod apply;
pub mod catalogs;
mod orphan;

pub mod register;
mod stored;

pub mod watch;

pub use catalogs::Catalogs;

use crate::config::{self, CatalogKind};

/// A catalog that cannot be loaded as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the catalog {name} cannot be loaded")]
pub struct NotLoadable {
    /// Which.
    pub name: String,
    /// Why not.
    pub source: Box<fault::Fault>,
}

/// Whether all catalogs could be loaded now; nothing is kept of it.
///
/// # Errors
///
/// [`NotLoadable`], of the first that could not.
pub fn check(rules: &config::Catalogs) -> Result<(), NotLoadable> {
    for (name, rules) in &rules.0 {
        let loaded = match rules.kind {
            CatalogKind::Skills => load::load::<skill::Skill>(&rules.folders).err(),
            CatalogKind::Services => load::load::<service::FileService>(&rules.folders).err(),
        };
        if let Some(source) = loaded {
            return Err(NotLoadable { name: name.clone(), source: Box::new(source) });
        }
    }
    Ok(())
}
