//! Leases: what they count, what they keep free, and how they end.

use std::sync::Barrier;

use crate::registry::pick::fleet::*;
use crate::registry::service::ServiceStatus;
use crate::registry::testing::host_id;

use super::*;

const TTL: Duration = Duration::from_secs(TTL_S);

impl Fleet {
    fn take(&self, wanted: &Wanted) -> Taken {
        self.try_take(&Target::Best, wanted).unwrap()
    }

    fn try_take(&self, target: &Target, wanted: &Wanted) -> Result<Taken, TakeError> {
        self.registry.take_lease(target, wanted, TTL, self.clock.moment())
    }

    fn take_this(&self, n: u8, wanted: &Wanted) -> Result<Taken, TakeError> {
        self.try_take(&Target::Service(id(n)), wanted)
    }

    fn end(&self, lease: &Taken, outcome: Outcome) -> Result<(), UnknownLease> {
        let id = lease.lease.id.to_string();
        self.registry.give_back(&id, outcome, self.clock.moment())
    }

    fn pending(&self, n: u8) -> u64 {
        self.entry(n).live.pending()
    }
}

fn of(model: &str) -> Wanted {
    Wanted { model: Some(model.to_owned()), ..Wanted::default() }
}

fn on(taken: &Taken) -> String {
    taken.service.entry.id.to_string()
}

#[test]
fn a_lease_is_one_request_that_is_pending_until_it_is_given_back_once() {
    let fleet = Fleet::with_cold(&[1]);
    let (first, second) = (fleet.take(&model_m()), fleet.take(&model_m()));
    assert_eq!((fleet.pending(1), fleet.entry(1).live.total()), (2, 2));
    assert_eq!(first.lease.model.as_deref(), Some("m"));
    fleet.end(&first, Outcome::Ok(Some(812))).unwrap();
    assert_eq!(fleet.pending(1), 1);
    assert_eq!(fleet.end(&first, Outcome::Ok(Some(1))), Err(UnknownLease));
    assert_eq!(fleet.entry(1).live.latency_ms_avg(), Some(812));
    fleet.end(&second, Outcome::Ok(None)).unwrap();
    assert_eq!((fleet.pending(1), fleet.registry.n_leases()), (0, 0));
}

#[test]
fn only_requests_that_were_answered_tell_how_long_requests_take() {
    let fleet = Fleet::with_cold(&[1]);
    fleet.end(&fleet.take(&model_m()), Outcome::Failed).unwrap();
    assert_eq!((fleet.pending(1), fleet.entry(1).live.latency_ms_avg()), (0, None));
    fleet.end(&fleet.take(&model_m()), Outcome::Ok(Some(0))).unwrap();
    fleet.end(&fleet.take(&model_m()), Outcome::Ok(Some(100))).unwrap();
    assert_eq!(fleet.entry(1).live.latency_ms_avg(), Some(20));
}

#[test]
fn what_nobody_took_cannot_be_given_back() {
    let fleet = Fleet::with_cold(&[1]);
    let taken = fleet.take(&model_m());
    let id = taken.lease.id.to_string();
    let (epoch, number) = id.split_once('-').unwrap();
    let other_epoch = format!("{}-{number}", "0".repeat(epoch.len()));
    let never = format!("{epoch}-{}", Uuid::nil().simple());
    for id in [other_epoch.as_str(), never.as_str(), "", "-", epoch, number, "x-y"] {
        let moment = fleet.clock.moment();
        let given = fleet.registry.give_back(id, Outcome::Ok(Some(1)), moment);
        assert_eq!(given, Err(UnknownLease), "{id}");
    }
    assert_eq!((fleet.pending(1), fleet.entry(1).live.latency_ms_avg()), (1, None));
}

