//! GPUs as the driver's library tells them, and a library that hangs.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_nvml::{Fault, Installed, Script};
use herdbook_tests::harness::{Agent, Fleet, eventually, throughout};
use serde_json::Value;

#[tokio::test]
async fn gpus_are_listed_with_what_they_do() {
    let fleet = Fleet::start().await;
    let nvml = Installed::new(fleet.dir(), &Script::with_gpus(2)).expect("the fake library");
    let _agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    let listed = async || {
        let host = fleet.rest().host(&id).await;
        let gpu = &host["gpus"][1];
        let told = gpu["utilization_percent"] == 93.0 && gpu["name"] == "NVIDIA H200";
        if told { Ok(host) } else { Err(host["gpus"].to_string()) }
    };
    let host = eventually("two GPUs at work", Duration::from_secs(20), listed).await;
    let gpu = &host["gpus"][0];
    assert_eq!(gpu["memory_used_bytes"], 42_949_672_960_u64);
    assert_eq!(gpu["memory_total_bytes"], 150_754_820_096_u64);
    assert_eq!(gpu["power_limit_watts"], 700.0);
    assert!(gpu["fan_percent"].is_null());
    assert_eq!(gpu["missing"]["fan_percent"], "not_supported");
    assert_eq!(host["gpus"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_library_that_hangs_stops_nothing_else() {
    let fleet = Fleet::start().await;
    let nvml = Installed::new(fleet.dir(), &Script::with_gpus(2)).expect("the fake library");
    let mut agent = fleet.agent("gpu-1").nvml_lib(&nvml.library).start();
    let id = fleet.id_of("gpu-1").await;
    let utilized = async || {
        let gpus = fleet.rest().host(&id).await["gpus"].take();
        if gpus[0]["utilization_percent"].is_number() { Ok(()) } else { Err(gpus.to_string()) }
    };
    eventually("a GPU at work", Duration::from_secs(20), utilized).await;

    nvml.tell(&Script::with_gpus(2).with_fault("*", Fault::Hang)).expect("the script");
    let timed_out = async || {
        let gpus = fleet.rest().host(&id).await["gpus"].take();
        if is_timeout(&gpus) { Ok(()) } else { Err(gpus.to_string()) }
    };
    eventually("both GPUs at timeout", Duration::from_secs(20), timed_out).await;

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

/// Every GPU's moving fields are missing, and the reason is that nobody answered in time.
fn is_timeout(gpus: &Value) -> bool {
    let timed_out = |gpu: &Value| {
        gpu["utilization_percent"].is_null() && gpu["missing"]["utilization_percent"] == "timeout"
    };
    gpus.as_array().is_some_and(|gpus| gpus.len() == 2 && gpus.iter().all(timed_out))
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
