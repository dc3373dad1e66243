//! GPUs of every kind, and what becomes of them.

use fake_nvml::{Gpu as FakeGpu, MigInstance as FakeInstance};
use herdbook_shared::wire::inventory::MemoryKind;

use super::*;

const NOT_SUPPORTED: MissingReason = MissingReason::NotSupported;

#[test]
fn a_gpu_is_described_and_read() {
    let mut script = Script::with_gpus(2);
    let holds = |pid, memory_bytes| Process { pid, memory_bytes };
    script.gpus[1].compute = vec![holds(4242, Some(7)), holds(4243, None)];
    script.gpus[1].graphics = vec![holds(4242, Some(7))];
    let stage = Stage::prepared(&script, |folder| {
        let machine = Machine::new(folder);
        machine.process(4242, "llama-server", "/system.slice/ollama.service").unwrap();
    });
    let gpus = stage.inventory();
    assert_eq!((gpus.len(), gpus[1].index), (2, 1));
    assert_eq!(gpus[1].id, script.gpus[1].uuid);
    assert_eq!(gpus[1].name, "NVIDIA H200");
    assert_eq!(gpus[1].driver.as_deref(), Some("580.95.05"));
    assert_eq!(gpus[1].cuda_version.as_deref(), Some("13.0"));
    assert_eq!(gpus[1].compute_capability.as_deref(), Some("9.0"));
    assert_eq!(gpus[1].pci_address.as_deref(), Some("0000:02:00.0"));
    assert_eq!((gpus[1].pcie_generation_max, gpus[1].pcie_width_max), (Some(5), Some(16)));
    assert_eq!((gpus[1].ecc_enabled, gpus[1].mig_enabled), (Some(true), Some(false)));
    assert_eq!(gpus[1].memory_kind, MemoryKind::Dedicated);
    assert_eq!(gpus[1].memory_total_bytes, script.gpus[1].memory_total_bytes);
    assert_eq!(gpus[1].power_limit_watts, Some(700.0));
    assert!(gpus[1].missing.is_empty(), "{:?}", gpus[1].missing);

    let gpus = stage.complete_readings();
    assert_eq!(gpus[1].utilization_percent, Some(93.0));
    assert_eq!(gpus[1].memory_used_bytes, Some(42_949_672_960));
    assert_eq!(gpus[1].power_watts, Some(512.3));
    assert_eq!(gpus[1].sm_clock_mhz, Some(1980));
    assert_eq!(gpus[1].temperature_celsius, Some(64.0));
    assert_eq!(gpus[1].throttle_reasons.as_deref(), Some(&["power_cap".to_owned()][..]));
    assert_eq!(gpus[1].missing, [("fan_percent".to_owned(), NOT_SUPPORTED)].into());
    let detail = gpus[1].detail.as_deref().unwrap();
    assert_eq!(detail.memory_utilization_percent, Some(41.0));
    assert_eq!(detail.memory_clock_mhz, Some(3201));
    assert_eq!(detail.memory_temperature_celsius, Some(71.0));
    assert_eq!((detail.pcie_generation, detail.pcie_width), (Some(5), Some(16)));
    assert_eq!(detail.pcie_replays, Some(0));
    let errors = (detail.ecc_corrected_errors, detail.ecc_uncorrected_errors);
    assert_eq!((errors, detail.mig.len()), ((Some(0), Some(0)), 0));
    assert!(detail.missing.is_empty(), "{:?}", detail.missing);
    let processes = gpus[1].processes.as_deref().unwrap();
    assert_eq!(processes.len(), 2);
    assert_eq!((processes[0].pid, processes[0].memory_bytes), (4242, Some(7)));
    assert_eq!(processes[0].name.as_deref(), Some("llama-server"));
    assert_eq!(processes[0].unit.as_deref(), Some("ollama.service"));
    assert_eq!((processes[1].pid, &processes[1].name), (4243, &None));

    let fast = stage.readings(|_| true);
    assert_eq!((fast[0].temperature_celsius, &fast[0].processes), (None, &None));
    assert_eq!(fast[0].detail, None);
    assert_eq!(stage.end(), End::Asked);
}

