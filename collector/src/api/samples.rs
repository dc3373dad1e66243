//! `GET /api/v1/hosts/{id}/samples`: what a host measured, over any range that is kept.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use herdbook_shared::time::Timestamp;
use serde::Deserialize;

use crate::auth::Action;
use crate::registry::encode;
use crate::registry::moment::Moment;
use crate::registry::node::UnknownHost;
use crate::series::Wanted;

use super::guard::Routes;
use super::problem::{Checked, Kind, Problem};
use super::{Api, json};

/// How long a range is that nobody gave.
const MINUTES: u32 = 10;
/// The longest range, and the longest step.
const MINUTES_MAX: u32 = 10 * 366 * 24 * 60;

/// One that is no leap year.
const YEAR_MS: i64 = 365 * 86_400_000;

/// The route.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new().on(Action::ReadFleet, "/api/v1/hosts/{id}/samples", get(of_host))
}

/// Which range, and how long a row shall be.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Range {
    /// Where it begins.
    #[schemars(with = "Option<Timestamp>")]
    from: Option<String>,
    /// Where it ends; now by default.
    #[schemars(with = "Option<Timestamp>")]
    to: Option<String>,
    /// Instead of `from`: how long before the end it begins; 10 by default.
    #[schemars(with = "Option<u32>", range(min = 1, max = MINUTES_MAX))]
    minutes: Option<String>,
    /// Seconds of one row, at least.
    #[schemars(with = "Option<u32>", range(min = 1, max = MINUTES_MAX))]
    step: Option<String>,
}

/// `GET /api/v1/hosts/{id}/samples`
///
/// # Errors
///
/// Where there is no such host, or a parameter is unknown or has a value that is not allowed.
pub async fn of_host(
    State(api): State<Api>,
    Checked(Path(id)): Checked<Path<String>>,
    Checked(Query(range)): Checked<Query<Range>>,
) -> Result<Response, Problem> {
    let now = Moment::now().at;
    let wanted = range.wanted(now)?;
    let host = api.registry.host(&id).ok_or(UnknownHost(id))?;
    let table = api.series.samples(host, wanted, now).await;
    let stopping = || Problem::new(Kind::Unavailable, "the collector stops");
    let table = table.ok_or_else(stopping)?;
    let text = super::beside(move || Ok(encode::json(&table))).await?;
    Ok(json(text))
}

impl Range {
    fn wanted(&self, now: Timestamp) -> Result<Wanted, Problem> {
        let to = instant("to", self.to.as_deref())?.map_or(now, |to| to.min(now));
        let minutes = number("minutes", self.minutes.as_deref(), MINUTES_MAX)?;
        let from = instant("from", self.from.as_deref())?;
        if let (Some(_), Some(_)) = (minutes, from) {
            let detail = "minutes and from both say where the range begins";
            return Err(Problem::bad_field("minutes", detail, "one of them"));
        }
        let longest = i64::from(MINUTES_MAX) * 60_000;
        let ms = i64::from(minutes.unwrap_or(MINUTES)) * 60_000;
        let before = |ms| Timestamp::from_unix_ms(to.unix_ms().saturating_sub(ms));
        let from = from.map_or(before(ms), |from| from.max(before(longest)));
        if from >= to && self.from.is_some() {
            let detail = "the range ends before it begins";
            return Err(Problem::bad_field("from", detail, "an instant before `to` and now"));
        }
        let step_s = number("step", self.step.as_deref(), MINUTES_MAX)?;
        Ok(Wanted { from, to, step_s })
    }
}

fn instant(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = text else { return Ok(None) };
    of_text(text).map(Some).ok_or_else(|| {
        let expected = "an RFC 3339 instant such as 2026-11-20T10:00:00Z (a + is written %2B)";
        Problem::bad_field(field, format!("{text:?} is no instant"), expected)
    })
}

/// As RFC 3339 has it: its hours east or west end at 23, and its years at the last day of 9999.
fn of_text(text: &str) -> Option<Timestamp> {
    let time = text.get(10..)?;
    if let Some((_, offset)) = time.split_once(['+', '-'])
        && offset.get(..2)?.parse().is_ok_and(|hours: u8| hours > 23)
    {
        return None;
    }
    // What is read ends a day before; the two years are as long as each other.
    let last_year = || Some(format!("9998{}", text.strip_prefix("9999")?));
    let year_later = |at: Timestamp| Timestamp::from_unix_ms(at.unix_ms() + YEAR_MS);
    text.parse().ok().or_else(|| last_year()?.parse().ok().map(year_later))
}

/// A whole number from 1.
pub(super) fn number(
    field: &'static str,
    text: Option<&str>,
    max: u32,
) -> Result<Option<u32>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.map(Some).ok_or_else(|| {
        let expected = format!("a whole number from 1 to {max}");
        Problem::bad_field(field, format!("{text:?} is not allowed"), expected)
    })
}

#[cfg(test)]
#[path = "samples_tests.rs"]
pub(in crate::api) mod tests;
