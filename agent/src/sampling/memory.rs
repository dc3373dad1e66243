//! Memory and swap, from `/proc/meminfo`. Used is total less what the kernel calls available, so
//! the page cache counts as free.

use herdbook_shared::missing::MissingReason;

use super::Roots;
use super::source::{Extent, Source};

/// Where memory figures come from.
#[derive(Debug)]
pub(super) struct MemorySource(Source);

/// Each figure, or why it is missing: one that cannot be told takes no other with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) used_bytes: Result<u64, MissingReason>,
    pub(super) total_bytes: Result<u64, MissingReason>,
    pub(super) swap_used_bytes: Result<u64, MissingReason>,
}

impl MemorySource {
    pub(super) fn new(roots: &Roots) -> Self {
        Self(Source::new(roots.proc.join("meminfo"), Extent::Head))
    }

    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Memory {
        self.0.read(buffer, parse).unwrap_or_else(|reason| Memory {
            used_bytes: Err(reason),
            total_bytes: Err(reason),
            swap_used_bytes: Err(reason),
        })
    }
}

fn parse(text: &str) -> Option<Memory> {
    let [mut total, mut available, mut swap_total, mut swap_free] = [None; 4];
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let slot = match key {
            "MemTotal" => &mut total,
            "MemAvailable" => &mut available,
            "SwapTotal" => &mut swap_total,
            "SwapFree" => &mut swap_free,
            _ => continue,
        };
        *slot = kilobytes(value);
    }
    let unknown = MissingReason::CannotTell;
    Some(Memory {
        total_bytes: Ok(total?),
        used_bytes: total.zip(available).map(|(all, free)| all.saturating_sub(free)).ok_or(unknown),
        swap_used_bytes: swap_total
            .zip(swap_free)
            .map(|(all, free)| all.saturating_sub(free))
            .ok_or(unknown),
    })
}

fn kilobytes(value: &str) -> Option<u64> {
    let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "MemTotal:        8000 kB\nMemFree: 100 kB\nMemAvailable:    6000 kB\n\
                        SwapTotal:       1000 kB\nSwapFree:         750 kB\nHugePages_Total: 0\n";

    #[test]
    fn used_is_total_less_available() {
        let memory = parse(TEXT).unwrap();
        assert_eq!(memory.total_bytes, Ok(8000 * 1024));
        assert_eq!(memory.used_bytes, Ok(2000 * 1024));
        assert_eq!(memory.swap_used_bytes, Ok(250 * 1024));
    }

    #[test]
    fn a_line_that_is_missing_dims_only_its_own_value() {
        let text = TEXT.replace("MemAvailable", "MemOther");
        let memory = parse(&text).unwrap();
        assert_eq!(memory.used_bytes, Err(MissingReason::CannotTell));
        assert_eq!(memory.total_bytes, Ok(8000 * 1024));
        assert_eq!(memory.swap_used_bytes, Ok(250 * 1024));
    }

    #[test]
    fn garbage_is_no_memory() {
        for text in ["", "MemTotal", "MemTotal: much kB", "MemTotal: -1 kB", "MemTotal: 1 GB"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&format!("MemTotal: {} kB", u64::MAX)), None);
    }
}
