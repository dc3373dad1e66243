//! The GPUs that a new child lists, beside those that were known before. A GPU that fell off the
//! bus may be missing from the list, or stand in it nameless; it is still the one that it was.

use std::collections::{BTreeMap, BTreeSet};

use herdbook_shared::limits;
use herdbook_shared::wire::inventory::Gpu;

/// What is listed, and what the child calls it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reunited {
    pub(super) gpus: Vec<Gpu>,
    /// From the child's id to the known one, where they differ.
    pub(super) aliases: BTreeMap<String, String>,
}

/// Joins what the child lists with what was `known`. A known GPU that is not listed takes the
/// nameless entry at its place, if there is one; else it stays listed, as lost, while `is_there`
/// says of its PCI address that the kernel still has it bound to the driver. What the kernel no
/// longer has was taken away, and is forgotten.
///
/// NVML numbers what it lists, without a gap for what it lost. While one is listed as lost, the
/// known ones keep their order and index therefore, so that no two share one.
pub(super) fn reunite(
    known: &[Gpu],
    mut listed: Vec<Gpu>,
    is_there: impl Fn(&str) -> bool,
) -> Reunited {
    let (mut lost, mut aliases) = (Vec::new(), BTreeMap::new());
    for gpu in known.iter().filter(|gpu| !is_nameless(gpu)) {
        if listed.iter().any(|other| other.id == gpu.id) {
            continue;
        }
        if let Some(place) = listed.iter_mut().find(|other| is_place_of(other, gpu)) {
            aliases.insert(place.id.clone(), gpu.id.clone());
            *place = Gpu { index: place.index, ..gpu.clone() };
        } else if let Some(address) = &gpu.pci_address
            && listed.iter().all(|other| other.pci_address.as_ref() != Some(address))
            && is_there(address)
        {
            lost.push(gpu.clone());
        }
    }
    let gpus = if lost.is_empty() { listed } else { in_known_order(known, listed, lost) };
    Reunited { gpus, aliases }
}

/// The known ones as they were placed, then the new ones, each with an index of its own.
fn in_known_order(known: &[Gpu], listed: Vec<Gpu>, lost: Vec<Gpu>) -> Vec<Gpu> {
    let place = |gpu: &Gpu| known.iter().position(|other| other.id == gpu.id);
    let mut gpus: Vec<Gpu> = listed.into_iter().chain(lost).collect();
    gpus.sort_by_key(|gpu| place(gpu).unwrap_or(known.len()));
    gpus.truncate(limits::GPUS);
    let mut taken = BTreeSet::new();
    for gpu in &mut gpus {
        let wanted = place(gpu).map_or(gpu.index, |place| known[place].index);
        let free = (0..).find(|index| !taken.contains(index)).unwrap_or(wanted);
        gpu.index = if taken.contains(&wanted) { free } else { wanted };
        taken.insert(gpu.index);
    }
    gpus
}

/// An entry that has only a place.
fn is_nameless(gpu: &Gpu) -> bool {
    gpu.id.starts_with("index:") || gpu.id.starts_with("pci:")
}

fn is_place_of(place: &Gpu, gpu: &Gpu) -> bool {
    let same = match (&place.pci_address, &gpu.pci_address) {
        (Some(a), Some(b)) => a == b,
        _ => place.index == gpu.index,
    };
    is_nameless(place) && same
}

#[cfg(test)]
mod tests {
    use herdbook_shared::missing::MissingReason;
    use proptest::prelude::*;

    use super::super::bus::unasked;
    use super::*;

    fn gpu(n: u32) -> Gpu {
        let address = Some(format!("0000:{n:02x}:00.0"));
        Gpu { id: format!("GPU-{n}"), ..unasked(n, address, MissingReason::CannotTell) }
    }

    fn nameless(n: u32) -> Gpu {
        unasked(n, None, MissingReason::Lost)
    }

    #[test]
    fn a_nameless_gpu_is_the_one_that_was_known_at_its_place() {
        let reunited = reunite(&[gpu(0), gpu(1)], vec![gpu(0), nameless(1)], |_| false);
        assert_eq!(reunited.gpus, [gpu(0), gpu(1)]);
        assert_eq!(reunited.aliases["index:1"], "GPU-1");
        let asleep = unasked(0, gpu(1).pci_address, MissingReason::Asleep);
        let reunited = reunite(&[gpu(1)], vec![asleep.clone()], |_| false);
        let known = Gpu { index: 0, ..gpu(1) };
        assert_eq!((reunited.gpus, reunited.aliases.len()), (vec![known], 1));
        assert_eq!(reunite(&[gpu(2)], vec![asleep.clone()], |_| false).gpus, [asleep]);
    }

    #[test]
    fn a_gpu_that_is_not_listed_stays_while_the_kernel_has_it() {
        let known = [gpu(0), gpu(1), gpu(2)];
        let there = |address: &str| address == "0000:01:00.0";
        assert_eq!(reunite(&known, vec![gpu(0)], there).gpus, [gpu(0), gpu(1)]);
    }

    #[test]
    fn beside_a_lost_gpu_the_others_keep_their_place_and_index() {
        let known = [gpu(0), gpu(1), gpu(2)];
        let moved = Gpu { index: 1, ..gpu(2) };
        let new = Gpu { index: 2, ..gpu(7) };
        let reunited = reunite(&known, vec![gpu(0), moved.clone()], |_| true);
        assert_eq!(reunited.gpus, known);
        let reunited = reunite(&known, vec![gpu(0), moved.clone(), new.clone()], |_| true);
        assert_eq!(reunited.gpus[..3], known);
        assert_eq!(reunited.gpus[3], Gpu { index: 3, ..gpu(7) });
        // Once it is forgotten, NVML's own order and numbers hold again.
        let listed = vec![gpu(0), moved, new];
        assert_eq!(reunite(&known, listed.clone(), |_| false).gpus, listed);
    }

    #[test]
    fn another_gpu_in_the_same_slot_replaces_it() {
        let other = Gpu { id: "GPU-new".to_owned(), ..gpu(1) };
        assert_eq!(reunite(&[gpu(1)], vec![other.clone()], |_| true).gpus, [other]);
    }

    proptest! {
        /// Nobody is listed twice or shares an index, whoever is listed stays, and nobody is made
        /// up.
        #[test]
        fn a_list_without_doubles(
            known in prop::collection::btree_set(0_u32..6, 0..6),
            listed in prop::collection::btree_map(0_u32..6, any::<bool>(), 0..6),
            there in prop::collection::btree_set(0_u32..6, 0..6),
        ) {
            let known: Vec<Gpu> = known.into_iter().map(gpu).collect();
            let listed: Vec<Gpu> = (0..).zip(listed).map(|(index, (n, named))| {
                if named { Gpu { index, ..gpu(n) } } else { nameless(index) }
            }).collect();
            let is_there = |address: &str| there.iter().any(|n| gpu(*n).pci_address.as_deref() == Some(address));
            let reunited = reunite(&known, listed.clone(), is_there);
            for (i, gpu) in reunited.gpus.iter().enumerate() {
                let others = &reunited.gpus[..i];
                prop_assert!(others.iter().all(|other| other.id != gpu.id && other.index != gpu.index));
                prop_assert!(known.iter().chain(&listed).any(|other| other.id == gpu.id));
            }
            for gpu in &listed {
                let id = reunited.aliases.get(&gpu.id).unwrap_or(&gpu.id);
                prop_assert!(reunited.gpus.iter().any(|other| other.id == *id));
            }
        }
    }
}