#[test]
fn memory_is_told_of_an_idle_gpu_too() {
    let gpu = FakeGpu { memory_used_bytes: 9 << 30, ..FakeGpu::numbered(0).idle() };
    let stage = Stage::prepared(&Script::of(vec![gpu.clone()]), |folder| {
        Machine::new(folder).put(&gpu, "active").unwrap();
    });
    let gpus = stage.readings(|_| true);
    assert_eq!(gpus[0].utilization_percent, Some(0.0));
    assert_eq!(gpus[0].memory_used_bytes, Some(9 << 30));
    assert_eq!(gpus[0].throttle_reasons.as_deref(), Some(&[][..]));
}

#[test]
fn a_gpu_that_is_cut_tells_its_instances_and_no_utilisation() {
    let mut script = Script::of(vec![FakeGpu::numbered(0), FakeGpu::cut_a100(1)]);
    // Some drivers say 0 where they do not know.
    script.gpus[1].utilization_percent = Some(0);
    let stage = Stage::new(&script);
    let gpus = stage.inventory();
    assert_eq!(gpus[1].mig_enabled, Some(true));
    let told: Vec<_> = gpus[1].mig.iter().map(|part| (part.index, part.profile.clone())).collect();
    let profile = |text: &str| Some(text.to_owned());
    let expected = [(0, profile("3g.40gb")), (2, profile("1g.10gb")), (3, profile("1g.10gb"))];
    assert_eq!(told, expected);
    assert_eq!(gpus[1].mig[0].memory_total_bytes, Some(40 << 30));
    assert_eq!((gpus[1].mig[0].gpu_instance, gpus[1].mig[1].gpu_instance), (Some(1), None));
    let gpus = stage.complete_readings();
    assert_eq!(gpus[0].utilization_percent, Some(93.0));
    assert_eq!(gpus[1].missing["utilization_percent"], NOT_SUPPORTED);
    assert_eq!(gpus[1].memory_used_bytes, Some(3 << 30));
    let detail = gpus[1].detail.as_deref().unwrap();
    assert_eq!(detail.missing["memory_utilization_percent"], NOT_SUPPORTED);
    assert_eq!(detail.mig.len(), 3);
    assert_eq!(detail.mig[0].memory_used_bytes, Some(1 << 30));
    let process = &gpus[1].processes.as_deref().unwrap()[0];
    assert_eq!((process.pid, process.memory_bytes), (700, Some(1 << 29)));
    assert_eq!(process.mig_id.as_deref(), Some("MIG-00000000-0000-0000-0001-000000000000"));
}

#[test]
fn a_gpu_may_be_cut_and_made_whole_while_the_child_runs() {
    let whole = Script::with_gpus(1);
    let mut cut = whole.clone();
    cut.gpus[0].mig_enabled = Some(true);
    cut.gpus[0].utilization_percent = None;
    let part = FakeInstance { uuid: "MIG-1".to_owned(), ..FakeInstance::default() };
    cut.gpus[0].mig = vec![Some(part)];
    let stage = Stage::new(&whole);
    stage.readings(|gpus| gpus[0].utilization_percent.is_some());
    stage.nvml.tell(&cut).unwrap();
    while stage.inventory()[0].mig.len() != 1 {}
    stage.readings(|gpus| gpus[0].missing.get("utilization_percent") == Some(&NOT_SUPPORTED));
    stage.nvml.tell(&whole).unwrap();
    while !stage.inventory()[0].mig.is_empty() {}
    stage.readings(|gpus| gpus[0].utilization_percent == Some(93.0));
}

