//! Which alerts are open, which conditions are on their way to one, and when: pure, over values
//! that come in. One condition has one open alert at most, and raises at most one a minute however
//! often it comes and goes.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Alerts;
use crate::registry::alert::SubjectKind;

use super::Rule;
use super::told::{Level, Told, Words};

/// The same condition raises at most one alert in this time.
pub(super) const RAISE_EVERY: Duration = Duration::from_secs(60);

/// What an alert is about: there is one open at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) kind: SubjectKind,
    pub(super) id: Arc<str>,
    pub(super) rule: Rule,
    pub(super) part: Option<Arc<str>>,
}

/// An alert is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) since: Instant,
    pub(super) key: Key,
    pub(super) name: Arc<str>,
    pub(super) words: Words,
}

/// An alert is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) rule: Rule,
    /// Its id.
    pub(super) alert: Arc<str>,
    pub(super) cause: String,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Book {
    settings: Arc<Alerts>,
    subjects: [HashMap<Arc<str>, Parts>; 4],
    /// No alert is due before this; `None`: none is on its way.
    next_due: Option<Instant>,
    /// What was due when it was last looked for, and since when, those that began first first.
    /// Which of them still is shows once it is its turn.
    queue: VecDeque<(Instant, Key)>,
}

type Parts = BTreeMap<(Rule, Option<Arc<str>>), Condition>;

/// One condition. Where it neither waits nor is open, it is remembered until it may raise again.
#[derive(Debug, Default)]
struct Condition {
    waiting: Option<Waiting>,
    open: Option<Arc<str>>,
    raised: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    name: Arc<str>,
    words: Words,
}

impl Book {
    pub(super) fn new(settings: Arc<Alerts>) -> Self {
        Self { settings, subjects: Default::default(), next_due: None, queue: VecDeque::new() }
    }

    /// Whether anything is known of this subject, open or on its way.
    pub(super) fn knows(&self, kind: SubjectKind, id: &str) -> bool {
        self.subjects[kind as usize].contains_key(id)
    }

    /// An alert is open since an earlier run.
    pub(super) fn restore(&mut self, key: Key, alert: Arc<str>) {
        let parts = self.subjects[key.kind as usize].entry(key.id).or_default();
        parts.entry((key.rule, key.part)).or_default().open = Some(alert);
    }

    /// Takes in what is told of a subject by one rule. Returns which alerts are over.
    pub(super) fn see(
        &mut self,
        subject: (SubjectKind, &str, &str),
        rule: Rule,
        told: Told,
        now: Instant,
    ) -> Vec<Over> {
        let (kind, id, name) = subject;
        let settings = self.settings.of(rule);
        let (held, cause) = match told {
            _ if !settings.enabled => return Vec::new(),
            Told::Nothing => {
                self.each_of(kind, id, rule, |_, condition| condition.waiting = None);
                return Vec::new();
            }
            Told::All(held, cause) => (held, cause),
        };
        let mut over = Vec::new();
        self.each_of(kind, id, rule, |part, condition| {
            let level = held.iter().find(|held| held.part == *part).map(|held| &held.level);
            if !matches!(level, Some(Level::Holds(_))) {
                condition.waiting = None;
            }
            if level.is_none()
                && let Some(alert) = condition.open.take()
            {
                over.push(Over { rule, alert, cause: cause.clone() });
            }
        });
        for held in held {
            let Level::Holds(words) = held.level else { continue };
            let subjects = &mut self.subjects[kind as usize];
            let parts = subjects.entry(id.into()).or_default();
            let condition = parts.entry((rule, held.part)).or_default();
            if condition.open.is_none() && condition.waiting.is_none() {
                let waiting = Waiting { since: now, name: name.into(), words };
                let due = condition.due(&waiting, settings.holds_for);
                self.next_due = earlier(self.next_due, due);
                condition.waiting = Some(waiting);
            }
        }
        self.tidy(kind, id, now);
        over
    }

    /// A subject is gone. Returns which alerts are over: all but those of `kept`.
    pub(super) fn forget(
        &mut self,
        kind: SubjectKind,
        id: &str,
        kept: Option<Rule>,
        cause: &str,
    ) -> Vec<Over> {
        let subjects = &mut self.subjects[kind as usize];
        let Some(parts) = subjects.get_mut(id) else { return Vec::new() };
        let mut over = Vec::new();
        parts.retain(|(rule, _), condition| {
            if kept == Some(*rule) {
                return true;
            }
            let alert = condition.open.take();
            over.extend(alert.map(|alert| Over { rule: *rule, alert, cause: cause.to_owned() }));
            false
        });
        if parts.is_empty() {
            subjects.remove(id);
        }
        over
    }

    /// Up to `max` alerts that are due, those whose condition began first first. Each is to be
    /// answered with [`Book::opened`] or [`Book::put_off`].
    pub(super) fn due(&mut self, max: usize, now: Instant) -> Vec<Due> {
        if self.queue.is_empty() && self.next_due.is_some_and(|next| next <= now) {
            self.look_for_due(now);
        }
        let mut due = Vec::new();
        while due.len() < max
            && let Some((since, key)) = self.queue.pop_front()
        {
            due.extend(self.still_due(since, key, now));
        }
        due
    }

