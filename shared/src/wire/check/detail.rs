//! The bounds of what a sample tells less often.

use crate::limits;
use crate::wire::detail::{Detail, DiskDetail, GpuDetail, InterfaceDetail, Limits, Temperature};

use super::{
    Checked, PERCENT_MAX, bytes, celsius, count, missing, name, quantity, refuse, some_word,
};

/// More processors than any machine has.
const CORES_MAX: f64 = 1e6;

impl Detail {
    pub(super) fn check(&self) -> Checked {
        let cores = self.cores_percent.as_deref().unwrap_or_default();
        count("detail.cores_percent", cores.len(), limits::CORES)?;
        if cores.iter().any(|percent| *percent > 100) {
            return refuse("detail.cores_percent[]", "0 to 100".to_owned());
        }
        quantity("detail.iowait_percent", self.iowait_percent, PERCENT_MAX)?;
        quantity("detail.steal_percent", self.steal_percent, PERCENT_MAX)?;
        quantity("detail.load5", self.load5, 1e6)?;
        quantity("detail.load15", self.load15, 1e6)?;
        bytes("detail.memory_available_bytes", self.memory_available_bytes)?;
        bytes("detail.memory_cached_bytes", self.memory_cached_bytes)?;
        bytes("detail.swap_total_bytes", self.swap_total_bytes)?;
        bytes("detail.uptime_s", self.uptime_s)?;
        self.check_lists()?;
        self.limits.as_ref().map_or(Ok(()), Limits::check)?;
        missing("detail.missing", &self.missing)
    }

    fn check_lists(&self) -> Checked {
        let disks = self.disks.as_deref().unwrap_or_default();
        count("detail.disks", disks.len(), limits::DISKS)?;
        disks.iter().try_for_each(DiskDetail::check)?;
        let interfaces = self.interfaces.as_deref().unwrap_or_default();
        count("detail.interfaces", interfaces.len(), limits::INTERFACES)?;
        interfaces.iter().try_for_each(InterfaceDetail::check)?;
        let temperatures = self.temperatures.as_deref().unwrap_or_default();
        count("detail.temperatures", temperatures.len(), limits::TEMPERATURES)?;
        temperatures.iter().try_for_each(Temperature::check)
    }
}

impl DiskDetail {
    fn check(&self) -> Checked {
        name("detail.disks[].device", &self.device)?;
        some_word("detail.disks[].mount", self.mount.as_ref())?;
        some_word("detail.disks[].file_system", self.file_system.as_ref())?;
        bytes("detail.disks[].used_bytes", self.used_bytes)?;
        bytes("detail.disks[].total_bytes", self.total_bytes)?;
        bytes("detail.disks[].read_bytes_per_second", self.read_bytes_per_second)?;
        bytes("detail.disks[].write_bytes_per_second", self.write_bytes_per_second)?;
        quantity("detail.disks[].busy_percent", self.busy_percent, PERCENT_MAX)?;
        missing("detail.disks[].missing", &self.missing)
    }
}

impl InterfaceDetail {
    fn check(&self) -> Checked {
        name("detail.interfaces[].name", &self.name)?;
        some_word("detail.interfaces[].state", self.state.as_ref())?;
        bytes("detail.interfaces[].speed_mbps", self.speed_mbps)?;
        bytes("detail.interfaces[].receive_bytes_per_second", self.receive_bytes_per_second)?;
        bytes("detail.interfaces[].transmit_bytes_per_second", self.transmit_bytes_per_second)?;
        bytes("detail.interfaces[].receive_errors", self.receive_errors)?;
        bytes("detail.interfaces[].transmit_errors", self.transmit_errors)?;
        missing("detail.interfaces[].missing", &self.missing)
    }
}

impl Temperature {
    fn check(&self) -> Checked {
        name("detail.temperatures[].sensor", &self.sensor)?;
        celsius("detail.temperatures[].celsius", Some(self.celsius))?;
        celsius("detail.temperatures[].critical_celsius", self.critical_celsius)
    }
}

impl Limits {
    fn check(&self) -> Checked {
        quantity("detail.limits.cpu_cores", self.cpu_cores, CORES_MAX)?;
        bytes("detail.limits.memory_bytes", self.memory_bytes)?;
        bytes("detail.limits.memory_used_bytes", self.memory_used_bytes)?;
        missing("detail.limits.missing", &self.missing)
    }
}

impl GpuDetail {
    pub(super) fn check(&self) -> Checked {
        let memory = self.memory_utilization_percent;
        quantity("gpus[].detail.memory_utilization_percent", memory, PERCENT_MAX)?;
        let memory = self.memory_temperature_celsius;
        celsius("gpus[].detail.memory_temperature_celsius", memory)?;
        bytes("gpus[].detail.pcie_replays", self.pcie_replays)?;
        bytes("gpus[].detail.ecc_corrected_errors", self.ecc_corrected_errors)?;
        bytes("gpus[].detail.ecc_uncorrected_errors", self.ecc_uncorrected_errors)?;
        count("gpus[].detail.mig", self.mig.len(), limits::MIG_INSTANCES)?;
        for instance in &self.mig {
            name("gpus[].detail.mig[].id", &instance.id)?;
            bytes("gpus[].detail.mig[].memory_used_bytes", instance.memory_used_bytes)?;
        }
        missing("gpus[].detail.missing", &self.missing)
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::sample::{GpuSample, Sample};
    use serde_json::{from_value, json};

    #[test]
    fn each_bound_names_its_field() {
        let table = [
            (json!({"cores_percent": [101]}), "detail.cores_percent[]"),
            (json!({"cores_percent": vec![1; 1025]}), "detail.cores_percent"),
            (json!({"iowait_percent": -1.0}), "detail.iowait_percent"),
            (json!({"disks": [{"device": ""}]}), "detail.disks[].device"),
            (json!({"disks": [{"device": "a", "mount": "a\nb"}]}), "detail.disks[].mount"),
            (json!({"interfaces": vec![json!({"name": "e"}); 65]}), "detail.interfaces"),
            (
                json!({"temperatures": [{"sensor": "s", "celsius": 1e9}]}),
                "detail.temperatures[].celsius",
            ),
            (json!({"limits": {"cpu_cores": -1.0}}), "detail.limits.cpu_cores"),
            (json!({"limits": {"missing": {"a\nb": "cannot_tell"}}}), "detail.limits.missing"),
        ];
        for (detail, field) in table {
            let sample = Sample { detail: Some(from_value(detail).unwrap()), ..Sample::default() };
            assert_eq!(sample.check().unwrap_err().field, field);
        }
    }

    #[test]
    fn the_bounds_of_a_gpus_detail_are_held_too() {
        let table = [
            (json!({"pcie_replays": u64::MAX}), "gpus[].detail.pcie_replays"),
            (json!({"mig": [{"id": " "}]}), "gpus[].detail.mig[].id"),
            (json!({"mig": vec![json!({"id": "m"}); 65]}), "gpus[].detail.mig"),
        ];
        for (detail, field) in table {
            let gpu = GpuSample {
                id: "g".to_owned(),
                detail: Some(from_value(detail).unwrap()),
                ..GpuSample::default()
            };
            let sample = Sample { gpus: Some(vec![gpu]), ..Sample::default() };
            assert_eq!(sample.check().unwrap_err().field, field);
        }
    }
}
