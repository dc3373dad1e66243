//! The instances that a GPU is cut into (Multi-Instance GPU,
//! <https://docs.nvidia.com/datacenter/tesla/mig-user-guide/>). NVML shows each as a device with
//! name, memory and processes of its own, and with no utilisation.
//!
//! The numbers of GPU and compute instance come with an instance's processes, the only place where
//! the wrapper of NVML passes them on; an instance without processes is told without them.

use herdbook_shared::limits;
use herdbook_shared::wire::detail::MigSample;
use herdbook_shared::wire::inventory::MigInstance;
use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use crate::sampling::word::word;

use super::{holders, metric};

/// One instance, and what runs on it.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) told: MigInstance,
    pub(super) used_bytes: Option<u64>,
    pub(super) contexts: Result<Vec<ProcessInfo>, NvmlError>,
}

impl Instance {
    pub(super) fn sample(&self) -> MigSample {
        MigSample { id: self.told.id.clone(), memory_used_bytes: self.used_bytes }
    }
}

/// Whether the GPU is cut at present. `None`: it cannot be, or does not tell.
pub(super) fn is_enabled(device: &Device<'_>) -> Result<u32, NvmlError> {
    device.mig_mode().map(|mode| mode.current)
}

/// The instances. Slots without one are skipped; so is one that does not tell its id, without
/// which nothing could be said about it.
///
/// # Errors
///
/// What says that the whole GPU, or NVML, is gone.
pub(super) fn instances(device: &Device<'_>) -> Result<Vec<Instance>, NvmlError> {
    let n_slots = match device.mig_device_count() {
        Ok(n) => n.min(limits::MIG_INSTANCES as u32),
        Err(error) => return serious(error).map_or(Ok(Vec::new()), Err),
    };
    let mut instances: Vec<Instance> = Vec::new();
    for index in 0..n_slots {
        match device.mig_device_by_index(index).and_then(|part| instance(&part, index)) {
            Ok(part) if instances.iter().all(|known| known.told.id != part.told.id) => {
                instances.push(part);
            }
            Ok(_) => {}
            Err(error) => serious(error).map_or(Ok(()), Err)?,
        }
    }
    Ok(instances)
}

fn serious(error: NvmlError) -> Option<NvmlError> {
    let lost = metric::reason(&error) == herdbook_shared::missing::MissingReason::Lost;
    (lost || metric::is_fatal(&error)).then_some(error)
}

fn instance(device: &Device<'_>, index: u32) -> Result<Instance, NvmlError> {
    let id = word(&device.uuid()?);
    if id.is_empty() {
        return Err(NvmlError::NoData);
    }
    let memory = device.memory_info().ok();
    let total = memory.as_ref().and_then(|memory| metric::total_bytes(memory.total));
    let contexts = holders::contexts(device);
    let first = contexts.as_ref().ok().and_then(|contexts| contexts.first());
    Ok(Instance {
        told: MigInstance {
            id,
            index,
            profile: device.name().ok().as_deref().and_then(profile),
            gpu_instance: first.and_then(|process| process.gpu_instance_id),
            compute_instance: first.and_then(|process| process.compute_instance_id),
            memory_total_bytes: total,
        },
        used_bytes: memory.and_then(|memory| metric::used_bytes(memory.used, total)),
        contexts,
    })
}

/// `NVIDIA A100-SXM4-80GB MIG 1g.10gb` is a `1g.10gb`.
fn profile(name: &str) -> Option<String> {
    let (_, profile) = name.rsplit_once(" MIG ")?;
    Some(word(profile)).filter(|profile| !profile.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_profile_is_the_last_word_of_the_name() {
        assert_eq!(profile("NVIDIA H200 MIG 1g.18gb+me").as_deref(), Some("1g.18gb+me"));
        assert_eq!(profile("NVIDIA H200"), None);
        assert_eq!(profile("NVIDIA H200 MIG \n"), None);
    }

    proptest! {
        #[test]
        fn a_profile_is_what_stands_behind_the_last_mark(
            card in "[A-Za-z0-9 -]{0,40}",
            wanted in r"[1-7]c?\.?[1-7]g\.[0-9]{1,3}gb(\+[a-z]{2})?",
        ) {
            prop_assert_eq!(profile(&format!("{card} MIG {wanted}\n")), Some(wanted));
        }

        /// Whatever NVML calls the instance, the profile is a word within its bound.
        #[test]
        fn a_profile_is_a_bounded_word(name in "(?s)(.{0,20} MIG )?.{0,400}") {
            if let Some(profile) = profile(&name) {
                prop_assert!(!profile.is_empty() && profile.len() <= limits::WORD_BYTES);
                prop_assert_eq!(word(&profile), profile);
            }
        }
    }
}
