//! What is told at one time: some alerts of one rule that began, or that are over. In words, they
//! fit every receiver: bounded, and in one line each.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::notices::What;
use crate::registry::alert::{Alert, SubjectKind};
use crate::registry::finding::Severity;

/// Most alerts of a message that are named.
pub(super) const NAMED_MAX: usize = 10;
/// Longest title, characters.
const TITLE_CHARS: usize = 200;
/// Longest line, characters.
const LINE_CHARS: usize = 250;

/// See the module's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) what: What,
    /// The rule of all of them; of an Alertmanager's, that of the first.
    pub(super) rule: Arc<str>,
    /// That of the worst of them.
    pub(super) severity: Severity,
    /// How many there are.
    pub(super) n: usize,
    /// Those that are named.
    pub(super) alerts: Vec<Arc<Alert>>,
    /// Nothing of it is new: it is told so that it is still believed.
    pub(super) is_again: bool,
}

impl Message {
    /// About one alert.
    pub(super) fn of(what: What, alert: &Arc<Alert>) -> Self {
        let (rule, severity) = (Arc::clone(&alert.rule), alert.severity);
        Self { what, rule, severity, n: 1, alerts: vec![Arc::clone(alert)], is_again: false }
    }

    /// Takes one more in.
    pub(super) fn add(&mut self, alert: &Arc<Alert>, named_max: usize) {
        self.n += 1;
        self.severity = self.severity.max(alert.severity);
        if self.alerts.len() < named_max {
            self.alerts.push(Arc::clone(alert));
        }
    }

    pub(super) fn state(&self) -> &'static str {
        match self.what {
            What::Raised => "raised",
            What::Resolved => "resolved",
        }
    }

    /// All of it in one line.
    pub(super) fn title(&self) -> String {
        let state = match self.what {
            What::Raised => severity_word(self.severity),
            What::Resolved => "resolved",
        };
        let title = match (&self.alerts[..], self.n) {
            ([alert], 1) => format!("[{state}] {}", named(alert)),
            _ => format!("[{state}] {}: {} alerts", self.rule, self.n),
        };
        line(&title, TITLE_CHARS)
    }

    /// A line for each alert that is named.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for alert in &self.alerts {
            let cause = alert.cause.as_deref().map(|cause| format!(" ({cause})"));
            let over = match (self.what, alert.resolved_at) {
                (What::Raised, Some(_)) if !is_moment(alert) => ", over by now",
                _ => "",
            };
            let told = format!("{}{}{over}", named(alert), cause.unwrap_or_default());
            let _ = writeln!(text, "{}", line(&told, LINE_CHARS));
        }
        match self.n.saturating_sub(self.alerts.len()) {
            0 => drop(text.pop()),
            n_more => drop(write!(text, "and {n_more} more")),
        }
        text
    }
}

/// What happened, with the name of its subject before it unless it is in there.
fn named(alert: &Alert) -> Cow<'_, str> {
    let (name, message) = (&*alert.subject.name, alert.message.as_str());
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_whole = |(at, _): (usize, &str)| {
        let (before, after) = (message.get(..at), message.get(at + name.len()..));
        !before.is_some_and(|before| before.ends_with(is_of_name))
            && !after.is_some_and(|after| after.starts_with(is_of_name))
    };
    if !name.is_empty() && message.match_indices(name).any(is_whole) {
        Cow::Borrowed(message)
    } else {
        Cow::Owned(format!("{name}: {message}"))
    }
}

/// Whether it is something that happened, and nothing that lasts.
pub(super) fn is_moment(alert: &Alert) -> bool {
    alert.resolved_at.is_some_and(|at| at.ms_since(alert.raised_at) < 1000)
}

pub(super) fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

pub(super) fn kind_word(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Host => "host",
        SubjectKind::Service => "service",
        SubjectKind::Fleet => "fleet",
        SubjectKind::Collector => "collector",
    }
}

/// A text as one line of bounded length, without what turns the order of letters.
pub(super) fn line(text: &str, max: usize) -> String {
    let is_end = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let turns = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = text.chars().filter(|c| !turns(c)).map(|c| if is_end(c) { ' ' } else { c });
    let mut line: String = plain.clone().take(max).collect();
    if plain.count() > max {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::alert;

    #[test]
    fn one_alert_is_told_as_what_it_is() {
        let mut alert = (*alert("a", "gpu_lost")).clone();
        alert.cause = Some("it fell off the bus".to_owned());
        let message = Message::of(What::Raised, &Arc::new(alert));
        assert_eq!(message.title(), "[critical] gpu-1: GPU 3 is lost");
        assert_eq!(message.text(), "gpu-1: GPU 3 is lost (it fell off the bus)");
        let over = Message { what: What::Resolved, ..message };
        assert_eq!(over.title(), "[resolved] gpu-1: GPU 3 is lost");
    }

    #[test]
    fn a_name_stands_once() {
        let told = |name: &str, message: &str| {
            let mut alert = (*alert("a", "gpu_lost")).clone();
            alert.subject.name = name.into();
            alert.message = message.to_owned();
            let message = Message::of(What::Raised, &Arc::new(alert));
            assert_eq!(message.title(), format!("[critical] {}", message.text()));
            message.text()
        };
        assert_eq!(told("gpu-1", "gpu-1: GPU 0 is lost"), "gpu-1: GPU 0 is lost");
        assert_eq!(told("gpu-1", "host gpu-1 is offline"), "host gpu-1 is offline");
        assert_eq!(told("gpu-1", "gpu-12 and x-gpu-1 went"), "gpu-1: gpu-12 and x-gpu-1 went");
        assert_eq!(told("fleet", "many hosts went at once"), "fleet: many hosts went at once");
        assert_eq!(told("é", "é: ß"), "é: ß");
    }

    #[test]
    fn many_are_counted_and_ten_are_named() {
        let mut message = Message::of(What::Raised, &alert("0", "host_offline"));
        for n in 1..500 {
            message.add(&alert(&n.to_string(), "host_offline"), NAMED_MAX);
        }
        assert_eq!(message.title(), "[critical] host_offline: 500 alerts");
        let text = message.text();
        assert_eq!(text.lines().count(), NAMED_MAX + 1);
        assert!(text.ends_with("\nand 490 more"), "{text}");
    }

    #[test]
    fn what_is_over_before_it_is_told_says_so() {
        let (mut over, mut moment) = ((*alert("a", "x")).clone(), (*alert("b", "x")).clone());
        let later =
            |ms| herdbook_shared::time::Timestamp::from_unix_ms(over.raised_at.unix_ms() + ms);
        (over.resolved_at, moment.resolved_at) = (Some(later(2000)), Some(later(0)));
        let mut message = Message::of(What::Raised, &Arc::new(over));
        message.add(&Arc::new(moment), NAMED_MAX);
        assert_eq!(message.text(), "gpu-1: GPU 3 is lost, over by now\ngpu-1: GPU 3 is lost");
    }

    #[test]
    fn a_name_cannot_forge_a_line_nor_flood_one() {
        let mut alert = (*alert("a", "x")).clone();
        alert.subject.name = "a\nb\u{202e}c\u{2028}d\u{7}".into();
        alert.message = "m".repeat(1000);
        let message = Message::of(What::Raised, &Arc::new(alert));
        assert!(message.title().starts_with("[critical] a bc d : mmm"), "{}", message.title());
        assert_eq!(message.title().chars().count(), TITLE_CHARS);
        assert_eq!(
            (message.text().lines().count(), message.text().chars().count()),
            (1, LINE_CHARS)
        );
    }
}
