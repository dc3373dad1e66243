//! `notify-test`: one test alert to each target, past filters and groups, and what came of it.

use std::io::{self, Write};
use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::config::{Authorities, Notify, Target};
use crate::notices::What;
use crate::registry::alert::{Alert, AlertSubject, SubjectKind};
use crate::registry::finding::Severity;

use super::client::{Outcome, Post};
use super::message::Message;
use super::{Line, Reached};

/// Why nothing was tried, or not all of it went well.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// There is no target.
    #[error("no target is configured: add a table [notify.NAME] with kind and url to the file")]
    NoTarget,
    /// There is none of this name.
    #[error("there is no [notify.{name}]; there are {known}")]
    UnknownTarget {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Not every target took it.
    #[error("{0} could not be told")]
    Failed(usize),
    /// Nobody reads what came of it.
    #[error("failed to say what came of it")]
    Tell(#[source] io::Error),
}

impl TrialError {
    /// 2 where the configuration or the name is to blame, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoTarget | Self::UnknownTarget { .. } => 2,
            Self::Failed(_) | Self::Tell(_) => 1,
        }
    }
}

/// Sends a test alert to the target of this name, or to each, and says on `out` what came back.
///
/// # Errors
///
/// [`TrialError`].
pub async fn test(
    config: &Notify,
    authorities: &Authorities,
    link: &str,
    name: Option<&str>,
    out: &mut (dyn Write + Send),
) -> Result<(), TrialError> {
    let reached = Reached::new(authorities, link);
    let mut tries = JoinSet::new();
    for target in wanted(config, name)? {
        let lines = reached.lines(target);
        let n_urls = lines.len();
        for (n, line) in (1..).zip(lines) {
            let of = if n_urls > 1 { format!(" ({n} of {n_urls})") } else { String::new() };
            let label = format!("{}{of}", target.name);
            tries.spawn(async move { (label, tried(line).await) });
        }
    }
    let mut done = tries.join_all().await;
    done.sort();
    let n_failed = done.iter().filter(|(_, result)| result.is_err()).count();
    for (label, result) in done {
        let words = result.unwrap_or_else(|failed| failed);
        writeln!(out, "{label}: {words}").map_err(TrialError::Tell)?;
    }
    if n_failed == 0 { Ok(()) } else { Err(TrialError::Failed(n_failed)) }
}

fn wanted<'a>(config: &'a Notify, name: Option<&str>) -> Result<Vec<&'a Arc<Target>>, TrialError> {
    if config.targets.is_empty() {
        return Err(TrialError::NoTarget);
    }
    let is_wanted = |target: &&Arc<Target>| name.is_none_or(|name| *target.name == *name);
    let wanted: Vec<_> = config.targets.iter().filter(is_wanted).collect();
    match name {
        Some(name) if wanted.is_empty() => {
            let known: Vec<&str> = config.targets.iter().map(|target| &*target.name).collect();
            let (name, known) = (name.to_owned(), known.join(", "));
            Err(TrialError::UnknownTarget { name, known })
        }
        _ => Ok(wanted),
    }
}

/// What came of one URL, in words.
async fn tried(line: Line) -> Result<String, String> {
    let now = Timestamp::now();
    let message = Message::of(What::Raised, &Arc::new(alert(now)));
    match line.client.post(line.manner.body(&message, now)).await {
        Outcome::Sent(status) => Ok(format!("sent ({status})")),
        Outcome::Refused(status, words) if status.is_redirection() => {
            Err(format!("failed: {status}; redirects are not followed {words}").trim().to_owned())
        }
        Outcome::Refused(status, words) if words.is_empty() => Err(format!("failed: {status}")),
        Outcome::Refused(status, words) => Err(format!("failed: {status}: {words}")),
        Outcome::Failed { why, .. } => Err(format!("failed: {why}")),
    }
}

fn alert(now: Timestamp) -> Alert {
    Alert {
        id: Uuid::new_v4().to_string().into(),
        rule: "notify_test".into(),
        severity: Severity::Info,
        subject: AlertSubject {
            kind: SubjectKind::Collector,
            id: "collector".into(),
            name: "herdbook-collector".into(),
        },
        part: None,
        message: "this is a test, nothing is wrong".to_owned(),
        cause: Some("somebody ran notify-test".to_owned()),
        raised_at: now,
        resolved_at: Some(now),
    }
}
