//! The Herdbook collector: the register of a fleet of GPU hosts. It holds the registry, sweeps
//! what went silent, broadcasts what changed, and serves the page, routers and scripts. It never
//! stands in the path of a request to a model.
//!
//! Read in this order: what it is told ([`config`]), what it holds ([`registry`]), who feeds it
//! ([`ingest`], and the clock in [`sweep`]), whom it asks itself ([`checks`]), what it remembers
//! ([`store`], [`history`], [`series`]), what a person should see ([`alerts`]) and who is told
//! ([`notices`], [`journal`], [`notify`]), how secrets are kept ([`seal`]), what it reads from
//! folders ([`catalog`]), who may ask ([`auth`]), what it answers ([`api`], [`metrics`],
//! [`dashboard`]), over what ([`serve`], [`tls`]) and within which bounds ([`limits`]), what it does when told to read things anew ([`reload`]), and [`run`], which
//! joins them.

pub mod config;

pub mod budget;
pub mod limits;
pub mod secret;
pub mod strict;

pub mod registry;

pub mod ingest;
pub mod sweep;

pub mod checks;

pub mod store;

pub mod history;
pub mod series;

pub mod alerts;
pub mod journal;
pub mod notices;
pub mod notify;

pub mod seal;

pub mod catalog;
pub mod metrics;

pub mod auth;
pub mod control;

pub mod api;
pub mod dashboard;

pub mod serve;
pub mod tls;

pub mod reload;
pub mod run;
