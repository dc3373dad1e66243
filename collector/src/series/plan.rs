//! At which resolution a range is told.

use herdbook_shared::time::Timestamp;

use super::grid::{Grid, STEPS_OF_COARSE};
use super::read::Level;

/// Most rows, about, of who does not say how long a step shall be.
pub const ROWS: i64 = 2_000;
/// Most rows of who does.
pub const ROWS_MAX: i64 = 5_000;
/// Most values of one answer: hosts with very many GPUs get fewer rows.
const VALUES_MAX: i64 = 1_000_000;

/// A range that somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// How long a row shall be, at least.
    pub step_s: Option<u32>,
}

/// How a range is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// From what.
    pub(super) level: Level,
    /// How long a row is: a whole number of what there is.
    pub(super) step_ms: i64,
    /// Whether samples are told as they came, and not summed up.
    pub(super) is_as_it_came: bool,
}

/// The finest level that still has what is that long ago.
#[must_use]
pub(super) fn finest(grid: &Grid, from: Timestamp, now: Timestamp) -> Level {
    let age_ms = now.unix_ms().saturating_sub(from.unix_ms());
    if age_ms <= grid.recent_ms {
        Level::Raw
    } else if age_ms <= grid.fine_ms {
        Level::Fine
    } else {
        Level::Coarse
    }
}

/// How `wanted` is told at this level, of a host with that many series that samples this often.
#[must_use]
pub(super) fn plan(
    grid: &Grid,
    wanted: &Wanted,
    level: Level,
    interval_ms: u64,
    n_series: usize,
) -> Plan {
    let unit_ms = match level {
        Level::Raw => i64::try_from(interval_ms.div_ceil(1000)).unwrap_or(i64::MAX / 1000) * 1000,
        Level::Fine => grid.step_ms,
        Level::Coarse => grid.step_ms * STEPS_OF_COARSE,
    };
    let asked_ms = wanted.step_s.map(|step_s| i64::from(step_s) * 1000);
    let rows_max = if asked_ms.is_some() { ROWS_MAX } else { ROWS };
    let n_series = i64::try_from(n_series).unwrap_or(i64::MAX).max(1);
    let rows_max = rows_max.min(VALUES_MAX / n_series);
    let range_ms = wanted.to.unix_ms().saturating_sub(wanted.from.unix_ms()).max(0);
    let least_ms = (range_ms / rows_max.max(1)).max(asked_ms.unwrap_or(0)).max(unit_ms);
    let step_ms = (least_ms + unit_ms - 1) / unit_ms * unit_ms;
    Plan { level, step_ms, is_as_it_came: level == Level::Raw && step_ms == unit_ms }
}

#[cfg(test)]
mod tests {
    use crate::config::HistoryRules;

    use super::*;

    const DAY_S: i64 = 86_400;

    fn told(age_s: i64, length_s: i64, step_s: Option<u32>) -> (Level, i64) {
        let grid = Grid::of(&HistoryRules::default());
        let now = Timestamp::from_unix_ms(1_795_000_000_000);
        let from = Timestamp::from_unix_ms(now.unix_ms() - age_s * 1000);
        let to = Timestamp::from_unix_ms(from.unix_ms() + length_s * 1000);
        let level = finest(&grid, from, now);
        let plan = plan(&grid, &Wanted { from, to, step_s }, level, 1000, 19);
        (plan.level, plan.step_ms / 1000)
    }

    #[test]
    fn a_range_is_told_from_the_finest_that_reaches_back_to_it() {
        assert_eq!(told(600, 600, None), (Level::Raw, 1));
        assert_eq!(told(601, 601, None), (Level::Fine, 60));
        assert_eq!(told(3600, 60, None), (Level::Fine, 60));
        assert_eq!(told(DAY_S, DAY_S, None), (Level::Fine, 60));
        assert_eq!(told(DAY_S + 1, 60, None), (Level::Coarse, 600));
        assert_eq!(told(7 * DAY_S, 7 * DAY_S, None), (Level::Coarse, 600));
    }

    #[test]
    fn a_long_range_is_told_in_longer_steps() {
        assert_eq!(told(30 * DAY_S, 30 * DAY_S, None), (Level::Coarse, 1800), "4,320 rows else");
        assert_eq!(told(30 * DAY_S, 30 * DAY_S, Some(1)), (Level::Coarse, 600), "as asked");
        assert_eq!(told(300 * DAY_S, 300 * DAY_S, Some(1)), (Level::Coarse, 5400), "bounded");
    }

    #[test]
    fn a_step_is_rounded_up_to_what_there_is() {
        assert_eq!(told(600, 600, Some(7)), (Level::Raw, 7));
        assert_eq!(told(3600, 3600, Some(1)), (Level::Fine, 60));
        assert_eq!(told(3600, 3600, Some(61)), (Level::Fine, 120));
        assert_eq!(told(2 * DAY_S, DAY_S, Some(3600)), (Level::Coarse, 3600));
    }
}
