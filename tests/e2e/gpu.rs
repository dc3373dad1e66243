//! GPUs as the driver's library tells them: eight at work, one that falls off the bus, an upgrade
//! under a running driver, a library that hangs.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_nvml::{Fault, Gpu, Installed, Script, code};
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Agent, Fleet, eventually, throughout};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// The host's GPUs, as soon as `wanted` takes them.
async fn gpus_become(
    fleet: &Fleet,
    id: &str,
    what: &str,
    wanted: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let look = async || {
        let gpus = fleet.rest().host(id).await["gpus"].take();
        match gpus.as_array() {
            Some(list) if wanted(list) => Ok(list.clone()),
            _ => Err(gpus.to_string()),
        }
    };
    eventually(what, PATIENCE, look).await
}

fn works(gpu: &Value) -> bool {
    gpu["utilization_percent"] == 93.0
}

fn lacks(gpu: &Value, reason: &str) -> bool {
    gpu["utilization_percent"].is_null() && gpu["missing"]["utilization_percent"] == reason
}

#[tokio::test]
async fn eight_gpus_are_listed_with_what_they_do() {
    let fleet = Fleet::start().await;
    let nvml = Installed::new(fleet.dir(), &Script::with_gpus(8)).expect("the fake library");
    let _agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    let all = |gpus: &[Value]| gpus.len() == 8 && gpus.iter().all(works);
    let gpus = gpus_become(&fleet, &id, "eight GPUs at work", all).await;
    let gpu = &gpus[7];
    assert_eq!(gpu["name"], "NVIDIA H200");
    assert_eq!(gpu["index"], 7);
    assert_eq!(gpu["memory_used_bytes"], 42_949_672_960_u64);
    assert_eq!(gpu["memory_total_bytes"], 150_754_820_096_u64);
    assert_eq!(gpu["power_limit_watts"], 700.0);
    assert!(gpu["fan_percent"].is_null());
    assert_eq!(gpu["missing"]["fan_percent"], "not_supported");
    let ids: BTreeSet<String> = gpus.iter().map(|gpu| gpu["id"].to_string()).collect();
    assert_eq!(ids.len(), 8);
}

#[tokio::test]
async fn a_lost_gpu_is_told_alone_and_comes_back() {
    let fleet = Fleet::start().await;
    let healthy = Script::with_gpus(3);
    let nvml = Installed::new(fleet.dir(), &healthy).expect("the fake library");
    let _agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    gpus_become(&fleet, &id, "three GPUs at work", |gpus| gpus.iter().all(works)).await;

    let mut story = healthy.clone();
    story.gpus[1] = story.gpus[1].clone().lost();
    nvml.tell(&story).expect("the script");
    let gpus =
        gpus_become(&fleet, &id, "the second one lost", |gpus| lacks(&gpus[1], "lost")).await;
    assert!(works(&gpus[0]) && works(&gpus[2]), "{gpus:?}");
    let degraded = async || {
        let host = fleet.rest().host(&id).await;
        let codes: Vec<&Value> =
            host["findings"].as_array().into_iter().flatten().map(|found| &found["code"]).collect();
        if codes.iter().any(|code| **code == "gpu_lost") { Ok(()) } else { Err(host.to_string()) }
    };
    eventually("the finding gpu_lost", PATIENCE, degraded).await;

    nvml.tell(&healthy).expect("the script");
    gpus_become(&fleet, &id, "all at work again", |gpus| gpus.iter().all(works)).await;
}

#[tokio::test]
async fn an_upgrade_of_the_driver_is_told_beside_the_readings_and_heals() {
    let fleet = Fleet::start().await;
    let healthy = Script::with_gpus(2);
    let nvml = Installed::new(fleet.dir(), &healthy).expect("the fake library");
    let _agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    gpus_become(&fleet, &id, "two GPUs at work", |gpus| gpus.iter().all(works)).await;

    let mismatch = Fault::Code(code::LIB_RM_VERSION_MISMATCH);
    nvml.tell(&healthy.clone().with_fault("nvmlInit_v2", mismatch)).expect("the script");
    let old = nvml.library.with_extension("old");
    std::fs::hard_link(&nvml.library, &old).expect("the old library kept");
    nvml.replace().expect("the new library");
    let told = async || {
        let host = fleet.rest().host(&id).await;
        let findings = host["findings"].as_array().into_iter().flatten();
        let is_told = findings.clone().any(|found| found["code"] == "driver_mismatch");
        if is_told { Ok(host) } else { Err(host.to_string()) }
    };
    let host = eventually("the finding driver_mismatch", PATIENCE, told).await;
    assert!(host["gpus"].as_array().expect("GPUs").iter().all(works), "{host}");
    let reads_on = async || {
        let host = told().await?;
        let works = host["gpus"].as_array().is_some_and(|gpus| gpus.iter().all(works));
        if works { Ok(()) } else { Err(host.to_string()) }
    };
    throughout("readings beside the finding", Duration::from_secs(3), reads_on).await;

    // The upgrade is taken back.
    std::fs::rename(old, &nvml.library).expect("the old library");
    let untold = async || match told().await {
        Ok(host) => Err(host.to_string()),
        Err(_) => Ok(()),
    };
    eventually("no finding driver_mismatch", PATIENCE, untold).await;
    gpus_become(&fleet, &id, "two GPUs at work", |gpus| gpus.iter().all(works)).await;
}

