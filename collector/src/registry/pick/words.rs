//! What speaks for a service that can be used and against it, in words.

use super::choice::Candidate;
use super::rank::{Health, Room, Standing, Warmth};

/// In the order of the rank; what is as it should be is left out, but for the model and the load.
pub(super) fn of(candidate: &Candidate<'_>) -> Vec<String> {
    let (rank, entry) = (&candidate.rank, candidate.entry);
    let mut why = Vec::new();
    if rank.standing == Standing::Unconfirmed {
        why.push("not confirmed since the collector's start".to_owned());
    }
    if rank.health == Health::Degraded {
        why.push("degraded".to_owned());
    }
    if entry.flapping {
        why.push("flapping".to_owned());
    }
    if let Some(model) = candidate.model {
        match rank.warmth {
            Warmth::Warm if model.remote => why.push("runs elsewhere".to_owned()),
            Warmth::Warm => why.push("warm".to_owned()),
            Warmth::Loading => why.push("loading".to_owned()),
            Warmth::Cold => {
                let is_short = model.warm;
                why.push(if is_short { "warm with a shorter context" } else { "cold" }.to_owned());
                why.push(room_in_words(candidate));
            }
        }
    }
    if entry.facts.priority != 0 {
        why.push(format!("priority {}", entry.facts.priority));
    }
    why.push(format!("{} pending", entry.live.pending()));
    if let Some(n @ 1..) = entry.queue_depth() {
        why.push(format!("{n} queued"));
    }
    if let Some(ms) = rank.latency_ms {
        why.push(format!("answers within {ms} ms"));
    }
    why
}

fn room_in_words(candidate: &Candidate<'_>) -> String {
    let gb = |bytes: Option<u64>| in_gb(bytes.unwrap_or(0));
    match candidate.rank.room {
        Room::Fits => format!("fits in {} of free VRAM", gb(candidate.free)),
        Room::TooFull => {
            format!("needs {} of VRAM, {} are free", gb(candidate.need), gb(candidate.free))
        }
        Room::NoGpu => "no GPU".to_owned(),
        Room::CannotTell => "cannot tell whether it fits in VRAM".to_owned(),
    }
}

/// With one decimal.
fn in_gb(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000_000) / 100_000_000;
    format!("{}.{} GB", tenths / 10, tenths % 10)
}
