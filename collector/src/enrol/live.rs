//! The connections of agents that proved their keys, so that whose right ends is cut off.

use std::collections::HashMap;

use herdbook_shared::fingerprint::Fingerprint;
use tokio_util::sync::CancellationToken;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Live {
    connections: HashMap<Fingerprint, Vec<(u64, CancellationToken)>>,
    next: u64,
}

impl Live {
    /// A connection begins; what ends it is cancelled when it has to.
    pub(super) fn came(&mut self, fingerprint: Fingerprint) -> (u64, CancellationToken) {
        self.next += 1;
        let end = CancellationToken::new();
        self.connections.entry(fingerprint).or_default().push((self.next, end.clone()));
        (self.next, end)
    }

    /// It ended.
    pub(super) fn left(&mut self, fingerprint: &Fingerprint, id: u64) {
        if let Some(connections) = self.connections.get_mut(fingerprint) {
            connections.retain(|(known, _)| *known != id);
            if connections.is_empty() {
                self.connections.remove(fingerprint);
            }
        }
    }

    /// A connection goes on with another key.
    pub(super) fn rekeyed(&mut self, old: &Fingerprint, new: Fingerprint, id: u64) {
        let Some(connections) = self.connections.get_mut(old) else { return };
        let moved: Vec<_> = connections.extract_if(.., |(known, _)| *known == id).collect();
        // Others with the old key are copies of it, which counts no longer.
        self.end(old);
        self.connections.remove(old);
        self.connections.entry(new).or_default().extend(moved);
    }

    /// Ends all that have this key.
    pub(super) fn end(&self, fingerprint: &Fingerprint) {
        for (_, end) in self.connections.get(fingerprint).into_iter().flatten() {
            end.cancel();
        }
    }

    pub(super) fn has(&self, fingerprint: &Fingerprint) -> bool {
        self.connections.contains_key(fingerprint)
    }
}
