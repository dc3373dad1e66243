//! What of an outage is said aloud: each kind of trouble once, and its end once. Pure.

use std::collections::BTreeSet;

/// Kinds of trouble told in one outage; further ones are not told.
const KINDS: usize = 8;

/// The outage that lasts, if any.
#[derive(Debug)]
pub(super) struct Outage {
    told: BTreeSet<String>,
    end_is_news: Newness,
}

#[derive(Debug, PartialEq)]
enum Newness {
    News,
    Known,
}

impl Default for Outage {
    /// At first it is news that there is a connection at all.
    fn default() -> Self {
        Self { told: BTreeSet::new(), end_is_news: Newness::News }
    }
}

impl Outage {
    /// A try failed. Whether to say so.
    pub(super) fn began(&mut self, kind: &str) -> bool {
        let aloud = self.told.len() < KINDS && self.told.insert(kind.to_owned());
        if aloud {
            self.end_is_news = Newness::News;
        }
        aloud
    }

    /// A try succeeded. Whether to say so.
    pub(super) fn over(&mut self) -> bool {
        std::mem::replace(&mut self.end_is_news, Newness::Known) == Newness::News
    }

    /// The connection lived: what comes next is another outage.
    pub(super) fn lived(&mut self) {
        self.told.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_is_told_once_and_so_is_its_end() {
        let mut outage = Outage::default();
        assert!(outage.over());
        outage.lived();
        let told: Vec<bool> = (0..100).map(|_| outage.began("unreachable")).collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        assert!(outage.began("full"));
        assert!(outage.over());
        assert!(!outage.over());
    }

    #[test]
    fn a_connection_that_comes_and_goes_is_not_told_each_time() {
        let mut outage = Outage::default();
        let lines = (0..100).filter(|_| outage.over() | outage.began("superseded")).count();
        assert_eq!(lines, 2);
    }

    #[test]
    fn no_collector_can_fill_the_log_with_kinds() {
        let mut outage = Outage::default();
        let lines = (0..1000).filter(|n| outage.began(&format!("status {n}"))).count();
        assert_eq!(lines, KINDS);
    }
}
