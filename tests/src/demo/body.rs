//! The rest of a simulated machine: processors, memory, network and disks, as busy as what runs on
//! it makes them.

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::detail::{Detail, DiskDetail, InterfaceDetail, Temperature};
use herdbook_shared::wire::sample::{Disk, Pressure, Sample};

use super::gpu::rounded;
use super::hardware::Chassis;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// How much of the way to what is asked it goes in a second.
const RISING_PER_S: f64 = 0.4;
/// What an idle server keeps sending and getting.
const CHATTER_BYTES: f64 = 40_000.0;
const ROOT_BYTES: u64 = 439 * GIB;

/// What runs on the machine asks this of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Of all processors, 0 to 1.
    pub(super) cpu: f64,
    /// Requests under way.
    pub(super) n_requests: f64,
    /// Of its memory.
    pub(super) memory_bytes: u64,
    /// Models that are read from the disk.
    pub(super) read_bytes: f64,
    /// A model that is being pulled.
    pub(super) pulled_bytes: f64,
}

/// See the module's words.
#[derive(Clone, Debug)]
pub(super) struct Body {
    chassis: &'static Chassis,
    random: fastrand::Rng,
    /// Busy shares, 0 to 1.
    cpu: f64,
    load: [f64; 3],
    memory_bytes: u64,
    own_memory_bytes: u64,
    received: f64,
    sent: f64,
    read: f64,
    written: f64,
    models_bytes: u64,
    root_bytes: u64,
    cpu_celsius: f64,
}

impl Body {
    pub(super) fn new(chassis: &'static Chassis, mut random: fastrand::Rng) -> Self {
        // What else runs there differs from host to host.
        let own_memory_bytes = chassis.memory_bytes / 100 * random.u64(4..19) + 2 * GIB;
        Self {
            chassis,
            cpu: 0.02,
            load: [0.5, 0.5, 0.5],
            memory_bytes: own_memory_bytes,
            own_memory_bytes,
            received: CHATTER_BYTES,
            sent: CHATTER_BYTES,
            read: 0.0,
            written: CHATTER_BYTES,
            models_bytes: chassis.disk_bytes / 100 * random.u64(25..70),
            root_bytes: random.u64(40 * GIB..150 * GIB),
            cpu_celsius: 42.0,
            random,
        }
    }

    /// A model lies on the disk now, or no longer.
    pub(super) fn disk_grows(&mut self, by_bytes: i64) {
        self.models_bytes =
            self.models_bytes.saturating_add_signed(by_bytes).min(self.chassis.disk_bytes / 10 * 9);
    }

    /// One second.
    pub(super) fn step(&mut self, asked: Asked) {
        let noise = |random: &mut fastrand::Rng| 0.8 + random.f64() * 0.4;
        let cores = f64::from(self.chassis.n_cores);
        let serving = asked.n_requests * 1.4 / cores;
        let goal = (0.015 + asked.cpu + serving + asked.pulled_bytes * 2e-9 * 8.0 / cores)
            * noise(&mut self.random);
        self.cpu += (goal.min(0.97) - self.cpu) * RISING_PER_S;
        for (load, minutes) in self.load.iter_mut().zip([1.0, 5.0, 15.0]) {
            *load += (self.cpu * cores - *load) / (60.0 * minutes);
        }
        self.memory_bytes = self.own_memory_bytes + asked.memory_bytes;
        let tokens = asked.n_requests * 9_000.0;
        let near = |now: &mut f64, goal: f64, random: &mut fastrand::Rng| {
            *now += (goal * noise(random) - *now) * RISING_PER_S;
        };
        near(&mut self.received, CHATTER_BYTES + tokens + asked.pulled_bytes, &mut self.random);
        near(
            &mut self.sent,
            CHATTER_BYTES + tokens * 3.0 + asked.pulled_bytes / 90.0,
            &mut self.random,
        );
        near(&mut self.read, asked.read_bytes, &mut self.random);
        near(&mut self.written, CHATTER_BYTES * 2.0 + asked.pulled_bytes, &mut self.random);
        self.cpu_celsius += (38.0 + self.cpu * 48.0 - self.cpu_celsius) * 0.06;
    }

    /// Writes what it measures into a sample.
    pub(super) fn fill(&mut self, sample: &mut Sample, slow: bool, uptime_s: u64) {
        sample.cpu_percent = Some(rounded(self.cpu * 100.0));
        sample.load1 = Some(rounded(self.load[0]));
        sample.memory_used_bytes = Some(self.memory_bytes);
        sample.memory_total_bytes = Some(self.chassis.memory_bytes);
        sample.swap_used_bytes = Some(0);
        sample.network_receive_bytes_per_second = Some(whole(self.received));
        sample.network_transmit_bytes_per_second = Some(whole(self.sent));
        let stalled = (self.read + self.written) / 4e9;
        sample.pressure = Some(Pressure {
            cpu_some_avg10: Some(rounded((self.cpu - 0.6).max(0.0) * 40.0)),
            memory_some_avg10: Some(0.0),
            io_some_avg10: Some(rounded((stalled * 20.0).min(60.0))),
        });
        if slow {
            sample.disk = Some(Disk { used_bytes: self.root_bytes, total_bytes: ROOT_BYTES });
            sample.detail = Some(Box::new(self.detail(uptime_s)));
        }
    }

