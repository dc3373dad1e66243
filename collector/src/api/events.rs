//! What changes, for scripts and programs: as a long poll, as server-sent events, or over a
//! WebSocket. All three are a place in the registry's ring that moves on ([`follower`]): nobody
//! has a queue, and who is slow lags behind in the ring, alone.
//!
//! Not here: the live feed of the page ([`super::live`]), which begins with a snapshot and tells
//! what moves as well.

pub mod cursor;
pub mod filter;
pub mod follower;

pub mod poll;
pub mod stream;

mod socket;
mod sse;

#[cfg(test)]
mod law_tests;
#[cfg(test)]
mod story;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::routing::get;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Action;

use super::Api;
use super::guard::Routes;
use super::problem::{Kind, Problem};

use cursor::Cursor;
use follower::Lost;

/// Most polls that wait at one time.
pub const POLLS_MAX: usize = 2_000;
/// Most streams, over either protocol, at one time.
pub const STREAMS_MAX: usize = 1_000;
/// How often whoever reads a stream hears of it, though nothing happens.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most changes that are looked at, and encoded for whoever gets them first, before others have
/// their turn on the thread that carries all sockets.
const BATCH: usize = 64;

/// The two paths.
#[must_use]
pub fn routes() -> Routes<Api> {
    let room = Room::of(POLLS_MAX, STREAMS_MAX);
    Routes::new()
        .on(Action::Watch, "/api/v1/events", get(poll::get).layer(Extension(room.clone())))
        .on(Action::Watch, "/api/v1/events/stream", get(stream::get).layer(Extension(room)))
}

/// Room for those who wait.
#[derive(Clone, Debug)]
pub struct Room {
    polls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Room {
    fn of(polls: usize, streams: usize) -> Self {
        Self { polls: Arc::new(Semaphore::new(polls)), streams: Arc::new(Semaphore::new(streams)) }
    }

    fn for_poll(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let refused = |_| Problem::new(Kind::Unavailable, "too many polls wait already");
        Arc::clone(&self.polls).try_acquire_owned().map_err(refused)
    }

    fn for_stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let refused = |_| Problem::new(Kind::Unavailable, "too many streams are read already");
        Arc::clone(&self.streams).try_acquire_owned().map_err(refused)
    }
}

/// What a stream tells besides changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "StreamNotice")]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// The reader has everything up to here, as far as it wants to know of it.
    Cursor {
        /// Which run of the collector.
        epoch: Arc<str>,
        /// The number of the last change that was looked at.
        seq: u64,
        /// Both, to come back with.
        next: String,
    },
    /// What came after the reader's cursor is not known any more, or never was: take a snapshot.
    /// The stream goes on from here.
    Reset {
        /// Which run of the collector.
        epoch: Arc<str>,
        /// The number of the last change before the stream goes on.
        seq: u64,
        /// Both, to come back with.
        next: String,
        /// Why.
        cause: String,
    },
}

impl Notice {
    fn cursor(at: &Cursor) -> Self {
        Self::Cursor { epoch: at.epoch(), seq: at.seq(), next: at.to_string() }
    }

    fn reset(at: &Cursor, why: Lost) -> Self {
        let (next, cause) = (at.to_string(), why.to_string());
        Self::Reset { epoch: at.epoch(), seq: at.seq(), next, cause }
    }
}
