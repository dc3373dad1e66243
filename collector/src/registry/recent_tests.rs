//! Rows come and go: at full rate for ten minutes, with whatever GPUs there are.

use herdbook_shared::wire::sample::GpuSample;

use crate::config::Liveness;
use crate::registry::testing::{Clock, connect, connect_as, gpu_sample, sample};

use super::*;

const START_MS: i64 = 1_795_000_000_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(START_MS + ms)
}

fn with_gpus(ids: &[&str]) -> Sample {
    let gpus = ids.iter().map(|id| gpu_sample(id)).collect();
    Sample { gpus: Some(gpus), ..sample() }
}

fn push(recent: &Recent, sample: &Sample, ms: i64) {
    let arrival = Arrival { at: at(ms), latency_ms: Some(3), is_degraded: false };
    recent.push(sample, arrival, WINDOW);
}

fn column(samples: &RecentSamples, index: usize) -> Vec<Option<f64>> {
    let series: Vec<_> = code::all(samples.gpus.len()).collect();
    samples.rows().map(|(_, codes)| series[index].value(codes[index])).collect()
}

#[test]
fn a_host_at_one_second_has_600_rows_and_one_at_thirty_has_20() {
    for (interval_s, n_rows) in [(1, 600), (30, 20)] {
        let recent = Recent::default();
        for n in 0..2_000 {
            push(&recent, &sample(), n * interval_s * 1000);
        }
        let samples = recent.samples(None).unwrap();
        assert_eq!(samples.n_rows(), n_rows);
        assert_eq!(samples.marks.last().unwrap().at, at(1_999 * interval_s * 1000));
    }
}

