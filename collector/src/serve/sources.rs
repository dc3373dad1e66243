//! From which addresses some connections come, and which of them is the first to go: the oldest one of
//! the address that has most. Whoever opens many crowds out itself, not its neighbours.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::pools::Id;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Sources {
    addresses: HashMap<IpAddr, BTreeSet<Id>>,
    /// Each address once: who has most comes first, and of those who have as many, the oldest.
    order: BTreeSet<Rank>,
    n_connections: usize,
}

/// How many an address has, and its oldest.
type Rank = (Reverse<usize>, Id, IpAddr);

impl Sources {
    pub(super) fn len(&self) -> usize {
        self.n_connections
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_connections == 0
    }

    pub(super) fn n_of(&self, address: IpAddr) -> usize {
        self.addresses.get(&address).map_or(0, BTreeSet::len)
    }

    /// Who goes first, and how many its address has.
    pub(super) fn oldest_of_the_most(&self) -> Option<(usize, Id)> {
        self.order.first().map(|(Reverse(n), oldest, _)| (*n, *oldest))
    }

    pub(super) fn insert(&mut self, address: IpAddr, id: Id) {
        self.change(address, |ids| ids.insert(id));
    }

    pub(super) fn remove(&mut self, address: IpAddr, id: Id) {
        self.change(address, |ids| ids.remove(&id));
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut BTreeSet<Id>) -> bool) {
        let ids = self.addresses.entry(address).or_default();
        let n_before = ids.len();
        if let Some(rank) = rank(address, ids) {
            self.order.remove(&rank);
        }
        change(ids);
        self.n_connections = self.n_connections - n_before + ids.len();
        match rank(address, ids) {
            Some(rank) => drop(self.order.insert(rank)),
            None => drop(self.addresses.remove(&address)),
        }
    }
}

fn rank(address: IpAddr, ids: &BTreeSet<Id>) -> Option<Rank> {
    ids.first().map(|oldest| (Reverse(ids.len()), *oldest, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn the_oldest_of_the_address_with_most_goes_first() {
        let mut sources = Sources::default();
        for (n, id) in [(1, 1), (2, 2), (2, 3), (3, 4), (3, 5)] {
            sources.insert(address(n), id);
        }
        assert_eq!(sources.oldest_of_the_most(), Some((2, 2)));
        sources.remove(address(2), 2);
        assert_eq!(sources.oldest_of_the_most(), Some((2, 4)));
        sources.remove(address(3), 4);
        assert_eq!(sources.oldest_of_the_most(), Some((1, 1)), "of equals the oldest");
        assert_eq!((sources.len(), sources.n_of(address(2)), sources.n_of(address(9))), (3, 1, 0));
        for (n, id) in [(1, 1), (2, 3), (3, 5), (9, 9)] {
            sources.remove(address(n), id);
        }
        assert!(sources.is_empty() && sources.order.is_empty() && sources.addresses.is_empty());
    }
}
