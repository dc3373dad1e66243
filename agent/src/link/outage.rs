//! What of an outage is said aloud: each kind of trouble once, and its end once. A connection that
//! comes and goes is told a few times and then no more until it lives. Pure.

use std::collections::BTreeSet;

/// Troubles told until a connection lives; the last thing said is then that there is none.
const TROUBLES: usize = 8;

/// The outage that lasts, if any.
#[derive(Debug)]
pub(super) struct Outage {
    told: BTreeSet<String>,
    n_told: usize,
    connection: Newness,
}

#[derive(Debug, PartialEq)]
enum Newness {
    News,
    Known,
}

impl Default for Outage {
    /// At first it is news that there is a connection at all.
    fn default() -> Self {
        Self { told: BTreeSet::new(), n_told: 0, connection: Newness::News }
    }
}

impl Outage {
    /// A try failed. Whether to say so.
    pub(super) fn began(&mut self, kind: &str) -> bool {
        let aloud = self.n_told < TROUBLES && self.told.insert(kind.to_owned());
        if aloud {
            self.n_told += 1;
            self.connection = Newness::News;
        }
        aloud
    }

    /// A try succeeded. Whether to say so.
    pub(super) fn over(&mut self) -> bool {
        self.n_told < TROUBLES && self.take_news()
    }

    /// The connection lives: what comes next is another outage. Whether to say so, since nobody
    /// has yet.
    pub(super) fn lived(&mut self) -> bool {
        self.n_told = 0;
        self.take_news()
    }

    fn take_news(&mut self) -> bool {
        self.told.clear();
        std::mem::replace(&mut self.connection, Newness::Known) == Newness::News
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_is_told_once_and_so_is_its_end() {
        let mut outage = Outage::default();
        assert!(outage.over());
        assert!(!outage.lived());
        let n_told = (0..100).filter(|_| outage.began("unreachable")).count();
        assert_eq!(n_told, 1);
        assert!(outage.began("full"));
        assert!(outage.over());
        assert!(!outage.over());
        assert!(outage.began("unreachable"));
    }

    #[test]
    fn a_connection_that_comes_and_goes_is_told_a_few_times_and_then_when_it_lives() {
        let mut outage = Outage::default();
        let mut lines = Vec::new();
        for _ in 0..100 {
            lines.extend(outage.over().then_some("connected"));
            lines.extend(outage.began("superseded").then_some("lost"));
        }
        assert_eq!(lines.len(), 2 * TROUBLES);
        assert_eq!(lines.last(), Some(&"lost"));
        assert!(!outage.over());
        assert!(outage.lived());
        assert!(outage.began("superseded"));
    }

    #[test]
    fn no_collector_can_fill_the_log_with_kinds() {
        let mut outage = Outage::default();
        let lines = (0..1000).filter(|n| outage.began(&format!("status {n}"))).count();
        assert_eq!(lines, TROUBLES);
    }
}
