//! The most that an agent may say, and more than that: every list at its bound, every word at its
//! longest, and frames that no agent sends.

use herdbook_shared::limits;
use herdbook_shared::wire::hello::Hello;
use herdbook_shared::wire::inventory::{Gpu, Inventory, Model, Service};
use herdbook_shared::wire::sample::{GpuProcess, GpuSample, Sample};
use serde_json::{Value, json};

use crate::swarm::SimulatedHost;

/// How deep a document is nested that is too deep.
const DEPTH: usize = 100_000;

/// A word of the longest kind that begins so.
fn longest(n: usize) -> String {
    format!("{n:-<width$}", width = limits::WORD_BYTES)
}

/// A hello with every label that there may be.
#[must_use]
pub fn hello(host: &SimulatedHost) -> Hello {
    let labels = (0..limits::LABELS).map(|n| (longest(n), longest(n))).collect();
    let capabilities = (0..limits::CAPABILITIES).map(longest).collect();
    Hello { labels, capabilities, role: longest(0), agent_version: longest(1), ..host.hello() }
}

/// An inventory with every GPU and every model that there may be.
#[must_use]
pub fn inventory(host: &SimulatedHost) -> Inventory {
    let gpu = |n: usize| Gpu {
        id: longest(n),
        index: u32::try_from(n).unwrap_or_default(),
        name: longest(n),
        driver: Some(longest(n)),
        cuda_version: Some(longest(n)),
        ..Gpu::default()
    };
    let n_each = limits::MODELS / limits::SERVICES;
    let service = |n: usize| Service {
        kind: "ollama".to_owned(),
        address: "127.0.0.1".to_owned(),
        port: u16::try_from(n + 1).unwrap_or(1),
        version: Some(longest(n)),
        last_error: Some("e".repeat(limits::MESSAGE_BYTES)),
        models: (0..n_each).map(|m| model(n * n_each + m)).collect(),
        ..Service::default()
    };
    Inventory {
        addresses: (0..limits::ADDRESSES).map(longest).collect(),
        gpus: Some((0..limits::GPUS).map(gpu).collect()),
        services: (0..limits::SERVICES).map(service).collect(),
        ..host.inventory()
    }
}

fn model(n: usize) -> Model {
    Model {
        name: longest(n),
        digest: Some(longest(n)),
        parameters: Some(longest(n)),
        family: Some(longest(n)),
        warm: true,
        ..Model::default()
    }
}

/// A sample with every process that there may be.
#[must_use]
pub fn sample(host: &mut SimulatedHost) -> Sample {
    let n_each = limits::GPU_PROCESSES / limits::GPUS;
    let process = |n: usize| GpuProcess {
        pid: u32::try_from(n).unwrap_or_default(),
        name: Some(longest(n)),
        ..GpuProcess::default()
    };
    let gpu = |n: usize| GpuSample {
        id: longest(n),
        utilization_percent: Some(100.0),
        throttle_reasons: Some((0..limits::THROTTLE_REASONS).map(longest).collect()),
        processes: Some((0..n_each).map(process).collect()),
        ..GpuSample::default()
    };
    // As many as one frame holds.
    let gpus = (0..limits::GPUS / 2).map(gpu).collect();
    Sample { gpus: Some(gpus), ..host.sample() }
}

/// A sample whose map of what is missing fills a frame.
#[must_use]
pub fn missing(host: &mut SimulatedHost) -> String {
    let mut sample = serde_json::to_value(host.sample()).unwrap_or_default();
    let missing = (0..5_000).map(|n| (format!("field-{n:-<30}"), json!("unknown")));
    sample["missing"] = Value::Object(missing.collect());
    tagged("sample", &sample)
}

/// The first parts of an inventory whose last one never comes.
#[must_use]
pub fn endless_parts(host: &SimulatedHost) -> Vec<String> {
    let last = limits::INVENTORY_PARTS;
    let whole = inventory(host);
    let part = |part: u32| {
        let services = whole.services.iter().skip(part as usize % 8).take(8).cloned().collect();
        let part = Inventory { part, parts: last, services, ..Inventory::empty() };
        tagged("inventory", &serde_json::to_value(part).unwrap_or_default())
    };
    (1..last).map(part).collect()
}

/// What is nested too deep for any reader that recurses.
#[must_use]
pub fn deep() -> String {
    format!(r#"{{"type":"sample","seq":1,"detail":{}"#, "[".repeat(DEPTH))
}

/// The smallest objects that make the largest lists.
#[must_use]
pub fn many_small() -> String {
    let empty = r#""","#.repeat(limits::FRAME_BYTES / 4);
    format!(r#"{{"type":"inventory","addresses":[{empty}""]}}"#)
}

fn tagged(kind: &str, message: &Value) -> String {
    let text = message.to_string();
    format!(r#"{{"type":"{kind}",{}"#, text.trim_start_matches('{'))
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::AgentMessage;
    use herdbook_shared::wire::codec::{decode_agent, encode, split};

    use super::*;

    #[test]
    fn the_most_is_within_every_bound_and_more_is_not() {
        let mut host = SimulatedHost::from_seed(1);
        let hello = AgentMessage::Hello(Box::new(hello(&host)));
        let sample = AgentMessage::Sample(Box::new(sample(&mut host)));
        let parts = split(inventory(&host)).into_iter();
        let parts = parts.map(|part| AgentMessage::Inventory(Box::new(part)));
        for message in [hello, sample].into_iter().chain(parts) {
            decode_agent(&encode(&message)).unwrap();
        }
        endless_parts(&host).iter().for_each(|part| drop(decode_agent(part).unwrap()));
        for frame in [missing(&mut host), deep(), many_small()] {
            assert!(decode_agent(&frame).is_err());
        }
    }
}
