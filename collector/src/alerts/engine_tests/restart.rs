//! What was raised before a restart stays, is not raised twice, and is over only once it is known
//! to be. A collector that was away raises nothing.

use crate::store::{DirtySource, Extent};

use super::*;

#[test]
fn an_open_alert_stays_over_a_restart_until_its_host_is_heard() {
    let mut world = World::new();
    world.host(1, sample());
    world.pass(5);
    world.lose(1);
    world.pass(400);
    let before = world.last("host_offline");
    let mut world = world.restarted(3600);
    assert_eq!(world.registry.open_alerts(), [Arc::clone(&before)]);
    world.pass(1000);
    assert_eq!((world.open().len(), world.all().len()), (1, 1));
    world.host(1, sample());
    world.pass(5);
    assert_eq!((world.open().len(), world.all().len()), (0, 1));
    assert_eq!(world.last("host_offline").id, before.id);
}

#[test]
fn a_condition_that_was_on_its_way_waits_anew_after_a_restart() {
    let mut world = World::new();
    world.host(1, sample());
    world.pass(5);
    world.lose(1);
    world.pass(300);
    let mut world = world.restarted(3600);
    world.pass(330);
    assert_eq!(world.all(), []);
    world.pass(20);
    assert_eq!(world.open(), ["host_offline"]);
}

#[test]
fn a_pause_of_the_collector_raises_and_resolves_nothing() {
    let mut world = World::new();
    world.host(1, sample());
    world.host(2, sample());
    world.host(3, sample());
    world.pass(5);
    world.lose(1);
    world.pass(200);
    world.lose(2);
    world.pass(200);
    assert_eq!(world.open(), ["host_offline"]);
    world.clock.pass(100_000);
    world.pass(299);
    assert_eq!(world.all().len(), 1, "the second one waits anew");
    world.pass(10);
    assert_eq!(world.open().len(), 2);
}

#[test]
fn a_lost_gpu_stays_lost_until_its_host_tells_of_it() {
    let mut lost = GpuSample { id: "GPU-0".to_owned(), ..GpuSample::default() };
    for field in ["utilization_percent", "memory_used_bytes", "power_watts", "sm_clock_mhz"] {
        lost.missing.insert(field.to_owned(), MissingReason::Lost);
    }
    let mut world = World::new();
    world.host(1, gpus(vec![lost.clone()]));
    world.pass(5);
    let mut world = world.restarted(60);
    world.pass(100);
    assert_eq!(world.open(), ["gpu_lost"]);
    world.host(1, gpus(vec![lost]));
    world.pass(5);
    assert_eq!((world.open().len(), world.all().len()), (1, 1));
    world.samples(1, gpus(vec![gpu_sample("GPU-0")]));
    world.pass(2);
    assert_eq!(world.open().len(), 0);
}

#[test]
fn services_keep_theirs_until_they_are_judged() {
    let mut world = World::new();
    let declared = checked_by("http://10.0.0.9:8888", Check::Heartbeat);
    world.registry.list("s", Source::Own, declared, world.clock.moment());
    world.pass(155);
    assert_eq!(world.open(), ["service_down"]);
    let mut world = world.restarted(20);
    world.pass(100);
    assert_eq!(world.open(), ["service_down"]);
    world.registry.beat("s", Beat::default(), world.clock.moment()).unwrap();
    world.pass(2);
    assert_eq!((world.open().len(), world.n_all("service_recovered")), (0, 1));
    assert_eq!(world.n_all("service_down"), 1);
}

#[test]
fn a_deregistered_service_stays_told_over_a_restart_and_recovers_with_a_beat() {
    let mut world = World::new();
    let declared = checked_by("http://10.0.0.9:8888", Check::Heartbeat);
    world.registry.list("s", Source::Own, declared, world.clock.moment());
    world.pass(230);
    let mut world = departed_too(world);
    world.pass(300);
    assert_eq!(world.open(), ["service_deregistered"]);
    world.registry.beat("s", Beat::default(), world.clock.moment()).unwrap();
    world.pass(2);
    assert_eq!((world.open().len(), world.n_all("service_recovered")), (0, 1));
}

