//! The host's NVIDIA GPUs. A wedged driver puts whoever calls it into uninterruptible sleep, so
//! NVML lives in a child process: the same program, started as `herdbook-agent gpu`, which writes
//! JSON lines (`line`) on stdout. The parent only reads them against a deadline, so that a hang
//! or a crash costs GPU readings and nothing else.
//!
//! Child: `library` loads NVML, `card` reads one GPU (`metric` filters what it says, `holders`
//! lists its processes, `power` keeps sleeping GPUs asleep), `child` is its loop. Parent: `driver`
//! tells whether a child is worth starting, `deadline` and `restart` are its timing, `process` its
//! hands, `view` what it knows, `watch` its loop.
//!
//! AMD and Intel are to come as readers of sysfs beside the child: they need no library.

mod line;

mod metric;

mod power;

mod holders;

mod card;

mod library;

mod child;

mod driver;

mod deadline;

mod restart;

mod lines;

mod process;

mod view;

mod watch;

pub use child::{ChildOptions, child_main};
pub use view::GpuView;
pub use watch::{GpuSettings, GpuWatch};