#[test]
fn memory_that_is_the_hosts_is_unified() {
    let script = Script::of(vec![FakeGpu::unified(0)]);
    let stage = Stage::prepared(&script, |folder| {
        Machine::new(folder).memory(128 << 20, 32 << 20).unwrap();
    });
    let gpus = stage.inventory();
    assert_eq!(gpus[0].memory_kind, MemoryKind::Unified);
    assert_eq!(gpus[0].memory_total_bytes, Some(128 << 30));
    assert_eq!(gpus[0].missing["power_limit_watts"], NOT_SUPPORTED);
    assert_eq!((gpus[0].ecc_enabled, gpus[0].missing["ecc_enabled"]), (None, NOT_SUPPORTED));
    let gpus = stage.complete_readings();
    assert_eq!(gpus[0].memory_used_bytes, Some(96 << 30));
    assert_eq!(gpus[0].processes.as_ref().unwrap()[0].memory_bytes, Some(30 << 30));
    assert_eq!(gpus[0].detail.as_ref().unwrap().missing["ecc_corrected_errors"], NOT_SUPPORTED);
}

#[test]
fn a_library_without_the_call_for_memory_does_not_make_it_the_hosts() {
    let absent = Fault::Code(code::FUNCTION_NOT_FOUND);
    let stage = Stage::new(&Script::with_gpus(1).with_fault("nvmlDeviceGetMemoryInfo_v2", absent));
    let gpus = stage.inventory();
    assert_eq!(gpus[0].memory_kind, MemoryKind::Dedicated);
    assert_eq!(gpus[0].missing["memory_total_bytes"], NOT_SUPPORTED);
}

#[test]
fn memory_that_the_driver_does_not_manage_is_not_supported() {
    let stage = Stage::new(&Script::of(vec![FakeGpu::under_wddm(0)]));
    let gpus = stage.complete_readings();
    assert_eq!(gpus[0].fan_percent, Some(38.0));
    assert_eq!(gpus[0].memory_used_bytes, Some(7 << 30));
    let process = &gpus[0].processes.as_deref().unwrap()[0];
    assert_eq!(process.memory_bytes, None);
    assert_eq!(process.missing["memory_bytes"], NOT_SUPPORTED);
}

#[test]
fn processes_share_the_room_and_the_largest_stay() {
    let mut script = Script::with_gpus(2);
    for (n, gpu) in (0_u32..).zip(&mut script.gpus) {
        let process = |pid| Process { pid, memory_bytes: Some(u64::from(pid)) };
        gpu.compute = (1..=800 - 600 * n).map(process).collect();
    }
    let gpus = Stage::new(&script).complete_readings();
    let listed: Vec<usize> = gpus.iter().map(|gpu| gpu.processes.as_ref().unwrap().len()).collect();
    assert_eq!(listed, [256, 200]);
    assert_eq!(gpus[0].processes.as_ref().unwrap()[0].pid, 800);
    let sample = herdbook_shared::wire::sample::Sample { gpus: Some(gpus), ..Default::default() };
    sample.check().unwrap();
}

#[test]
fn a_line_never_grows_beyond_its_bound() {
    let mut script = Script::with_gpus(1);
    let process = |pid| Process { pid, memory_bytes: Some(u64::from(pid)) };
    script.gpus[0].compute = (1..=500).map(process).collect();
    let stage = Stage::prepared(&script, |folder| {
        let machine = Machine::new(folder);
        let group = format!("/system.slice/{}.service", "u".repeat(240));
        for pid in 1..=500 {
            machine.process(pid, &"n".repeat(250), &group).unwrap();
        }
    });
    let gpus = stage.complete_readings();
    let n = gpus[0].processes.as_ref().unwrap().len();
    assert!((100..500).contains(&n), "{n} processes");
    let line = text_of(&Line::Readings { at: Timestamp::now(), gpus, driver_mismatch: false });
    assert!(line.is_ok_and(|line| line.len() <= READINGS_BYTES));
}