    fn detail(&mut self, uptime_s: u64) -> Detail {
        let (total, used) = (self.chassis.memory_bytes, self.memory_bytes);
        let available = total.saturating_sub(used);
        Detail {
            cores_percent: Some((0..self.chassis.n_cores).map(|_| self.core()).collect()),
            iowait_percent: Some(rounded((self.read / 8e8).min(12.0))),
            steal_percent: Some(0.0),
            load5: Some(rounded(self.load[1])),
            load15: Some(rounded(self.load[2])),
            memory_available_bytes: Some(available),
            memory_cached_bytes: Some(available / 3 * 2),
            swap_total_bytes: Some(8 * GIB - MIB),
            uptime_s: Some(uptime_s),
            disks: Some(vec![self.root(), self.models()]),
            interfaces: Some(self.interfaces()),
            temperatures: Some(self.temperatures()),
            ..Detail::default()
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a percentage from 0 to 100"
    )]
    fn core(&mut self) -> u8 {
        // Work is never spread evenly.
        let unevenly = self.random.f64().powi(2) * 3.0;
        (self.cpu * unevenly * 100.0).clamp(0.0, 100.0) as u8
    }

    fn root(&self) -> DiskDetail {
        DiskDetail {
            device: "nvme0n1p2".to_owned(),
            mount: Some("/".to_owned()),
            file_system: Some("ext4".to_owned()),
            used_bytes: Some(self.root_bytes),
            total_bytes: Some(ROOT_BYTES),
            read_bytes_per_second: Some(0),
            write_bytes_per_second: Some(whole(CHATTER_BYTES * (1.0 + self.cpu))),
            busy_percent: Some(0.3),
            ..DiskDetail::default()
        }
    }

    fn models(&self) -> DiskDetail {
        DiskDetail {
            device: "nvme1n1".to_owned(),
            mount: Some("/var/lib/ollama".to_owned()),
            file_system: Some("xfs".to_owned()),
            used_bytes: Some(self.models_bytes),
            total_bytes: Some(self.chassis.disk_bytes),
            read_bytes_per_second: Some(whole(self.read)),
            write_bytes_per_second: Some(whole(self.written)),
            busy_percent: Some(rounded(((self.read + self.written) / 6e7).min(100.0))),
            ..DiskDetail::default()
        }
    }

    fn interfaces(&self) -> Vec<InterfaceDetail> {
        let used = InterfaceDetail {
            name: self.chassis.interface.to_owned(),
            state: Some("up".to_owned()),
            speed_mbps: Some(self.chassis.link_mbps),
            receive_bytes_per_second: Some(whole(self.received)),
            transmit_bytes_per_second: Some(whole(self.sent)),
            receive_errors: Some(0),
            transmit_errors: Some(0),
            ..InterfaceDetail::default()
        };
        let spare = InterfaceDetail {
            name: "eno8403".to_owned(),
            state: Some("down".to_owned()),
            receive_bytes_per_second: Some(0),
            transmit_bytes_per_second: Some(0),
            receive_errors: Some(0),
            transmit_errors: Some(0),
            missing: Missing::from([("speed_mbps".to_owned(), MissingReason::NotSupported)]),
            ..InterfaceDetail::default()
        };
        vec![used, spare]
    }

    fn temperatures(&self) -> Vec<Temperature> {
        let of = |sensor: &str, celsius: f64, critical| Temperature {
            sensor: sensor.to_owned(),
            celsius: (celsius * 10.0).round() / 10.0,
            critical_celsius: Some(critical),
        };
        let disk = 34.0 + (self.read + self.written) / 4e8;
        vec![
            of(self.chassis.cpu_sensor, self.cpu_celsius, 95.0),
            of("nvme Composite", disk.min(68.0), 84.8),
        ]
    }
}

/// Whole bytes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that is never below nothing, nor near the bound"
)]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::super::hardware::{CPU_ONLY, TWO_4090};
    use super::*;

    fn told(body: &mut Body) -> Sample {
        let mut sample = Sample::default();
        body.fill(&mut sample, true, 60);
        sample
    }

    #[test]
    fn work_is_seen_in_the_processors_and_a_pull_on_the_network_and_the_disk() {
        let mut body = Body::new(&CPU_ONLY, fastrand::Rng::with_seed(7));
        let before = told(&mut body);
        let asked = Asked { cpu: 0.7, pulled_bytes: 5e8, ..Asked::default() };
        (0..30).for_each(|_| body.step(asked));
        let after = told(&mut body);
        assert!(before.cpu_percent.unwrap() < 10.0 && after.cpu_percent.unwrap() > 50.0);
        assert!(after.network_receive_bytes_per_second.unwrap() > 300_000_000);
        let disks = after.detail.unwrap().disks.unwrap();
        assert!(disks[1].write_bytes_per_second.unwrap() > 300_000_000, "{disks:?}");
    }

    #[test]
    fn no_disk_is_ever_nearly_full() {
        let mut body = Body::new(&TWO_4090, fastrand::Rng::with_seed(7));
        body.disk_grows(i64::MAX);
        let models = told(&mut body).detail.unwrap().disks.unwrap().remove(1);
        assert!(models.used_bytes.unwrap() * 100 / models.total_bytes.unwrap() <= 90);
    }
}
