//! What may happen of alerts, for the law of the feed.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use proptest::prelude::*;

use crate::registry::Registry;
use crate::registry::alert::{Alert, AlertSubject, SubjectKind};
use crate::registry::finding::Severity;
use crate::registry::moment::Moment;
use crate::registry::testing::host_id;

/// What may happen of alerts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Alerting {
    Raise { host: u8 },
    Resolve { nth: usize },
}

pub(super) fn alerting() -> impl Strategy<Value = Alerting> {
    prop_oneof![
        2 => (0..3u8).prop_map(|host| Alerting::Raise { host }),
        1 => (0..3usize).prop_map(|nth| Alerting::Resolve { nth }),
    ]
}

impl Alerting {
    pub(super) fn happen(self, registry: &Registry, moment: Moment) {
        match self {
            Self::Raise { host } => {
                registry.raise_alert(alert_of(host, moment.at), moment).unwrap();
            }
            Self::Resolve { nth } => {
                if let Some(alert) = registry.open_alerts().get(nth) {
                    registry.resolve_alert(&alert.id, "over", moment).unwrap();
                }
            }
        }
    }
}

fn alert_of(host: u8, at: Timestamp) -> Arc<Alert> {
    let (id, name) = (host_id(host).as_str().into(), format!("gpu-{host}").into());
    Arc::new(Alert {
        id: uuid::Uuid::new_v4().to_string().into(),
        rule: "host_offline".into(),
        severity: Severity::Critical,
        subject: AlertSubject { kind: SubjectKind::Host, id, name },
        part: None,
        message: "it is offline".to_owned(),
        cause: (host > 0).then(|| "silent".to_owned()),
        raised_at: at,
        resolved_at: None,
    })
}
