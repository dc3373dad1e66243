//! Entries and changes to JSON text.

use bytes::Bytes;
use herdbook_shared::time::Timestamp;
use serde::Serialize;

use super::change::{Change, ChangeKind, Subject};
use super::host::HostEntry;
use super::service::ServiceEntry;
use super::session::SessionChange;
use super::view::View;
use super::view::host::{HostSummary, HostView, OpenSessionView};
use super::view::service::{ModelView, ServiceSummary, ServiceView};

/// A host in a view.
#[must_use]
pub fn host(host: &HostEntry, view: View) -> String {
    let present = host.present();
    match view {
        View::Summary => json(&HostSummary::of(host, present.as_deref())),
        View::Full => {
            let slow = host.present_slow();
            json(&HostView::of(host, present.as_deref(), slow.as_deref()))
        }
    }
}

/// A service in a view.
#[must_use]
pub fn service(service: &ServiceEntry, view: View) -> String {
    match view {
        View::Summary => json(&ServiceSummary::of(service)),
        View::Full => json(&ServiceView::of(service)),
    }
}

/// Writes a service in a view behind what is written already.
pub fn push_service(text: &mut Vec<u8>, service: &ServiceEntry, view: View) {
    match view {
        View::Summary => push(text, &ServiceSummary::of(service)),
        View::Full => push(text, &ServiceView::of(service)),
    }
}

/// A change as it is told.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Envelope<'a> {
    /// This run of the collector.
    epoch: &'a str,
    /// Its number within the epoch, without gaps.
    seq: u64,
    /// When, by the collector's wall clock.
    #[schemars(with = "Timestamp")]
    at: String,
    /// What happened, as `entity.verb`.
    #[schemars(with = "ChangeKind")]
    r#type: &'static str,
    /// The host that it is about.
    host_id: Option<&'a str>,
    /// The service that it is about.
    service_id: Option<&'a str>,
    /// The model that it is about; only there where `type` begins with `model.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    /// The whole entity after the change, `null` once it is gone.
    #[schemars(with = "serde_json::Value")]
    data: Box<serde_json::value::RawValue>,
    /// Why, in words.
    cause: Option<&'a str>,
}

/// A change in a view.
#[must_use]
pub fn change(change: &Change, view: View) -> Bytes {
    let envelope = Envelope {
        epoch: &change.epoch,
        seq: change.seq,
        at: change.at.to_string(),
        r#type: change.kind.word(),
        host_id: change.host_id().map(|id| id.as_str()),
        service_id: change.service_id().map(|id| id.as_str()),
        model: change.model(),
        data: raw(subject(&change.subject, view)),
        cause: change.cause.as_deref(),
    };
    Bytes::from(json(&envelope))
}

fn subject(subject: &Subject, view: View) -> String {
    match subject {
        Subject::Host(entry) => host(entry, view),
        Subject::Service(entry) => service(entry, view),
        Subject::Session(_, SessionChange::Opened(session)) => json(&OpenSessionView::of(session)),
        Subject::Model(service, name) => {
            json(&service.model(name).map(|model| ModelView::of(service, model)))
        }
        Subject::Fleet(value) | Subject::Catalog(value) => json(value),
        Subject::Alert(alert) => json(alert.as_ref()),
        Subject::Session(_, SessionChange::Closed(..))
        | Subject::NoHost(_)
        | Subject::Agent
        | Subject::NoService(..) => "null".to_owned(),
    }
}

/// Any view as JSON. None of them can fail to be written: their keys are strings.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// Writes any view behind what is written already.
pub(crate) fn push<T: Serialize>(text: &mut Vec<u8>, value: &T) {
    let start = text.len();
    if serde_json::to_writer(&mut *text, value).is_err() {
        text.truncate(start);
        text.extend_from_slice(b"null");
    }
}

fn raw(json: String) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(json)
        .unwrap_or_else(|_| serde_json::value::RawValue::NULL.to_owned())
}
