//! What a simulated host tells less often: as much as a GPU server of 32 cores has to tell.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::{Detail, DiskDetail, GpuDetail, InterfaceDetail, Temperature};

/// Logical processors.
pub(super) const N_CORES: u32 = 32;

const GIB: u64 = 1 << 30;

/// The slow part of a host at its `seq`th sample.
pub(super) fn detail(random: &mut fastrand::Rng, seq: u64) -> Detail {
    Detail {
        cores_percent: Some((0..N_CORES).map(|_| random.u8(0..=100)).collect()),
        iowait_percent: Some(0.4),
        steal_percent: Some(0.0),
        load5: Some(2.9),
        load15: Some(2.5),
        memory_available_bytes: Some(180 * GIB),
        memory_cached_bytes: Some(60 * GIB),
        swap_total_bytes: Some(8 * GIB),
        uptime_s: Some(86_400 + seq),
        disks: Some(vec![
            disk("nvme0n1p2", "/", random),
            disk("nvme1n1", "/var/lib/models", random),
        ]),
        interfaces: Some(["eth0", "eth1"].map(|name| interface(name, random)).into()),
        temperatures: Some(["k10temp Tctl", "nvme Composite"].map(temperature).into()),
        ..Detail::default()
    }
}

fn disk(device: &str, mount: &str, random: &mut fastrand::Rng) -> DiskDetail {
    DiskDetail {
        device: device.to_owned(),
        mount: Some(mount.to_owned()),
        file_system: Some("ext4".to_owned()),
        used_bytes: Some(400 * GIB),
        total_bytes: Some(1900 * GIB),
        read_bytes_per_second: Some(random.u64(0..1_000_000)),
        write_bytes_per_second: Some(random.u64(0..1_000_000)),
        busy_percent: Some(1.5),
        ..DiskDetail::default()
    }
}

fn interface(name: &str, random: &mut fastrand::Rng) -> InterfaceDetail {
    InterfaceDetail {
        name: name.to_owned(),
        state: Some("up".to_owned()),
        speed_mbps: Some(10_000),
        receive_bytes_per_second: Some(random.u64(0..1_000_000)),
        transmit_bytes_per_second: Some(random.u64(0..1_000_000)),
        receive_errors: Some(0),
        transmit_errors: Some(0),
        ..InterfaceDetail::default()
    }
}

fn temperature(sensor: &str) -> Temperature {
    Temperature { sensor: sensor.to_owned(), celsius: 51.5, critical_celsius: Some(95.0) }
}

/// The slow part of a GPU.
pub(super) fn gpu_detail() -> GpuDetail {
    GpuDetail {
        memory_utilization_percent: Some(40.0),
        memory_clock_mhz: Some(2619),
        pcie_generation: Some(5),
        pcie_width: Some(16),
        pcie_replays: Some(0),
        ecc_corrected_errors: Some(0),
        ecc_uncorrected_errors: Some(0),
        missing: [("memory_temperature_celsius".to_owned(), MissingReason::NotSupported)].into(),
        ..GpuDetail::default()
    }
}
