//! `GET /api/v1/events`: the long poll. It answers as soon as anything happened that is wanted,
//! or once the time is over; the cursor moves on over what is not wanted, too.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::api::hosts::view;
use crate::api::problem::{Checked, Kind, Problem};
use crate::api::query::given;
use crate::api::{Api, json};
use crate::registry::encode;
use crate::registry::view::View;

use super::cursor::Cursor;
use super::filter::{Filter, Words};
use super::follower::{Follower, Lost};
use super::{BATCH, Room};

/// The longest that a poll waits, seconds.
pub const WAIT_S_MAX: u64 = 60;
/// Changes in an answer to whoever did not ask for a number.
pub const LIMIT_DEFAULT: usize = 1_000;
/// Most changes in an answer.
pub const LIMIT_MAX: usize = 10_000;
/// About so many bytes of changes end an answer, whatever the limit: the rest comes with the next.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What to poll for. What is empty counts as not said.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Poll {
    /// The `next` of the answer before, or the `epoch:seq` of a snapshot or list. Without it, the
    /// poll begins now.
    since: Option<String>,
    /// How long to wait for something to happen, seconds.
    #[schemars(with = "Option<u64>", range(min = 0, max = WAIT_S_MAX))]
    wait: Option<String>,
    /// Most changes in the answer.
    #[schemars(with = "Option<u64>", range(min = 1, max = LIMIT_MAX))]
    limit: Option<String>,
    /// Types, or beginnings of types, with commas between.
    types: Option<String>,
    /// The id of a host.
    host: Option<String>,
    /// The id of a service, or another name of it.
    service: Option<String>,
    /// The name of a model.
    model: Option<String>,
    #[schemars(with = "Option<View>")]
    view: Option<String>,
}

/// `GET /api/v1/events`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed, the cursor leads nowhere any more, or too
/// many wait already.
pub async fn get(
    State(api): State<Api>,
    Extension(room): Extension<Room>,
    Checked(Query(poll)): Checked<Query<Poll>>,
) -> Result<Response, Problem> {
    let until = Instant::now() + poll.wait()?;
    let mut gathered = Gathered::new(poll.limit()?, view(given(&poll.view), View::Full)?);
    let filter = Filter::read(poll.words(), &api.registry)?;
    let since = given(&poll.since).map(|text| Cursor::read("since", text)).transpose()?;
    let registry = Arc::clone(&api.registry);
    let (mut follower, lost) = match &since {
        Some(cursor) => Follower::after(registry, cursor, filter),
        None => (Follower::from_now(registry, filter), None),
    };
    if let Some(why) = lost {
        return Err(gone(why, &follower.cursor()));
    }
    gathered.take(&mut follower).await.map_err(|why| gone(why, &follower.cursor()))?;
    if gathered.is_empty() && until > Instant::now() {
        let _room = room.for_poll()?;
        let waiting = timeout_at(until, gathered.wait(&mut follower));
        if let Some(Ok(Err(why))) = api.stop.run_until_cancelled(waiting).await {
            return Err(gone(why, &follower.cursor()));
        }
    }
    Ok(json(gathered.answer(&follower.cursor())))
}

impl Poll {
    fn words(&self) -> Words<'_> {
        let Self { types, host, service, model, .. } = self;
        let (types, host) = (given(types), given(host));
        Words { types, host, service: given(service), model: given(model) }
    }

    fn wait(&self) -> Result<Duration, Problem> {
        let seconds = number("wait", &self.wait, 0..=WAIT_S_MAX)?;
        Ok(Duration::from_secs(seconds.unwrap_or_default()))
    }

    fn limit(&self) -> Result<usize, Problem> {
        let limit = number("limit", &self.limit, 1..=LIMIT_MAX as u64)?;
        Ok(limit.map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(LIMIT_MAX)))
    }
}

fn number(
    field: &'static str,
    text: &Option<String>,
    within: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, Problem> {
    let Some(text) = given(text) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| within.contains(number));
    number.map(Some).ok_or_else(|| {
        let expected = format!("a whole number from {} to {}", within.start(), within.end());
        Problem::bad_field(field, format!("{text:?} is no such number"), expected)
    })
}

fn gone(why: Lost, now: &Cursor) -> Problem {
    let detail = format!("reset: {why}; take a snapshot and go on from its epoch and seq");
    Problem::new(Kind::Gone, detail).about("since", format!("a cursor such as {now}"))
}

/// What is answered.
struct Gathered {
    limit: usize,
    view: View,
    events: Vec<Bytes>,
    n_bytes: usize,
}

impl Gathered {
    fn new(limit: usize, view: View) -> Self {
        Self { limit, view, events: Vec::new(), n_bytes: 0 }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Waits until there is anything.
    async fn wait(&mut self, follower: &mut Follower) -> Result<(), Lost> {
        while self.is_empty() {
            follower.changed().await;
            self.take(follower).await?;
        }
        Ok(())
    }

    /// Takes what there is, up to the bounds of an answer. Whoever loses the ring's end after some
    /// was taken is told so by the next poll.
    async fn take(&mut self, follower: &mut Follower) -> Result<(), Lost> {
        while follower.is_behind() && self.events.len() < self.limit && self.n_bytes < ANSWER_BYTES
        {
            match follower.look(BATCH.min(self.limit - self.events.len())) {
                Ok(changes) => {
                    changes.iter().for_each(|change| self.push(change.encoded(self.view)))
                }
                Err(why) if self.is_empty() => return Err(why),
                Err(_) => break,
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn push(&mut self, encoded: Bytes) {
        self.n_bytes += encoded.len();
        self.events.push(encoded);
    }

    /// The changes stand in it as they were encoded for everybody.
    fn answer(&self, at: &Cursor) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.n_bytes + self.events.len() + 128);
        let epoch = encode::json(&at.epoch());
        text.extend_from_slice(format!("{{\"epoch\":{epoch},\"seq\":{}", at.seq()).as_bytes());
        text.extend_from_slice(b",\"events\":[");
        for (n, event) in self.events.iter().enumerate() {
            if n > 0 {
                text.push(b',');
            }
            text.extend_from_slice(event);
        }
        let next = encode::json(&at.to_string());
        text.extend_from_slice(format!("],\"next\":{next}}}").as_bytes());
        text
    }
}

#[cfg(test)]
#[path = "poll_tests.rs"]
mod tests;
