//! Alerts, newest first: those that are open, and those that were resolved, for a while.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alerts::{Place, Rule};
use crate::auth::Action;
use crate::registry::alert::Alert;
use crate::registry::encode::json as encode;
use crate::registry::finding::Severity;
use crate::registry::service::Word;

use super::guard::Routes;
use super::list::{Page, one_of};
use super::problem::{Checked, Problem};
use super::{Api, beside, json};

/// The routes of alerts.
pub fn routes() -> Routes<Api> {
    Routes::new().on(Action::ReadFleet, "/api/v1/alerts", get(list))
}

/// Which alerts.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Wanted {
    /// Whether it is not resolved yet.
    #[schemars(with = "Option<bool>")]
    open: Option<String>,
    #[schemars(with = "Option<Rule>")]
    rule: Option<String>,
    #[schemars(with = "Option<Severity>")]
    severity: Option<String>,
    /// An id or a name.
    subject: Option<String>,
    /// Raised, or resolved, then or later.
    #[schemars(with = "Option<Timestamp>")]
    since: Option<String>,
}

/// One alert in a list.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ListedAlert")]
pub struct AlertView {
    #[serde(flatten)]
    alert: Arc<Alert>,
    /// The silence for which nobody is told of it now.
    silenced_by: Option<Arc<str>>,
}

/// A page of alerts.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "AlertList")]
pub struct Alerts {
    epoch: Arc<str>,
    seq: u64,
    alerts: Vec<AlertView>,
    next_cursor: Option<String>,
}

/// `GET /api/v1/alerts`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(wanted)): Checked<Query<Wanted>>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let filter = wanted.filter()?;
    let (after, limit) = (after(&page)?, page.limit()?);
    let text = beside(move || {
        let (epoch, seq) = api.registry.cursor();
        // One more than the page holds tells that there is another page.
        let mut alerts = api.alerts.list(after.as_ref(), limit + 1, |alert| filter.takes(alert));
        let is_last = alerts.len() <= limit;
        alerts.truncate(limit);
        let next_cursor = alerts.last().filter(|_| !is_last).map(|last| Place::of(last).cursor());
        let now = Timestamp::now();
        let view = |alert: Arc<Alert>| {
            let is_open = alert.resolved_at.is_none();
            let silenced_by = is_open.then(|| api.silences.silenced_by(&alert, now)).flatten();
            AlertView { alert, silenced_by }
        };
        let alerts = alerts.into_iter().map(view).collect();
        Ok(encode(&Alerts { epoch, seq, alerts, next_cursor }))
    });
    text.await.map(json)
}

/// The parameters, read.
struct Filter {
    is_open: Option<bool>,
    rule: Option<Rule>,
    severity: Option<Severity>,
    subject: Option<String>,
    since: Option<Timestamp>,
}

impl Wanted {
    fn filter(self) -> Result<Filter, Problem> {
        let open = self.open.as_deref();
        Ok(Filter {
            is_open: one_of("open", open, &[("true", true), ("false", false)])?,
            rule: word("rule", self.rule.as_deref())?,
            severity: word("severity", self.severity.as_deref())?,
            subject: self.subject,
            since: self.since.as_deref().map(since).transpose()?,
        })
    }
}

impl Filter {
    fn takes(&self, alert: &Alert) -> bool {
        let is_open = alert.resolved_at.is_none();
        let moved = alert.resolved_at.map_or(alert.raised_at, |at| at.max(alert.raised_at));
        let is_subject = |text: &String| {
            [&alert.subject.id, &alert.subject.name].iter().any(|own| ***own == **text)
        };
        self.is_open.is_none_or(|open| open == is_open)
            && self.rule.is_none_or(|rule| rule.word() == &*alert.rule)
            && self.severity.is_none_or(|severity| severity == alert.severity)
            && self.subject.as_ref().is_none_or(is_subject)
            && self.since.is_none_or(|since| moved >= since)
    }
}

fn word<T: Word>(field: &'static str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let words: Vec<_> = T::ALL.iter().map(|value| (value.word(), *value)).collect();
    one_of(field, text, &words)
}

fn since(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| {
        let expected = "an instant such as 2026-11-20T10:00:00Z";
        Problem::bad_field("since", format!("{text:?} is no instant"), expected)
    })
}

fn after(page: &Page) -> Result<Option<Place>, Problem> {
    let Some(text) = page.cursor() else { return Ok(None) };
    let wrong = || {
        let detail = format!("{text:?} is no cursor of this list");
        Problem::bad_field("cursor", detail, "the next_cursor of the page before")
    };
    Place::of_cursor(text).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
#[path = "alerts/tests.rs"]
mod tests;
