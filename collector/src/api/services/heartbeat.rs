//! `PUT /api/v1/services/{id}/heartbeat`: a service says that it lives, and how it does.

use axum::extract::{Path, State};
use axum::response::Response;
use herdbook_shared::ids::ServiceId;
use herdbook_shared::limits::BYTES_MAX;
use herdbook_shared::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::api::body::Body;
use crate::api::owner::Owner;
use crate::api::problem::{Checked, Kind, Problem};
use crate::api::query::NoParameters;
use crate::api::{Api, json};
use crate::registry::check::beat::{Beat, BeatError, Health};
use crate::registry::encode;
use crate::registry::moment::Moment;
use crate::registry::service::words::read_word;
use crate::registry::service::{ServiceStatus, Word};

/// The longest time in which requests may be answered, milliseconds: a day.
const P95_MS_MAX: f64 = 86_400_000.0;
/// The highest load: a thousand times all of it.
const LOAD_MAX: f64 = 1000.0;

/// The body of a beat; every field may be missing.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Heartbeat")]
#[serde(deny_unknown_fields, default)]
pub struct Form {
    pub(in crate::api) status: Option<Status>,
    pub(in crate::api) p95_ms: Option<f64>,
    pub(in crate::api) queue_depth: Option<u64>,
    pub(in crate::api) load: Option<f64>,
}

/// How a service says that it does.
#[derive(Clone, Copy, Debug, PartialEq, schemars::JsonSchema)]
#[schemars(rename = "HeartbeatStatus", rename_all = "snake_case")]
pub(in crate::api) enum Status {
    /// All is well.
    Ok,
    /// It answers, with something wrong.
    Degraded,
}

impl Word for Status {
    const ALL: &'static [Self] = &[Self::Ok, Self::Degraded];

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_word(deserializer)
    }
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "HeartbeatAnswer")]
pub(in crate::api) struct Answer<'a> {
    id: &'a ServiceId,
    status: ServiceStatus,
    heartbeat_interval_s: Option<u64>,
    ttl_s: Option<u64>,
    next_beat_due: Option<Timestamp>,
}

/// `PUT /api/v1/services/{id}/heartbeat`
///
/// # Errors
///
/// Where there is no such service (it shall register again), where somebody else judges it or it is
/// somebody else's, and where a field has a value that is not allowed.
pub async fn put(
    State(api): State<Api>,
    Owner(owner): Owner,
    Checked(Path(id)): Checked<Path<String>>,
    _: NoParameters,
    Body(form): Body<Form>,
) -> Result<Response, Problem> {
    let (beat, moment) = (form.beat()?, Moment::now());
    api.registry.is_for(&id, owner.as_deref())?;
    let service = api.registry.beat(&id, beat, moment).map_err(refused)?;
    let answer = Answer {
        id: &service.id,
        status: service.shown_status(),
        heartbeat_interval_s: service.facts.heartbeat_interval_s,
        ttl_s: service.facts.ttl_s,
        next_beat_due: service.next_beat_due(moment.at),
    };
    Ok(json(encode::json(&answer)))
}

impl Form {
    pub(in crate::api) fn beat(&self) -> Result<Beat, Problem> {
        within("p95_ms", self.p95_ms, P95_MS_MAX)?;
        within("load", self.load, LOAD_MAX)?;
        if self.queue_depth.is_some_and(|depth| depth >= BYTES_MAX) {
            let detail = "that is no length of a queue";
            return Err(Problem::bad_field("queue_depth", detail, "a number below 2^53"));
        }
        let health = match self.status {
            None | Some(Status::Ok) => Health::Ok,
            Some(Status::Degraded) => Health::Degraded,
        };
        let Self { p95_ms, queue_depth, load, .. } = *self;
        Ok(Beat { health, p95_ms, queue_depth, load })
    }
}

fn within(field: &'static str, number: Option<f64>, max: f64) -> Result<(), Problem> {
    match number {
        Some(number) if !(0.0..=max).contains(&number) => {
            Err(Problem::bad_field(field, "it is out of bounds", format!("0 to {max}")))
        }
        _ => Ok(()),
    }
}

pub(in crate::api) fn refused(error: BeatError) -> Problem {
    let kind = match error {
        BeatError::Unknown(_) => Kind::NotFound,
        BeatError::NotByBeats { .. } => Kind::Conflict,
        BeatError::Full => Kind::Unavailable,
    };
    Problem::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::body::read;

    fn beat(text: &str) -> Result<Beat, Value> {
        let form: Result<Form, Problem> = read(text.as_bytes());
        form.and_then(|form| form.beat()).map_err(|problem| serde_json::to_value(problem).unwrap())
    }

    #[test]
    fn every_field_may_be_missing() {
        assert_eq!(beat("{}").unwrap(), Beat::default());
        let told = r#"{"status":"degraded","p95_ms":123.4,"queue_depth":2,"load":0.35}"#;
        let (p95_ms, queue_depth, load) = (Some(123.4), Some(2), Some(0.35));
        let expected = Beat { health: Health::Degraded, p95_ms, queue_depth, load };
        assert_eq!(beat(told).unwrap(), expected);
    }

    #[test]
    fn what_is_out_of_bounds_or_not_known_is_refused_by_its_name() {
        for (text, field) in [
            (r#"{"status":"down"}"#, "status"),
            (r#"{"status":1}"#, "status"),
            (r#"{"status":{"ok":null}}"#, "status"),
            ("[]", "body"),
            (r#"["degraded"]"#, "body"),
            (r#"{"queue_depth":9007199254740992}"#, "queue_depth"),
            (r#"{"p95_ms":-1}"#, "p95_ms"),
            (r#"{"p95_ms":1e300}"#, "p95_ms"),
            (r#"{"queue_depth":1.5}"#, "queue_depth"),
            (r#"{"queue_depth":18446744073709551615}"#, "queue_depth"),
            (r#"{"load":-0.1}"#, "load"),
            (r#"{"uptime":3}"#, "uptime"),
        ] {
            let problem = beat(text).unwrap_err();
            assert_eq!((&problem["status"], &problem["field"]), (&json!(422), &json!(field)));
        }
    }

    #[test]
    fn who_is_not_known_registers_again() {
        let unknown = refused(BeatError::Unknown("x".to_owned()));
        assert_eq!(unknown.status(), 404);
        assert!(unknown.detail().contains("register again"));
    }
}
