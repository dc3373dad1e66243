//! The whole depth of a host and its services, from frozen frames to what is told to the outside.

use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::codec::decode_agent;
use herdbook_shared::wire::fixtures::{INVENTORY, INVENTORY_DEPTH, SAMPLE, SAMPLE_DEPTH};
use serde_json::{Value, json};

use crate::api::live::frames;
use crate::config::Liveness;
use crate::registry::arrive::Opened;
use crate::registry::host::HostStatus;
use crate::registry::mark::Verdict;
use crate::registry::testing::*;
use crate::registry::{Registry, encode};

use super::*;

struct World {
    registry: Registry,
    clock: Clock,
    opened: Opened,
}

impl World {
    /// A host that said this inventory and this sample.
    fn of(inventory: &str, sample: &str) -> Self {
        let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
        let opened = connect(&registry, 1, clock.moment());
        let (id, session, moment) = (&opened.host_id, &opened.session.id, clock.moment());
        let AgentMessage::Inventory(inventory) = decode_agent(inventory).unwrap() else { panic!() };
        registry.apply_inventory(id, session, *inventory, moment).unwrap();
        let AgentMessage::Sample(sample) = decode_agent(sample).unwrap() else { panic!() };
        registry.record_sample(id, session, *sample, moment).unwrap();
        Self { registry, clock, opened }
    }

    fn host(&self) -> Value {
        let host = self.registry.host(self.opened.host_id.as_str()).unwrap();
        serde_json::from_str(&encode::host(&host, View::Full)).unwrap()
    }

    fn service(&self, id: &str) -> Value {
        let service = self.registry.service(id).unwrap();
        serde_json::from_str(&encode::service(&service, View::Full)).unwrap()
    }

    fn frame(&self) -> Value {
        let hosts = self.registry.hosts();
        serde_json::from_str(&frames::samples(1, &hosts, &self.registry.services())).unwrap()
    }

    fn falls_silent(&mut self) {
        let host = self.registry.host(self.opened.host_id.as_str()).unwrap();
        let verdict = Verdict::Status(HostStatus::Stale, "no sample".to_owned());
        self.registry.judge(&host, host.live.heard_ms(), &verdict, self.clock.pass(20));
    }
}

/// `null` says "none" in these, and not that a value is missing.
const NONE: [&str; 17] = [
    "credential_header",
    "session",
    "latency_ms",
    "clock_skew_ms",
    "version",
    "last_heartbeat",
    "last_error",
    "last_error_at",
    "last_check",
    "latency_ms_avg",
    "check_latency_ms_avg",
    "ctx_limit",
    "cost_hint_usd_per_1k",
    "heartbeat_interval_s",
    "ttl_s",
    "p95_ms",
    "load",
];

/// Where a `null` has no reason, in everything that has a `missing`.
fn unreasoned(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            list.iter().for_each(|value| unreasoned(&format!("{path}[]"), value, found));
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                let is_missing = value.is_null() && !NONE.contains(&name.as_str());
                let has_reason = fields.get("missing").is_none_or(|m| !m[name].is_null());
                if is_missing && !has_reason {
                    found.push(path);
                } else {
                    unreasoned(&path, value, found);
                }
            }
        }
        _ => (),
    }
}

/// An agent that can tell of nothing but what there is, and gives no reasons.
const INVENTORY_BARE: &str = r#"{"type": "inventory", "system": {}, "address_details": [{}],
    "gpus": [{"id": "a", "index": 0, "name": "A", "mig": [{"id": "m"}]}],
    "services": [{"kind": "vllm", "address": "127.0.0.1", "port": 1, "state": "busy",
        "models": [{"name": "m"}]}]}"#;
const SAMPLE_BARE: &str = r#"{"type": "sample",
    "detail": {"disks": [{"device": "a"}, {"device": "b", "mount": "/"}],
        "interfaces": [{"name": "a"}], "limits": {},
        "temperatures": [{"sensor": "a", "celsius": 1}]},
    "gpus": [{"id": "a", "processes": [{"pid": 1}], "detail": {"mig": [{"id": "m"}]}}]}"#;

