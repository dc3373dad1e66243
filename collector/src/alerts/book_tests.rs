//! The book against a reference that remembers everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::config::RuleSettings;

use super::super::told::Held;
use super::*;

const HOST: (SubjectKind, &str, &str) = (SubjectKind::Host, "h", "gpu-1");

/// A book in which a rule must hold for 10 s.
fn book(rule: Rule) -> Book {
    let settings = Alerts::default();
    let holds_for = Duration::from_secs(10);
    let set = RuleSettings { enabled: true, holds_for, ..settings.of(rule) };
    Book::new(Arc::new(settings.with(rule, set)))
}

fn holds() -> Told {
    Told::holds("it is so".to_owned(), None)
}

fn raise(book: &mut Book, now: Instant) -> Vec<Key> {
    let due = book.due(usize::MAX, now);
    due.iter().for_each(|due| book.opened(&due.key, "alert".into(), now));
    due.into_iter().map(|due| due.key).collect()
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_condition_raises_once_it_held_long_enough_and_not_again() {
    let (mut book, now) = (book(Rule::HostOffline), Instant::now());
    assert!(book.see(HOST, Rule::HostOffline, holds(), now).is_empty());
    assert!(raise(&mut book, now + s(9)).is_empty());
    assert!(book.see(HOST, Rule::HostOffline, holds(), now + s(9)).is_empty());
    assert_eq!(raise(&mut book, now + s(10)).len(), 1);
    book.see(HOST, Rule::HostOffline, holds(), now + s(11));
    assert!(raise(&mut book, now + s(100)).is_empty(), "it is open");
    let over = book.see(HOST, Rule::HostOffline, Told::over("back"), now + s(101));
    assert_eq!((over.len(), &*over[0].cause, &*over[0].alert), (1, "back", "alert"));
    assert!(book.see(HOST, Rule::HostOffline, Told::over("back"), now + s(102)).is_empty());
    assert!(!book.knows(SubjectKind::Host, "h"), "nothing is left to remember");
}

#[test]
fn a_condition_that_was_over_meanwhile_waits_anew() {
    let (mut book, now) = (book(Rule::HostOffline), Instant::now());
    for (at, told) in [(0, holds()), (9, Told::over("back")), (9, holds()), (18, holds())] {
        book.see(HOST, Rule::HostOffline, told, now + s(at));
    }
    assert!(raise(&mut book, now + s(18)).is_empty());
    assert_eq!(raise(&mut book, now + s(19)).len(), 1);
}

#[test]
fn what_is_not_known_neither_raises_nor_resolves() {
    let (mut book, now) = (book(Rule::HostOffline), Instant::now());
    book.see(HOST, Rule::HostOffline, holds(), now);
    book.see(HOST, Rule::HostOffline, Told::Nothing, now + s(5));
    assert!(raise(&mut book, now + s(50)).is_empty());
    book.see(HOST, Rule::HostOffline, holds(), now + s(50));
    assert_eq!(raise(&mut book, now + s(60)).len(), 1);
    assert!(book.see(HOST, Rule::HostOffline, Told::Nothing, now + s(61)).is_empty());
    assert_eq!(book.see(HOST, Rule::HostOffline, Told::over("back"), now + s(62)).len(), 1);
}

#[test]
fn parts_have_alerts_of_their_own_and_values_between_keep_them() {
    let (mut book, now) = (book(Rule::GpuHot), Instant::now());
    let level = |part: &str, level| Held { part: Some(part.into()), level };
    let hot = || Level::Holds(Words::default());
    let both = Told::All(vec![level("a", hot()), level("b", hot())], String::new());
    book.see(HOST, Rule::GpuHot, both, now);
    assert_eq!(raise(&mut book, now + s(10)).len(), 2);
    let told = Told::All(vec![level("a", Level::Between)], "cooler".to_owned());
    let over = book.see(HOST, Rule::GpuHot, told, now + s(11));
    assert_eq!(over.len(), 1, "only b is over");
    let told = Told::All(vec![level("b", Level::Between)], "cooler".to_owned());
    assert_eq!(book.see(HOST, Rule::GpuHot, told, now + s(12)).len(), 1, "a is over");
    book.see(HOST, Rule::GpuHot, Told::All(vec![level("b", hot())], String::new()), now + s(80));
    book.see(
        HOST,
        Rule::GpuHot,
        Told::All(vec![level("b", Level::Between)], String::new()),
        now + s(85),
    );
    assert!(raise(&mut book, now + s(200)).is_empty(), "it did not hold all the while");
}

#[test]
fn one_that_comes_and_goes_raises_once_a_minute() {
    let (mut book, now) = (book(Rule::HostOffline), Instant::now());
    let settings = Arc::new(Alerts::default());
    book.settings = settings;
    let rule = Rule::GpuLost;
    let mut n_raised = 0;
    for second in 0..600 {
        let told = if second % 2 == 0 { holds() } else { Told::over("back") };
        book.see(HOST, rule, told, now + s(second));
        n_raised += raise(&mut book, now + s(second)).len();
    }
    assert_eq!(n_raised, 10);
}

#[test]
fn an_absence_of_the_collector_counts_for_nobody() {
    let (mut book, now) = (book(Rule::HostOffline), Instant::now());
    book.see(HOST, Rule::HostOffline, holds(), now);
    book.start_anew(now + s(100));
    assert!(raise(&mut book, now + s(100)).is_empty());
    assert!(raise(&mut book, now + s(109)).is_empty());
    assert_eq!(raise(&mut book, now + s(110)).len(), 1);
}

#[test]
fn only_some_are_raised_in_one_turn_those_that_began_first_first() {
    let (mut book, now) = (book(Rule::GpuLost), Instant::now());
    for n in 0..5_u64 {
        let id = n.to_string();
        book.see((SubjectKind::Host, &id, "x"), Rule::GpuLost, holds(), now + s(5 - n));
    }
    let later = now + s(60);
    let due = book.due(2, later);
    assert_eq!(due.iter().map(|due| &*due.key.id).collect::<Vec<_>>(), ["4", "3"]);
    due.iter().for_each(|due| book.opened(&due.key, "a".into(), later));
    assert_eq!(raise(&mut book, later).len(), 3);
    assert!(raise(&mut book, later).is_empty());
}

#[test]
fn all_are_looked_at_once_however_many_turns_it_takes_and_what_changes_meanwhile_counts() {
    let (mut book, now) = (book(Rule::GpuLost), Instant::now());
    let ids: Vec<String> = (0..1000).map(|n| format!("{n:03}")).collect();
    let see = |book: &mut Book, id: &str, told, at| {
        book.see((SubjectKind::Host, id, "x"), Rule::GpuLost, told, at);
    };
    ids.iter().for_each(|id| see(&mut book, id, holds(), now));
    let later = now + s(60);
    let first = book.due(100, later);
    first.iter().for_each(|due| book.opened(&due.key, "a".into(), later));
    assert_eq!(book.queue.len(), 900);
    see(&mut book, "100", Told::over("back"), later);
    see(&mut book, "101", Told::over("back"), later);
    see(&mut book, "101", holds(), later);
    let rest = raise(&mut book, later);
    let expected: Vec<&str> = ids[102..].iter().map(|id| &**id).collect();
    assert_eq!(rest.iter().map(|key| &*key.id).collect::<Vec<_>>(), expected);
    assert!(raise(&mut book, later + s(9)).is_empty());
    let last = raise(&mut book, later + s(10));
    assert_eq!(last.iter().map(|key| &*key.id).collect::<Vec<_>>(), ["101"]);
}

#[test]
fn one_that_finds_no_room_is_tried_again_after_a_minute() {
    let (mut book, now) = (book(Rule::HostOffline), Instant::now());
    book.see(HOST, Rule::HostOffline, holds(), now);
    for due in book.due(9, now + s(10)) {
        book.put_off(&due.key, now + s(10));
    }
    assert!(raise(&mut book, now + s(69)).is_empty());
    assert_eq!(raise(&mut book, now + s(70)).len(), 1);
}

#[test]
fn a_restored_alert_is_open_and_a_subject_that_goes_ends_all_but_one() {
    let (mut book, now) = (book(Rule::HostOffline), Instant::now());
    let key = |rule| Key { kind: SubjectKind::Host, id: "h".into(), rule, part: None };
    book.restore(key(Rule::HostOffline), "old".into());
    book.restore(key(Rule::ServiceDeregistered), "kept".into());
    book.see(HOST, Rule::HostOffline, holds(), now);
    assert!(raise(&mut book, now + s(100)).is_empty());
    let kept = Some(Rule::ServiceDeregistered);
    let over = book.forget(SubjectKind::Host, "h", kept, "removed");
    assert_eq!(over.iter().map(|over| &*over.alert).collect::<Vec<_>>(), ["old"]);
    assert_eq!(book.open(SubjectKind::Host).count(), 1);
    assert_eq!(book.forget(SubjectKind::Host, "h", None, "removed").len(), 1);
    assert_eq!(book.open(SubjectKind::Host).count(), 0);
}

/// What is told of one of three subjects, each second.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Holds,
    Over,
    Nothing,
}

