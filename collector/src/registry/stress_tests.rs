//! Many who read and write at one time. Nothing here measures time: a guard fails a test that
//! hangs, and says which.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use herdbook_shared::ids::ServiceId;
use tokio::task::{JoinSet, yield_now};

use crate::config::Liveness;
use crate::registry::change::ChangeKind;
use crate::registry::service::record::{Declared, Records};
use crate::registry::service::{Check, Model, ServiceFacts};
use crate::registry::testing::*;

use super::*;

/// Long enough for the slowest machine, since it only ever ends what hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);
const N_READS: usize = 10_000;

/// Runs a body in a thread of its own, and fails where it does not come to an end.
fn guarded(what: &str, body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    match ended.recv_timeout(HANGS_AFTER) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} hangs: a deadlock"),
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }
}

/// A service of this number with these models.
fn entry(n: usize, models: &[&str]) -> ServiceEntry {
    let models: Vec<Model> = models.iter().map(|name| Model::from(&model(name, false))).collect();
    let declared = Declared { models: Some(models.into()), ..Declared::default() };
    let records = Records { manual: Some(Arc::new(declared)), ..Records::default() };
    let facts = ServiceFacts::of(records, Check::Probe, Clock::new().moment().at, None);
    ServiceEntry::unjudged(ServiceId::from_text(&format!("s-{n}")), facts)
}

fn put(registry: &Registry, n: usize, models: &[&str]) {
    let mut transaction = registry.transaction(Clock::new().moment());
    transaction.put_service(entry(n, models), ChangeKind::ServiceChanged, None);
}

fn remove(registry: &Registry, n: usize) {
    let mut transaction = registry.transaction(Clock::new().moment());
    transaction.remove_service(&ServiceId::from_text(&format!("s-{n}")), "test");
}

/// Looks a model up, and holds the answer to what is promised.
fn look(registry: &Registry, model: &str) {
    let found = registry.services_of_model(model);
    let is_sorted = found.is_sorted_by(|a, b| a.id < b.id);
    assert!(is_sorted, "each service once, by id");
    for service in found {
        assert!(service.model(model).is_some(), "{} has no {model}", service.id);
    }
}

/// At rest the index equals one that is rebuilt.
fn check_at_rest(registry: &Registry) {
    for model in ["a", "b", "c"] {
        let of_index: Vec<_> =
            registry.services_of_model(model).iter().map(|s| s.id.clone()).collect();
        let services = registry.services().into_iter();
        let mut rebuilt: Vec<_> =
            services.filter(|s| s.model(model).is_some()).map(|s| s.id.clone()).collect();
        rebuilt.sort_unstable();
        assert_eq!(of_index, rebuilt, "of {model}");
    }
}

#[test]
fn ten_thousand_readers_at_one_time_all_get_their_answer() {
    guarded("ten thousand readers", || {
        let registry = Arc::new(Registry::new(Liveness::default()));
        (0..100).for_each(|n| put(&registry, n, &["a", "b"]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let mut readers = JoinSet::new();
            for n in 0..N_READS {
                let registry = Arc::clone(&registry);
                readers.spawn(async move {
                    yield_now().await;
                    let service = registry.service(&format!("s-{}", n % 100)).unwrap();
                    yield_now().await;
                    assert_eq!(registry.services_of_model("a").len(), 100);
                    service.live.begin_request()
                });
            }
            let answers = readers.join_all().await;
            assert_eq!(answers.len(), N_READS);
            let begun = registry.services().iter().map(|s| s.live.pending()).sum::<u64>();
            assert_eq!(begun, N_READS as u64);
        });
    });
}

#[test]
fn readers_never_see_a_service_without_the_model_while_writers_replace_it() {
    guarded("readers beside writers", || {
        let (registry, is_over) = (Registry::new(Liveness::default()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let registry = &registry;
                    scope.spawn(move || {
                        for round in 0..300 {
                            let sets: [&[&str]; 4] = [&["a", "b"], &["b"], &["a", "c"], &[]];
                            let n = writer * 20 + round % 20;
                            put(registry, n, sets[(round / 3 + writer) % 4]);
                            if round % 7 == 0 {
                                remove(registry, n);
                            }
                        }
                    })
                })
                .collect();
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        ["a", "b", "c"].iter().for_each(|model| look(&registry, model));
                        let _ = registry.services_where(&Query::of_model("a").healthy());
                        registry.services().iter().for_each(|service| {
                            let _ = service.live.begin_request();
                        });
                    }
                });
            }
            let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            is_over.store(true, Ordering::Relaxed);
            ended.into_iter().for_each(|ended| ended.unwrap());
        });
        check_at_rest(&registry);
    });
}

#[test]
fn one_id_that_many_add_and_remove_ends_whole() {
    guarded("one id that comes and goes", || {
        let registry = Registry::new(Liveness::default());
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let registry = &registry;
                scope.spawn(move || {
                    for round in 0..200 {
                        match (thread + round) % 3 {
                            0 => put(registry, 1, &["a"]),
                            1 => put(registry, 1, &["a", "b"]),
                            _ => remove(registry, 1),
                        }
                        look(registry, "a");
                        look(registry, "b");
                        if let Some(service) = registry.service("s-1") {
                            assert!(service.model("a").is_some());
                        }
                    }
                });
            }
        });
        check_at_rest(&registry);
        remove(&registry, 1);
        assert_eq!((registry.n_services(), registry.n_models()), (0, 0));
        check_at_rest(&registry);
    });
}
