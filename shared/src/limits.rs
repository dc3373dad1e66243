//! The bounds of everything that crosses the wire. Both sides hold them: the agent truncates and
//! says so, the collector refuses or drops and counts.

/// Largest frame in either direction, bytes.
pub const FRAME_BYTES: usize = 256 * 1024;
/// What an agent aims at when it cuts an inventory into parts, bytes of JSON.
pub const INVENTORY_PART_BYTES: usize = 192 * 1024;
/// Most parts of one inventory.
pub const INVENTORY_PARTS: u32 = 16;

/// Longest name, version, role, label key or other short word, bytes.
pub const WORD_BYTES: usize = 256;
/// Longest message for a person (`last_error`, say), bytes.
pub const MESSAGE_BYTES: usize = 1024;

/// Most labels of a host.
pub const LABELS: usize = 64;
/// Most capabilities in a hello.
pub const CAPABILITIES: usize = 64;
/// Most addresses of a host.
pub const ADDRESSES: usize = 64;
/// Most GPUs of a host.
pub const GPUS: usize = 64;
/// Most GPU processes of a host, over all its GPUs.
pub const GPU_PROCESSES: usize = 512;
/// Most throttle reasons of one GPU.
pub const THROTTLE_REASONS: usize = 16;
/// Most MIG instances of one GPU.
pub const MIG_INSTANCES: usize = 64;
/// Most logical processors that are told one by one.
pub const CORES: usize = 1024;
/// Most file systems and disks of a host.
pub const DISKS: usize = 64;
/// Most network interfaces of a host.
pub const INTERFACES: usize = 64;
/// Most temperature sensors of a host.
pub const TEMPERATURES: usize = 64;
/// Most services of a host.
pub const SERVICES: usize = 64;
/// Most models of a host, over all its services.
pub const MODELS: usize = 1000;
/// Most capabilities of one model.
pub const MODEL_CAPABILITIES: usize = 32;
/// Most entries in a `missing` map.
pub const MISSING: usize = 64;

/// Largest byte count: JSON readers that use doubles stay exact up to here.
pub const BYTES_MAX: u64 = 1 << 53;

/// Shortest interval between samples, milliseconds.
pub const SAMPLE_INTERVAL_MS_MIN: u64 = 1_000;
/// Longest interval between samples, milliseconds.
pub const SAMPLE_INTERVAL_MS_MAX: u64 = 600_000;
