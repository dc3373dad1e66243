//! What a child says of every machine that the fake can be, whole, as files in `golden/`: a change
//! of any word on the wire shows as a difference there. `HERDBOOK_BLESS=1` writes them anew.

use std::path::PathBuf;

use fake_nvml::Gpu as FakeGpu;
use serde_json::{Value, json, to_value};

use super::*;

/// Inventory and first readings; the moment is none of the machine's.
fn told(stage: &Stage) -> Value {
    let mut said = serde_json::Map::new();
    while said.len() < 2 {
        match stage.line() {
            Line::Asleep { gpus } => return json!({"asleep": gpus}),
            Line::Unavailable { reason, message } => {
                return json!({"unavailable": reason, "message": message});
            }
            Line::Inventory { gpus, .. } => {
                said.insert("inventory".to_owned(), to_value(gpus).unwrap())
            }
            Line::Readings { gpus, .. } => {
                said.insert("readings".to_owned(), to_value(gpus).unwrap())
            }
            line => panic!("unexpected {line:?}"),
        };
    }
    Value::Object(said)
}

fn is_as_before(name: &str, stage: &Stage) {
    let told = told(stage);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/gpu/child/tests/golden");
    let path = folder.join(format!("{name}.json"));
    if std::env::var_os("HERDBOOK_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, format!("{told:#}\n")).unwrap();
    }
    let before: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(told == before, "{} is no longer what is told:\n{told:#}", path.display());
}

fn machine(folder: &Path) -> Machine {
    let machine = Machine::new(folder);
    let id = "c0ffee".repeat(11);
    machine.process(700, "python3", &format!("/system.slice/docker-{}.scope", &id[..64])).unwrap();
    machine.process(900, "ollama", "/system.slice/ollama.service").unwrap();
    machine.memory(128 << 20, 32 << 20).unwrap();
    machine.driver("580.95.05").unwrap();
    machine
}

#[test]
fn eight_h200() {
    let mut script = Script::with_gpus(8);
    script.gpus[0].compute = vec![Process { pid: 900, memory_bytes: Some(30 << 30) }];
    is_as_before("eight_h200", &Stage::prepared(&script, |folder| drop(machine(folder))));
}

#[test]
fn a_cut_a100() {
    let script = Script::of(vec![FakeGpu::cut_a100(0)]);
    is_as_before("cut_a100", &Stage::prepared(&script, |folder| drop(machine(folder))));
}

#[test]
fn a_part_with_the_hosts_memory() {
    let script = Script::of(vec![FakeGpu::unified(0)]);
    is_as_before("unified", &Stage::prepared(&script, |folder| drop(machine(folder))));
}

#[test]
fn a_card_under_wddm() {
    is_as_before("under_wddm", &Stage::new(&Script::of(vec![FakeGpu::under_wddm(0)])));
}

#[test]
fn one_of_two_lost_from_the_start() {
    let script = Script::of(vec![FakeGpu::numbered(0), FakeGpu::numbered(1).lost()]);
    is_as_before("one_lost", &Stage::new(&script));
}

#[test]
fn a_machine_whose_only_gpu_sleeps() {
    let script = Script::with_gpus(1);
    let stage = Stage::prepared(&script, |folder| {
        machine(folder).put(&script.gpus[0], "suspended").unwrap();
    });
    is_as_before("asleep", &stage);
}

#[test]
fn a_driver_of_another_version() {
    let mismatch = Fault::Code(code::LIB_RM_VERSION_MISMATCH);
    is_as_before(
        "mismatch",
        &Stage::new(&Script::with_gpus(1).with_fault("nvmlInit_v2", mismatch)),
    );
}

#[test]
fn a_driver_without_gpus() {
    is_as_before("no_gpus", &Stage::new(&Script::default()));
}
