//! When a host is stale, and when it is offline: a pure rule over what is known of it.

use std::time::Duration;

use herdbook_shared::wire::hello::GoodbyeReason;
use tokio::time::Instant;

use crate::config::Liveness;
use crate::registry::host::{Ended, HostStatus};

/// What the rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// How the host does now; never offline.
    pub status: HostStatus,
    /// When its last sample came.
    pub heard: Option<Instant>,
    /// How often it sends.
    pub interval: Duration,
    /// When its open session was opened.
    pub session_opened: Option<Instant>,
    /// How and when its last session ended.
    pub ended: Option<Ended>,
}

/// What the rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Its last numbers are not to be believed, because.
    Stale(Why),
    /// It is gone, because.
    Offline(Why),
}

/// Why a host is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No sample for this long.
    Silent(Duration),
    /// Its connection broke this long ago.
    Lost(Duration),
    /// It did not come back from its upgrade.
    Upgrade,
    /// It did not come back after the collector's own absence.
    NeverBack,
}

impl Judgement {
    /// In words.
    #[must_use]
    pub fn cause(self) -> String {
        let (Self::Stale(why) | Self::Offline(why)) = self;
        match why {
            Why::Silent(age) => format!("no sample for {} s", age.as_secs()),
            Why::Lost(age) => format!("connection lost, and not back within {} s", age.as_secs()),
            Why::Upgrade => "not back after its upgrade".to_owned(),
            Why::NeverBack => "not heard since the collector's start or pause".to_owned(),
        }
    }
}

/// Judges a host that is not offline. `believed_since`: the collector's start, or the end of its
/// last pause; from there every deadline starts anew.
#[must_use]
pub fn judge(
    host: &Heard,
    rules: &Liveness,
    believed_since: Instant,
    now: Instant,
) -> Option<Judgement> {
    let judgement = match host.session_opened {
        Some(opened) => judge_connected(host, opened, rules, believed_since, now),
        None => judge_disconnected(host, rules, believed_since, now),
    }?;
    let is_news = match judgement {
        Judgement::Stale(_) => host.status.is_heard(),
        Judgement::Offline(_) => true,
    };
    is_news.then_some(judgement)
}

fn judge_connected(
    host: &Heard,
    opened: Instant,
    rules: &Liveness,
    believed_since: Instant,
    now: Instant,
) -> Option<Judgement> {
    let last = host.heard.unwrap_or(opened).max(opened).max(believed_since);
    silence(now.saturating_duration_since(last), host.interval, rules)
}

fn judge_disconnected(
    host: &Heard,
    rules: &Liveness,
    believed_since: Instant,
    now: Instant,
) -> Option<Judgement> {
    let since = |instant: Instant| now.saturating_duration_since(instant.max(believed_since));
    let is_grace = since(believed_since) < rules.grace;
    // What breaks right after a pause broke during it, or of it: the sessions that were silent
    // meanwhile are closed only then. Of those, within the grace, a host's own word alone counts.
    let counts = |ended: &Ended| {
        let is_new = ended.opened > believed_since;
        ended.at > believed_since && (is_new || ended.goodbye.is_some() || !is_grace)
    };
    let Some(Ended { at: ended_at, goodbye, .. }) = host.ended.filter(counts) else {
        if is_grace {
            return None;
        }
        if host.status == HostStatus::Unknown {
            return Some(Judgement::Offline(Why::NeverBack));
        }
        return gone(host, since(believed_since), since(believed_since), rules);
    };
    let (closed, silent) = (since(ended_at), since(host.heard.unwrap_or(ended_at)));
    if goodbye == Some(GoodbyeReason::Upgrade) {
        if closed >= rules.upgrade_after {
            return Some(Judgement::Offline(Why::Upgrade));
        }
        let is_stale = silent >= stale_after(rules, host.interval);
        return is_stale.then_some(Judgement::Stale(Why::Silent(silent)));
    }
    gone(host, closed, silent, rules)
}

fn stale_after(rules: &Liveness, interval: Duration) -> Duration {
    rules.stale_after.max(interval * rules.stale_intervals)
}

fn offline_after(rules: &Liveness, interval: Duration) -> Duration {
    rules.offline_after.max(interval * rules.offline_intervals)
}

/// A host whose connection broke.
fn gone(host: &Heard, closed: Duration, silent: Duration, rules: &Liveness) -> Option<Judgement> {
    if silent >= offline_after(rules, host.interval) {
        return Some(Judgement::Offline(Why::Silent(silent)));
    }
    if closed >= rules.closed_stale_after {
        return Some(Judgement::Stale(Why::Lost(closed)));
    }
    silence(silent, host.interval, rules)
}

fn silence(silent: Duration, interval: Duration, rules: &Liveness) -> Option<Judgement> {
    if silent >= offline_after(rules, interval) {
        Some(Judgement::Offline(Why::Silent(silent)))
    } else if silent >= stale_after(rules, interval) {
        Some(Judgement::Stale(Why::Silent(silent)))
    } else {
        None
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
