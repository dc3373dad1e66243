//! Definitions loaded from folders and reloaded while running: skills, and services declared in
//! files. All of a catalog is swapped or nothing, and a reload that fails keeps what was there.
//! The collector never runs what is in them.
//!
//! Read in this order: what stands in the way of loading ([`fault`]), how folders are read
//! ([`folder`]), the pure functions over them ([`load`]), the two things that are loaded
//! ([`skill`], [`service`]), one catalog in memory ([`held`]), all of them by name ([`catalogs`]),
//! what is registered at run time ([`register`]), and how changes of the folders are noticed
//! ([`watch`]).

pub mod fault;

pub mod folder;

pub mod load;

mod digest;

pub mod service;
pub mod skill;

pub mod held;

mod apply;
pub mod catalogs;

pub mod register;
mod stored;

pub mod watch;

pub use catalogs::Catalogs;
