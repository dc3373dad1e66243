//! Which reasons of a message are kept: those beside fields that there are. The rest would be shown
//! to nobody, and each could take as much memory as a long word.

use std::collections::HashSet;
use std::sync::LazyLock;

use herdbook_shared::missing::Missing;
use herdbook_shared::wire::detail::{Detail, DiskDetail, GpuDetail, InterfaceDetail};
use herdbook_shared::wire::inventory::{Gpu, Inventory};
use herdbook_shared::wire::sample::{GpuProcess, GpuSample, Sample};
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The names of fields.
type Names = HashSet<&'static str>;

static INVENTORY: LazyLock<Names> = LazyLock::new(names::<Inventory>);
static GPU: LazyLock<Names> = LazyLock::new(names::<Gpu>);
static SAMPLE: LazyLock<Names> = LazyLock::new(names::<Sample>);
static GPU_SAMPLE: LazyLock<Names> = LazyLock::new(names::<GpuSample>);
static GPU_PROCESS: LazyLock<Names> = LazyLock::new(names::<GpuProcess>);
static GPU_DETAIL: LazyLock<Names> = LazyLock::new(names::<GpuDetail>);
static DETAIL: LazyLock<Names> = LazyLock::new(names::<Detail>);
static DISK: LazyLock<Names> = LazyLock::new(names::<DiskDetail>);
static INTERFACE: LazyLock<Names> = LazyLock::new(names::<InterfaceDetail>);

/// Drops the reasons of a sample that stand beside no field.
pub(super) fn keep_in_sample(sample: &mut Sample) {
    keep(&mut sample.missing, &SAMPLE);
    if let Some(detail) = &mut sample.detail {
        keep(&mut detail.missing, &DETAIL);
        let disks = detail.disks.iter_mut().flatten();
        disks.for_each(|disk| keep(&mut disk.missing, &DISK));
        let interfaces = detail.interfaces.iter_mut().flatten();
        interfaces.for_each(|interface| keep(&mut interface.missing, &INTERFACE));
    }
    for gpu in sample.gpus.iter_mut().flatten() {
        keep(&mut gpu.missing, &GPU_SAMPLE);
        let processes = gpu.processes.iter_mut().flatten();
        processes.for_each(|process| keep(&mut process.missing, &GPU_PROCESS));
        if let Some(detail) = &mut gpu.detail {
            keep(&mut detail.missing, &GPU_DETAIL);
        }
    }
}

/// Drops the reasons of an inventory that stand beside no field.
pub(super) fn keep_in_inventory(inventory: &mut Inventory) {
    keep(&mut inventory.missing, &INVENTORY);
    for gpu in inventory.gpus.iter_mut().flatten() {
        keep(&mut gpu.missing, &GPU);
    }
}

fn keep(missing: &mut Missing, known: &Names) {
    if missing.keys().any(|field| !known.contains(field.as_str())) {
        missing.retain(|field, _| known.contains(field.as_str()));
    }
}

/// The fields of a type, as its own reader of JSON has them: there is no list to forget one in.
fn names<'de, T: Deserialize<'de>>() -> Names {
    let mut names = Names::new();
    let _ = T::deserialize(Fields(&mut names));
    names
}

/// Notes for which fields it is asked, and holds none of them.
struct Fields<'a>(&'a mut Names);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(nothing())
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(nothing())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn nothing() -> Error {
    Error::custom("only the names were wanted")
}

#[cfg(test)]
mod tests {
    use herdbook_shared::missing::MissingReason;

    use super::*;

    fn full(field: &str) -> Missing {
        let free = (0..63).map(|n| format!("{n:0>256}"));
        free.chain([field.to_owned()]).map(|field| (field, MissingReason::Lost)).collect()
    }

    #[test]
    fn only_reasons_beside_fields_are_kept_everywhere() {
        let disk = DiskDetail { missing: full("mount"), ..DiskDetail::default() };
        let interface = InterfaceDetail { missing: full("state"), ..InterfaceDetail::default() };
        let detail = Detail {
            disks: Some(vec![disk]),
            interfaces: Some(vec![interface]),
            missing: full("uptime_s"),
            ..Detail::default()
        };
        let process = GpuProcess { missing: full("name"), ..GpuProcess::default() };
        let of_gpu = GpuDetail { missing: full("pcie_width"), ..GpuDetail::default() };
        let gpu = GpuSample {
            processes: Some(vec![process]),
            detail: Some(Box::new(of_gpu)),
            missing: full("power_watts"),
            ..GpuSample::default()
        };
        let mut sample = Sample {
            detail: Some(Box::new(detail)),
            gpus: Some(vec![gpu]),
            missing: full("disk"),
            ..Sample::default()
        };
        keep_in_sample(&mut sample);
        let text = serde_json::to_string(&sample).unwrap();
        assert!(!text.contains("0000"), "{text}");
        for field in ["mount", "state", "uptime_s", "name", "pcie_width", "power_watts", "disk"] {
            assert!(text.contains(&format!(r#""{field}":"lost""#)), "{field} in {text}");
        }
    }

    #[test]
    fn so_it_is_in_an_inventory() {
        let gpu = Gpu { missing: full("driver"), ..Gpu::default() };
        let gpus = Some(vec![gpu]);
        let mut inventory = Inventory { gpus, missing: full("system"), ..Inventory::empty() };
        keep_in_inventory(&mut inventory);
        let keys = |missing: &Missing| missing.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&inventory.missing), ["system"]);
        assert_eq!(keys(&inventory.gpus.unwrap()[0].missing), ["driver"]);
    }
}