fn calls_of(calls: &Path, gpu: usize) -> Vec<String> {
    let text = std::fs::read_to_string(calls).unwrap_or_default();
    let about = |line: &&str| line.split(' ').nth(1) == Some(gpu.to_string().as_str());
    text.lines().filter(about).map(str::to_owned).collect()
}

#[test]
fn sleeping_gpus_are_listed_and_not_woken() {
    let calls = tempfile::NamedTempFile::new().unwrap();
    let script = Script::with_gpus(2).noting_calls(calls.path());
    let stage = Stage::prepared(&script, |folder| {
        let machine = Machine::new(folder);
        machine.put(&script.gpus[0], "suspended").unwrap();
        machine.put(&script.gpus[1], "suspended").unwrap();
    });
    for _ in 0..5 {
        let Line::Asleep { gpus } = stage.line() else { panic!("expected asleep") };
        let ids: Vec<&str> = gpus.iter().map(|gpu| gpu.id.as_str()).collect();
        assert_eq!(ids, ["pci:0000:01:00.0", "pci:0000:02:00.0"]);
    }
    assert_eq!(std::fs::read(calls.path()).unwrap(), b"", "NVML was loaded");

    stage.machine().put(&script.gpus[1], "active").unwrap();
    let gpus = stage.readings(|_| true);
    assert!(all_missing(&gpus[0], MissingReason::Asleep));
    assert_eq!(gpus[0].id, "pci:0000:01:00.0");
    assert_eq!(gpus[1].utilization_percent, Some(93.0));
    stage.complete_readings();
    assert!(calls_of(calls.path(), 0).is_empty(), "GPU 0 was woken");

    stage.machine().put(&script.gpus[0], "active").unwrap();
    while stage.inventory()[0].name != "NVIDIA H200" {}
    stage.readings(|gpus| gpus[0].utilization_percent == Some(93.0));
}

#[test]
fn a_gpu_that_falls_asleep_is_left_in_peace() {
    let calls = tempfile::NamedTempFile::new().unwrap();
    let script = Script::with_gpus(2).noting_calls(calls.path());
    let stage = Stage::prepared(&script, |folder| {
        let machine = Machine::new(folder);
        machine.put(&script.gpus[0], "active").unwrap();
        machine.put(&script.gpus[1], "active").unwrap();
    });
    stage.readings(|gpus| gpus[0].utilization_percent.is_some());
    stage.machine().put(&script.gpus[0], "suspended").unwrap();
    let gpus = stage.readings(|gpus| gpus[0].utilization_percent.is_none());
    assert!(all_missing(&gpus[0], MissingReason::Asleep), "{:?}", gpus[0]);
    assert_eq!(gpus[1].utilization_percent, Some(93.0));
    let n_calls = calls_of(calls.path(), 0).len();
    for _ in 0..30 {
        stage.readings(|_| true);
    }
    assert_eq!(calls_of(calls.path(), 0).len(), n_calls, "GPU 0 was woken");
}

#[test]
fn an_idle_gpu_that_is_awake_is_never_told_as_asleep() {
    let idle = FakeGpu { memory_used_bytes: 1 << 20, ..FakeGpu::numbered(0).idle() };
    let script = Script::of(vec![idle]);
    let stage = Stage::prepared(&script, |folder| {
        let machine = Machine::new(folder);
        machine.put(&script.gpus[0], "active").unwrap();
        machine.let_sleep(&script.gpus[0]).unwrap();
    });
    stage.readings(|gpus| gpus[0].memory_used_bytes.is_some());
    for _ in 0..100 {
        let gpus = stage.readings(|_| true);
        assert_eq!(gpus[0].memory_used_bytes, Some(1 << 20));
    }
}

