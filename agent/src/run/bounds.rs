//! The last look before anything leaves: what breaks a bound of the wire is left out. A collector
//! refuses a frame that breaks one, and a single odd word must not make a whole host vanish.
//!
//! The sources hold the bounds themselves, so that finding something here is a mistake of theirs.

use std::collections::BTreeSet;

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::check::OutOfBounds;
use herdbook_shared::wire::detail::Detail;
use herdbook_shared::wire::inventory::{Gpu, Inventory, Service};
use herdbook_shared::wire::sample::{GpuSample, Sample, ServiceSample};
use tracing::error;

/// Holds the bounds; says each broken one once.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    told: BTreeSet<&'static str>,
}

impl Bounds {
    /// The sample without what breaks a bound.
    pub(super) fn sample(&mut self, mut sample: Sample) -> Sample {
        let Err(broken) = sample.check() else { return sample };
        self.tell(&broken);
        // It is still the heartbeat.
        let beat = Sample { seq: sample.seq, at: sample.at, ..Sample::default() };
        let beat = Sample { missing: left_out(&sample), ..beat };
        if let Some(detail) = &mut sample.detail
            && !hold_detail(detail)
        {
            sample.detail = None;
            sample.missing.insert("detail".to_owned(), MissingReason::CannotTell);
        }
        if sample.check().is_ok() {
            return sample;
        }
        if let Some(gpus) = &mut sample.gpus {
            gpus.retain_mut(hold_reading);
        }
        if let Some(services) = &mut sample.services {
            services.retain(holds_moving);
        }
        if sample.check().is_ok() {
            return sample;
        }
        if sample.services.take().is_some() {
            sample.missing.insert("services".to_owned(), MissingReason::CannotTell);
        }
        if sample.check().is_ok() { sample } else { beat }
    }

    /// The inventory without what breaks a bound.
    pub(super) fn inventory(&mut self, mut inventory: Inventory) -> Inventory {
        let Err(broken) = inventory.check() else { return inventory };
        self.tell(&broken);
        let alone = |inventory: Inventory| inventory.check().is_ok();
        inventory.address_details.retain(|address| {
            alone(Inventory { address_details: vec![address.clone()], ..Inventory::empty() })
        });
        inventory.services.retain_mut(hold_service);
        if let Some(gpus) = &mut inventory.gpus {
            gpus.retain_mut(hold_gpu);
        }
        if inventory.check().is_ok() {
            return inventory;
        }
        let missing = Missing::from([("gpus".to_owned(), MissingReason::CannotTell)]);
        let bare = Inventory { gpus: None, services: Vec::new(), missing, ..inventory };
        if bare.check().is_ok() { bare } else { Inventory::empty() }
    }

    fn tell(&mut self, broken: &OutOfBounds) {
        // Field names are constants of the wire, so this is bounded.
        if self.told.insert(broken.field) {
            error!("left out of what is told: {broken}");
        }
    }
}

/// Whether the GPU holds the bounds, if need be without its parts.
fn hold_gpu(gpu: &mut Gpu) -> bool {
    let holds = |gpu: &Gpu| {
        Inventory { gpus: Some(vec![gpu.clone()]), ..Inventory::empty() }.check().is_ok()
    };
    if !holds(gpu) {
        gpu.mig.clear();
    }
    holds(gpu)
}

/// Whether the service holds the bounds, if need be without what the kernel tells of it.
fn hold_service(service: &mut Service) -> bool {
    let holds = |service: &Service| {
        Inventory { services: vec![service.clone()], ..Inventory::empty() }.check().is_ok()
    };
    if !holds(service) {
        (service.unit, service.container) = (None, None);
        service.gpu_ids.clear();
    }
    holds(service)
}

/// What a reader would otherwise take to be as before.
fn left_out(sample: &Sample) -> Missing {
    let parts = [
        ("disk", sample.disk.is_some()),
        ("detail", sample.detail.is_some()),
        ("gpus", sample.gpus.is_some()),
        ("services", sample.services.is_some()),
    ];
    let names = parts.into_iter().filter(|(_, was_told)| *was_told);
    names.map(|(name, _)| (name.to_owned(), MissingReason::CannotTell)).collect()
}

/// Whether the detail holds the bounds, if need be without an odd disk, interface or sensor.
fn hold_detail(detail: &mut Detail) -> bool {
    let holds = |detail: Detail| {
        Sample { detail: Some(Box::new(detail)), ..Sample::default() }.check().is_ok()
    };
    if holds(detail.clone()) {
        return true;
    }
    let alone = Detail::default;
    if let Some(disks) = &mut detail.disks {
        disks.retain(|disk| holds(Detail { disks: Some(vec![disk.clone()]), ..alone() }));
    }
    if let Some(all) = &mut detail.interfaces {
        all.retain(|one| holds(Detail { interfaces: Some(vec![one.clone()]), ..alone() }));
    }
    if let Some(all) = &mut detail.temperatures {
        all.retain(|one| holds(Detail { temperatures: Some(vec![one.clone()]), ..alone() }));
    }
    hold_lists(detail, holds);
    holds(detail.clone())
}

