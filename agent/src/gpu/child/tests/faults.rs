//! Every call that the agent makes, made to fail, to answer garbage, and to be slow, each in turn.
//! Which calls there are is learnt from a run in which nothing fails.

use std::collections::BTreeSet;

use fake_nvml::Gpu as FakeGpu;
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;

use super::*;

/// A machine on which every call is made: of three GPUs the first is asked by others than the
/// faults, the second has all that a whole GPU has, the third is cut.
fn machine() -> Script {
    let mut whole = FakeGpu::numbered(1);
    whole.compute = vec![Process { pid: 1, memory_bytes: Some(1 << 30) }];
    whole.graphics = vec![Process { pid: 2, memory_bytes: Some(1 << 20) }];
    whole.fan_percent = Some(40);
    Script::of(vec![FakeGpu::numbered(0), whole, FakeGpu::cut_a100(2)])
}

/// The calls that a healthy child makes, and how each begins.
fn calls() -> BTreeSet<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let stage = Stage::new(&machine().noting_calls(file.path()));
    stage.complete_readings();
    stage.complete_readings();
    assert_eq!(stage.end(), End::Asked);
    let text = std::fs::read_to_string(file.path()).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Calls about one GPU: a fault in another's is none of the first one's business.
fn device_calls() -> impl Iterator<Item = String> {
    calls()
        .into_iter()
        .filter(|symbol| symbol.starts_with("nvmlDevice") && symbol != "nvmlDeviceGetCount_v2")
}

/// Whatever the fault of this GPU: the other two are read, and all of it can be sent.
fn others_are_untouched(script: &Script, gpu: usize, symbol: &str, fault: Fault) {
    let stage = Stage::new(script);
    let inventory = stage.inventory();
    let first = inventory.iter().find(|gpu| gpu.id == script.gpus[0].uuid).cloned();
    assert!(first.is_some_and(|gpu| gpu.missing.is_empty()), "{symbol} {fault:?}");
    let inventory = Inventory { gpus: Some(inventory), ..Inventory::empty() };
    assert_eq!(inventory.check(), Ok(()), "{symbol} {fault:?}");
    for gpus in [stage.complete_readings(), stage.readings(|_| true), stage.complete_readings()] {
        let other = &script.gpus[3 - gpu].uuid;
        let other = gpus.iter().find(|gpu| gpu.id == *other).unwrap();
        assert!(other.memory_used_bytes.is_some(), "{symbol} {fault:?}");
        let first = gpus.iter().find(|gpu| gpu.id == script.gpus[0].uuid).unwrap();
        assert_eq!(first.utilization_percent, Some(93.0), "{symbol} {fault:?}");
        let lacks_a_fan_only = first.missing.keys().all(|field| field == "fan_percent");
        assert!(lacks_a_fan_only, "{symbol} {fault:?}: {:?}", first.missing);
        let sample = Sample { gpus: Some(gpus), ..Sample::default() };
        assert_eq!(sample.check(), Ok(()), "{symbol} {fault:?}");
    }
    assert_eq!(stage.end(), End::Asked, "{symbol} {fault:?}");
}

#[test]
fn the_calls_are_those_that_are_known_to_be_cheap() {
    let calls = calls();
    assert_eq!(calls.len(), 31, "{calls:#?}");
    assert!(!calls.contains("nvmlDeviceGetPcieThroughput"));
}

#[test]
fn a_call_that_fails_on_one_gpu_leaves_the_others_alone() {
    let codes = [
        code::NOT_SUPPORTED,
        code::NO_PERMISSION,
        code::NOT_FOUND,
        code::INSUFFICIENT_SIZE,
        code::TIMEOUT,
        code::GPU_IS_LOST,
        code::RESET_REQUIRED,
        code::UNKNOWN,
        12_345,
    ];
    for (n, symbol) in device_calls().enumerate() {
        for gpu in [1, 2] {
            // Not all codes at all calls: three of them each, in turn.
            for code in codes.iter().cycle().skip(n).take(3) {
                let fault = Fault::Code(*code);
                let script = machine().with_gpu_fault(gpu, &symbol, fault);
                others_are_untouched(&script, gpu, &symbol, fault);
            }
        }
    }
}

#[test]
fn a_call_that_answers_garbage_leaves_the_other_gpus_alone() {
    for symbol in device_calls() {
        for byte in [0x00, 0x7f, 0xff] {
            for gpu in [1, 2] {
                let fault = Fault::Garbage(byte);
                let script = machine().with_gpu_fault(gpu, &symbol, fault);
                others_are_untouched(&script, gpu, &symbol, fault);
            }
        }
    }
}

#[test]
fn garbage_from_every_call_about_every_gpu_can_still_be_sent() {
    for byte in [0x00, 0x01, 0x20, 0x7f, 0x80, 0xff] {
        let script = device_calls()
            .filter(|symbol| !symbol.starts_with("nvmlDeviceGetHandleBy"))
            .fold(machine(), |script, symbol| script.with_fault(&symbol, Fault::Garbage(byte)));
        let stage = Stage::new(&script);
        let gpus = stage.inventory();
        assert_eq!(gpus.len(), 3, "{byte:#x}");
        let inventory = Inventory { gpus: Some(gpus), ..Inventory::empty() };
        assert_eq!(inventory.check(), Ok(()), "{byte:#x}");
        let sample = Sample { gpus: Some(stage.complete_readings()), ..Sample::default() };
        assert_eq!(sample.check(), Ok(()), "{byte:#x}");
    }
}

#[test]
fn a_count_that_is_nonsense_lists_no_gpu_that_is_not_there() {
    for byte in [0x7f, 0xff] {
        let fault = Fault::Garbage(byte);
        let stage = Stage::new(&machine().with_fault("nvmlDeviceGetCount_v2", fault));
        assert_eq!(stage.inventory().len(), 3);
    }
}

#[test]
fn versions_that_are_garbage_are_no_versions() {
    let garbage = Fault::Garbage(0xff);
    let script = machine()
        .with_fault("nvmlSystemGetDriverVersion", garbage)
        .with_fault("nvmlSystemGetCudaDriverVersion_v2", garbage);
    let gpus = Stage::new(&script).inventory();
    assert_eq!((&gpus[0].driver, &gpus[0].cuda_version), (&None, &None));
}

#[test]
fn slow_calls_are_waited_for() {
    let script = machine().with_gpu_fault(1, "*", Fault::SleepMs(2));
    let stage = Stage::new(&script);
    let gpus = stage.complete_readings();
    assert!(gpus.iter().all(|gpu| gpu.memory_used_bytes.is_some()));
    assert_eq!(stage.end(), End::Asked);
}
