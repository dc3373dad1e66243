//! What the GPU child says on stdout: one JSON object a line, `{"type": …}`.
//!
//! ```text
//! start        first, with the version of these lines; then either
//!   asleep       each tick while every GPU sleeps: NVML is not loaded, which would wake them
//!   inventory    once NVML is up, and again when it changes
//!   readings     right after it, then each tick; slow fields every tenth time
//!   again        last: something changed that only a new child will see
//! or
//!   unavailable  why there is nothing to read; the child ends with its own exit code
//! ```
//!
//! Parent and child are the same program, yet after an upgrade a running parent starts a newer
//! child; hence the version, and a parent that counts lines it does not know.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::Gpu;
use herdbook_shared::wire::sample::GpuSample;
use serde::{Deserialize, Serialize};

/// The version of these lines.
pub(super) const VERSION: u32 = 1;
/// The longest line that the parent takes.
pub(super) const LINE_BYTES: usize = 256 * 1024;
/// The longest line of readings that the child writes: it travels on in one frame of the wire,
/// beside the rest of a sample. 64 GPUs with 512 processes and short names need 150 KiB.
pub(super) const READINGS_BYTES: usize = 160 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    /// The child runs.
    Start {
        /// [`VERSION`] of the child.
        version: u32,
    },
    /// Every GPU is suspended by the kernel.
    Asleep {
        /// What the kernel knows of them.
        #[serde(default)]
        gpus: Vec<Gpu>,
    },
    /// What there is.
    Inventory {
        /// Driver version.
        #[serde(default)]
        driver: Option<String>,
        /// All GPUs, in the driver's order.
        gpus: Vec<Gpu>,
    },
    /// What moves.
    Readings {
        /// When they were taken.
        at: Timestamp,
        /// One entry for each GPU of the inventory.
        gpus: Vec<GpuSample>,
        /// [`Sample::driver_mismatch`](herdbook_shared::wire::sample::Sample::driver_mismatch).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        driver_mismatch: bool,
    },
    /// The child ends, and another is to be started.
    Again {
        /// For a person.
        message: String,
    },
    /// NVML cannot be used at all.
    Unavailable {
        /// In one word.
        reason: MissingReason,
        /// For a person.
        message: String,
    },
}