#[test]
fn every_missing_value_has_a_reason_beside_it() {
    for (inventory, sample) in [
        (INVENTORY, SAMPLE),
        (INVENTORY_DEPTH, SAMPLE_DEPTH),
        (INVENTORY_BARE, SAMPLE_BARE),
        (INVENTORY_BARE, r#"{"type": "sample", "missing": {"detail": "timeout"}}"#),
    ] {
        let mut world = World::of(inventory, sample);
        for _ in 0..2 {
            let mut found = Vec::new();
            unreasoned("host", &world.host(), &mut found);
            for service in world.registry.services() {
                unreasoned("service", &world.service(service.id.as_str()), &mut found);
            }
            unreasoned("frame", &world.frame(), &mut found);
            assert_eq!(found, [""; 0]);
            world.falls_silent();
        }
    }
}

#[test]
fn a_host_is_shown_in_all_its_depth() {
    let host = World::of(INVENTORY_DEPTH, SAMPLE_DEPTH).host();
    assert_eq!(host["system"]["container"], "docker");
    assert_eq!(
        host["address_details"][0],
        json!({"address": "10.0.0.7", "interface": "eth0", "scope": "private", "is_own_end": true,
            "missing": {}})
    );
    assert_eq!(host["address_details"][2]["scope"], "container");
    let detail = &host["detail"];
    assert_eq!(detail["cores_percent"], json!([3, 100, 0, 17]));
    assert_eq!(detail["disks"][0]["write_bytes_per_second"], 120_000);
    assert_eq!(detail["disks"][1]["missing"]["mount"], "not_supported");
    assert_eq!(detail["interfaces"][0]["speed_mbps"], 10_000);
    assert_eq!(detail["temperatures"][1]["critical_celsius"], 84.8);
    assert_eq!(detail["limits"]["cpu_cores"], 1.5);
    assert_eq!(detail["steal_percent"], json!(null));
    assert_eq!(detail["missing"]["steal_percent"], "not_supported");
}

#[test]
fn a_gpu_is_shown_in_all_its_depth() {
    let host = World::of(INVENTORY_DEPTH, SAMPLE_DEPTH).host();
    let gpu = &host["gpus"][0];
    assert_eq!(gpu["name"], "NVIDIA H200");
    assert_eq!(gpu["compute_capability"], "9.0");
    assert_eq!(gpu["pci_address"], "0000:01:00.0");
    assert_eq!((&gpu["pcie_generation_max"], &gpu["pcie_width_max"]), (&json!(5), &json!(16)));
    assert_eq!((&gpu["ecc_enabled"], &gpu["mig_enabled"]), (&json!(true), &json!(true)));
    assert_eq!(gpu["mig"][0]["profile"], "1g.18gb");
    assert_eq!(gpu["detail"]["ecc_corrected_errors"], 2);
    assert_eq!(gpu["detail"]["mig"][0]["memory_used_bytes"], 6_654_289_920_u64);
    assert_eq!(gpu["missing"]["utilization_percent"], "not_supported");
    let [ollama, unknown] = [&gpu["processes"][0], &gpu["processes"][1]];
    assert_eq!(ollama["unit"], "ollama.service");
    assert_eq!(ollama["missing"]["container"], "not_supported");
    assert_eq!(unknown["missing"]["name"], "no_permission");
    let sleeping = &host["gpus"][1];
    assert_eq!((&sleeping["cuda_version"], &sleeping["detail"]), (&json!("13.0"), &json!(null)));
    assert_eq!(sleeping["missing"]["detail"], "asleep");
    assert_eq!(sleeping["missing"]["power_limit_watts"], "not_supported");
}

#[test]
fn a_service_is_shown_in_all_its_depth() {
    let mut world = World::of(INVENTORY_DEPTH, SAMPLE_DEPTH);
    let ollama = world.service("gpu-1:11434");
    assert_eq!((&ollama["exposed"], &ollama["asks_credential"]), (&json!(true), &json!(false)));
    assert_eq!(ollama["findings"][0]["code"], "exposed_without_credential");
    assert_eq!(ollama["state_told_by"], "processes");
    assert_eq!(ollama["unit"], "ollama.service");
    assert_eq!(ollama["gpu_ids"], json!(["GPU-5f0c1d2e-0000-0000-0000-000000000001"]));
    assert_eq!(ollama["models"][0]["loading"], true);
    assert_eq!(ollama["missing"]["queue_depth"], "cannot_tell");

    let vllm = world.service("gpu-1:8000");
    assert_eq!((&vllm["exposed"], &vllm["asks_credential"]), (&json!(false), &json!(true)));
    assert_eq!(vllm["findings"][0]["code"], "needs_credential");
    assert_eq!((&vllm["requests_running"], &vllm["queue_depth"]), (&json!(3), &json!(7)));

    world.falls_silent();
    let vllm = world.service("gpu-1:8000");
    assert_eq!((&vllm["state_told_by"], &vllm["queue_depth"]), (&json!(null), &json!(null)));
    assert_eq!(vllm["missing"]["queue_depth"], "stale");
    assert_eq!(vllm["findings"][0]["code"], "needs_credential");
}

#[test]
fn a_frame_of_samples_carries_what_moves_and_not_what_is_long() {
    let frame = World::of(INVENTORY_DEPTH, SAMPLE_DEPTH).frame();
    let (host, services) = (&frame["samples"][0], frame["services"].as_array().unwrap());
    assert!(host.get("detail").is_none() && host["gpus"][0].get("detail").is_none());
    assert!(host["gpus"][0].get("mig").is_none());
    assert_eq!(host["gpus"][0]["processes"][0]["pid"], 4242);
    let vllm = services.iter().find(|service| service["id"] == "gpu-1:8000").unwrap();
    assert_eq!((&vllm["requests_running"], &vllm["queue_depth"]), (&json!(3), &json!(7)));
}
