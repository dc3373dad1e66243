//! The lines of both logs, and the day to whose file each belongs.

use std::fmt;
use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::notices::{Notice, What};
use crate::registry::alert::Alert;

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Log {
    /// All alerts.
    Alerts,
    /// Services that beat, in the shape that their first clients know.
    Heartbeats,
}

impl Log {
    pub(super) const ALL: [Self; 2] = [Self::Alerts, Self::Heartbeats];

    /// How its files begin.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::Heartbeats => "heartbeat_alerts",
        }
    }
}

/// A day in UTC, as `20261120`: later days compare greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(String);

impl Day {
    pub(super) fn of(at: Timestamp) -> Self {
        // Times before Christ stand as `-009999-01-02`: no clock shows them.
        let text = at.to_string();
        let date: String =
            text.chars().take_while(|c| *c != 'T').filter(char::is_ascii_digit).collect();
        Self(date[date.len().saturating_sub(8)..].to_owned())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_day = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_day.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) log: Log,
    pub(super) day: Day,
    pub(super) text: Arc<str>,
}

impl Line {
    pub(super) fn of_alert(notice: &Notice) -> Self {
        let r#type = match notice.what {
            What::Raised => AlertLineType::Raised,
            What::Resolved => AlertLineType::Resolved,
        };
        let line = AlertLine { r#type, at: notice.at, alert: (*notice.alert).clone() };
        Self::of(Log::Alerts, notice.at, &line)
    }

    pub(super) fn of_heartbeat(alert: &HeartbeatAlert) -> Self {
        Self::of(Log::Heartbeats, alert.ts, alert)
    }

    fn of(log: Log, at: Timestamp, what: &impl Serialize) -> Self {
        // These types have nothing that JSON cannot say.
        let text = serde_json::to_string(what).unwrap_or_default();
        Self { log, day: Day::of(at), text: in_one_line(&text).into() }
    }
}

/// JSON may hold line ends of Unicode as they are; some readers of lines take them for one.
fn in_one_line(text: &str) -> String {
    let ends = [('\u{85}', "\\u0085"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
    ends.iter().fold(text.to_owned(), |text, (end, escaped)| text.replace(*end, escaped))
}

/// What happened to the alert of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum AlertLineType {
    /// It began.
    #[serde(rename = "alert.raised")]
    Raised,
    /// It is over.
    #[serde(rename = "alert.resolved")]
    Resolved,
}

/// One line of `events/alerts_YYYYMMDD.jsonl`: an alert, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AlertLine {
    /// What happened.
    pub r#type: AlertLineType,
    /// When.
    pub at: Timestamp,
    /// The alert, as it is after that.
    #[serde(flatten)]
    pub alert: Alert,
}

/// What happened to a service that beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatAlertType {
    /// Its beats are missing.
    ServiceDown,
    /// They still are.
    ServiceDeregistered,
    /// It beats again.
    ServiceRecovered,
}

/// What the collector did about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatAction {
    /// It counts as down.
    MarkedDown,
    /// It is no longer listed.
    Deregistered,
    /// It is listed and counts as healthy.
    Restored,
}

/// One line of `events/heartbeat_alerts_YYYYMMDD.jsonl`, and one entry of `GET /alerts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeartbeatAlert {
    /// What happened.
    pub alert_type: HeartbeatAlertType,
    /// To which service.
    pub service_id: String,
    /// What people call it.
    pub service_name: String,
    /// How many of its beats were missing when that was so: 2, 3, or 0 of one that beats.
    pub missed_beats: u32,
    /// When it beat last.
    pub last_seen: Option<Timestamp>,
    /// What was done about it.
    pub action: HeartbeatAction,
    /// When.
    pub ts: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::notify::testing::alert;

    #[test]
    fn an_alert_is_its_json_and_what_happened() {
        let at: Timestamp = "2026-11-20T23:59:59.999Z".parse().unwrap();
        let mut alert = (*alert("a", "gpu_lost")).clone();
        alert.message = "one\ntwo\u{2028}three\u{85}four".to_owned();
        let notice = Notice { what: What::Raised, at, alert: Arc::new(alert.clone()) };
        let line = Line::of_alert(&notice);
        assert_eq!((line.log, line.day.to_string()), (Log::Alerts, "20261120".to_owned()));
        assert!(!line.text.contains(['\n', '\u{85}', '\u{2028}', '\u{2029}']), "{}", line.text);
        let told: Value = serde_json::from_str(&line.text).unwrap();
        let mut expected = serde_json::to_value(&alert).unwrap();
        expected["type"] = json!("alert.raised");
        expected["at"] = json!("2026-11-20T23:59:59.999Z");
        assert_eq!(told, expected);
        let read: AlertLine = serde_json::from_str(&line.text).unwrap();
        assert_eq!((read.r#type, read.alert), (AlertLineType::Raised, alert));
    }

    #[test]
    fn a_day_is_eight_digits_of_utc() {
        let at: Timestamp = "2026-11-21T00:30:00+02:00".parse().unwrap();
        assert_eq!(Day::of(at), Day::parse("20261120").unwrap());
        for bad in ["2026112", "202611201", "2026112x", "٢٠٢٦"] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
        for odd in [i64::MIN, -1, i64::MAX] {
            let day = Day::of(Timestamp::from_unix_ms(odd)).to_string();
            assert!(Day::parse(&day).is_some(), "{day}");
        }
    }
}
