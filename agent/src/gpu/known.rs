//! The GPUs that a new child lists, beside those that were known before. A GPU that fell off the
//! bus may be missing from the list, or stand in it nameless; it is still the one that it was.

use std::collections::BTreeMap;

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
pub(super) fn reunite(
    known: &[Gpu],
    listed: Vec<Gpu>,
    is_there: impl Fn(&str) -> bool,
) -> Reunited {
    let mut reunited = Reunited { gpus: listed, aliases: BTreeMap::new() };
    for gpu in known.iter().filter(|gpu| !is_nameless(gpu)) {
        if reunited.gpus.iter().any(|other| other.id == gpu.id) {
            continue;
        }
        if let Some(place) = reunited.gpus.iter_mut().find(|other| is_place_of(other, gpu)) {
            reunited.aliases.insert(place.id.clone(), gpu.id.clone());
            *place = gpu.clone();
        } else if let Some(address) = &gpu.pci_address
            && reunited.gpus.iter().all(|other| other.pci_address.as_ref() != Some(address))
            && is_there(address)
        {
            reunited.gpus.push(gpu.clone());
        }
    }
    reunited
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
        assert_eq!((reunited.gpus, reunited.aliases.len()), (vec![gpu(1)], 1));
        assert_eq!(reunite(&[gpu(2)], vec![asleep.clone()], |_| false).gpus, [asleep]);
    }

    #[test]
    fn a_gpu_that_is_not_listed_stays_while_the_kernel_has_it() {
        let known = [gpu(0), gpu(1), gpu(2)];
        let there = |address: &str| address == "0000:01:00.0";
        assert_eq!(reunite(&known, vec![gpu(0)], there).gpus, [gpu(0), gpu(1)]);
    }

    #[test]
    fn another_gpu_in_the_same_slot_replaces_it() {
        let other = Gpu { id: "GPU-new".to_owned(), ..gpu(1) };
        assert_eq!(reunite(&[gpu(1)], vec![other.clone()], |_| true).gpus, [other]);
    }

    proptest! {
        /// Nobody is listed twice, whoever is listed stays, and nobody is made up.
        #[test]
        fn a_list_without_doubles(
            known in prop::collection::btree_set(0_u32..6, 0..6),
            listed in prop::collection::btree_map(0_u32..6, any::<bool>(), 0..6),
            there in prop::collection::btree_set(0_u32..6, 0..6),
        ) {
            let known: Vec<Gpu> = known.into_iter().map(gpu).collect();
            let listed: Vec<Gpu> =
                listed.into_iter().map(|(n, named)| if named { gpu(n) } else { nameless(n) }).collect();
            let is_there = |address: &str| there.iter().any(|n| gpu(*n).pci_address.as_deref() == Some(address));
            let reunited = reunite(&known, listed.clone(), is_there);
            for (i, gpu) in reunited.gpus.iter().enumerate() {
                prop_assert!(reunited.gpus[..i].iter().all(|other| other.id != gpu.id));
                prop_assert!(known.contains(gpu) || listed.contains(gpu));
            }
            for gpu in &listed {
                let id = reunited.aliases.get(&gpu.id).unwrap_or(&gpu.id);
                prop_assert!(reunited.gpus.iter().any(|other| other.id == *id));
            }
        }
    }
}
