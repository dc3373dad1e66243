//! How much VRAM models need, as servers told when they had them in memory: the same digest needs
//! about the same on another host.

use std::sync::Arc;

use crate::registry::Map;
use crate::registry::service::{Model, ServiceEntry};

/// Most digests of which it is remembered; of one more, any other is forgotten.
const DIGESTS_MAX: usize = 20_000;

/// From a digest to the VRAM that it took last, bytes.
#[derive(Debug, Default)]
pub(in crate::registry) struct Needs(Map<Arc<str>, u64>);

impl Needs {
    /// Takes in what a service has in memory now.
    pub(in crate::registry) fn learn(&self, service: &ServiceEntry) {
        let in_memory = |model: &&Model| model.warm && !model.loading;
        for model in service.facts.models.iter().filter(in_memory) {
            if let (Some(digest), Some(bytes @ 1..)) = (&model.digest, model.vram_bytes) {
                self.write(digest, bytes);
            }
        }
    }

    fn write(&self, digest: &Arc<str>, bytes: u64) {
        if self.0.get(&**digest).is_some_and(|known| *known == bytes) {
            return;
        }
        if self.0.len() >= DIGESTS_MAX && !self.0.contains_key(&**digest) {
            let any = self.0.iter().next().map(|entry| Arc::clone(entry.key()));
            any.and_then(|any| self.0.remove(&any));
        }
        self.0.insert(Arc::clone(digest), bytes);
    }

    /// What a model needs, bytes: what it took last, else a fifth more than its size on disk. One
    /// that runs elsewhere needs nothing.
    pub(super) fn of(&self, model: &Model) -> Option<u64> {
        if model.remote {
            return Some(0);
        }
        let told = model.digest.as_deref().and_then(|digest| self.0.get(digest).map(|n| *n));
        told.or_else(|| model.size_bytes.map(|size| size.saturating_add(size / 5)))
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::ids::ServiceId;
    use herdbook_shared::time::Timestamp;

    use super::*;
    use crate::registry::service::model::ModelFacts;
    use crate::registry::service::record::Records;
    use crate::registry::service::{Check, ServiceFacts};

    fn service(digest: &str, vram_bytes: Option<u64>) -> ServiceEntry {
        let at = Timestamp::from_unix_ms(0);
        let facts = ServiceFacts::of(Records::default(), Check::Probe, at, None);
        let models = Arc::new([model(digest, vram_bytes)]);
        ServiceEntry::unjudged(ServiceId::from_text("s"), ServiceFacts { models, ..facts })
    }

    fn model(digest: &str, vram_bytes: Option<u64>) -> Model {
        let digest = Some(Arc::from(digest));
        let facts = ModelFacts { digest, size_bytes: Some(1000), ..ModelFacts::default() };
        Model { facts: Arc::new(facts), warm: vram_bytes.is_some(), vram_bytes, ..Model::default() }
    }

    #[test]
    fn what_was_seen_last_counts_else_the_size_and_a_fifth() {
        let needs = Needs::default();
        assert_eq!(needs.of(&model("a", None)), Some(1200));
        for (told, expected) in [(Some(5000), 5000), (Some(4000), 4000), (Some(0), 4000)] {
            needs.learn(&service("a", told));
            assert_eq!(needs.of(&model("a", None)), Some(expected));
        }
        let nothing_told = Model { facts: Arc::default(), ..model("a", None) };
        assert_eq!(needs.of(&nothing_told), None);
    }

    #[test]
    fn what_is_still_loading_or_runs_elsewhere_tells_nothing() {
        let needs = Needs::default();
        let mut entry = service("a", Some(10));
        let loading = Model { loading: true, ..model("a", Some(10)) };
        let facts = ServiceFacts { models: Arc::new([loading]), ..(*entry.facts).clone() };
        entry.facts = Arc::new(facts);
        needs.learn(&entry);
        assert_eq!(needs.of(&model("a", None)), Some(1200));
        let facts = ModelFacts { remote: true, ..(*model("a", None).facts).clone() };
        assert_eq!(needs.of(&Model { facts: Arc::new(facts), ..Model::default() }), Some(0));
    }

    #[test]
    fn no_more_digests_are_remembered_than_there_is_room_for() {
        let needs = Needs::default();
        for n in 0..DIGESTS_MAX + 10 {
            needs.write(&format!("{n}").into(), 1);
        }
        assert_eq!(needs.0.len(), DIGESTS_MAX);
        let last = format!("{}", DIGESTS_MAX + 9);
        assert_eq!(needs.of(&model(&last, None)), Some(1));
    }
}
