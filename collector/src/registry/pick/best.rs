//! The first few of many, without sorting the rest.

/// At most `max` items, the first one first.
#[derive(Debug)]
pub(super) struct First<T> {
    items: Vec<T>,
    max: usize,
}

impl<T> First<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { items: Vec::with_capacity(max), max }
    }

    /// Whether as many stand before an item as there may be.
    pub(super) fn is_beyond(&self, item: &T, is_before: impl Fn(&T, &T) -> bool) -> bool {
        let is_full = self.items.len() >= self.max;
        is_full && self.items.last().is_none_or(|last| !is_before(item, last))
    }

    /// Takes an item in, if it is among the first so far.
    pub(super) fn offer(&mut self, item: T, is_before: impl Fn(&T, &T) -> bool) {
        if self.is_beyond(&item, &is_before) {
            return;
        }
        let at = self.items.partition_point(|other| !is_before(&item, other));
        self.items.insert(at, item);
        self.items.truncate(self.max);
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_the_first_of_all_once_sorted(all: Vec<u8>, max in 1..6usize) {
            let mut first = First::new(max);
            all.iter().enumerate().for_each(|item| first.offer(item, |a, b| a.1 < b.1));
            let mut sorted: Vec<_> = all.iter().enumerate().collect();
            sorted.sort_by_key(|(_, n)| **n);
            sorted.truncate(max);
            prop_assert_eq!(first.into_items(), sorted);
        }
    }
}
