//! The vocabulary of the stories: a [`Fleet`] of real programs, a [`Viewer`] of its live feed, a
//! [`Rest`] client, and [`eventually`], the one way to wait.
//!
//! A story asks for what users were promised, through what users have; it never looks into a
//! program. The harness owns every process that it starts and ends it with the story.

pub mod demanding;
pub mod fleet;
pub mod program;

pub mod host_files;

pub mod curl;
pub mod fold;
pub mod law;
pub mod receiver;
pub mod rest;
pub mod viewer;

pub mod tools;

pub mod wait;

pub use curl::Curl;
pub use demanding::{Demanding, Joiner, Said};
pub use fleet::{Agent, AgentSetup, Fleet};
pub use host_files::{FakeProcess, HostFiles};
pub use program::Program;
pub use receiver::{Manners, Receiver};
pub use rest::{Rest, encoded};
pub use viewer::Viewer;
pub use wait::{eventually, throughout};