#[test]
fn a_gpu_that_the_driver_binds_or_lets_go_ends_the_child() {
    let script = Script::with_gpus(1);
    let stage = Stage::prepared(&script, |folder| {
        Machine::new(folder).put(&script.gpus[0], "active").unwrap();
    });
    stage.readings(|_| true);
    stage.machine().put(&FakeGpu::numbered(1), "active").unwrap();
    assert!(stage.again().contains("other GPUs"));
    assert_eq!(stage.end(), End::Changed);
}

#[test]
fn a_replaced_library_is_told_and_the_loaded_one_read_on() {
    let script = Script::with_gpus(1);
    let stage = Stage::prepared(&script, |folder| {
        Machine::new(folder).put(&script.gpus[0], "active").unwrap();
    });
    stage.mismatch_becomes(false);
    let library = &stage.nvml.library;
    let old = library.with_extension("old");
    std::fs::hard_link(library, &old).unwrap();
    stage.nvml.replace().unwrap();
    stage.mismatch_becomes(true);
    // One more would end the child, were there another that could read it.
    stage.machine().put(&FakeGpu::numbered(1), "active").unwrap();
    for _ in 0..30 {
        let gpus = stage.readings(|_| true);
        assert_eq!(gpus[0].utilization_percent, Some(93.0));
    }
    std::fs::rename(old, library).unwrap();
    assert!(stage.again().contains("other GPUs"));
    assert_eq!(stage.end(), End::Changed);
}

/// Lets the link lead to a copy of the fake library that is called so.
fn link_to(stage: &Stage, version: &str) {
    let link = &stage.nvml.library;
    let file = link.with_file_name(format!("libnvidia-ml.so.{version}"));
    let unfinished = link.with_extension("unfinished");
    std::fs::copy(link, &unfinished).unwrap();
    std::fs::rename(&unfinished, &file).unwrap();
    std::os::unix::fs::symlink(&file, &unfinished).unwrap();
    std::fs::rename(unfinished, link).unwrap();
}

#[test]
fn a_library_of_the_version_that_runs_is_no_mismatch() {
    let stage = Stage::new(&Script::with_gpus(1));
    stage.readings(|_| true);
    link_to(&stage, "580.105.08");
    stage.mismatch_becomes(true);
    let module = stage.folder.path().join("sys/module/nvidia");
    std::fs::create_dir_all(&module).unwrap();
    std::fs::write(module.join("version"), "580.105.08\n").unwrap();
    stage.mismatch_becomes(false);
    link_to(&stage, "590.44.01");
    stage.mismatch_becomes(true);
}

#[test]
fn a_gpu_that_needs_a_new_initialisation_stays_lost_to_this_child() {
    let mut healthy = Script::with_gpus(2);
    healthy.gpus[1].returns_at_init = true;
    let mut story = healthy.clone();
    story.gpus[1] = story.gpus[1].clone().lost();
    let stage = Stage::new(&healthy);
    stage.readings(|gpus| gpus[1].utilization_percent.is_some());
    stage.nvml.tell(&story).unwrap();
    stage.readings(|gpus| all_missing(&gpus[1], MissingReason::Lost));
    stage.nvml.tell(&healthy).unwrap();
    for _ in 0..30 {
        let gpus = stage.readings(|_| true);
        assert!(all_missing(&gpus[1], MissingReason::Lost), "{:?}", gpus[1]);
        assert_eq!(gpus[0].utilization_percent, Some(93.0));
    }
}

#[test]
fn a_gpu_that_was_lost_at_the_start_is_found_when_it_is_there() {
    let healthy = Script::with_gpus(2);
    let mut story = healthy.clone();
    story.gpus[0] = story.gpus[0].clone().lost();
    let stage = Stage::new(&story);
    assert_eq!(stage.inventory()[0].id, "index:0");
    stage.nvml.tell(&healthy).unwrap();
    while stage.inventory()[0].id != healthy.gpus[0].uuid {}
    stage.readings(|gpus| gpus[0].utilization_percent == Some(93.0));
}
