//! The host's NVIDIA GPUs. A wedged driver puts whoever calls it into uninterruptible sleep, so
//! NVML lives in a child process: the same program, started as `herdbook-agent gpu`, which writes
//! JSON lines (`line`) on stdout. The parent only reads them against a deadline, so that a hang
//! or a crash costs GPU readings and nothing else.
//!
//! Child: `library` loads NVML, `roster` finds the GPUs, `bus` tells which of them sleep;
//! `card` is one GPU: `describe` tells what it is, `reading` what it does, `mig` how it is cut,
//! `holders` and `owners` who uses it, each asking through `questions` and believing as `metric`
//! does; `child` is its loop. Parent: `driver` tells whether a child is worth starting, `deadline`,
//! `restart` and `revival` are its timing, `process` its hands, `known` and `view` what it
//! knows, `watch` its loop.
//!
//! AMD and Intel are to come as readers of sysfs beside the child: they need no library.

mod line;

mod metric;
mod questions;

mod bus;
mod host_memory;

mod holders;
mod owners;

mod describe;
mod mig;
mod reading;

mod card;
mod roster;

mod library;

mod child;

mod driver;

mod deadline;

mod restart;

mod revival;

mod lines;

mod process;

mod known;

mod slow;

mod view;

mod watch;

pub use child::{ChildOptions, child_main};
pub use view::GpuView;
pub use watch::{GpuSettings, GpuWatch};
