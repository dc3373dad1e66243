//! What a target is told, and when, with the clock pushed on by hand.

use std::time::Duration;

use herdbook_shared::time::Timestamp;

use super::*;
use crate::notify::testing::{alert, target};
use crate::registry::finding::Severity;

struct World {
    desk: Desk,
    now: Instant,
}

impl World {
    fn new(target: Target) -> Self {
        Self { desk: Desk::new(Arc::new(target), [], at_ms(0)), now: Instant::now() }
    }

    fn webhook() -> Self {
        Self::new(target("hook", "webhook"))
    }

    fn alertmanager() -> Self {
        Self::new(target("am", "alertmanager"))
    }

    fn raise(&mut self, id: &str, rule: &str) -> &mut Self {
        self.take(What::Raised, &alert(id, rule), Hush::Heard)
    }

    fn resolve(&mut self, id: &str, rule: &str) -> &mut Self {
        self.take(What::Resolved, &resolved(id, rule), Hush::Heard)
    }

    fn take(&mut self, what: What, alert: &Arc<Alert>, hush: Hush) -> &mut Self {
        let notice = Notice { what, at: alert.raised_at, alert: Arc::clone(alert) };
        self.desk.take(&notice, hush, self.now);
        self
    }

    /// What is told after so many seconds: what happened, to how many, who is named.
    fn after(&mut self, seconds: u64) -> Vec<String> {
        self.now += Duration::from_secs(seconds);
        self.desk.collect(self.now).iter().map(told).collect()
    }

    fn look_again(&mut self, hush: Hush) -> Vec<String> {
        let open = self.desk.open().into_iter().map(|alert| (alert, hush)).collect::<Vec<_>>();
        self.desk.look_again(&open, self.now);
        self.after(0)
    }
}

/// So long after the alerts of tests are raised.
fn at_ms(later: i64) -> Timestamp {
    Timestamp::from_unix_ms(alert("a", "x").raised_at.unix_ms() + later)
}

fn resolved(id: &str, rule: &str) -> Arc<Alert> {
    let known = alert(id, rule);
    let at = Timestamp::from_unix_ms(known.raised_at.unix_ms() + 60_000);
    Arc::new(Alert { resolved_at: Some(at), ..(*known).clone() })
}

fn told(message: &Message) -> String {
    let ids: Vec<&str> = message.alerts.iter().map(|alert| &*alert.id).collect();
    format!("{} {} {}: {}", message.state(), message.rule, message.n, ids.join(","))
}

const NOTHING: [String; 0] = [];

#[test]
fn alerts_of_one_rule_within_the_wait_are_one_message() {
    let mut world = World::webhook();
    world.raise("a", "gpu_lost");
    assert_eq!(world.after(9), NOTHING);
    world.raise("b", "gpu_lost").raise("c", "gpu_hot");
    assert_eq!(world.after(1), ["raised gpu_lost 2: a,b"]);
    assert_eq!(world.desk.due(), Some(world.now + Duration::from_secs(9)));
    assert_eq!(world.after(9), ["raised gpu_hot 1: c"]);
    assert_eq!(world.desk.due(), None);
    world.resolve("a", "gpu_lost").resolve("b", "gpu_lost");
    assert_eq!(world.after(10), ["resolved gpu_lost 2: a,b"]);
}

#[test]
fn a_mass_of_alerts_is_one_message_that_counts() {
    let mut world = World::webhook();
    for n in 0..500 {
        world.raise(&n.to_string(), "host_offline");
    }
    assert_eq!(world.after(10), ["raised host_offline 500: 0,1,2,3,4,5,6,7,8,9"]);
}

#[test]
fn the_same_alert_is_told_once() {
    let mut world = World::webhook();
    world.raise("a", "gpu_lost").raise("a", "gpu_lost");
    assert_eq!(world.after(10), ["raised gpu_lost 1: a"]);
    world.raise("a", "gpu_lost").resolve("a", "gpu_lost").resolve("a", "gpu_lost");
    assert_eq!(world.after(10), ["resolved gpu_lost 1: a"]);
    world.resolve("nobody", "gpu_lost");
    assert_eq!(world.after(10), NOTHING);
}

#[test]
fn what_is_over_before_it_is_told_is_one_message() {
    let mut world = World::webhook();
    world.raise("a", "service_recovered").resolve("a", "service_recovered");
    world.now += Duration::from_secs(10);
    let messages = world.desk.collect(world.now);
    assert_eq!(messages.iter().map(told).collect::<Vec<_>>(), ["raised service_recovered 1: a"]);
    assert!(messages[0].alerts[0].resolved_at.is_some());
    assert_eq!(world.after(100), NOTHING);
}

