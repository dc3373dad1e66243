//! The laws of the counters.

use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use crate::config::Liveness;
use crate::registry::service::live::LATENCY_MS_MAX;
use crate::registry::testing::*;

use super::*;

const ID: &str = "gpu-1:11434";

fn registry() -> Registry {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    registry.take_inventory(&opened, vec![service("127.0.0.1", 11434, vec![])], clock.moment());
    registry
}

#[test]
fn a_service_that_is_not_there_counts_nothing() {
    let registry = registry();
    let unknown = UnknownService("gpu-2:11434".to_owned());
    assert_eq!(registry.begin_request("gpu-2:11434"), Err(unknown.clone()));
    assert_eq!(registry.end_request("gpu-2:11434"), Err(unknown.clone()));
    assert_eq!(registry.record_latency("gpu-2:11434", 1), Err(unknown));
}

#[test]
fn requests_are_counted_through_every_change_of_the_entry() {
    let registry = registry();
    assert_eq!(registry.begin_request(ID), Ok(1));
    let before = registry.service(ID).unwrap();
    let clock = Clock::new();
    let opened = connect(&registry, 1, clock.moment());
    let models = vec![model("a", true)];
    registry.take_inventory(&opened, vec![service("127.0.0.1", 11434, models)], clock.moment());
    let after = registry.service(ID).unwrap();
    assert!(after.revision > before.revision);
    assert_eq!(registry.begin_request(ID), Ok(2));
    assert_eq!((before.live.pending(), after.live.total()), (2, 2));
}

#[test]
fn the_first_latency_sets_the_average_and_zero_counts() {
    let registry = registry();
    let averages = [0, 50, 50, 0].map(|ms| registry.record_latency(ID, ms).unwrap());
    assert_eq!(averages, [0, 10, 18, 14]);
    assert_eq!(registry.service(ID).unwrap().live.latency_ms_avg(), Some(14));
}

/// What is logged on this thread while something is done.
fn logged(act: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, act);
    let bytes = lines.0.lock().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn an_end_without_a_begin_clamps_and_warns() {
    let registry = registry();
    let log = logged(|| assert_eq!(registry.end_request(ID), Ok(0)));
    assert!(log.contains("WARN") && log.contains("a request ended that never began"), "{log}");
    assert_eq!(registry.begin_request(ID), Ok(1));
    let log = logged(|| assert_eq!(registry.end_request(ID), Ok(0)));
    assert_eq!(log, "");
}

#[test]
fn ends_without_a_begin_are_logged_once_in_a_while() {
    let registry = registry();
    let log = logged(|| (0..3).for_each(|_| assert_eq!(registry.end_request(ID), Ok(0))));
    assert_eq!(log.matches("never began").count(), 1, "{log}");
}

#[test]
fn begins_of_many_threads_are_counted_exactly() {
    let registry = registry();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..1000).for_each(|_| assert!(registry.begin_request(ID).is_ok())));
        }
    });
    let live = &registry.service(ID).unwrap().live;
    assert_eq!((live.pending(), live.total()), (8000, 8000));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..1000).for_each(|_| assert!(registry.end_request(ID).is_ok())));
        }
    });
    assert_eq!((live.pending(), live.total()), (0, 8000));
}

proptest! {
    #[test]
    fn as_many_ends_as_begins_leave_none(begins in 0..200u64, others in 0..5u64) {
        let registry = registry();
        for n in 1..=begins {
            prop_assert_eq!(registry.begin_request(ID), Ok(n));
        }
        for n in (0..begins).rev() {
            prop_assert_eq!(registry.end_request(ID), Ok(n));
        }
        for _ in 0..others {
            prop_assert_eq!(registry.end_request(ID), Ok(0));
        }
        prop_assert_eq!(registry.service(ID).unwrap().live.total(), begins);
    }

    #[test]
    fn the_average_stays_within_its_samples(samples in prop::collection::vec(any::<u64>(), 1..60)) {
        let registry = registry();
        let (mut low, mut high) = (u64::MAX, 0);
        for sample in samples {
            let sample = sample.min(LATENCY_MS_MAX);
            (low, high) = (low.min(sample), high.max(sample));
            let average = registry.record_latency(ID, sample).unwrap();
            prop_assert!((low..=high).contains(&average), "{low} ≤ {average} ≤ {high}");
        }
    }

    #[test]
    fn small_samples_average_as_the_rule_says(samples in prop::collection::vec(0..100_000u64, 1..60)) {
        let registry = registry();
        let mut expected = None;
        for sample in samples {
            let next = expected.map_or(sample, |old: u64| (sample + 4 * old) / 5);
            prop_assert_eq!(registry.record_latency(ID, sample), Ok(next));
            expected = Some(next);
        }
    }
}