/// The next run, with the document of the one service that left.
fn departed_too(mut world: World) -> World {
    let batch = world.registry.take(Extent::All, usize::MAX);
    let services: Vec<_> = batch.rows.into_iter().filter_map(|(_, row)| row.doc).collect();
    let docs: Vec<_> = world.kept.rows().into_iter().filter_map(|row| row.doc).collect();
    world.clock.pass(20);
    let registry = Registry::new(Liveness::default());
    assert_eq!(registry.restore(&[], &services, world.clock.moment()), 0);
    World::over(registry, Kept::of_docs(&docs), world.settings, world.clock)
}

#[test]
fn what_is_off_now_is_over_and_what_is_gone_is_removed() {
    let mut world = World::new();
    world.host(1, sample());
    world.host(2, sample());
    world.pass(5);
    world.lose(1);
    world.pass(400);
    world.settings = set(Rule::HostOffline, |rule| rule.enabled = false);
    let mut world = world.restarted(10);
    assert_eq!(world.open().len(), 1, "whoever follows does not begin with it otherwise");
    world.engine.begin(world.clock.moment());
    assert_eq!((world.open().len(), world.cause()), (0, "its rule is off".to_owned()));

    let mut world = World::new();
    world.host(1, sample());
    world.pass(5);
    world.lose(1);
    world.pass(400);
    world.registry.remove_host(host_id(1).as_str(), None, world.clock.moment()).unwrap();
    // It was removed in the last moment: the alert was not resolved.
    let mut world = world.restarted(10);
    assert_eq!(world.open(), ["host_offline"]);
    world.pass(200);
    assert_eq!((world.open().len(), world.cause()), (0, "removed".to_owned()));
}

#[test]
fn a_full_disk_of_the_last_run_is_over_once_something_was_written() {
    let mut world = World::new();
    let moment = world.clock.pass(1);
    world.engine.see_store(StoreState::DiskFull, moment);
    world.engine.raise_due(moment);
    let mut world = world.restarted(10);
    assert_eq!(world.kept.rows().len(), 1, "it is written again, as a trial");
    world.pass(100);
    assert_eq!(world.open(), ["collector_disk_full"]);
    world.engine.see_store(StoreState::Ok, world.clock.moment());
    world.pass(9);
    assert_eq!((world.open().len(), world.all().len()), (0, 1));
}

#[test]
fn missed_changes_are_made_up_for_by_a_snapshot() {
    let mut world = World::new();
    world.host(1, sample());
    world.host(2, sample());
    world.pass(100);
    world.lose(1);
    world.pass(400);
    world.lose(2);
    let moment = world.clock.pass(1);
    world.registry.remove_host(host_id(1).as_str(), None, moment).unwrap();
    let verdict = crate::registry::mark::Verdict::Status(HostStatus::Offline, "gone".to_owned());
    let host = world.registry.host(host_id(2).as_str()).unwrap();
    world.registry.judge(&host, host.live.heard_ms(), &verdict, moment);
    let snapshot = world.registry.snapshot(moment);
    world.engine.resume(&snapshot);
    world.engine.see_hosts(&snapshot.hosts, moment);
    world.engine.see_services(&snapshot.services, moment);
    world.pass(62);
    assert_eq!((world.open().len(), world.cause()), (0, "removed".to_owned()));
    world.pass(300);
    assert_eq!(world.open(), ["host_offline"]);
    assert_eq!(world.last("host_offline").subject.name.as_ref(), "gpu-2");
}

#[test]
fn a_pause_counts_for_nobody_whatever_is_done_first_after_it() {
    let mut world = World::new();
    world.host(1, sample());
    world.pass(5);
    world.lose(1);
    world.pass(60);
    assert_eq!(world.open().len(), 0);
    let moment = world.clock.pass(1000);
    assert!(!world.engine.raise_due(moment));
    assert_eq!(world.open().len(), 0, "nobody looked for 1000 s");
    let moment = world.clock.pass(1000);
    world.engine.see_store(StoreState::Ok, moment);
    world.engine.raise_due(moment);
    assert_eq!(world.open().len(), 0);
}