#[test]
fn a_lease_that_nobody_gives_back_ends_by_itself() {
    let mut fleet = Fleet::with_cold(&[1]);
    let taken = fleet.take(&model_m());
    assert_eq!(taken.lease.expires_at.ms_since(taken.lease.taken_at), 300_000);
    fleet.clock.pass(TTL_S - 1);
    assert_eq!(fleet.registry.expire_leases(fleet.clock.moment()), 0);
    assert_eq!(fleet.pending(1), 1);
    fleet.clock.pass(1);
    assert_eq!(fleet.registry.expire_leases(fleet.clock.moment()), 1);
    assert_eq!((fleet.pending(1), fleet.registry.n_leases()), (0, 0));
    assert!(fleet.registry.leases.reserved().is_empty());
    // Also where it is given back before anybody looked.
    let late = fleet.take(&model_m());
    fleet.clock.pass(TTL_S);
    assert_eq!(fleet.end(&late, Outcome::Ok(Some(1))), Err(UnknownLease));
    assert_eq!((fleet.pending(1), fleet.entry(1).live.latency_ms_avg()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn the_sweep_ends_leases_that_nobody_gives_back() {
    let fleet = Fleet::with_cold(&[1]);
    let taken = fleet.take(&model_m());
    let (registry, live) = (Arc::new(fleet.registry), taken.lease.live);
    let stop = tokio_util::sync::CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(crate::sweep::run(Arc::clone(&registry), Arc::default(), stop.clone()));
    tokio::time::sleep(TTL - Duration::from_secs(2)).await;
    assert_eq!(live.pending(), 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(live.pending(), 0);
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}

#[test]
fn a_service_that_went_takes_no_lease_along() {
    let fleet = Fleet::with_cold(&[1]);
    let taken = fleet.take(&model_m());
    let mut transaction = fleet.registry.transaction(fleet.clock.moment());
    transaction.remove_host(&host_id(1), "gone");
    drop(transaction);
    assert!(fleet.registry.service(&id(1)).is_none());
    fleet.end(&taken, Outcome::Ok(Some(5))).unwrap();
    assert_eq!(taken.lease.live.pending(), 0);
    assert!(fleet.registry.leases.reserved().is_empty());
}

#[test]
fn what_drains_gets_no_new_lease_and_finishes_the_old_ones() {
    let fleet = Fleet::with_cold(&[1]);
    let taken = fleet.take(&model_m());
    fleet.edit_facts(1, |facts| facts.drain = true);
    assert!(matches!(fleet.take_this(1, &Wanted::default()), Err(TakeError::Unusable(_))));
    assert!(fleet.try_take(&Target::Best, &model_m()).is_err());
    fleet.end(&taken, Outcome::Ok(Some(5))).unwrap();
    assert_eq!((fleet.pending(1), fleet.entry(1).live.latency_ms_avg()), (0, Some(5)));
}

#[test]
fn a_named_service_is_taken_if_it_can_be_used() {
    let fleet = Fleet::with_cold(&[1, 2]);
    assert_eq!(on(&fleet.take_this(2, &Wanted::default()).unwrap()), id(2));
    fleet.edit(2, |entry| entry.status = ServiceStatus::Unhealthy);
    let Err(TakeError::Unusable(rejected)) = fleet.take_this(2, &Wanted::default()) else {
        panic!("it cannot be used")
    };
    assert_eq!((rejected.id.to_string(), &*rejected.why), (id(2), "unhealthy"));
    let role = Some(crate::registry::service::Role::Production);
    let filtered = fleet.take_this(1, &Wanted { role, ..Wanted::default() });
    assert!(matches!(filtered, Err(TakeError::Unusable(_))), "{filtered:?}");
    let none = fleet.take_this(9, &Wanted::default()).unwrap_err();
    assert_eq!(none, TakeError::UnknownService(id(9)));
}

#[test]
fn of_two_routers_the_second_sees_what_the_first_took() {
    // Each GPU has room for one model of 60 out of 100.
    let fleet = Fleet::new();
    for n in [1, 2] {
        fleet.host(n, &[small("a", false), small("b", false), small("c", false)]);
    }
    let wanted = |model| Wanted { vram_bytes: Some(60), ..of(model) };
    assert_eq!(on(&fleet.take(&wanted("a"))), id(1));
    assert_eq!(on(&fleet.take(&wanted("b"))), id(2));
    // There is no room left: the one with fewer requests, which is neither, so by id.
    let third = fleet.take(&wanted("c"));
    assert_eq!(on(&third), id(1));
    assert!(third.service.why[1].starts_with("needs"), "{:?}", third.service.why);
}

#[test]
fn a_model_is_loaded_once_however_many_wait_for_it() {
    let fleet = Fleet::with_cold(&[1]);
    let first = fleet.take(&model_m());
    let more: Vec<Taken> = (0..20).map(|_| fleet.take(&model_m())).collect();
    let reserved = || fleet.registry.leases.reserved().bytes_on(&host_id(1));
    assert_eq!(reserved(), 12);
    assert!(more.iter().all(|taken| taken.service.why[1].starts_with("fits")));
    fleet.end(&first, Outcome::Ok(None)).unwrap();
    assert_eq!(reserved(), 12);
    for taken in &more {
        fleet.end(taken, Outcome::Ok(None)).unwrap();
    }
    assert_eq!(reserved(), 0);
}

#[test]
fn once_the_model_is_in_memory_its_sample_counts_and_the_lease_no_more() {
    let fleet = Fleet::new();
    let opened = fleet.host(1, &[small("m", false), small("other", false)]);
    let taken = fleet.take(&Wanted { vram_bytes: Some(60), ..model_m() });
    assert_eq!(taken.lease.vram_bytes(), Some(60));
    let why = |fleet: &Fleet| {
        let wanted = Wanted { vram_bytes: Some(30), ..of("other") };
        fleet.registry.pick(&wanted).unwrap().service.why[1].clone()
    };
    assert!(why(&fleet).starts_with("fits in"), "{}", why(&fleet));
    fleet.sample(&opened, 1, Some(60));
    assert!(why(&fleet).starts_with("needs"), "counted twice while it is loaded");
    fleet.report(&opened, 1, &[small("m", true), small("other", false)]);
    assert!(why(&fleet).starts_with("fits in"), "{}", why(&fleet));
    fleet.registry.expire_leases(fleet.clock.moment());
    assert!(fleet.registry.leases.reserved().is_empty());
    // Gone again, it is not reserved for a lease that had it.
    fleet.report(&opened, 1, &[small("m", false), small("other", false)]);
    fleet.sample(&opened, 1, Some(0));
    let second = fleet.take(&Wanted { vram_bytes: Some(50), ..model_m() });
    fleet.end(&taken, Outcome::Ok(None)).unwrap();
    assert_eq!(fleet.registry.leases.reserved().bytes_on(&host_id(1)), 50);
    fleet.end(&second, Outcome::Ok(None)).unwrap();
    assert!(fleet.registry.leases.reserved().is_empty());
}

#[test]
fn a_warm_model_reserves_nothing_and_a_named_service_what_its_taker_says() {
    let fleet = Fleet::new();
    fleet.host(1, &[small("m", true)]);
    assert_eq!(fleet.take(&model_m()).lease.vram_bytes(), None);
    let wanted = Wanted { vram_bytes: Some(7), ..Wanted::default() };
    let (one, two) = (fleet.take_this(1, &wanted).unwrap(), fleet.take_this(1, &wanted).unwrap());
    let reserved = || fleet.registry.leases.reserved().bytes_on(&host_id(1));
    assert_eq!((one.lease.vram_bytes(), reserved()), (Some(7), 14));
    fleet.end(&one, Outcome::Failed).unwrap();
    assert_eq!(reserved(), 7);
    fleet.end(&two, Outcome::Failed).unwrap();
    assert_eq!(reserved(), 0);
}

#[test]
fn who_picks_while_others_take_never_fills_a_gpu_while_another_has_room() {
    // 4 hosts with room for 3 models of 30 each: 12 routers, each with a model of its own.
    let fleet = Fleet::new();
    let models: Vec<_> = (0..12).map(|n| small(&format!("m{n}"), false)).collect();
    (1..=4).for_each(|n| drop(fleet.host(n, &models)));
    let start = Barrier::new(12);
    std::thread::scope(|scope| {
        for router in 0..12 {
            let (fleet, start) = (&fleet, &start);
            scope.spawn(move || {
                start.wait();
                let wanted = Wanted { vram_bytes: Some(30), ..of(&format!("m{router}")) };
                let taken = fleet.take(&wanted);
                assert!(taken.service.why[1].starts_with("fits"), "{:?}", taken.service.why);
            });
        }
    });
    for n in 1..=4 {
        assert_eq!(fleet.registry.leases.reserved().bytes_on(&host_id(n)), 90, "host {n}");
        assert_eq!(fleet.pending(n), 3);
    }
}

#[test]
fn no_more_leases_are_out_than_there_may_be() {
    let fleet = Fleet::with_cold(&[1]);
    for _ in 0..LEASES_MAX {
        fleet.take_this(1, &Wanted::default()).unwrap();
    }
    let full = fleet.take_this(1, &Wanted::default()).unwrap_err();
    assert_eq!(full, TakeError::Full);
    assert_eq!(fleet.pending(1), LEASES_MAX as u64);
    let leases = fleet.registry.leases(fleet.clock.moment());
    let numbers: Vec<String> = leases.iter().map(|lease| lease.id.to_string()).collect();
    assert!(numbers.is_sorted(), "the oldest first, as pages need it");
}
