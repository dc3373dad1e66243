//! The host's memory, for a GPU that has none of its own. What such a GPU can still get is what
//! the host can still give, page cache included; so "used" is the host's total less available, as
//! in the host's own sample, and not the sum over the GPU's processes, which would call taken
//! memory free. Who holds how much through the GPU stands with the processes.

use std::fs;
use std::path::Path;

/// In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostMemory {
    pub(super) total: u64,
    pub(super) used: u64,
}

/// As `/proc/meminfo` tells it.
pub(super) fn read(proc: &Path) -> Option<HostMemory> {
    parse(&fs::read_to_string(proc.join("meminfo")).ok()?)
}

fn parse(text: &str) -> Option<HostMemory> {
    let total = bytes(text, "MemTotal:")?;
    let used = total.checked_sub(bytes(text, "MemAvailable:")?)?;
    Some(HostMemory { total, used })
}

fn bytes(text: &str, field: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_available_is_used() {
        let text = "MemTotal:  131072 kB\nMemFree:  1 kB\nMemAvailable:  32768 kB\n";
        let memory = HostMemory { total: 128 << 20, used: 96 << 20 };
        assert_eq!(parse(text), Some(memory));
        assert_eq!(parse("MemTotal: 1 kB\nMemAvailable: 2 kB\n"), None);
        assert_eq!(parse("MemTotal: 1 kB\n"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(MemTotal:|MemAvailable:|[0-9]{1,25}| |kB|\\n|\\PC){0,20}") {
            prop_assert!(parse(&text).is_none_or(|memory| memory.used <= memory.total));
        }
    }
}