/// One subject, by a reference that looks at its whole past each time.
#[derive(Default)]
struct Reference {
    past: Vec<Seen>,
    raised: Vec<usize>,
    is_open: bool,
}

impl Reference {
    /// Whether an alert is raised (`Some(true)`) or over (`Some(false)`) this second.
    fn see(&mut self, seen: Seen, holds_for: usize) -> Option<bool> {
        self.past.push(seen);
        let now = self.past.len() - 1;
        let held = self.past.iter().rev().take_while(|seen| matches!(seen, Seen::Holds)).count();
        let is_late = self.raised.last().is_none_or(|raised| now - raised >= 60);
        match seen {
            Seen::Over if self.is_open => {
                self.is_open = false;
                Some(false)
            }
            Seen::Holds if !self.is_open && held > holds_for && is_late => {
                self.is_open = true;
                self.raised.push(now);
                Some(true)
            }
            _ => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn raises_and_resolves_as_one_that_remembers_everything(
        story in prop::collection::vec(
            (0..3_usize, prop_oneof![
                4 => Just(Seen::Holds), 2 => Just(Seen::Over), 1 => Just(Seen::Nothing)
            ], 1..40_usize),
            1..60,
        ),
    ) {
        let (mut book, start) = (book(Rule::HostOffline), Instant::now());
        let ids = ["a", "b", "c"];
        let mut now: [Seen; 3] = [Seen::Over; 3];
        let mut references: BTreeMap<&str, Reference> = BTreeMap::new();
        let mut second = 0;
        for (who, seen, seconds) in story {
            now[who] = seen;
            for _ in 0..seconds {
                let at = start + s(second);
                second += 1;
                let mut expected = Vec::new();
                for (id, seen) in ids.into_iter().zip(now) {
                    let told = match seen {
                        Seen::Holds => holds(),
                        Seen::Over => Told::over("over"),
                        Seen::Nothing => Told::Nothing,
                    };
                    let over = book.see((SubjectKind::Host, id, "x"), Rule::HostOffline, told, at);
                    let wanted = references.entry(id).or_default().see(seen, 10);
                    prop_assert_eq!(over.len(), usize::from(wanted == Some(false)), "{}", id);
                    expected.extend((wanted == Some(true)).then_some(id));
                }
                let mut raised = raise(&mut book, at);
                raised.sort_unstable();
                let raised: Vec<&str> = raised.iter().map(|key| &*key.id).collect();
                prop_assert_eq!(raised, expected, "at {}", second);
            }
            book.tidy_all(start + s(second));
        }
    }
}
