//! For how long the kernel has run, sleep included, from `/proc/uptime`.

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;

use super::Roots;
use super::source::{Extent, Source};

/// Where the uptime comes from.
#[derive(Debug)]
pub(super) struct Uptime(Source);

impl Uptime {
    pub(super) fn new(roots: &Roots) -> Self {
        Self(Source::new(roots.proc.join("uptime"), Extent::Head))
    }

    /// Whole seconds.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<u64, MissingReason> {
        self.0.read(buffer, parse)
    }
}

/// `350735.47 234388.90`
fn parse(text: &str) -> Option<u64> {
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    (0.0..limits::BYTES_MAX as f64).contains(&seconds).then_some(seconds as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_figure_is_the_uptime() {
        assert_eq!(parse("350735.47 234388.90\n"), Some(350_735));
    }

    #[test]
    fn garbage_is_no_uptime() {
        for text in ["", "long", "-1 0", "NaN 0", "inf 0", "1e300 0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_text_panics_or_counts_beyond_the_wire() {
        proptest::proptest!(|(text in "[0-9. eEinfNa+-]{0,30}")| {
            proptest::prop_assert!(parse(&text).unwrap_or(0) <= limits::BYTES_MAX);
        });
    }
}
