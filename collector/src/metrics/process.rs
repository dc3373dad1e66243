//! What this process itself uses, as its kernel tells.

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What the process uses. What cannot be read is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ProcessUse")]
pub struct Process {
    /// Time on processors since its start, seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory in RAM.
    pub resident_memory_bytes: Option<u64>,
    /// Address space.
    pub virtual_memory_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// Most descriptors that it may open.
    pub max_fds: Option<u64>,
}

impl Process {
    /// This process, now.
    #[must_use]
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let open_fds = std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            cpu_seconds: Some(cpu_seconds()),
            // The one with which they are read is not counted.
            open_fds: open_fds.and_then(|n| u64::try_from(n.saturating_sub(1)).ok()),
            max_fds: getrlimit(Resource::Nofile).current,
            ..parse(&status)
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a process below 2^53 nanoseconds")]
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn parse(status: &str) -> Process {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let bytes = |name| field(name).map(|kib| kib.saturating_mul(1024));
    Process {
        resident_memory_bytes: bytes("VmRSS"),
        virtual_memory_bytes: bytes("VmSize"),
        threads: field("Threads"),
        ..Process::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_bytes_and_what_is_not_told_is_missing() {
        let told =
            parse("Name:\therdbook\nVmSize:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t7\n");
        let (rss, size) = (Some(10_240 * 1024), Some(20_480 * 1024));
        assert_eq!((told.resident_memory_bytes, told.virtual_memory_bytes), (rss, size));
        assert_eq!(told.threads, Some(7));
        assert_eq!(parse("VmRSS: many kB"), Process::default());
    }

    #[test]
    fn this_process_tells_all() {
        let now = Process::now();
        assert!(now.cpu_seconds.unwrap() > 0.0);
        assert!(now.resident_memory_bytes.unwrap() > 1 << 20);
        assert!(now.virtual_memory_bytes >= now.resident_memory_bytes);
        assert!(now.open_fds.unwrap() > 0 && now.open_fds <= now.max_fds);
    }
}
