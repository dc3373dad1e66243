//! Other names of services: from a `host:port` to whoever it names.
//!
//! A claim is no ownership: a name that two services claim belongs to neither, and to the one that
//! is left once the other lets go of it.

use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use super::Map;

/// Most claims of one name that are kept; more are the same as two.
const CLAIMS_MAX: usize = 64;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct AliasIndex(Map<Arc<str>, Vec<ServiceId>>);

impl AliasIndex {
    /// Notes that a service claims a name.
    pub(super) fn claim(&self, name: &Arc<str>, service: &ServiceId) {
        let mut claims = self.0.entry(Arc::clone(name)).or_default();
        if claims.len() < CLAIMS_MAX && !claims.contains(service) {
            claims.push(service.clone());
        }
    }

    /// Notes that a service no longer claims a name.
    pub(super) fn release(&self, name: &str, service: &ServiceId) {
        if let Some(mut claims) = self.0.get_mut(name) {
            claims.retain(|other| other != service);
        }
        self.0.remove_if(name, |_, claims| claims.is_empty());
    }

    /// Whom a name belongs to: the only one that claims it.
    pub(super) fn owner(&self, name: &str) -> Option<ServiceId> {
        match self.0.get(name)?.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_two_claim_belongs_to_neither() {
        let index = AliasIndex::default();
        let name: Arc<str> = "ubuntu:11434".into();
        let (a, b) = (ServiceId::from_text("a"), ServiceId::from_text("b"));
        index.claim(&name, &a);
        index.claim(&name, &a);
        assert_eq!(index.owner(&name), Some(a.clone()));
        index.claim(&name, &b);
        assert_eq!(index.owner(&name), None);
        index.release(&name, &a);
        assert_eq!(index.owner(&name), Some(b.clone()));
        index.release(&name, &b);
        assert_eq!(index.owner(&name), None);
        assert!(index.0.is_empty());
    }
}