/// A list that is too long, or odd as a whole, is missing alone.
fn hold_lists(detail: &mut Detail, holds: impl Fn(Detail) -> bool) {
    let alone = Detail::default;
    let cores = Detail { cores_percent: detail.cores_percent.clone(), ..alone() };
    let disks = Detail { disks: detail.disks.clone(), ..alone() };
    let interfaces = Detail { interfaces: detail.interfaces.clone(), ..alone() };
    let temperatures = Detail { temperatures: detail.temperatures.clone(), ..alone() };
    let limits = Detail { limits: detail.limits.clone(), ..alone() };
    let mut miss = |name: &str| {
        detail.missing.insert(name.to_owned(), MissingReason::CannotTell);
    };
    if !holds(cores) {
        detail.cores_percent = None;
        miss("cores_percent");
    }
    if !holds(disks) {
        detail.disks = None;
        miss("disks");
    }
    if !holds(interfaces) {
        detail.interfaces = None;
        miss("interfaces");
    }
    if !holds(temperatures) {
        detail.temperatures = None;
        miss("temperatures");
    }
    if !holds(limits) {
        detail.limits = None;
        miss("limits");
    }
}

/// Whether what a GPU does holds the bounds, if need be without what is told less often.
fn hold_reading(gpu: &mut GpuSample) -> bool {
    let holds = |gpu: &GpuSample| {
        Sample { gpus: Some(vec![gpu.clone()]), ..Sample::default() }.check().is_ok()
    };
    if !holds(gpu) {
        (gpu.detail, gpu.processes) = (None, None);
    }
    holds(gpu)
}

