//! Which findings hold on a host or a service, in words that say what to do.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::ServiceState;

use super::finding::{Code, Finding};
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
        }
        Finding::renewed(held, &self.findings, at)
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
