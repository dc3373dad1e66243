//! How hosts and services are judged: statuses, the findings that make them, and their end.

use std::collections::BTreeSet;

use herdbook_shared::ids::{HostId, ServiceId};
use herdbook_shared::time::Timestamp;
use serde_json::Value;

use super::Registry;
use super::change::{ChangeKind, Subject};
use super::finding::Finding;
use super::host::{HostEntry, HostStatus};
use super::moment::Moment;
use super::service::{Check, ServiceEntry, ServiceStatus, Source};
use super::transaction::Transaction;

impl Transaction<'_> {
    /// Takes in a host's conditions: brings its findings, and its status while it is heard, in line
    /// with them.
    pub(super) fn settle(&mut self, host: HostEntry) {
        let services = self.services_of(&host);
        let (before, at) = (host.findings.clone(), self.moment.at);
        let findings = host.derive_findings(&services, at);
        let mut entry = HostEntry { findings: findings.clone(), ..host };
        let mut is_told = false;
        let mut tell = |kind, finding: &Finding| {
            let cause = Some(finding.message.clone());
            entry = (*self.put_host(entry.clone(), kind, cause)).clone();
            is_told = true;
        };
        let held = |list: &[Finding], code| list.iter().any(|finding| finding.code == code);
        for finding in findings.iter().filter(|finding| !held(&before, finding.code)) {
            tell(ChangeKind::HostFindingRaised, finding);
        }
        for finding in before.iter().filter(|finding| !held(&findings, finding.code)) {
            tell(ChangeKind::HostFindingCleared, finding);
        }
        if !is_told && findings != before {
            entry = (*self.put_host(entry, ChangeKind::HostChanged, None)).clone();
        } else if !is_told {
            self.keep_host(entry.clone());
        }
        if entry.status.is_heard() {
            self.hear(&entry.id, None);
        }
    }

    /// A host is heard: its findings say how it does. `slept`: why it was not heard before, where
    /// it says so.
    pub(super) fn hear(&mut self, id: &HostId, slept: Option<String>) {
        let Some(host) = self.host(id) else { return };
        let status = host.status_when_heard();
        if status == host.status {
            return;
        }
        let finding = host.worst_finding().map(|finding| finding.message.clone());
        let slept = slept.filter(|_| !host.status.is_heard());
        let causes: Vec<String> = slept.into_iter().chain(finding).collect();
        let cause = (!causes.is_empty()).then(|| causes.join("; "));
        self.enter((*host).clone(), status, cause);
    }

    /// Judges a host, unless it was judged so already.
    pub(super) fn mark(&mut self, id: &HostId, status: HostStatus, cause: &str) {
        let Some(host) = self.host(id) else { return };
        if host.status != status {
            self.enter((*host).clone(), status, Some(cause.to_owned()));
        }
    }

    /// Puts a host into a status; its services follow.
    fn enter(&mut self, host: HostEntry, status: HostStatus, cause: Option<String>) {
        let before = host.status;
        let kind = match status {
            HostStatus::Online | HostStatus::Degraded if before == HostStatus::Offline => {
                ChangeKind::HostRecovered
            }
            HostStatus::Online => ChangeKind::HostOnline,
            HostStatus::Degraded => ChangeKind::HostDegraded,
            HostStatus::Stale => ChangeKind::HostStale,
            HostStatus::Offline => ChangeKind::HostOffline,
            HostStatus::Unknown => ChangeKind::HostChanged,
        };
        let (status_since, status_entered) = (self.moment.at, self.moment.now);
        let entry =
            self.put_host(HostEntry { status, status_since, status_entered, ..host }, kind, cause);
        if !status.is_heard() {
            // What a later sample says nothing of would be as before the silence.
            entry.live.clear();
            self.silence_services(&entry);
        } else if !before.is_heard() {
            // What this session told of services holds, be it from before or during the silence;
            // a new session brings a new inventory.
            let session = entry.session.as_ref().map(|session| &session.id);
            let is_told = session.is_some() && session == entry.told_by.as_ref();
            if is_told {
                self.unsilence_services(&entry);
            }
        }
    }

    fn silence_services(&mut self, host: &HostEntry) {
        let cause = format!("host {}", host.status.word());
        for service in self.services_of(host) {
            let silent = self.judged_by(&service, service.facts.records.clone());
            let check = silent.facts.check;
            let is_untold = matches!(service.status, ServiceStatus::Unknown | ServiceStatus::Down);
            let is_same = check == service.facts.check && (is_untold || check != Check::Agent);
            if is_same && !service.unconfirmed {
                continue;
            }
            let (status, state) = if is_same {
                (service.status, service.state)
            } else {
                (ServiceStatus::Unknown, None)
            };
            let silent = ServiceEntry { status, state, unconfirmed: false, ..silent };
            self.put_service(silent, ChangeKind::ServiceChanged, Some(cause.clone()));
        }
        self.follow_services(&host.id, |_| ());
        self.settle_again(&host.id);
    }

    fn unsilence_services(&mut self, host: &HostEntry) {
        for service in self.services_of(host) {
            let Some(told) = service.told.filter(|_| service.state.is_none()) else { continue };
            let status = ServiceStatus::of_state(told);
            let heard = self.judged_by(&service, service.facts.records.clone());
            let heard = ServiceEntry { status, unconfirmed: false, state: Some(told), ..heard };
            let findings = heard.derive_findings(self.moment.at);
            let heard = ServiceEntry { findings, ..heard };
            self.put_service(heard, status_kind(status), Some("host heard again".to_owned()));
        }
        self.follow_services(&host.id, |_| ());
        self.settle_again(&host.id);
    }

    /// Who judges the services of a host may have changed, and with it what holds on the host.
    fn settle_again(&mut self, id: &HostId) {
        if let Some(host) = self.host(id) {
            self.settle((*host).clone());
        }
    }
}

