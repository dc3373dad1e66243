//! What samples tell less often of a host, as it is told to the outside. In the full view alone:
//! it is long, and moves every tenth sample only.

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::{Detail, DiskDetail, InterfaceDetail, Limits, Temperature};
use serde::Serialize;

use super::missing::{Reasons, give_reasons, reasons};
use super::rounded;

/// The slow part of a host.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "HostDetail")]
#[expect(missing_docs, reason = "the fields of the wire's detail, documented there")]
pub struct DetailView<'a> {
    pub cores_percent: Option<&'a [u8]>,
    pub iowait_percent: Option<f64>,
    pub steal_percent: Option<f64>,
    pub load5: Option<f64>,
    pub load15: Option<f64>,
    pub memory_available_bytes: Option<u64>,
    pub memory_cached_bytes: Option<u64>,
    pub swap_total_bytes: Option<u64>,
    pub uptime_s: Option<u64>,
    pub disks: Option<Vec<DiskView<'a>>>,
    pub interfaces: Option<Vec<InterfaceView<'a>>>,
    pub temperatures: Option<Vec<TemperatureView<'a>>>,
    /// `null` with the reason `not_supported`: nothing is limited.
    pub limits: Option<LimitsView<'a>>,
    pub missing: Reasons<'a>,
}

impl<'a> DetailView<'a> {
    /// Of the slow part of a host's samples.
    #[must_use]
    pub fn of(detail: &'a Detail) -> Self {
        let disks = detail.disks.as_deref();
        let interfaces = detail.interfaces.as_deref();
        let temperatures = detail.temperatures.as_deref();
        let mut view = Self {
            cores_percent: detail.cores_percent.as_deref(),
            iowait_percent: detail.iowait_percent.map(rounded),
            steal_percent: detail.steal_percent.map(rounded),
            load5: detail.load5,
            load15: detail.load15,
            memory_available_bytes: detail.memory_available_bytes,
            memory_cached_bytes: detail.memory_cached_bytes,
            swap_total_bytes: detail.swap_total_bytes,
            uptime_s: detail.uptime_s,
            disks: disks.map(|disks| disks.iter().map(DiskView::of).collect()),
            interfaces: interfaces.map(|list| list.iter().map(InterfaceView::of).collect()),
            temperatures: temperatures.map(|list| list.iter().map(TemperatureView::of).collect()),
            limits: detail.limits.as_ref().map(LimitsView::of),
            missing: reasons(&detail.missing),
        };
        give_reasons!(view, MissingReason::NotSupported, [limits]);
        give_reasons!(
            view,
            MissingReason::CannotTell,
            [
                cores_percent,
                iowait_percent,
                steal_percent,
                load5,
                load15,
                memory_available_bytes,
                memory_cached_bytes,
                swap_total_bytes,
                uptime_s,
                disks,
                interfaces,
                temperatures,
            ]
        );
        view
    }
}

/// A file system on a real disk.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Disk")]
#[expect(missing_docs, reason = "the fields of the wire's detail, documented there")]
pub struct DiskView<'a> {
    pub device: &'a str,
    /// `null` with the reason `not_supported`: nothing of it is mounted.
    pub mount: Option<&'a str>,
    pub file_system: Option<&'a str>,
    pub used_bytes: Option<u64>,
    pub total_bytes: Option<u64>,
    pub read_bytes_per_second: Option<u64>,
    pub write_bytes_per_second: Option<u64>,
    pub busy_percent: Option<f64>,
    pub missing: Reasons<'a>,
}

impl<'a> DiskView<'a> {
    fn of(disk: &'a DiskDetail) -> Self {
        let mut view = Self {
            device: &disk.device,
            mount: disk.mount.as_deref(),
            file_system: disk.file_system.as_deref(),
            used_bytes: disk.used_bytes,
            total_bytes: disk.total_bytes,
            read_bytes_per_second: disk.read_bytes_per_second,
            write_bytes_per_second: disk.write_bytes_per_second,
            busy_percent: disk.busy_percent.map(rounded),
            missing: reasons(&disk.missing),
        };
        let unmounted = match view.mount {
            None => MissingReason::NotSupported,
            Some(_) => MissingReason::CannotTell,
        };
        give_reasons!(view, unmounted, [mount, file_system, used_bytes, total_bytes]);
        give_reasons!(
            view,
            MissingReason::CannotTell,
            [read_bytes_per_second, write_bytes_per_second, busy_percent]
        );
        view
    }
}

/// A network interface.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "NetworkInterface")]
#[expect(missing_docs, reason = "the fields of the wire's detail, documented there")]
pub struct InterfaceView<'a> {
    pub name: &'a str,
    pub state: Option<&'a str>,
    pub speed_mbps: Option<u64>,
    pub receive_bytes_per_second: Option<u64>,
    pub transmit_bytes_per_second: Option<u64>,
    pub receive_errors: Option<u64>,
    pub transmit_errors: Option<u64>,
    pub missing: Reasons<'a>,
}

impl<'a> InterfaceView<'a> {
    fn of(interface: &'a InterfaceDetail) -> Self {
        let mut view = Self {
            name: &interface.name,
            state: interface.state.as_deref(),
            speed_mbps: interface.speed_mbps,
            receive_bytes_per_second: interface.receive_bytes_per_second,
            transmit_bytes_per_second: interface.transmit_bytes_per_second,
            receive_errors: interface.receive_errors,
            transmit_errors: interface.transmit_errors,
            missing: reasons(&interface.missing),
        };
        give_reasons!(
            view,
            MissingReason::CannotTell,
            [
                state,
                speed_mbps,
                receive_bytes_per_second,
                transmit_bytes_per_second,
                receive_errors,
                transmit_errors,
            ]
        );
        view
    }
}

/// What one sensor says.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Temperature")]
#[expect(missing_docs, reason = "the fields of the wire's detail, documented there")]
pub struct TemperatureView<'a> {
    pub sensor: &'a str,
    pub celsius: f64,
    pub critical_celsius: Option<f64>,
    pub missing: Reasons<'a>,
}

impl<'a> TemperatureView<'a> {
    fn of(temperature: &'a Temperature) -> Self {
        let mut view = Self {
            sensor: &temperature.sensor,
            celsius: rounded(temperature.celsius),
            critical_celsius: temperature.critical_celsius.map(rounded),
            missing: Reasons::new(),
        };
        give_reasons!(view, MissingReason::NotSupported, [critical_celsius]);
        view
    }
}

/// What the agent's control group may use.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Limits")]
#[expect(missing_docs, reason = "the fields of the wire's detail, documented there")]
pub struct LimitsView<'a> {
    /// `null` with the reason `not_supported`: this is not limited.
    pub cpu_cores: Option<f64>,
    /// Likewise.
    pub memory_bytes: Option<u64>,
    pub memory_used_bytes: Option<u64>,
    pub missing: Reasons<'a>,
}

impl<'a> LimitsView<'a> {
    fn of(limits: &'a Limits) -> Self {
        let mut view = Self {
            cpu_cores: limits.cpu_cores,
            memory_bytes: limits.memory_bytes,
            memory_used_bytes: limits.memory_used_bytes,
            missing: reasons(&limits.missing),
        };
        give_reasons!(view, MissingReason::NotSupported, [cpu_cores, memory_bytes]);
        give_reasons!(view, MissingReason::CannotTell, [memory_used_bytes]);
        view
    }
}
