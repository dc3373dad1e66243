//! What decodes, what is refused and with which words, and that splitting loses nothing.

use std::error::Error as _;

use proptest::prelude::*;

use crate::ids::InstanceId;
use crate::missing::MissingReason;
use crate::wire::fixtures::{
    GOODBYE, HELLO, INVENTORY, INVENTORY_DEPTH, REFUSED, SAMPLE, SAMPLE_DEPTH, WELCOME,
};
use crate::wire::inventory::{Model, Scope, ServiceState, ToldBy};

use super::*;

fn refusal(text: &str) -> String {
    let error = decode_agent(text).unwrap_err();
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A frozen frame reads, and what is written from it reads as the same.
fn survives(text: &str) -> AgentMessage {
    let message = decode_agent(text).unwrap();
    assert_eq!(decode_agent(&encode(&message)).unwrap(), message);
    message
}

#[test]
fn frozen_frames_of_version_1_are_read() {
    assert!(matches!(survives(HELLO), AgentMessage::Hello(h) if h.name == "gpu-1"));
    assert!(matches!(survives(GOODBYE), AgentMessage::Goodbye(_)));
    let AgentMessage::Inventory(inventory) = survives(INVENTORY) else { panic!("no inventory") };
    assert_eq!(inventory.services[0].models.len(), 2);
    assert_eq!(inventory.gpus.unwrap()[0].name, "NVIDIA H200");
    let AgentMessage::Sample(sample) = survives(SAMPLE) else { panic!("no sample") };
    assert_eq!(sample.cpu_percent, Some(12.5));
    assert_eq!(sample.gpus.unwrap()[0].processes.as_ref().unwrap()[0].pid, 4242);
}

#[test]
fn frozen_frames_with_all_their_depth_are_read() {
    let AgentMessage::Inventory(inventory) = survives(INVENTORY_DEPTH) else { panic!() };
    assert_eq!(inventory.system.unwrap().container.as_deref(), Some("docker"));
    assert!(inventory.address_details[0].is_own_end);
    assert_eq!(inventory.address_details[2].scope, Scope::Container);
    let gpus = inventory.gpus.unwrap();
    assert_eq!(gpus[0].mig[0].profile.as_deref(), Some("1g.18gb"));
    assert_eq!(gpus[1].missing["pcie_width_max"], MissingReason::NotSupported);
    let [ollama, vllm] = &inventory.services[..] else { panic!("two services") };
    assert_eq!(ollama.state_told_by, Some(ToldBy::Processes));
    assert!(ollama.models[0].loading);
    assert_eq!((vllm.asks_credential, vllm.unit.as_ref()), (Some(true), None));

    let AgentMessage::Sample(sample) = survives(SAMPLE_DEPTH) else { panic!("no sample") };
    let detail = sample.detail.unwrap();
    assert_eq!(detail.cores_percent.as_deref(), Some(&[3, 100, 0, 17][..]));
    assert_eq!(detail.disks.unwrap()[1].mount, None);
    assert_eq!(detail.limits.unwrap().cpu_cores, Some(1.5));
    let gap = sample.gap.unwrap();
    assert_eq!(gap.to.ms_since(gap.from), 3_600_000);
    let gpus = sample.gpus.unwrap();
    assert_eq!(gpus[0].detail.as_ref().unwrap().mig[0].memory_used_bytes, Some(6_654_289_920));
    assert_eq!(gpus[1].missing["detail"], MissingReason::Asleep);
    assert_eq!(sample.services.unwrap()[1].requests_waiting, Some(7));
}

#[test]
fn frozen_answers_of_version_1_are_read() {
    assert!(matches!(decode_collector(WELCOME).unwrap(), CollectorMessage::Welcome(_)));
    assert!(matches!(decode_collector(REFUSED).unwrap(), CollectorMessage::Refused(_)));
}

#[test]
fn a_message_of_a_later_version_is_told_apart() {
    let error = decode_agent(r#"{"type":"replay","from":7}"#).unwrap_err();
    assert!(matches!(error, DecodeError::UnknownType(kind) if kind == "replay"));
    let later = decode_collector(r#"{"type":"praise"}"#).unwrap();
    assert_eq!(later, CollectorMessage::Unknown);
}

#[test]
fn unknown_fields_and_words_are_ignored() {
    let text = SAMPLE.replacen('{', r#"{"mood":"good","#, 1);
    assert!(decode_agent(&text).is_ok());
    let text = INVENTORY.replace("\"idle\"", "\"dreaming\"").replace("\"resident\"", "\"dozing\"");
    let AgentMessage::Inventory(inventory) = decode_agent(&text).unwrap() else { panic!() };
    assert_eq!(inventory.services[0].state, ServiceState::Unknown);
}

#[test]
fn garbage_is_refused_in_words() {
    for text in ["", "hello", "[]", "{}", "null", "{\"type\":7}"] {
        assert!(refusal(text).starts_with("expected a JSON object"), "{text}");
    }
    assert!(refusal(r#"{"type":"sample","cpu_percent":NaN}"#).contains("JSON object"));
    let negative = refusal(r#"{"type":"sample","memory_used_bytes":-1}"#);
    assert!(negative.starts_with("sample: field memory_used_bytes: invalid value"), "{negative}");
    let nested = refusal(r#"{"type":"sample","gpus":[{"id":"a"},{"id":7}]}"#);
    assert!(nested.contains("gpus[1].id"), "{nested}");
}

#[test]
fn bounds_are_held() {
    let percent = refusal(r#"{"type":"sample","cpu_percent":1e300}"#);
    assert!(percent.contains("cpu_percent: expected 0 to 101"), "{percent}");
    let large = refusal(r#"{"type":"sample","memory_used_bytes":18446744073709551615}"#);
    assert!(large.contains("memory_used_bytes: expected less than 2^53"), "{large}");
    let long = HELLO.replace("gpu-1", &"x".repeat(257));
    assert!(refusal(&long).contains("name: expected at most 256 bytes"));
    let control = HELLO.replace("gpu-1", "gpu\\u001b[31m");
    assert!(refusal(&control).contains("name: expected no control characters"));
    assert!(refusal(&HELLO.replace("gpu-1", "  ")).contains("name: expected a name"));
    assert!(refusal(&INVENTORY.replace("127.0.0.1", "gpu-1")).contains("an IP address"));
    let frame = format!("{{\"type\":\"sample\",\"x\":\"{}\"}}", "x".repeat(limits::FRAME_BYTES));
    assert!(matches!(decode_agent(&frame), Err(DecodeError::TooLarge(_))));
}

fn service(port: u16, n_models: usize) -> Service {
    let model = |n| Model { name: format!("model-{port}-{n}"), ..Model::default() };
    Service {
        kind: "ollama".to_owned(),
        address: "127.0.0.1".to_owned(),
        port,
        state: ServiceState::Idle,
        models: (0..n_models).map(model).collect(),
        ..Service::default()
    }
}

#[test]
fn an_instance_id_is_a_uuid() {
    assert!(serde_json::from_str::<InstanceId>("\"gpu-1\"").is_err());
}

proptest! {
    #[test]
    fn parts_fit_frames_and_join_to_the_whole(counts in prop::collection::vec(0..400usize, 0..4)) {
        let services: Vec<_> = counts.iter().zip(1..).map(|(n, port)| service(port, *n)).collect();
        let whole = Inventory { services, ..Inventory::empty() };
        let parts = split(whole.clone());
        for part in &parts {
            let frame = encode(&AgentMessage::Inventory(Box::new(part.clone())));
            prop_assert!(frame.len() <= limits::FRAME_BYTES);
        }
        prop_assert_eq!(join(parts), Some(whole));
    }

    #[test]
    fn no_text_makes_the_decoder_panic(text in "\\PC*") {
        let _ = decode_agent(&text);
        let _ = decode_agent(&format!("{{\"type\":\"sample\",{text}}}"));
    }
}

#[test]
fn a_number_for_a_word_is_a_bad_field_and_not_broken_json() {
    for text in [
        r#"{"type":"sample","missing":{"gpus":5}}"#,
        r#"{"type":"goodbye","reason":5,"session_id":"a"}"#,
    ] {
        assert!(matches!(decode_agent(text), Err(DecodeError::BadField { .. })), "{text}");
    }
    let broken = decode_agent(r#"{"type":"sample","seq":1"#);
    assert!(matches!(broken, Err(DecodeError::NotAMessage(_))));
}
