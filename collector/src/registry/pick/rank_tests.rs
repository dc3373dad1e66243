//! The order step by step: each counts, and before all that come after it.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// Better than any other in everything, or worse.
fn rank(is_better: [bool; 10]) -> Rank<'static> {
    let [standing, health, warmth, room, priority, waiting, latency, check, gpu, id] = is_better;
    let of = |is_better: bool| if is_better { 1u8 } else { 2 };
    Rank {
        standing: if standing { Standing::Confirmed } else { Standing::Unconfirmed },
        health: if health { Health::Healthy } else { Health::Degraded },
        warmth: if warmth { Warmth::Warm } else { Warmth::Cold },
        room: if room { Room::Fits } else { Room::TooFull },
        priority: Reverse(if priority { 5 } else { -5 }),
        n_waiting: of(waiting).into(),
        latency_ms: Some(of(latency).into()),
        check_latency_ms: Known::Is(of(check).into()),
        gpu_percent: Known::Is(of(gpu)),
        id: if id { "a" } else { "b" },
    }
}

#[test]
fn each_step_counts_and_before_all_that_come_after_it() {
    for step in 0..10 {
        // Alike before the step, better in it, worse in all that come after.
        let mut better = [true; 10];
        better[step + 1..].fill(false);
        let mut worse = [true; 10];
        worse[step] = false;
        assert_eq!(rank(better).cmp(&rank(worse)), Ordering::Less, "step {step}");
    }
}

#[test]
fn what_lies_between_stands_between() {
    assert!(Warmth::Warm < Warmth::Loading && Warmth::Loading < Warmth::Cold);
    assert!(Room::Fits < Room::CannotTell && Room::CannotTell < Room::TooFull);
    assert!(Room::TooFull < Room::NoGpu);
    assert!(Known::Is(u64::MAX) < Known::Missing);
    let known = |latency_ms| Rank { latency_ms, ..rank([true; 10]) };
    assert!(known(None) < known(Some(0)), "one that was never tried is tried");
}

proptest! {
    #[test]
    fn the_order_is_total(a: [bool; 10], b: [bool; 10], c: [bool; 10]) {
        let (x, y, z) = (rank(a), rank(b), rank(c));
        prop_assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
        prop_assert_eq!(x.cmp(&y) == Ordering::Equal, a == b);
        if x <= y && y <= z {
            prop_assert!(x <= z);
        }
    }
}
