//! Other names of services: from a `host:port` to whoever it names.
//!
//! A claim is no ownership: a name that two services claim belongs to neither, and to the one that
//! is left once the other lets go of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use herdbook_shared::ids::ServiceId;

use super::Map;

/// Why a service claims a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ground {
    /// Its host is called so. Many hosts may be: behind one address, or all named `ubuntu`.
    Host,
    /// People or files called it so, or it joined an entry of that id.
    Declared,
}

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct AliasIndex(Map<Arc<str>, Claims>);

/// Who claims one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Claims {
    by_host: Few,
    declared: Few,
}

impl AliasIndex {
    /// Notes that a service claims a name. Returns who loses it by that.
    pub(super) fn claim(&self, (name, ground): &Claim, service: &ServiceId) -> Option<ServiceId> {
        let mut claims = self.0.entry(Arc::clone(name)).or_default();
        let before = claims.owner().cloned();
        claims.of(*ground).insert(service);
        before.filter(|owner| owner != service)
    }

    /// Notes that a service no longer claims a name. Returns who gains it by that.
    pub(super) fn release(&self, (name, ground): &Claim, service: &ServiceId) -> Option<ServiceId> {
        let after = {
            let mut claims = self.0.get_mut(name)?;
            claims.of(*ground).remove(service);
            claims.owner().cloned()
        };
        self.0.remove_if(name, |_, claims| claims.is_empty());
        after.filter(|owner| owner != service)
    }

    /// Whom a name belongs to: the only one that claims it.
    pub(super) fn owner(&self, name: &str) -> Option<ServiceId> {
        self.0.get(name)?.owner().cloned()
    }

    /// Whether nobody but this service claims a name.
    pub(super) fn is_free_for(&self, name: &str, service: &ServiceId) -> bool {
        self.0.get(name).is_none_or(|claims| claims.owner() == Some(service))
    }

    /// Who claims a name by its host.
    pub(super) fn by_host(&self, name: &str) -> Hosted {
        let Some(claims) = self.0.get(name) else { return Hosted::None };
        match &claims.by_host {
            Few::None => Hosted::None,
            Few::One(only) => Hosted::One(only.clone()),
            Few::Many(_) => Hosted::Many,
        }
    }

    /// Who claims a name because people called it so: seldom more than one.
    pub(super) fn declared(&self, name: &str) -> Vec<ServiceId> {
        self.0.get(name).map(|claims| claims.declared.all()).unwrap_or_default()
    }
}

/// A name and why it is claimed.
pub(super) type Claim = (Arc<str>, Ground);

/// Who claims a name by its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hosted {
    /// Nobody.
    None,
    /// One.
    One(ServiceId),
    /// Several, so that none has it.
    Many,
}

impl Claims {
    fn of(&mut self, ground: Ground) -> &mut Few {
        match ground {
            Ground::Host => &mut self.by_host,
            Ground::Declared => &mut self.declared,
        }
    }

    fn owner(&self) -> Option<&ServiceId> {
        match (&self.by_host, &self.declared) {
            (Few::One(only), Few::None) | (Few::None, Few::One(only)) => Some(only),
            (Few::One(only), Few::One(same)) if only == same => Some(only),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A set that seldom holds more than one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Few {
    #[default]
    None,
    One(ServiceId),
    Many(BTreeSet<ServiceId>),
}

impl Few {
    fn insert(&mut self, id: &ServiceId) {
        match self {
            Self::None => *self = Self::One(id.clone()),
            Self::One(only) if only == id => (),
            Self::One(only) => *self = Self::Many([only.clone(), id.clone()].into()),
            Self::Many(many) => {
                many.insert(id.clone());
            }
        }
    }

    fn remove(&mut self, id: &ServiceId) {
        match self {
            Self::One(only) if only == id => *self = Self::None,
            Self::None | Self::One(_) => (),
            Self::Many(many) => {
                many.remove(id);
                if let (1, Some(only)) = (many.len(), many.first().cloned()) {
                    *self = Self::One(only);
                }
            }
        }
    }

    fn all(&self) -> Vec<ServiceId> {
        match self {
            Self::None => Vec::new(),
            Self::One(only) => vec![only.clone()],
            Self::Many(many) => many.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
impl AliasIndex {
    /// Who claims what and why.
    pub(super) fn all(&self) -> BTreeSet<(Claim, ServiceId)> {
        let mut all = BTreeSet::new();
        for entry in &self.0 {
            let grounds =
                [(Ground::Host, &entry.by_host), (Ground::Declared, &entry.value().declared)];
            for (ground, few) in grounds {
                let claim = || (Arc::clone(entry.key()), ground);
                all.extend(few.all().into_iter().map(|id| (claim(), id)));
            }
            assert!(!entry.is_empty(), "an empty set of claims is left");
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ServiceId {
        ServiceId::from_text(text)
    }

    #[test]
    fn a_name_that_two_claim_belongs_to_neither() {
        let index = AliasIndex::default();
        let name = (Arc::from("ubuntu:11434"), Ground::Host);
        let (a, b) = (id("a"), id("b"));
        assert_eq!(index.claim(&name, &a), None);
        assert_eq!(index.claim(&name, &a), None);
        assert_eq!(index.owner(&name.0), Some(a.clone()));
        assert_eq!(index.claim(&name, &b), Some(a.clone()));
        assert_eq!(index.owner(&name.0), None);
        assert_eq!(index.release(&name, &a), Some(b.clone()));
        assert_eq!(index.owner(&name.0), Some(b.clone()));
        assert_eq!(index.release(&name, &b), None);
        assert_eq!(index.owner(&name.0), None);
        assert!(index.0.is_empty());
    }

    #[test]
    fn many_claims_go_one_by_one_and_none_is_lost() {
        let index = AliasIndex::default();
        let name = (Arc::from("ubuntu:11434"), Ground::Host);
        let ids: Vec<_> = (0..200).map(|n| id(&n.to_string())).collect();
        for id in &ids {
            index.claim(&name, id);
        }
        for id in &ids[1..] {
            assert_eq!(index.by_host(&name.0), Hosted::Many);
            index.release(&name, id);
        }
        assert_eq!(index.by_host(&name.0), Hosted::One(ids[0].clone()));
    }

    #[test]
    fn one_service_may_have_two_grounds() {
        let index = AliasIndex::default();
        let name: Arc<str> = "gpu-1:11434".into();
        let grounds = [Ground::Host, Ground::Declared];
        for ground in grounds {
            assert_eq!(index.claim(&(Arc::clone(&name), ground), &id("a")), None);
        }
        assert_eq!(index.owner(&name), Some(id("a")));
        index.release(&(Arc::clone(&name), Ground::Declared), &id("a"));
        assert_eq!(index.owner(&name), Some(id("a")));
        assert_eq!(index.claim(&(name, Ground::Declared), &id("b")), Some(id("a")));
    }
}
