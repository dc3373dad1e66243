//! Which findings hold on a host or a service, in words that say what to do.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::ServiceState;

use super::finding::{Code, Finding};
use super::holes::{self, Holes};
use super::host::HostEntry;
use super::service::ServiceEntry;
use super::service::record::Found;

impl HostEntry {
    /// The findings that hold: those of the last sample, and those of its identity and services.
    /// One that held before keeps its `since`.
    pub(super) fn derive_findings(
        &self,
        services: &[Arc<ServiceEntry>],
        at: Timestamp,
    ) -> Vec<Finding> {
        let mut found = self.conditions.findings();
        if self.id.is_clone() {
            let words = "another machine uses the same identity: empty the state directory of \
                         one of them and start its agent again";
            found.push((Code::DuplicateIdentity, words.to_owned()));
        }
        if let Some(offence) = &self.offence {
            found.push((Code::BreaksLimits, offence.to_string()));
        }
        let hung = services.iter().filter(|service| service.hangs());
        let hung: Vec<&str> = hung.map(|service| service.id.as_str()).collect();
        if !hung.is_empty() {
            found.push((Code::ServerHung, format!("{} does not answer", hung.join(", "))));
        }
        let open = |service: &&Arc<ServiceEntry>| {
            service.findings.iter().any(|finding| finding.code == Code::ExposedAndVulnerable)
        };
        let open: Vec<&str> = services.iter().filter(open).map(|s| s.id.as_str()).collect();
        if !open.is_empty() {
            let words = format!(
                "{} is open to the network with a hole that is known: see what it says",
                open.join(", ")
            );
            found.push((Code::ExposedAndVulnerable, words));
        }
        Finding::renewed(found, &self.findings, at)
    }
}

impl ServiceEntry {
    /// The findings that hold by what its agent told last; that it hangs is the agent's to tell only
    /// while it judges. A server that is gone has none. One that held before keeps its `since`.
    pub(super) fn derive_findings(&self, at: Timestamp) -> Vec<Finding> {
        let mut held = Vec::new();
        if let Some(found) = self.facts.found().filter(|_| self.told != Some(ServiceState::Down)) {
            if self.hangs() {
                held.push((Code::ServerHung, hung_in_words(found)));
            }
            match found.asks_credential {
                Some(true) => {
                    let words = "it asks for a credential, so neither its models nor what it does \
                                 can be told: let requests from its own host through without one";
                    held.push((Code::NeedsCredential, words.to_owned()));
                }
                Some(false) if self.facts.is_exposed() => {
                    held.push((Code::ExposedWithoutCredential, exposed_in_words(found)));
                }
                _ => (),
            }
            held.extend(found.version.as_deref().and_then(|v| self.holes(found, v)));
        }
        Finding::renewed(held, &self.findings, at)
    }
}

impl ServiceEntry {
    /// What its version is known for.
    fn holes(&self, found: &Found, version: &str) -> Option<(Code, String)> {
        let Holes { worst, n_more, fixed_in } = holes::of(&found.kind, version)?;
        let more = if n_more == 0 { String::new() } else { format!(" and {n_more} more") };
        let is_open = found.asks_credential == Some(false) && self.facts.is_exposed();
        let (code, who) = if is_open {
            (Code::ExposedAndVulnerable, "anybody who reaches it")
        } else {
            (Code::KnownVulnerable, "whoever may ask it")
        };
        let (id, what) = (worst.id, worst.what);
        let words = format!(
            "its version {version} has a known hole, {id}{more}: {who} can {what}; upgrade to \
             {fixed_in} or later"
        );
        Some((code, words))
    }
}

fn hung_in_words(found: &Found) -> String {
    let what = match (&found.unit, &found.container) {
        (Some(unit), _) => format!("its unit {unit}"),
        (None, Some(container)) => {
            format!("its container {}", container.chars().take(12).collect::<String>())
        }
        (None, None) => "it".to_owned(),
    };
    format!("it lives but does not answer: look at its log, or restart {what}")
}

fn exposed_in_words(found: &Found) -> String {
    let remedy = if found.kind == "ollama" { " (OLLAMA_HOST=127.0.0.1)" } else { "" };
    format!(
        "it listens on {} port {} and asks for no credential, so whoever reaches it can use it: \
         bind it to loopback{remedy}, close the port to strangers, or put a proxy before it that \
         asks for one",
        found.address, found.port
    )
}

#[cfg(test)]
#[path = "derive_tests.rs"]
mod tests;