#[test]
fn a_target_hears_of_what_it_wants_alone() {
    let only = Some(["gpu_lost".to_owned()].into());
    let target = Target { min_severity: Severity::Warning, rules: only, ..target("a", "webhook") };
    let mut world = World::new(target);
    let info = Alert { severity: Severity::Info, ..(*alert("i", "gpu_lost")).clone() };
    world.take(What::Raised, &Arc::new(info), Hush::Heard).raise("b", "gpu_hot");
    assert_eq!(world.after(10), NOTHING);
    world.raise("c", "gpu_lost");
    assert_eq!(world.after(10), ["raised gpu_lost 1: c"]);
}

#[test]
fn ends_are_left_out_where_nobody_wants_them() {
    let mut world = World::new(Target { send_resolved: false, ..target("a", "webhook") });
    world.raise("a", "gpu_lost").after(10);
    world.resolve("a", "gpu_lost");
    assert_eq!(world.after(10), NOTHING);
}

#[test]
fn a_silenced_alert_is_not_told_until_the_silence_is_over() {
    let mut world = World::webhook();
    world.take(What::Raised, &alert("a", "gpu_lost"), Hush::Silenced);
    world.take(What::Raised, &alert("b", "gpu_lost"), Hush::Silenced);
    world.resolve("b", "gpu_lost");
    assert_eq!(world.after(10), NOTHING);
    assert_eq!(world.look_again(Hush::Silenced), NOTHING);
    world.look_again(Hush::Heard);
    assert_eq!(world.after(10), ["raised gpu_lost 1: a"]);
    assert_eq!(world.look_again(Hush::Heard), NOTHING);
}

#[test]
fn what_was_told_has_an_end_though_it_is_silenced_then() {
    let mut world = World::webhook();
    world.raise("a", "gpu_lost").after(10);
    assert_eq!(world.look_again(Hush::Silenced), NOTHING);
    world.take(What::Resolved, &resolved("a", "gpu_lost"), Hush::Silenced);
    assert_eq!(world.after(10), ["resolved gpu_lost 1: a"]);
}

#[test]
fn what_was_open_at_the_start_was_told_then() {
    let before = [(alert("a", "gpu_lost"), Hush::Heard)];
    let mut world = World::webhook();
    world.desk = Desk::new(Arc::clone(&world.desk.target), before, at_ms(10 * 60_000));
    world.look_again(Hush::Heard);
    assert_eq!(world.after(10), NOTHING);
    world.resolve("a", "gpu_lost");
    assert_eq!(world.after(10), ["resolved gpu_lost 1: a"]);
}

#[test]
fn what_was_raised_shortly_before_the_start_is_told_once_more() {
    let mut world = World::webhook();
    let before = [(alert("a", "gpu_lost"), Hush::Heard)];
    world.desk = Desk::new(Arc::clone(&world.desk.target), before, at_ms(10 * 60_000 - 1));
    world.look_again(Hush::Heard);
    assert_eq!(world.after(10), ["raised gpu_lost 1: a"]);
    assert_eq!(world.look_again(Hush::Heard), NOTHING);
}

#[test]
fn what_was_silenced_at_the_start_is_told_when_the_silence_is_over() {
    let mut world = World::webhook();
    let before = [(alert("a", "gpu_lost"), Hush::Silenced)];
    world.desk = Desk::new(Arc::clone(&world.desk.target), before, at_ms(86_400_000));
    world.look_again(Hush::Silenced);
    assert_eq!(world.after(10), NOTHING);
    world.look_again(Hush::Heard);
    assert_eq!(world.after(10), ["raised gpu_lost 1: a"]);
}

#[test]
fn an_alertmanager_is_told_each_alert_and_all_of_them_again() {
    let mut world = World::alertmanager();
    world.raise("a", "gpu_lost").raise("b", "gpu_hot");
    assert_eq!(world.after(1), ["raised gpu_lost 2: a,b"]);
    assert_eq!(world.look_again(Hush::Heard), ["raised gpu_lost 2: a,b"]);
    // What is silenced is told no more, and Alertmanager takes it for over.
    assert_eq!(world.look_again(Hush::Silenced), NOTHING);
    world.resolve("a", "gpu_lost");
    assert_eq!(world.after(1), ["resolved gpu_lost 1: a"]);
    assert_eq!(world.look_again(Hush::Heard), ["raised gpu_hot 1: b"]);
}

#[test]
fn many_alerts_go_to_an_alertmanager_in_parts() {
    let mut world = World::alertmanager();
    for n in 0..250 {
        world.raise(&format!("{n:03}"), "host_offline");
    }
    let parts = world.desk.collect(world.now + Duration::from_secs(1));
    let named: Vec<usize> = parts.iter().map(|part| part.alerts.len()).collect();
    assert_eq!(named, [100, 100, 50]);
}

#[test]
fn at_the_end_nothing_is_held_back() {
    let mut world = World::webhook();
    world.raise("a", "gpu_lost").raise("b", "gpu_hot");
    let all: Vec<String> = world.desk.collect_all().iter().map(told).collect();
    assert_eq!(all, ["raised gpu_hot 1: b", "raised gpu_lost 1: a"]);
}