fn holds_moving(service: &ServiceSample) -> bool {
    Sample { services: Some(vec![service.clone()]), ..Sample::default() }.check().is_ok()
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::AgentMessage;
    use herdbook_shared::wire::codec::{decode_agent, encode, split};
    use herdbook_shared::wire::detail::{DiskDetail, GpuDetail, Limits};
    use herdbook_shared::wire::fixtures::{INVENTORY_DEPTH, SAMPLE_DEPTH};
    use herdbook_shared::wire::inventory::{Address, MigInstance};
    use serde_json::Value;
    use serde_json::{from_value, json};

    use super::*;

    fn gpu(name: &str) -> Gpu {
        from_value(json!({"id": "GPU-1", "index": 0, "name": name})).unwrap()
    }

    fn service(address: &str) -> Service {
        let service = json!({"kind": "ollama", "address": address, "port": 1, "state": "idle"});
        from_value(service).unwrap()
    }

    #[test]
    fn what_is_right_is_left_as_it_is() {
        let mut bounds = Bounds::default();
        let sample = Sample { seq: 1, cpu_percent: Some(1.0), ..Sample::default() };
        assert_eq!(bounds.sample(sample.clone()), sample);
        let inventory = Inventory { services: vec![service("::1")], ..Inventory::empty() };
        assert_eq!(bounds.inventory(inventory.clone()), inventory);
    }

    #[test]
    fn what_is_wrong_is_left_out_and_nothing_else() {
        let mut bounds = Bounds::default();
        let inventory = Inventory {
            gpus: Some(vec![gpu("bad\u{7}name"), gpu("good")]),
            services: vec![service("somewhere"), service("::1")],
            ..Inventory::empty()
        };
        let held = bounds.inventory(inventory);
        assert_eq!(held.gpus, Some(vec![gpu("good")]));
        assert_eq!(held.services, [service("::1")]);
        let reading = |percent| GpuSample {
            id: "GPU-1".to_owned(),
            utilization_percent: Some(percent),
            ..GpuSample::default()
        };
        let sample = Sample {
            gpus: Some(vec![reading(f64::NAN), reading(5.0)]),
            load1: Some(1.0),
            ..Sample::default()
        };
        let held = bounds.sample(sample);
        assert_eq!((held.gpus, held.load1), (Some(vec![reading(5.0)]), Some(1.0)));
    }

    #[test]
    fn an_odd_detail_is_left_out_and_takes_nothing_with_it() {
        let mut bounds = Bounds::default();
        let odd = Detail { load5: Some(f64::NAN), ..Detail::default() };
        let sample = Sample {
            seq: 3,
            cpu_percent: Some(1.0),
            detail: Some(Box::new(odd)),
            services: Some(Vec::new()),
            ..Sample::default()
        };
        let held = bounds.sample(sample.clone());
        let missing = Missing::from([("detail".to_owned(), MissingReason::CannotTell)]);
        assert_eq!(held, Sample { detail: None, missing, ..sample });
    }

    #[test]
    fn an_odd_part_of_a_detail_takes_nothing_with_it() {
        let disk = |device: &str| DiskDetail { device: device.to_owned(), ..Default::default() };
        let odd = Detail {
            disks: Some(vec![disk("sda"), disk("")]),
            cores_percent: Some(vec![1; 5000]),
            limits: Some(Limits { cpu_cores: Some(-1.0), ..Limits::default() }),
            load5: Some(1.0),
            ..Detail::default()
        };
        let sample = Sample { detail: Some(Box::new(odd)), ..Sample::default() };
        let held = Bounds::default().sample(sample).detail.unwrap();
        assert_eq!((held.disks, held.load5), (Some(vec![disk("sda")]), Some(1.0)));
        let missing: Vec<&str> = held.missing.keys().map(String::as_str).collect();
        assert_eq!(missing, ["cores_percent", "limits"]);
        assert_eq!((held.cores_percent, held.limits), (None, None));
    }

    #[test]
    fn services_that_cannot_be_told_are_not_as_before() {
        let moving = ServiceSample { address: "::1".to_owned(), ..ServiceSample::default() };
        let services = Some(vec![moving; 100]);
        let sample = Sample { services, load1: Some(1.0), ..Sample::default() };
        let held = Bounds::default().sample(sample);
        assert_eq!((held.services, held.load1), (None, Some(1.0)));
        assert_eq!(held.missing["services"], MissingReason::CannotTell);
    }

    /// Every value of the frozen frame is told; `null` may be left out, and a default said.
    fn assert_told(frozen: &Value, sent: &Value) {
        match (frozen, sent) {
            (Value::Object(frozen), Value::Object(sent)) => {
                for (key, value) in frozen {
                    assert_told(value, sent.get(key).unwrap_or(&Value::Null));
                }
            }
            (Value::Array(frozen), Value::Array(sent)) => {
                assert_eq!(frozen.len(), sent.len());
                frozen.iter().zip(sent).for_each(|(frozen, sent)| assert_told(frozen, sent));
            }
            _ => assert_eq!(frozen, sent),
        }
    }

    #[test]
    fn frozen_frames_leave_as_they_are() {
        let mut bounds = Bounds::default();
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let AgentMessage::Inventory(frozen) = decode_agent(INVENTORY_DEPTH).unwrap() else {
            panic!("no inventory")
        };
        let [part] = &split(bounds.inventory(*frozen))[..] else { panic!("one part") };
        let sent = encode(&AgentMessage::Inventory(Box::new(part.clone())));
        assert_told(&json(INVENTORY_DEPTH), &json(&sent));
        let AgentMessage::Sample(frozen) = decode_agent(SAMPLE_DEPTH).unwrap() else {
            panic!("no sample")
        };
        let sent = encode(&AgentMessage::Sample(Box::new(bounds.sample(*frozen))));
        assert_told(&json(SAMPLE_DEPTH), &json(&sent));
        assert!(bounds.told.is_empty());
    }

    #[test]
    fn an_odd_part_of_an_inventory_takes_nothing_with_it() {
        let mut bounds = Bounds::default();
        let odd = || Some("a\u{7}b".to_owned());
        let address = |interface| Address { interface, ..Address::default() };
        let mig = MigInstance { id: "MIG-1".to_owned(), profile: odd(), ..MigInstance::default() };
        let [good, other] = [service("::1"), service("127.0.0.1")];
        let inventory = Inventory {
            address_details: vec![address(odd()), address(Some("eth0".to_owned()))],
            gpus: Some(vec![Gpu { mig: vec![mig], ..gpu("a") }, gpu("b")]),
            services: vec![Service { unit: odd(), ..good.clone() }, other.clone()],
            ..Inventory::empty()
        };
        let held = bounds.inventory(inventory);
        assert_eq!(held.address_details, [address(Some("eth0".to_owned()))]);
        assert_eq!(held.gpus, Some(vec![gpu("a"), gpu("b")]));
        assert_eq!(held.services, [good, other]);
    }

    #[test]
    fn an_odd_part_of_a_reading_takes_nothing_with_it() {
        let mut bounds = Bounds::default();
        let reading =
            GpuSample { id: "a".to_owned(), power_watts: Some(5.0), ..Default::default() };
        let odd = GpuDetail { memory_temperature_celsius: Some(f64::NAN), ..Default::default() };
        let moving = |requests_running| ServiceSample {
            address: "::1".to_owned(),
            requests_running,
            ..ServiceSample::default()
        };
        let sample = Sample {
            gpus: Some(vec![GpuSample { detail: Some(Box::new(odd)), ..reading.clone() }]),
            services: Some(vec![moving(Some(u64::MAX)), moving(Some(1))]),
            load1: Some(1.0),
            ..Sample::default()
        };
        let held = bounds.sample(sample);
        assert_eq!((held.gpus, held.load1), (Some(vec![reading]), Some(1.0)));
        assert_eq!(held.services, Some(vec![moving(Some(1))]));
    }

    #[test]
    fn the_heartbeat_goes_on_whatever_is_wrong() {
        let mut bounds = Bounds::default();
        let detail = Some(Box::default());
        let sample = Sample { seq: 7, cpu_percent: Some(-1.0), detail, ..Sample::default() };
        let held = bounds.sample(sample);
        assert_eq!((held.seq, held.cpu_percent), (7, None));
        assert_eq!(held.missing["detail"], MissingReason::CannotTell);
        let inventory = Inventory { addresses: vec!["a".repeat(10_000)], ..Inventory::empty() };
        assert_eq!(bounds.inventory(inventory), Inventory::empty());
    }
}