    /// Looks at all conditions, once for however many turns it takes to raise what is due.
    fn look_for_due(&mut self, now: Instant) {
        let (mut due, mut next_due) = (Vec::new(), None::<Instant>);
        for (kind, subjects) in KINDS.into_iter().zip(&self.subjects) {
            for (id, parts) in subjects {
                for ((rule, part), condition) in parts {
                    let Some(waiting) = &condition.waiting else { continue };
                    let at = condition.due(waiting, self.settings.of(*rule).holds_for);
                    if at > now {
                        next_due = earlier(next_due, at);
                        continue;
                    }
                    let (id, rule, part) = (Arc::clone(id), *rule, part.clone());
                    due.push((waiting.since, Key { kind, id, rule, part }));
                }
            }
        }
        due.sort_unstable();
        self.next_due = next_due;
        self.queue = due.into();
    }

    fn still_due(&mut self, since: Instant, key: Key, now: Instant) -> Option<Due> {
        let holds_for = self.settings.of(key.rule).holds_for;
        let condition = self.condition(&key)?;
        let waiting = condition.waiting.as_ref()?;
        let at = condition.due(waiting, holds_for);
        if waiting.since == since && at <= now {
            let (name, words) = (Arc::clone(&waiting.name), waiting.words.clone());
            return Some(Due { since, key, name, words });
        }
        // It began anew meanwhile.
        self.next_due = earlier(self.next_due, at);
        None
    }

    /// An alert that was due is raised.
    pub(super) fn opened(&mut self, key: &Key, alert: Arc<str>, now: Instant) {
        if let Some(condition) = self.condition(key) {
            *condition = Condition { waiting: None, open: Some(alert), raised: Some(now) };
        }
    }

    /// An alert that was due cannot be raised: its condition waits anew.
    pub(super) fn put_off(&mut self, key: &Key, now: Instant) {
        let Some(condition) = self.condition(key) else { return };
        condition.raised = Some(now);
        self.next_due = Some(now);
    }

    /// Notes that an alert was raised which was over at once; `false` where one was of late.
    pub(super) fn flash(&mut self, key: Key, now: Instant) -> bool {
        let parts = self.subjects[key.kind as usize].entry(key.id).or_default();
        let condition = parts.entry((key.rule, key.part)).or_default();
        let is_late = condition.raised.is_none_or(|raised| now >= raised + RAISE_EVERY);
        if is_late {
            condition.raised = Some(now);
        }
        is_late
    }

    /// Whatever waits begins anew: the collector was away.
    pub(super) fn start_anew(&mut self, now: Instant) {
        let conditions = self.subjects.iter_mut().flat_map(HashMap::values_mut);
        for condition in conditions.flat_map(BTreeMap::values_mut) {
            if let Some(waiting) = &mut condition.waiting {
                waiting.since = now;
            }
        }
    }

    /// Whatever of this subject and rule waits no longer does.
    pub(super) fn wait_no_longer(&mut self, kind: SubjectKind, id: &str, rule: Rule) {
        self.each_of(kind, id, rule, |_, condition| condition.waiting = None);
    }

    /// The subjects of which an alert is open.
    pub(super) fn open(&self, kind: SubjectKind) -> impl Iterator<Item = &Arc<str>> {
        let is_open = |parts: &Parts| parts.values().any(|condition| condition.open.is_some());
        self.subjects[kind as usize]
            .iter()
            .filter(move |(_, parts)| is_open(parts))
            .map(|(id, _)| id)
    }

    /// Forgets conditions of which nothing is to be remembered any more.
    pub(super) fn tidy_all(&mut self, now: Instant) {
        for subjects in &mut self.subjects {
            subjects.retain(|_, parts| {
                parts.retain(|_, condition| condition.matters(now));
                !parts.is_empty()
            });
        }
    }

    fn tidy(&mut self, kind: SubjectKind, id: &str, now: Instant) {
        let subjects = &mut self.subjects[kind as usize];
        let Some(parts) = subjects.get_mut(id) else { return };
        parts.retain(|_, condition| condition.matters(now));
        if parts.is_empty() {
            subjects.remove(id);
        }
    }

    fn each_of(
        &mut self,
        kind: SubjectKind,
        id: &str,
        rule: Rule,
        mut change: impl FnMut(&Option<Arc<str>>, &mut Condition),
    ) {
        let Some(parts) = self.subjects[kind as usize].get_mut(id) else { return };
        // The subject as a whole sorts before its parts.
        let of_rule = parts.range_mut((rule, None)..).take_while(|((other, _), _)| *other == rule);
        of_rule.for_each(|((_, part), condition)| change(part, condition));
    }

    fn condition(&mut self, key: &Key) -> Option<&mut Condition> {
        let parts = self.subjects[key.kind as usize].get_mut(&key.id)?;
        parts.get_mut(&(key.rule, key.part.clone()))
    }
}

fn earlier(next: Option<Instant>, at: Instant) -> Option<Instant> {
    Some(next.map_or(at, |next| next.min(at)))
}

/// In the order of their discriminants.
const KINDS: [SubjectKind; 4] =
    [SubjectKind::Host, SubjectKind::Service, SubjectKind::Fleet, SubjectKind::Collector];

impl Condition {
    fn due(&self, waiting: &Waiting, holds_for: Duration) -> Instant {
        let due = waiting.since + holds_for;
        self.raised.map_or(due, |raised| due.max(raised + RAISE_EVERY))
    }

    fn matters(&self, now: Instant) -> bool {
        let is_recent = self.raised.is_some_and(|raised| now < raised + RAISE_EVERY);
        self.waiting.is_some() || self.open.is_some() || is_recent
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
