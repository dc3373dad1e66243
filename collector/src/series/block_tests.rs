//! Blocks are read as they were written, by every later version; and they are small.

use herdbook_shared::missing::MissingReason;
use proptest::prelude::*;

use super::super::rollup::n_peaks;
use super::super::synthetic;
use super::*;

/// A block as the first version wrote it; never changed.
const FROZEN_V1: &[u8] = include_bytes!("fixtures/block_v1.bin");

fn frozen_rows() -> Rows {
    let row = |n: u16| {
        let means = (0..code::n_series(1) as u16).map(|index| match index {
            1 => 400,
            3 if n == 2 => code::missing(MissingReason::Timeout),
            8 => code::missing(MissingReason::NotSupported),
            index => 1000 * index + n * n,
        });
        let means: Vec<u16> = means.collect();
        let with_peak = code::all(1).zip(&means).filter(|(series, _)| series.has_peak);
        let over = |mean: u16| if is_missing(mean) { mean } else { mean + 5 * n };
        let peaks = with_peak.map(|(_, mean)| over(*mean)).collect();
        Rollup { n_samples: 60 - n, is_degraded: n == 1, means, peaks }
    };
    [(0, row(0)), (1, row(1)), (7, row(2)), (59, row(3))].into()
}

#[test]
fn the_first_version_is_read_for_ever() {
    assert_eq!(decode(FROZEN_V1).unwrap(), (1, frozen_rows()));
    assert_eq!(
        encode(Shape::FINE, 1, &frozen_rows()),
        FROZEN_V1,
        "another encoding needs another version"
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    assert_eq!(decode(&[]), None);
    assert_eq!(decode(&[2, 60, 0, 0]), None);
    assert_eq!(decode(&[1, 60, 200, 0]), None);
    assert_eq!(decode(&[1, 60, 0, 9]), None);
    for end in 0..FROZEN_V1.len() {
        assert_eq!(decode(&FROZEN_V1[..end]), None, "cut at {end}");
    }
}

#[test]
fn an_hour_without_a_row_is_a_block_too() {
    assert_eq!(decode(&encode(Shape::COARSE, 2, &Rows::new())), Some((2, Rows::new())));
}

fn codes() -> impl Strategy<Value = u16> {
    prop_oneof![6 => 500..600_u16, 2 => 0..0xFFF0_u16, 1 => 0xFFF0..=0xFFF7_u16]
}

prop_compose! {
    fn rows_of(n_gpus: usize, n_places: u8)(
        rows in prop::collection::btree_map(0..n_places, (
            any::<bool>(),
            0..0xFFF0_u16,
            prop::collection::vec(codes(), code::n_series(n_gpus)),
            prop::collection::vec(0..3000_u16, n_peaks(n_gpus)),
        ), 0..usize::from(n_places))
    ) -> Rows {
        let row = |(is_degraded, n_samples, means, excess): (bool, u16, Vec<u16>, Vec<u16>)| {
            let with_peak = code::all(n_gpus).zip(&means).filter(|(series, _)| series.has_peak);
            let over = |(mean, excess): (u16, u16)| {
                if is_missing(mean) { mean } else { mean.saturating_add(excess).min(0xFFEF) }
            };
            let peaks = with_peak.map(|(_, mean)| *mean).zip(excess).map(over).collect();
            Rollup { n_samples, is_degraded, means, peaks }
        };
        rows.into_iter().map(|(place, parts)| (place, row(parts))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        (n_gpus, rows) in (0..3_usize).prop_flat_map(|n_gpus| (Just(n_gpus), rows_of(n_gpus, 60)))
    ) {
        prop_assert_eq!(decode(&encode(Shape::FINE, n_gpus, &rows)), Some((n_gpus, rows)));
    }

    #[test]
    fn what_is_left_out_is_half_of_the_lowest_bits(rows in rows_of(1, 6)) {
        let (_, read) = decode(&encode(Shape::COARSE, 1, &rows)).unwrap();
        prop_assert_eq!(read.len(), rows.len());
        for ((_, before), (_, after)) in rows.iter().zip(&read) {
            prop_assert_eq!(before.n_samples, after.n_samples);
            let codes = before.means.iter().chain(&before.peaks);
            for (before, after) in codes.zip(after.means.iter().chain(&after.peaks)) {
                let is_as_before = if is_missing(*before) { before == after } else {
                    before.abs_diff(*after) <= 3 && !is_missing(*after)
                };
                prop_assert!(is_as_before, "{before} {after}");
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(version) = bytes.first_mut() { *version = VERSION; }
        let _ = decode(&bytes);
    }
}

/// The bytes of one block of each sort, of a host that works and is never still.
fn sizes(n_gpus: usize) -> (usize, usize) {
    let n_blocks = 20;
    let (mut fine_bytes, mut coarse_bytes) = (0, 0);
    for seed in 0..n_blocks {
        let fine = synthetic::hour(seed, n_gpus);
        let coarse = super::super::pack::coarser(n_gpus, &fine);
        fine_bytes += encode(Shape::FINE, n_gpus, &fine).len();
        coarse_bytes += encode(Shape::COARSE, n_gpus, &coarse).len();
    }
    (fine_bytes / n_blocks as usize, coarse_bytes / n_blocks as usize)
}

/// The arithmetic of the design: 10,000 hosts, 1 min for 24 h and 10 min for 30 d, in 2 GiB.
#[test]
fn ten_thousand_hosts_with_one_or_two_gpus_fit_into_two_gibibytes() {
    let (one, two) = (sizes(1), sizes(2));
    println!("bytes of a block (fine, coarse): 1 GPU {one:?}, 2 GPUs {two:?}");
    // What a row of SQLite takes beside its blob, and what is left free at the end of a page.
    let row = |bytes: usize| (bytes + 16) * 105 / 100;
    let of_host = |(fine, coarse): (usize, usize)| 25 * row(fine) + 30 * 24 * row(coarse);
    // The open hour, and the one that is being packed: single rows.
    let open_row = |n_gpus| row(4 + 2 * (code::n_series(n_gpus) + n_peaks(n_gpus)));
    let open = 75 * (open_row(1) + open_row(2)) / 2;
    let total = 10_000 * ((of_host(one) + of_host(two)) / 2 + open);
    println!("10,000 hosts: {} MiB", total / (1 << 20));
    assert!(total <= 2 << 30, "{} MiB", total / (1 << 20));
}
