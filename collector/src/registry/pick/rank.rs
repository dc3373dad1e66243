//! The order in which usable services are picked, as one value that compares: the smallest is the
//! best.

use std::cmp::Reverse;

/// Where a service stands. The fields are compared from the first to the last, each only where all
/// before it are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank<'a> {
    /// Whether it was judged since the collector's start.
    pub(super) standing: Standing,
    /// Whether all is well with it.
    pub(super) health: Health,
    /// Whether the model has to be loaded.
    pub(super) warmth: Warmth,
    /// Whether there is room to load it.
    pub(super) room: Room,
    /// Higher is better.
    pub(super) priority: Reverse<i32>,
    /// Requests on their way to it, and waiting there.
    pub(super) n_waiting: u64,
    /// How long requests take; one of which nothing is known yet is tried, and then known.
    pub(super) latency_ms: Option<u64>,
    /// How long its checks take; one that is not measured comes last.
    pub(super) check_latency_ms: Known<u64>,
    /// Mean utilisation of its host's GPUs, percent; likewise.
    pub(super) gpu_percent: Known<u8>,
    /// So that the order is total.
    pub(super) id: &'a str,
}

/// Whether what is known of a service is of this run of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Confirmed,
    Unconfirmed,
}

/// How a usable service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    Healthy,
    Degraded,
}

/// How far a model is from answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Warmth {
    /// In memory, or nothing is to be loaded.
    Warm,
    /// On its way there.
    Loading,
    /// On disk.
    Cold,
}

/// Whether a host has VRAM for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Room {
    /// It has, or needs none.
    Fits,
    /// Nobody knows how much is needed or free.
    CannotTell,
    /// Something else would have to go first.
    TooFull,
    /// It has no GPU.
    NoGpu,
}

/// A number that may be missing; one that is missing comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known<T> {
    Is(T),
    Missing,
}

impl<T> From<Option<T>> for Known<T> {
    fn from(number: Option<T>) -> Self {
        number.map_or(Self::Missing, Self::Is)
    }
}

#[cfg(test)]
#[path = "rank_tests.rs"]
mod tests;
