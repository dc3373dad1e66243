//! The connections of agents that proved their keys, so that whose right ends is cut off.

use std::collections::HashMap;

use herdbook_shared::fingerprint::Fingerprint;
use tokio_util::sync::CancellationToken;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Live {
    connections: HashMap<Fingerprint, Vec<Connection>>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    id: u64,
    ending: CancellationToken,
    /// Whether it was ended here.
    was_ended: bool,
}

impl Live {
    /// A connection begins, which is ended by this token.
    pub(super) fn came(&mut self, fingerprint: Fingerprint, ending: CancellationToken) -> u64 {
        self.next += 1;
        let connection = Connection { id: self.next, ending, was_ended: false };
        self.connections.entry(fingerprint).or_default().push(connection);
        self.next
    }

    /// It ended.
    pub(super) fn left(&mut self, fingerprint: &Fingerprint, id: u64) {
        if let Some(connections) = self.connections.get_mut(fingerprint) {
            connections.retain(|connection| connection.id != id);
            if connections.is_empty() {
                self.connections.remove(fingerprint);
            }
        }
    }

    /// A connection goes on with another key. Others with the old one are copies of it, which
    /// counts no longer: they end.
    pub(super) fn rekeyed(&mut self, old: &Fingerprint, new: Fingerprint, id: u64) {
        let Some(connections) = self.connections.get_mut(old) else { return };
        let moved: Vec<_> = connections.extract_if(.., |known| known.id == id).collect();
        self.end(old);
        self.connections.entry(new).or_default().extend(moved);
    }

    /// Ends all that have this key.
    pub(super) fn end(&mut self, fingerprint: &Fingerprint) {
        for connection in self.connections.get_mut(fingerprint).into_iter().flatten() {
            connection.was_ended = true;
            connection.ending.cancel();
        }
    }

    /// Whether this connection was ended here.
    pub(super) fn was_ended(&self, fingerprint: &Fingerprint, id: u64) -> bool {
        let mut connections = self.connections.get(fingerprint).into_iter().flatten();
        connections.any(|connection| connection.id == id && connection.was_ended)
    }

    pub(super) fn has(&self, fingerprint: &Fingerprint) -> bool {
        {
            let mut connections = self.connections.get(fingerprint).into_iter().flatten();
            connections.any(|connection| !connection.was_ended)
        }
    }
}