/// The change that tells of a service's new status.
pub(super) fn status_kind(status: ServiceStatus) -> ChangeKind {
    match status {
        ServiceStatus::Unknown => ChangeKind::ServiceChanged,
        ServiceStatus::Healthy => ChangeKind::ServiceHealthy,
        ServiceStatus::Degraded => ChangeKind::ServiceDegraded,
        ServiceStatus::Unhealthy => ChangeKind::ServiceUnhealthy,
        ServiceStatus::Down => ChangeKind::ServiceDown,
        ServiceStatus::Draining => ChangeKind::ServiceDraining,
    }
}

impl Registry {
    /// Takes in how the agent of a host breaks its limits; `None`: it does not.
    pub fn note_offence(&self, id: &HostId, offence: Option<String>, moment: Moment) {
        let mut transaction = self.transaction(moment);
        let Some(host) = transaction.host(id) else { return };
        if host.offence.as_deref() != offence.as_deref() {
            let offence = offence.map(Into::into);
            transaction.settle(HostEntry { offence, ..(*host).clone() });
        }
    }

    /// Judges a host that was looked at as `seen`: nothing happens if it was heard since.
    pub fn judge(&self, seen: &HostEntry, heard_ms: u64, verdict: &Verdict, moment: Moment) {
        let mut transaction = self.transaction(moment);
        let Some(host) = transaction.host(&seen.id) else { return };
        let is_as_seen = host.revision == seen.revision && host.live.heard_ms() == heard_ms;
        if !is_as_seen {
            return;
        }
        match verdict {
            Verdict::Status(status, cause) => transaction.mark(&seen.id, *status, cause),
            Verdict::Forget(cause) => {
                tracing::info!(host = %seen.id, name = seen.facts.name, cause, "host forgotten");
                transaction.remove_host(&seen.id, cause);
            }
        }
    }

    /// The hosts that were replaced since this was asked last.
    pub(crate) fn take_touched_hosts(&self) -> BTreeSet<HostId> {
        std::mem::take(&mut self.ledger().touched)
    }

    /// Takes away what an agent found, of a service that has been down since then, unless it came
    /// back: who declared it still may know where it is.
    pub fn forget_service(&self, id: &ServiceId, since: Timestamp, moment: Moment) {
        let mut transaction = self.transaction(moment);
        let Some(service) = self.service(id.as_str()) else { return };
        if service.facts.found().is_some_and(|found| found.down_since == Some(since)) {
            tracing::info!(service = %id, "service forgotten");
            transaction.lose_source(id, Source::Agent, "down for too long");
        }
    }

    /// Tells that a large part of the fleet went at once, or that this is over; `data` says how
    /// many of what.
    pub fn tell_mass(&self, kind: ChangeKind, data: Value, cause: String, moment: Moment) {
        self.transaction(moment).tell(kind, Subject::Fleet(data), Some(cause));
    }
}

/// What the sweep says of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does so, because.
    Status(HostStatus, String),
    /// It shall no longer be listed, because.
    Forget(String),
}
