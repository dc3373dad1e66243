//! The load averages, from `/proc/loadavg`.

use herdbook_shared::missing::MissingReason;

use super::Roots;
use super::source::{Extent, Source};

/// Where the load comes from.
#[derive(Debug)]
pub(super) struct Load(Source);

/// The averages of 1, 5 and 15 min, or why each is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loads {
    pub(super) one: Result<f64, MissingReason>,
    pub(super) five: Result<f64, MissingReason>,
    pub(super) fifteen: Result<f64, MissingReason>,
}

impl Load {
    pub(super) fn new(roots: &Roots) -> Self {
        Self(Source::new(roots.proc.join("loadavg"), Extent::Head))
    }

    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Loads {
        let none = |reason| Loads { one: Err(reason), five: Err(reason), fifteen: Err(reason) };
        self.0.read(buffer, parse).unwrap_or_else(none)
    }
}

/// `0.42 1.10 2.00 1/234 5678`; `None` where there is no load at all.
fn parse(text: &str) -> Option<Loads> {
    let mut fields = text.split_ascii_whitespace();
    let mut next = || fields.next().and_then(load).ok_or(MissingReason::CannotTell);
    let loads = Loads { one: next(), five: next(), fifteen: next() };
    (loads.one.is_ok() || loads.five.is_ok()).then_some(loads)
}

fn load(field: &str) -> Option<f64> {
    let load: f64 = field.parse().ok()?;
    (0.0..=1e6).contains(&load).then_some(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_stand_in_order() {
        let loads = Loads { one: Ok(0.42), five: Ok(1.1), fifteen: Ok(2.0) };
        assert_eq!(parse("0.42 1.10 2.00 1/234 5678\n"), Some(loads));
    }

    #[test]
    fn one_bad_figure_is_missing_alone() {
        let loads = Loads { one: Ok(0.42), five: Err(MissingReason::CannotTell), fifteen: Ok(2.0) };
        assert_eq!(parse("0.42 x 2.00 1/234 5678\n"), Some(loads));
    }

    #[test]
    fn garbage_is_no_load() {
        for text in ["", "high", "NaN x 0", "inf", "-1 -1 0", "1e9 1e9 0"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_text_panics() {
        proptest::proptest!(|(text in "[0-9. eE/-]{0,40}")| { let _ = parse(&text); });
    }
}