#[tokio::test]
async fn a_library_that_hangs_stops_nothing_else() {
    let fleet = Fleet::start().await;
    let healthy = Script::with_gpus(2);
    let nvml = Installed::new(fleet.dir(), &healthy).expect("the fake library");
    let mut agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    gpus_become(&fleet, &id, "two GPUs at work", |gpus| gpus.iter().all(works)).await;

    let hung = healthy.clone().with_gpu_fault(1, "nvmlDeviceGetPowerUsage", Fault::Hang);
    nvml.tell(&hung).expect("the script");
    let all = |gpus: &[Value]| gpus.len() == 2 && gpus.iter().all(|gpu| lacks(gpu, "timeout"));
    gpus_become(&fleet, &id, "both GPUs at timeout", all).await;

    // All else goes on at full rate, and no second child joins the one that hangs.
    let mut instants = BTreeSet::new();
    let calm = async || {
        let n_children = children(&mut agent).len();
        let host = fleet.rest().host(&id).await;
        instants.insert(host["resources"]["at"].to_string());
        match host["resources"]["cpu_percent"].is_number() && n_children <= 1 {
            true => Ok(()),
            false => Err(format!("{n_children} children, {host}")),
        }
    };
    throughout("CPU is told and one child lives", Duration::from_secs(15), calm).await;
    assert!(instants.len() > 10, "{} samples in 15 s", instants.len());

    nvml.tell(&healthy).expect("the script");
    gpus_become(&fleet, &id, "two GPUs at work again", |gpus| gpus.iter().all(works)).await;
}

#[tokio::test]
async fn one_look_prints_every_fact_of_a_gpu() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut cut = Gpu::cut_a100(1);
    cut.ecc_corrected = 3;
    let script = Script::of(vec![Gpu::numbered(0), cut, Gpu::under_wddm(2)]);
    let nvml = Installed::new(dir.path(), &script).expect("the fake library");
    let mut look = command(&built("herdbook-agent"), dir.path());
    look.arg("--once").arg("--nvml-lib").arg(&nvml.library).arg("--state-dir").arg(dir.path());
    let printed = look.output().await.expect("the agent's output");
    assert!(printed.status.success(), "{printed:?}");
    let once: Value = serde_json::from_slice(&printed.stdout).expect("JSON");

    let gpus = &once["inventory"]["gpus"];
    assert_eq!(gpus[0]["cuda_version"], "13.0");
    assert_eq!(gpus[0]["compute_capability"], "9.0");
    assert_eq!(gpus[0]["pci_address"], "0000:01:00.0");
    assert_eq!(
        (&gpus[0]["pcie_generation_max"], &gpus[0]["pcie_width_max"]),
        (&5.into(), &16.into())
    );
    assert_eq!((&gpus[0]["ecc_enabled"], &gpus[0]["mig_enabled"]), (&true.into(), &false.into()));
    assert_eq!(gpus[1]["mig"].as_array().map(Vec::len), Some(3));
    assert_eq!(gpus[1]["mig"][0]["profile"], "3g.40gb");
    assert_eq!(gpus[2]["missing"]["ecc_enabled"], "not_supported");

    let samples = &once["sample"]["gpus"];
    let detail = &samples[0]["detail"];
    assert_eq!(detail["memory_temperature_celsius"], 71.0);
    assert_eq!((&detail["pcie_generation"], &detail["pcie_replays"]), (&5.into(), &0.into()));
    assert_eq!(samples[0]["throttle_reasons"][0], "power_cap");
    assert_eq!(samples[1]["missing"]["utilization_percent"], "not_supported");
    assert_eq!(samples[1]["detail"]["ecc_corrected_errors"], 3);
    assert_eq!(samples[1]["detail"]["mig"][2]["memory_used_bytes"], 1 << 30);
    assert_eq!(samples[1]["processes"][0]["mig_id"], gpus[1]["mig"][0]["id"]);
    let process = &samples[2]["processes"][0];
    assert_eq!((&process["pid"], &process["memory_bytes"]), (&1200.into(), &Value::Null));
    assert_eq!(process["missing"]["memory_bytes"], "not_supported");
}

#[tokio::test]
async fn a_hung_gpu_child_does_not_hold_up_the_end() {
    let fleet = Fleet::start().await;
    let hung = Script::with_gpus(1).with_fault("*", Fault::Hang);
    let nvml = Installed::new(fleet.dir(), &hung).expect("the fake library");
    let mut agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    let viewer = fleet.viewer().await;
    agent.terminate();
    viewer.becomes(&id, "offline", Duration::from_secs(8)).await;
    let status = agent.program().exit(Duration::from_secs(15)).await;
    assert!(status.success(), "a graceful stop ended with {status}");
}

/// The processes whose parent the agent is.
fn children(agent: &mut Agent) -> Vec<String> {
    let pid = agent.program().pid();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running agent");
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(list.split_whitespace().map(str::to_owned));
    }
    children
}
