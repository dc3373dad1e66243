//! Who is asked when, with the clock pushed on by hand.

use super::*;
use crate::registry::service::ServiceFacts;
use crate::registry::service::record::Records;
use crate::registry::testing::checked_by;

const INTERVAL: Duration = Duration::from_secs(30);

fn probed(n: usize, url: &str) -> ServiceEntry {
    of_check(n, url, Check::Probe)
}

fn of_check(n: usize, url: &str, check: Check) -> ServiceEntry {
    let manual = Some(Arc::new(checked_by(url, check)));
    let records = Records { manual, ..Records::default() };
    let at = herdbook_shared::time::Timestamp::from_unix_ms(0);
    let facts = ServiceFacts::of(records, check, at, None);
    ServiceEntry::unjudged(id(n), facts)
}

fn id(n: usize) -> ServiceId {
    ServiceId::from_text(&format!("service-{n}"))
}

fn plan(at_once: u32) -> Plan {
    Plan::new(&Checks { at_once, ..Checks::default() })
}

fn begun(plan: &mut Plan, now: Instant) -> Vec<ServiceId> {
    std::iter::from_fn(|| plan.begin_next(now)).map(|next| next.id).collect()
}

#[test]
fn what_is_new_is_due_at_once_and_then_within_a_tenth_of_the_interval() {
    let (mut plan, now) = (plan(64), Instant::now());
    for n in 0..50 {
        plan.follow(&probed(n, "http://a"), now);
    }
    assert_eq!(plan.next_due(), Some(now));
    assert_eq!(begun(&mut plan, now).len(), 50);
    assert_eq!((plan.next_due(), begun(&mut plan, now + INTERVAL * 2).len()), (None, 0));
    let dues: Vec<Instant> = (0..50)
        .map(|n| {
            plan.note(&id(n), true);
            plan.end(&id(n), now);
            plan.slots[&id(n)].due
        })
        .collect();
    let soonest = now + INTERVAL.mul_f64(0.9);
    assert!(dues.iter().all(|due| *due >= soonest && *due <= now + INTERVAL.mul_f64(1.1)));
    assert!(dues.iter().any(|due| *due != dues[0]), "they are not asked together for ever");
}

#[test]
fn never_two_checks_of_one_service() {
    let (mut plan, now) = (plan(64), Instant::now());
    plan.follow(&probed(1, "http://a"), now);
    assert_eq!(begun(&mut plan, now).len(), 1);
    plan.follow(&probed(1, "http://b"), now);
    plan.forget(&id(1));
    plan.follow(&probed(1, "http://c"), now);
    assert!(begun(&mut plan, now + INTERVAL * 9).is_empty());
    assert!(!plan.is_wanted(&id(1), now), "it is called elsewhere by now");
    plan.end(&id(1), now);
    assert_eq!(begun(&mut plan, now).len(), 1, "at once, since it was never asked there");
    assert!(plan.is_wanted(&id(1), now));
}

#[test]
fn however_many_hang_who_answers_is_asked_on_time() {
    let (mut plan, now) = (plan(4), Instant::now());
    for n in 0..20 {
        let status = if n < 10 { ServiceStatus::Down } else { ServiceStatus::Unknown };
        plan.follow(&ServiceEntry { status, ..probed(n, "http://a") }, now);
    }
    let first = begun(&mut plan, now);
    assert_eq!(first.len(), 8, "each sort has its bound");
    let mut asked: Vec<ServiceId> = first.iter().filter(is_new).cloned().collect();
    assert_eq!(asked.len(), 4);
    while asked.len() < 10 {
        for id in asked.clone() {
            plan.note(&id, true);
            plan.end(&id, now);
        }
        let next = begun(&mut plan, now);
        assert!(!next.is_empty() && next.iter().all(|id| is_new(&id)), "those that hang still do");
        asked.extend(next);
    }
}

fn is_new(id: &&ServiceId) -> bool {
    (10..20).any(|n| **id == self::id(n))
}

#[test]
fn who_failed_once_is_of_the_other_sort_until_it_answers() {
    let (mut plan, now) = (plan(1), Instant::now());
    plan.follow(&probed(1, "http://a"), now);
    plan.follow(&probed(2, "http://a"), now);
    assert_eq!(begun(&mut plan, now), [id(1)]);
    plan.note(&id(1), false);
    plan.end(&id(1), now);
    let later = now + INTERVAL * 2;
    assert_eq!(begun(&mut plan, later), [id(2), id(1)]);
}

#[test]
fn who_is_gone_or_judged_by_somebody_else_is_not_asked() {
    let (mut plan, now) = (plan(64), Instant::now());
    plan.follow(&probed(1, "http://a"), now);
    plan.follow(&probed(2, "http://a"), now);
    plan.follow(&of_check(1, "http://a", Check::Heartbeat), now);
    plan.begin_anew();
    plan.follow(&probed(3, "http://a"), now);
    plan.end_anew();
    assert_eq!(begun(&mut plan, now), [id(3)]);
    plan.forget(&id(3));
    assert_eq!(plan.len(), 1, "until its check is over");
    assert!(!plan.is_wanted(&id(3), now));
    plan.end(&id(3), now);
    assert_eq!(plan.len(), 0);
    assert_eq!((plan.answering.len(), plan.doubtful.len()), (0, 0));
    assert_eq!((plan.n_answering, plan.n_doubtful), (0, 0));
}

#[test]
fn a_check_that_was_slept_through_is_made_once_more() {
    let (mut plan, now) = (plan(64), Instant::now());
    plan.follow(&probed(1, "http://a"), now);
    begun(&mut plan, now);
    plan.retry(&id(1), now);
    plan.end(&id(1), now);
    assert_eq!(begun(&mut plan, now), [id(1)]);
}
