//! The load average of the last minute, from `/proc/loadavg`.

use herdbook_shared::missing::MissingReason;

use super::Roots;
use super::source::{Extent, Source};

/// Where the load comes from.
#[derive(Debug)]
pub(super) struct Load(Source);

impl Load {
    pub(super) fn new(roots: &Roots) -> Self {
        Self(Source::new(roots.proc.join("loadavg"), Extent::Head))
    }

    /// Load average of 1 min.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<f64, MissingReason> {
        self.0.read(buffer, parse)
    }
}

fn parse(text: &str) -> Option<f64> {
    let load: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    (0.0..=1e6).contains(&load).then_some(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_figure_is_the_last_minute() {
        assert_eq!(parse("0.42 1.10 2.00 1/234 5678\n"), Some(0.42));
    }

    #[test]
    fn garbage_is_no_load() {
        for text in ["", "high", "NaN 0 0", "inf", "-1 0 0", "1e9 0 0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
