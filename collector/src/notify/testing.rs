//! What tests of notices, journal and notifiers build their alerts from.

pub(crate) mod receiver;

use std::sync::Arc;

use herdbook_shared::time::Timestamp;

use crate::config::{Notify, Target};
use crate::registry::alert::{Alert, AlertSubject, SubjectKind};
use crate::registry::finding::Severity;

/// An alert of this id and rule, about the host `gpu-1`.
pub(crate) fn alert(id: &str, rule: &str) -> Arc<Alert> {
    Arc::new(Alert {
        id: id.into(),
        rule: rule.into(),
        severity: Severity::Critical,
        subject: AlertSubject {
            kind: SubjectKind::Host,
            id: "0199f3a0-0000-7000-8000-000000000001".into(),
            name: "gpu-1".into(),
        },
        part: None,
        message: "GPU 3 is lost".to_owned(),
        cause: None,
        raised_at: Timestamp::from_unix_ms(1_795_000_000_000),
        resolved_at: None,
    })
}

/// A target of this kind that hears of everything, at an address where nobody is.
pub(crate) fn target(name: &str, kind: &str) -> Target {
    let mut notify = Notify::default();
    let text = format!("kind = '{kind}'\nurl = 'http://127.0.0.1:1/'\nmin_severity = 'info'");
    notify.set_for_tests(name, &text);
    (*notify.targets[0]).clone()
}