#[test]
fn memory_grows_with_the_rows_and_stays_near_16_bits_a_value() {
    let recent = Recent::default();
    assert!(recent.bytes() < 64);
    push(&recent, &with_gpus(&["GPU-0", "GPU-1"]), 0);
    assert!(recent.bytes() < 6_000, "{}", recent.bytes());
    for n in 1..5_000 {
        push(&recent, &with_gpus(&["GPU-0", "GPU-1"]), n * 1000);
    }
    let rows = 600 * (19 * 2 + 8);
    assert!((rows..rows * 110 / 100).contains(&recent.bytes()), "{}", recent.bytes());
    for (n_gpus, rows_bytes) in [(0, 600 * 26), (1, 600 * 36), (8, 600 * 106)] {
        let recent = Recent::default();
        let ids: Vec<String> = (0..n_gpus).map(|n| format!("GPU-{n:036}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for n in 0..700 {
            push(&recent, &with_gpus(&ids), n * 1000);
        }
        println!("{n_gpus} GPUs: {} bytes", recent.bytes());
        assert!(recent.bytes() < rows_bytes * 112 / 100, "{n_gpus}: {}", recent.bytes());
    }
}

#[test]
fn a_flood_leaves_no_more_rows_than_seconds() {
    let recent = Recent::default();
    for n in 0..10_000 {
        push(&recent, &sample(), n * 125);
    }
    assert!(recent.samples(None).unwrap().n_rows() <= 600);
}

#[test]
fn gpus_that_appear_get_columns_and_those_that_go_keep_theirs() {
    let recent = Recent::default();
    push(&recent, &with_gpus(&["GPU-0"]), 0);
    push(&recent, &with_gpus(&["GPU-1", "GPU-0"]), 1000);
    push(&recent, &with_gpus(&["GPU-1"]), 2000);
    let samples = recent.samples(None).unwrap();
    assert_eq!(samples.gpus.iter().map(|id| &**id).collect::<Vec<_>>(), ["GPU-0", "GPU-1"]);
    let (first, second) = (HOST_SERIES, HOST_SERIES + GPU_SERIES);
    assert_eq!(column(&samples, first), [Some(50.0), Some(50.0), None]);
    assert_eq!(column(&samples, second), [None, Some(50.0), Some(50.0)]);
    assert_eq!(column(&samples, 0), [Some(12.5); 3]);
}

#[test]
fn gpus_with_ever_new_ids_are_bounded() {
    let recent = Recent::default();
    for n in 0..300 {
        push(&recent, &with_gpus(&[&format!("GPU-{n}")]), n * 1000);
    }
    let samples = recent.samples(None).unwrap();
    assert!(samples.gpus.len() <= limits::GPUS);
    assert_eq!(samples.n_rows(), 300);
    let last = samples.gpus.len() - 1;
    assert_eq!(&*samples.gpus[last], "GPU-299");
    assert_eq!(*column(&samples, n_series(last)).last().unwrap(), Some(50.0));
}

#[test]
fn a_missing_value_keeps_its_reason() {
    let recent = Recent::default();
    let missing = [("load1".to_owned(), MissingReason::NoPermission)].into();
    let gone = [("utilization_percent".to_owned(), MissingReason::Lost)].into();
    let gpu = GpuSample { id: "GPU-0".to_owned(), missing: gone, ..GpuSample::default() };
    push(&recent, &Sample { missing, gpus: Some(vec![gpu]), ..sample() }, 0);
    let samples = recent.samples(None).unwrap();
    assert_eq!(code::reason(samples.codes[1]), MissingReason::NoPermission);
    assert_eq!(code::reason(samples.codes[HOST_SERIES]), MissingReason::Lost);
    assert_eq!(column(&samples, 8), [Some(3.0)]);
}

#[test]
fn a_wall_clock_that_goes_back_begins_anew() {
    let recent = Recent::default();
    push(&recent, &sample(), 100_000);
    push(&recent, &sample(), 99_900);
    assert_eq!(recent.samples(None).unwrap().n_rows(), 1, "a small step is waited out");
    push(&recent, &sample(), 0);
    assert_eq!(recent.samples(None).unwrap().marks[0].at, at(0));
}

#[test]
fn what_is_kept_is_not_told_again_and_only_who_is_silent_is_freed() {
    let recent = Recent::default();
    for n in 0..5 {
        push(&recent, &sample(), n * 1000);
    }
    assert_eq!(recent.unkept().unwrap().n_rows(), 5);
    recent.set_kept(at(3000));
    assert_eq!(recent.unkept().unwrap().n_rows(), 2);
    assert_eq!(recent.samples(None).unwrap().n_rows(), 5);
    recent.free(at(3000));
    assert!(recent.samples(None).is_some(), "a sample came since");
    recent.free(at(4000));
    assert!(recent.samples(None).is_none());
}

#[test]
fn what_comes_after_a_clock_was_ahead_is_yet_to_be_kept() {
    let recent = Recent::default();
    push(&recent, &sample(), 0);
    recent.set_kept(at(900_000));
    assert_eq!(recent.unkept().unwrap().n_rows(), 0);
    push(&recent, &sample(), 5_000);
    push(&recent, &sample(), 6_000);
    assert_eq!(recent.unkept().unwrap().n_rows(), 2, "and the first not again");
}

#[test]
fn the_register_has_the_recent_samples_of_a_host_and_none_of_a_clone() {
    let (registry, mut clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    for _ in 0..3 {
        registry.take_sample(&opened, sample(), clock.pass(1));
    }
    let samples = registry.recent_samples(opened.host_id.as_str()).unwrap().unwrap();
    assert_eq!(column(&samples, 0), [Some(12.5); 3]);
    assert!(registry.recent_samples("nobody").is_err());

    let first = opened.session.instance_id;
    let second = connect(&registry, 1, clock.pass(1));
    let clone = connect_as(&registry, 1, first, clock.pass(1));
    assert!(clone.host_id.is_clone() && !second.host_id.is_clone());
    registry.take_sample(&clone, sample(), clock.pass(1));
    assert!(registry.recent_samples(clone.host_id.as_str()).unwrap().is_none());
}
