//! Which entities the store has not seen as they are now. What a command changed goes first, in the
//! order of the commands, so that whoever waits for the answer waits for no crowd of others.

use std::collections::{BTreeSet, HashMap};

use herdbook_shared::ids::{HostId, ServiceId};

use crate::store::Extent;

/// An entity that the store has to write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dirty {
    /// A host, or that it is gone.
    Host(HostId),
    /// A service, or that it is gone.
    Service(ServiceId),
}

/// See the module's words.
#[derive(Debug, Default)]
pub struct Unkept {
    /// What commands changed, by the number of the first mark since it was taken.
    urgent: BTreeSet<(u64, Dirty)>,
    numbers: HashMap<Dirty, u64>,
    /// What was observed.
    later: BTreeSet<Dirty>,
    n_urgent_marks: u64,
}

impl Unkept {
    /// The entity was observed to be another one.
    pub fn mark(&mut self, dirty: Dirty) {
        if !self.numbers.contains_key(&dirty) {
            self.later.insert(dirty);
        }
    }

    /// A command changed the entity, or its answer says how it is.
    pub fn mark_urgent(&mut self, dirty: Dirty) {
        self.n_urgent_marks += 1;
        if !self.numbers.contains_key(&dirty) {
            self.later.remove(&dirty);
            self.number(dirty, self.n_urgent_marks);
        }
    }

    /// The number of the last urgent mark: what it and all before it stand for has to be kept
    /// before whoever made it is answered.
    #[must_use]
    pub fn ticket(&self) -> u64 {
        self.n_urgent_marks
    }

    /// Up to which number nothing urgent is left here.
    #[must_use]
    pub fn taken_through(&self) -> u64 {
        self.urgent.first().map_or(self.n_urgent_marks, |(number, _)| number - 1)
    }

    /// Takes the most urgent entity, with its number where it has one.
    pub fn take(&mut self, extent: Extent) -> Option<(Option<u64>, Dirty)> {
        if let Some((number, dirty)) = self.urgent.pop_first() {
            self.numbers.remove(&dirty);
            return Some((Some(number), dirty));
        }
        match extent {
            Extent::Urgent => None,
            Extent::All => self.later.pop_first().map(|dirty| (None, dirty)),
        }
    }

    /// What was taken could not be kept. It was urgent where it has a number.
    pub fn give_back(&mut self, number: Option<u64>, dirty: Dirty) {
        let Some(number) = number else { return self.mark(dirty) };
        if let Some(later) = self.numbers.get(&dirty).copied() {
            self.urgent.remove(&(later, dirty.clone()));
        }
        self.later.remove(&dirty);
        self.number(dirty, number);
    }

    /// Whether a command waits.
    #[must_use]
    pub fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// Whether anything is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.later.is_empty()
    }

    /// How many entities are to be written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.urgent.len() + self.later.len()
    }

    fn number(&mut self, dirty: Dirty, number: u64) {
        self.numbers.insert(dirty.clone(), number);
        self.urgent.insert((number, dirty));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn service(id: u8) -> Dirty {
        Dirty::Service(ServiceId::from_text(&id.to_string()))
    }

    #[test]
    fn commands_go_first_and_in_order() {
        let mut unkept = Unkept::default();
        unkept.mark(service(1));
        unkept.mark(service(2));
        unkept.mark_urgent(service(9));
        unkept.mark_urgent(service(2));
        unkept.mark_urgent(service(9));
        assert_eq!((unkept.ticket(), unkept.taken_through()), (3, 0));
        assert_eq!(unkept.take(Extent::Urgent), Some((Some(1), service(9))));
        assert_eq!(unkept.taken_through(), 1);
        assert_eq!(unkept.take(Extent::Urgent), Some((Some(2), service(2))));
        assert_eq!((unkept.take(Extent::Urgent), unkept.taken_through()), (None, 3));
        assert_eq!(unkept.take(Extent::All), Some((None, service(1))));
        assert!(unkept.is_empty());
    }

    #[test]
    fn what_was_given_back_is_as_urgent_as_before() {
        let mut unkept = Unkept::default();
        unkept.mark_urgent(service(1));
        let (number, dirty) = unkept.take(Extent::Urgent).unwrap();
        unkept.mark_urgent(service(2));
        unkept.mark_urgent(service(1));
        unkept.give_back(number, dirty);
        assert_eq!(unkept.taken_through(), 0, "its first mark is not kept");
        assert_eq!(unkept.take(Extent::All), Some((Some(1), service(1))));
        assert_eq!(unkept.take(Extent::All), Some((Some(2), service(2))));
        assert_eq!((unkept.take(Extent::All), unkept.taken_through()), (None, 3));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Mark(u8),
        Urgent(u8),
        Take(usize),
        Fail(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..5_u8).prop_map(Step::Mark),
            (0..5_u8).prop_map(Step::Urgent),
            (0..4_usize).prop_map(Step::Take),
            (0..4_usize).prop_map(Step::Fail),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        /// Every entity has a version; a batch writes the versions of its moment. Whatever fails:
        /// up to `taken_through` of a batch that was kept, no mark is newer than what is kept.
        #[test]
        fn what_a_ticket_stands_for_is_kept_before_it_is_answered(steps in steps()) {
            let mut unkept = Unkept::default();
            let (mut versions, mut kept) = ([0_u32; 5], [0_u32; 5]);
            let mut marks: Vec<(u64, u8, u32)> = Vec::new();
            for step in steps {
                match step {
                    Step::Mark(id) => {
                        versions[usize::from(id)] += 1;
                        unkept.mark(service(id));
                    }
                    Step::Urgent(id) => {
                        versions[usize::from(id)] += 1;
                        unkept.mark_urgent(service(id));
                        marks.push((unkept.ticket(), id, versions[usize::from(id)]));
                    }
                    Step::Take(max) | Step::Fail(max) => {
                        let taken: Vec<_> =
                            std::iter::from_fn(|| unkept.take(Extent::All)).take(max).collect();
                        let through = unkept.taken_through();
                        if matches!(step, Step::Fail(_)) {
                            for (number, dirty) in taken {
                                unkept.give_back(number, dirty);
                            }
                            continue;
                        }
                        for id in 0..5_u8 {
                            if taken.iter().any(|(_, dirty)| *dirty == service(id)) {
                                kept[usize::from(id)] = versions[usize::from(id)];
                            }
                        }
                        for (_, id, version) in marks.iter().filter(|(n, ..)| *n <= through) {
                            prop_assert!(kept[usize::from(*id)] >= *version);
                        }
                    }
                }
            }
            while let Some((_, dirty)) = unkept.take(Extent::All) {
                let id = (0..5_u8).find(|id| service(*id) == dirty).unwrap();
                kept[usize::from(id)] = versions[usize::from(id)];
            }
            prop_assert_eq!(kept, versions);
            prop_assert_eq!(unkept.taken_through(), unkept.ticket());
        }
    }
}
