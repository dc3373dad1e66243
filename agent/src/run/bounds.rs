//! The last look before anything leaves: what breaks a bound of the wire is left out. A collector
//! refuses a frame that breaks one, and a single odd word must not make a whole host vanish.
//!
//! The sources hold the bounds themselves, so that finding something here is a mistake of theirs.

use std::collections::BTreeSet;

use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::check::OutOfBounds;
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;
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
        let beat = Sample { seq: sample.seq, at: sample.at, ..Sample::default() };
        let alone = |sample: Sample| sample.check().is_ok();
        sample.detail = sample
            .detail
            .take()
            .filter(|detail| alone(Sample { detail: Some(detail.clone()), ..Sample::default() }));
        if sample.check().is_ok() {
            return sample;
        }
        if let Some(gpus) = &mut sample.gpus {
            gpus.retain(|gpu| alone(Sample { gpus: Some(vec![gpu.clone()]), ..Sample::default() }));
        }
        sample.services = None;
        // It is still the heartbeat.
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
        inventory.services.retain(|service| {
            alone(Inventory { services: vec![service.clone()], ..Inventory::empty() })
        });
        if let Some(gpus) = &mut inventory.gpus {
            gpus.retain(|gpu| {
                alone(Inventory { gpus: Some(vec![gpu.clone()]), ..Inventory::empty() })
            });
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

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::detail::Detail;
    use herdbook_shared::wire::inventory::{Gpu, Service};
    use herdbook_shared::wire::sample::GpuSample;
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
        assert_eq!(held, Sample { detail: None, ..sample });
    }

    #[test]
    fn the_heartbeat_goes_on_whatever_is_wrong() {
        let mut bounds = Bounds::default();
        let sample = Sample { seq: 7, cpu_percent: Some(-1.0), ..Sample::default() };
        let held = bounds.sample(sample);
        assert_eq!((held.seq, held.cpu_percent), (7, None));
        let inventory = Inventory { addresses: vec!["a".repeat(10_000)], ..Inventory::empty() };
        assert_eq!(bounds.inventory(inventory), Inventory::empty());
    }
}
