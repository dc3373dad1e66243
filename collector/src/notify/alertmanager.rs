//! Alerts as Alertmanager's second API takes them. It forgets what it does not hear again, so
//! each is told with an end that lies a little ahead, and once more before that comes.

use std::collections::BTreeMap;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use serde::Serialize;

use crate::notices::What;
use crate::registry::alert::{Alert, SubjectKind};

use super::message::{Message, is_moment, severity_word};

/// How often what is open is told again.
pub(super) const AGAIN_EVERY: Duration = Duration::from_secs(60);
/// For how long it is believed: a collector that restarts is back sooner.
const BELIEVED_FOR: Duration = Duration::from_mins(5);
/// Most alerts that are told in one request.
pub(super) const AT_ONCE: usize = 100;

/// One alert in a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Postable<'a> {
    /// What tells it from others, over all times that it comes.
    labels: BTreeMap<&'static str, &'a str>,
    annotations: BTreeMap<&'static str, &'a str>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
}

/// The body that tells of these alerts.
pub(super) fn body(message: &Message, link: &str, now: Timestamp) -> String {
    let what = message.what;
    let alerts = message.alerts.iter().map(|alert| Postable::of(what, alert, link, now));
    // These types have nothing that JSON cannot say.
    serde_json::to_string(&alerts.collect::<Vec<_>>()).unwrap_or_default()
}

impl<'a> Postable<'a> {
    fn of(what: What, alert: &'a Alert, link: &'a str, now: Timestamp) -> Self {
        let mut annotations = BTreeMap::from([("summary", alert.message.as_str())]);
        annotations.extend(alert.cause.as_deref().map(|cause| ("description", cause)));
        Self {
            labels: labels(alert),
            annotations,
            starts_at: alert.raised_at,
            ends_at: ends_at(what, alert, now),
            generator_url: link,
        }
    }
}

fn ends_at(what: What, alert: &Alert, now: Timestamp) -> Timestamp {
    match (what, alert.resolved_at) {
        (_, None) => after(now.max(alert.raised_at)),
        // What only happened is over before it is told; said so, nobody would hear of it.
        (What::Raised, Some(_)) if is_moment(alert) => after(alert.raised_at),
        (_, Some(at)) => at.max(alert.raised_at),
    }
}

fn after(at: Timestamp) -> Timestamp {
    let believed_ms = i64::try_from(BELIEVED_FOR.as_millis()).unwrap_or(0);
    Timestamp::from_unix_ms(at.unix_ms().saturating_add(believed_ms))
}

fn labels(alert: &Alert) -> BTreeMap<&'static str, &str> {
    let (id, name) = (&*alert.subject.id, &*alert.subject.name);
    let mut labels = BTreeMap::from([
        ("alertname", &*alert.rule),
        ("severity", severity_word(alert.severity)),
        ("job", "herdbook"),
    ]);
    labels.extend(match alert.subject.kind {
        SubjectKind::Host => vec![("host", name), ("host_id", id), ("instance", name)],
        SubjectKind::Service => vec![("service", id), ("service_name", name), ("instance", id)],
        SubjectKind::Fleet => vec![("instance", "fleet")],
        SubjectKind::Collector => vec![("instance", "collector")],
    });
    labels.extend(alert.part.as_deref().map(|part| ("part", part)));
    labels
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::notify::testing::alert;

    fn told(alert: Alert) -> Value {
        told_as(What::Raised, alert)
    }

    fn told_as(what: What, alert: Alert) -> Value {
        let message = Message::of(what, &Arc::new(alert));
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        let body: Value = serde_json::from_str(&body(&message, "http://h/", now)).unwrap();
        body[0].clone()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn known() -> Alert {
        Alert { raised_at: at("2026-11-20T09:00:00Z"), ..(*alert("a", "gpu_lost")).clone() }
    }

    #[test]
    fn an_open_alert_is_told_with_its_labels_and_an_end_ahead() {
        let expected = json!({
            "labels": {
                "alertname": "gpu_lost", "severity": "critical", "job": "herdbook",
                "host": "gpu-1", "host_id": "0199f3a0-0000-7000-8000-000000000001",
                "instance": "gpu-1",
            },
            "annotations": {"summary": "GPU 3 is lost"},
            "startsAt": "2026-11-20T09:00:00.000Z", "endsAt": "2026-11-20T10:05:00.000Z",
            "generatorURL": "http://h/",
        });
        assert_eq!(told(known()), expected);
    }

    #[test]
    fn a_service_is_known_by_its_id() {
        let mut alert = known();
        alert.subject.kind = SubjectKind::Service;
        alert.subject.id = "gpu-1:11434".into();
        alert.cause = Some("2 missed beats".to_owned());
        let told = told(alert);
        assert_eq!(told["labels"]["service"], "gpu-1:11434");
        assert_eq!(told["labels"]["instance"], "gpu-1:11434");
        assert_eq!(told["labels"]["service_name"], "gpu-1");
        assert_eq!(told["annotations"]["description"], "2 missed beats");
    }

    #[test]
    fn two_parts_of_one_subject_are_two_alerts() {
        let of = |part: &str| told(Alert { part: Some(part.into()), ..known() });
        let (one, other) = (of("GPU-0"), of("GPU-1"));
        assert_eq!(one["labels"]["part"], "GPU-0");
        assert_ne!(one["labels"], other["labels"]);
        // An empty label is none.
        assert_eq!(told(known())["labels"].get("part"), None);
    }

    #[test]
    fn what_is_over_ends_and_what_only_happened_is_believed_for_a_while() {
        let over = |text: &str| told(Alert { resolved_at: Some(at(text)), ..known() });
        assert_eq!(over("2026-11-20T09:30:00Z")["endsAt"], "2026-11-20T09:30:00.000Z");
        assert_eq!(over("2026-11-20T09:00:00Z")["endsAt"], "2026-11-20T09:05:00.000Z");
        // It was told before, and is over soon after.
        let soon = Alert { resolved_at: Some(at("2026-11-20T09:00:00.4Z")), ..known() };
        assert_eq!(told_as(What::Resolved, soon)["endsAt"], "2026-11-20T09:00:00.400Z");
        // A clock that was set back: it refuses an end before the beginning.
        let ahead = Alert { raised_at: at("2026-11-20T11:00:00Z"), ..known() };
        assert_eq!(told(ahead)["endsAt"], "2026-11-20T11:05:00.000Z");
    }

    #[test]
    fn it_is_told_again_before_it_is_no_longer_believed() {
        assert!(AGAIN_EVERY * 4 < BELIEVED_FOR);
    }
}
