//! The table of the rule, and what holds of it whatever the figures.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Instant {
    Instant::now()
}

fn connected(start: Instant, heard_s: u32) -> Heard {
    Heard {
        status: HostStatus::Online,
        heard: Some(start + heard_s * SECOND),
        interval: SECOND,
        session_opened: Some(start),
        ended: None,
    }
}

fn closed(start: Instant, at_s: u32, goodbye: Option<GoodbyeReason>) -> Heard {
    let ended = Some(Ended { opened: start, at: start + at_s * SECOND, goodbye });
    Heard { session_opened: None, ended, ..connected(start, at_s) }
}

fn status(host: &Heard, start: Instant, now_s: u32) -> Option<HostStatus> {
    let judgement = judge(host, &Liveness::default(), start, start + now_s * SECOND)?;
    Some(match judgement {
        Judgement::Stale(_) => HostStatus::Stale,
        Judgement::Offline(_) => HostStatus::Offline,
    })
}

#[test]
fn a_silent_session_is_stale_after_15_s_and_offline_after_45_s() {
    let start = start();
    let host = connected(start, 100);
    assert_eq!(status(&host, start, 114), None);
    assert_eq!(status(&host, start, 115), Some(HostStatus::Stale));
    let stale = Heard { status: HostStatus::Stale, ..host };
    assert_eq!(status(&stale, start, 144), None);
    assert_eq!(status(&stale, start, 145), Some(HostStatus::Offline));
}

#[test]
fn a_slow_agent_has_three_and_six_of_its_intervals() {
    let start = start();
    let host = Heard { interval: 30 * SECOND, ..connected(start, 100) };
    assert_eq!(status(&host, start, 189), None);
    assert_eq!(status(&host, start, 190), Some(HostStatus::Stale));
    assert_eq!(status(&host, start, 280), Some(HostStatus::Offline));
}

#[test]
fn a_lost_connection_is_stale_after_10_s() {
    let start = start();
    let host = closed(start, 100, None);
    assert_eq!(status(&host, start, 109), None);
    assert_eq!(status(&host, start, 110), Some(HostStatus::Stale));
    let stale = Heard { status: HostStatus::Stale, ..host };
    assert_eq!(status(&stale, start, 145), Some(HostStatus::Offline));
}

#[test]
fn an_upgrade_gets_60_s() {
    let start = start();
    let host = closed(start, 100, Some(GoodbyeReason::Upgrade));
    assert_eq!(status(&host, start, 114), None);
    assert_eq!(status(&host, start, 115), Some(HostStatus::Stale));
    let stale = Heard { status: HostStatus::Stale, ..host };
    assert_eq!(status(&stale, start, 159), None);
    assert_eq!(status(&stale, start, 160), Some(HostStatus::Offline));
}

#[test]
fn a_restored_host_has_35_s_to_come_back() {
    let start = start();
    let restored = Heard {
        status: HostStatus::Unknown,
        heard: None,
        interval: SECOND,
        session_opened: None,
        ended: None,
    };
    assert_eq!(status(&restored, start, 34), None);
    assert_eq!(status(&restored, start, 35), Some(HostStatus::Offline));
}

#[test]
fn after_a_pause_every_deadline_starts_anew() {
    let start = start();
    let pause_ends = start + 1000 * SECOND;
    let now = |s: u32| pause_ends + s * SECOND;
    let rules = Liveness::default();
    let alive = connected(start, 100);
    assert_eq!(judge(&alive, &rules, pause_ends, now(14)), None);
    assert!(matches!(judge(&alive, &rules, pause_ends, now(15)), Some(Judgement::Stale(_))));
    let lost = closed(start, 100, None);
    assert_eq!(judge(&lost, &rules, pause_ends, now(34)), None);
    assert!(matches!(judge(&lost, &rules, pause_ends, now(35)), Some(Judgement::Stale(_))));
}

#[test]
fn a_connection_that_breaks_within_the_grace_waits_for_its_end() {
    let start = start();
    let pause_ends = start + 1000 * SECOND;
    let rules = Liveness::default();
    let judged = |host: &Heard, s: u32| judge(host, &rules, pause_ends, pause_ends + s * SECOND);
    let at = pause_ends + Duration::from_millis(1);
    let ended = Some(Ended { opened: start, at, goodbye: None });
    let lost = Heard { ended, session_opened: None, ..connected(start, 900) };
    assert_eq!(judged(&lost, 34), None);
    assert!(matches!(judged(&lost, 35), Some(Judgement::Stale(_))));
    let upgrade = Heard { ended: closed(start, 1001, Some(GoodbyeReason::Upgrade)).ended, ..lost };
    assert!(matches!(judged(&upgrade, 15), Some(Judgement::Stale(_))));
    // One that was opened since says nothing of the pause.
    let opened = pause_ends + SECOND;
    let ended = Some(Ended { opened, at: opened + SECOND, goodbye: None });
    let since = Heard { heard: Some(opened), ended, ..lost };
    assert_eq!(judged(&since, 11), None);
    assert!(matches!(judged(&since, 12), Some(Judgement::Stale(_))));
    let normal = closed(start, 1036, None);
    assert_eq!(judged(&normal, 45), None);
    assert!(matches!(judged(&normal, 46), Some(Judgement::Stale(_))));
}

proptest! {
    /// Whatever was before, nobody is judged within what a redial may take after a pause.
    #[test]
    fn nobody_is_judged_right_after_a_pause(
        heard_s in prop::option::of(0..1000u32),
        opened_s in prop::option::of(0..1000u32),
        ended_s in prop::option::of(0..1010u32),
        unknown in any::<bool>(),
        interval_s in 1..600u32,
        after_s in 0..10u32,
    ) {
        let start = start();
        let at = |s: u32| start + s * SECOND;
        let host = Heard {
            status: if unknown { HostStatus::Unknown } else { HostStatus::Online },
            heard: heard_s.map(at),
            interval: interval_s * SECOND,
            session_opened: opened_s.map(at),
            ended: ended_s.map(|s| Ended { opened: at(0), at: at(s), goodbye: None }),
        };
        let judgement = judge(&host, &Liveness::default(), at(1000), at(1000 + after_s));
        prop_assert_eq!(judgement, None);
    }

    /// A host whose samples keep coming in time is never judged.
    #[test]
    fn a_live_host_is_never_judged(gap_ms in 0..14_999u64, since_s in 0..100_000u32) {
        let start = start();
        let host = connected(start, since_s);
        let now = start + since_s * SECOND + Duration::from_millis(gap_ms);
        prop_assert_eq!(judge(&host, &Liveness::default(), start, now), None);
    }
}
