//! Memory and swap, from `/proc/meminfo`. Used is total less what the kernel calls available, so
//! the page cache counts as free.

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;

use super::Roots;
use super::source::{Extent, Source};

/// Where memory figures come from.
#[derive(Debug)]
pub(super) struct MemorySource(Source);

/// Each figure, or why it is missing: one that cannot be told takes no other with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) used_bytes: Figure,
    pub(super) total_bytes: Figure,
    pub(super) available_bytes: Figure,
    pub(super) cached_bytes: Figure,
    pub(super) swap_used_bytes: Figure,
    pub(super) swap_total_bytes: Figure,
}

pub(super) type Figure = Result<u64, MissingReason>;

impl MemorySource {
    pub(super) fn new(roots: &Roots) -> Self {
        Self(Source::new(roots.proc.join("meminfo"), Extent::Head))
    }

    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Memory {
        self.0.read(buffer, parse).unwrap_or_else(|reason| Memory {
            used_bytes: Err(reason),
            total_bytes: Err(reason),
            available_bytes: Err(reason),
            cached_bytes: Err(reason),
            swap_used_bytes: Err(reason),
            swap_total_bytes: Err(reason),
        })
    }
}

/// The lines that matter; one that is not there is not supported by the kernel.
const KEYS: [&str; 7] =
    ["MemTotal", "MemAvailable", "Cached", "SReclaimable", "Shmem", "SwapTotal", "SwapFree"];

fn parse(text: &str) -> Option<Memory> {
    let mut figures = [Err(MissingReason::NotSupported); KEYS.len()];
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        if let Some(n) = KEYS.iter().position(|known| *known == key) {
            figures[n] = kilobytes(value).ok_or(MissingReason::CannotTell);
        }
    }
    let [total, available, cached, reclaimable, shared, swap_total, swap_free] = figures;
    total.ok()?;
    Some(Memory {
        total_bytes: total,
        available_bytes: available,
        used_bytes: less(total, available),
        cached_bytes: cache(cached, reclaimable, shared),
        swap_total_bytes: swap_total,
        swap_used_bytes: less(swap_total, swap_free),
    })
}

fn less(all: Figure, part: Figure) -> Figure {
    Ok(all?.saturating_sub(part?))
}

/// Pages of files and the kernel's own caches, as far as they can be given back: what programs
/// share, and a RAM disk, counts among the pages of files and cannot. Without that, it would be told
/// too high.
fn cache(cached: Figure, reclaimable: Figure, shared: Figure) -> Figure {
    let pages = cached?.saturating_add(reclaimable?);
    Ok(pages.saturating_sub(shared?).min(limits::BYTES_MAX))
}

fn kilobytes(value: &str) -> Option<u64> {
    let kilobytes: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024).filter(|bytes| *bytes <= limits::BYTES_MAX)
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
        assert_eq!(memory.used_bytes, Err(MissingReason::NotSupported));
        assert_eq!(memory.available_bytes, Err(MissingReason::NotSupported));
        assert_eq!(memory.total_bytes, Ok(8000 * 1024));
        assert_eq!(memory.swap_used_bytes, Ok(250 * 1024));
    }

    #[test]
    fn the_cache_is_what_can_be_given_back() {
        let text = format!("{TEXT}Cached: 900 kB\nSReclaimable: 200 kB\nShmem: 300 kB\n");
        let memory = parse(&text).unwrap();
        assert_eq!(memory.cached_bytes, Ok(800 * 1024));
        assert_eq!(memory.available_bytes, Ok(6000 * 1024));
        assert_eq!(memory.swap_total_bytes, Ok(1000 * 1024));
        // A text that ends too early, or an old kernel's, does not tell what to take off.
        for end in ["Cached: 900 kB\n", "Cached: 900 kB\nSReclaimable: 200 kB\n"] {
            let cached = parse(&format!("{TEXT}{end}")).unwrap().cached_bytes;
            assert_eq!(cached, Err(MissingReason::NotSupported), "{end}");
        }
        let cut = format!("{TEXT}Cached: 900 kB\nSReclaimable: 200 kB\nShmem: 3");
        assert_eq!(parse(&cut).unwrap().cached_bytes, Err(MissingReason::CannotTell));
        assert_eq!(parse(TEXT).unwrap().cached_bytes, Err(MissingReason::NotSupported));
    }

    #[test]
    fn a_line_that_says_nothing_cannot_be_told() {
        let memory = parse(&TEXT.replace("6000 kB", "lots")).unwrap();
        assert_eq!(memory.used_bytes, Err(MissingReason::CannotTell));
    }

    #[test]
    fn no_text_panics_or_counts_beyond_the_wire() {
        let line =
            "(Mem|Swap|SRecl|Sh)?(Total|Available|Free|Cached|aimable|mem): {0,3}[0-9]{0,20} kB";
        proptest::proptest!(|(lines in proptest::collection::vec(line, 0..12))| {
            let Some(memory) = parse(&lines.join("\n")) else { return Ok(()) };
            for figure in [memory.total_bytes, memory.used_bytes, memory.swap_used_bytes] {
                proptest::prop_assert!(figure.unwrap_or(0) <= limits::BYTES_MAX);
            }
        });
    }

    #[test]
    fn garbage_is_no_memory() {
        for text in ["", "MemTotal", "MemTotal: much kB", "MemTotal: -1 kB", "MemTotal: 1 GB"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&format!("MemTotal: {} kB", u64::MAX)), None);
    }
}
