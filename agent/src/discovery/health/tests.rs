use proptest::prelude::*;

use super::*;

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

/// One that listed so many loaded models.
fn with_models(n: usize) -> Health {
    let mut health = Health::default();
    health.alive();
    health.loaded_told(n);
    health
}

#[test]
fn a_server_that_never_answered_is_not_told() {
    let start = Instant::now();
    let mut health = Health::default();
    for how in [Failure::Refused, Failure::Silent, Failure::Wrong] {
        health.version_failed(how, start);
        assert_eq!(health.state(after(start, 3600)), None, "{how:?}");
    }
}

#[test]
fn is_idle_or_resident_by_what_is_loaded() {
    let now = Instant::now();
    assert_eq!(with_models(0).state(now), Some(ServiceState::Idle));
    assert_eq!(with_models(2).state(now), Some(ServiceState::Resident));
}

#[test]
fn alive_without_a_word_of_what_is_loaded_is_unknown() {
    let mut health = Health::default();
    health.alive();
    assert_eq!(health.state(Instant::now()), Some(ServiceState::Unknown));
}

#[test]
fn a_silent_list_with_a_version_is_busy_and_keeps_its_models_for_five_minutes() {
    let start = Instant::now();
    let mut health = with_models(1);
    health.loaded_failed(Failure::Silent, start);
    health.alive();
    assert_eq!(health.state(after(start, 60)), Some(ServiceState::Busy));
    assert!(health.loaded_holds(after(start, 299)));
    assert!(!health.loaded_holds(after(start, 300)));
    assert_eq!(health.state(after(start, 300)), Some(ServiceState::Busy));
}

#[test]
fn a_wrong_list_is_passed_over_for_30_seconds() {
    let start = Instant::now();
    let mut health = with_models(1);
    health.loaded_failed(Failure::Wrong, start);
    health.loaded_failed(Failure::Wrong, after(start, 25));
    assert_eq!(health.state(after(start, 29)), Some(ServiceState::Resident));
    assert!(!health.loaded_holds(after(start, 30)));
    assert_eq!(health.state(after(start, 30)), Some(ServiceState::Unknown));
}

#[test]
fn is_hung_when_its_version_was_asked_in_vain_for_30_seconds() {
    let start = Instant::now();
    let mut health = with_models(1);
    health.version_failed(Failure::Silent, start);
    health.version_failed(Failure::Silent, after(start, 25));
    assert_eq!(health.state(after(start, 29)), Some(ServiceState::Resident));
    assert_eq!(health.state(after(start, 30)), Some(ServiceState::Hung));
    assert!(!health.loaded_holds(after(start, 30)));
    health.alive();
    health.loaded_told(1);
    assert_eq!(health.state(after(start, 31)), Some(ServiceState::Resident));
}

#[test]
fn a_refused_connection_is_down_at_once_and_nothing_is_loaded() {
    let start = Instant::now();
    let mut health = with_models(1);
    health.version_failed(Failure::Refused, start);
    assert_eq!(health.state(start), Some(ServiceState::Down));
    assert!(!health.loaded_holds(start));
    health.alive();
    assert_eq!(health.state(start), Some(ServiceState::Unknown));
}

#[test]
fn a_listener_that_comes_back_silent_is_not_down() {
    let start = Instant::now();
    let mut health = with_models(1);
    health.version_failed(Failure::Refused, start);
    health.version_failed(Failure::Silent, after(start, 5));
    assert_ne!(health.state(after(start, 6)), Some(ServiceState::Down));
    assert_eq!(health.state(after(start, 35)), Some(ServiceState::Hung));
}

#[test]
fn what_it_is_at_comes_before_what_it_lists() {
    let now = Instant::now();
    let mut health = with_models(1);
    health.works(Work { is_loading: false, is_busy: true });
    assert_eq!(health.state(now), Some(ServiceState::Busy));
    health.works(Work { is_loading: true, is_busy: true });
    assert_eq!(health.state(now), Some(ServiceState::Loading));
    health.version_failed(Failure::Refused, now);
    assert_eq!(health.state(now), Some(ServiceState::Down));
    health.alive();
    assert_eq!(health.state(now), Some(ServiceState::Unknown));
}

#[derive(Clone, Copy, Debug)]
enum Event {
    There,
    Alive,
    VersionFailed(Failure),
    Told(usize),
    ListFailed(Failure),
    Works(Work),
}

fn event() -> impl Strategy<Value = Event> {
    let failure = prop_oneof![Just(Failure::Refused), Just(Failure::Silent), Just(Failure::Wrong)];
    prop_oneof![
        Just(Event::There),
        Just(Event::Alive),
        failure.clone().prop_map(Event::VersionFailed),
        (0..3_usize).prop_map(Event::Told),
        failure.prop_map(Event::ListFailed),
        any::<(bool, bool)>()
            .prop_map(|(is_loading, is_busy)| Event::Works(Work { is_loading, is_busy })),
    ]
}

proptest! {
    /// Whatever happens: never listed before it answered or was known; down exactly when the last word on its
    /// life was a refusal; hung exactly when it was asked in vain for 30 s since; else loading
    /// exactly when that was told; and never resident without a list of models that holds.
    #[test]
    fn the_state_follows_from_the_events(
        events in prop::collection::vec((event(), 0..60_u64), 0..40),
    ) {
        let mut now = Instant::now();
        let mut health = Health::default();
        let (mut seen, mut gone, mut in_vain_since) = (false, false, None::<Instant>);
        let mut work = Work::default();
        for (event, pause) in events {
            now = after(now, pause);
            match event {
                Event::There => health.is_there(),
                Event::Alive => health.alive(),
                Event::Told(n) => health.loaded_told(n),
                Event::VersionFailed(how) => health.version_failed(how, now),
                Event::ListFailed(how) => health.loaded_failed(how, now),
                Event::Works(told) => health.works(told),
            }
            match event {
                Event::There => seen = true,
                Event::Alive | Event::Told(_) => (seen, gone, in_vain_since) = (true, false, None),
                Event::VersionFailed(Failure::Refused) => (gone, in_vain_since) = (true, None),
                Event::VersionFailed(_) => {
                    gone = false;
                    in_vain_since.get_or_insert(now);
                }
                Event::ListFailed(_) => {}
                Event::Works(told) => work = told,
            }
            if gone {
                work = Work::default();
                health.works(work);
            }
            let state = health.state(now);
            let hung = in_vain_since.is_some_and(|since| now.duration_since(since) >= HUNG_AFTER);
            prop_assert_eq!(state.is_some(), seen);
            prop_assert_eq!(state == Some(ServiceState::Down), seen && gone);
            prop_assert_eq!(state == Some(ServiceState::Hung), seen && hung);
            if seen && !gone && !hung {
                prop_assert_eq!(state == Some(ServiceState::Loading), work.is_loading);
                prop_assert!(!work.is_busy || work.is_loading || state == Some(ServiceState::Busy));
            }
            if state == Some(ServiceState::Resident) {
                prop_assert!(health.loaded_holds(now));
            }
        }
    }
}
