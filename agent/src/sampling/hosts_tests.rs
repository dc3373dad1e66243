//! Whole hosts: each folder of `fixtures/hosts` stands in for the file system of one, as a kernel
//! and a distribution of its kind would show it, with `later/` as it is 10 s after. What is told of
//! it must be what stands in `expected.json`; `HERDBOOK_WRITE_EXPECTED=1` writes that file, which
//! then wants to be read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const HOSTS: [&str; 9] = [
    "arch-6.18",
    "container-cgroup1",
    "debian12-6.1",
    "docker-cgroup2",
    "epyc-256",
    "gb10-aarch64",
    "rhel7-3.10",
    "ubuntu2204-5.15",
    "wsl2",
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hosts")
}

/// Lays the files of one folder over those of another.
fn lay(from: &Path, over: &Path) {
    fs::create_dir_all(over).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), over.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(path).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            lay(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

/// A host, its sampler, and a complete sample of the 10 s between its two states.
struct Host {
    folder: tempfile::TempDir,
    roots: Roots,
    sampler: Sampler,
    sample: Sample,
}

impl Host {
    async fn sampled(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        lay(&fixtures().join(name), folder.path());
        let roots = Roots::under(folder.path());
        let mut sampler = Sampler::new(roots.clone());
        sampler.sample(Depth::Complete, Instant::now());
        tokio::time::advance(Duration::from_secs(10)).await;
        lay(&folder.path().join("later"), folder.path());
        let sample = sampler.sample(Depth::Complete, Instant::now());
        Self { folder, roots, sampler, sample }
    }

    fn detail(&self) -> &herdbook_shared::wire::detail::Detail {
        self.sample.detail.as_ref().unwrap()
    }

    /// All of it, but for the wall clock and the space on the disk that the folder really lies on.
    fn told(&self) -> Value {
        let mut sample = serde_json::to_value(&self.sample).unwrap();
        for key in ["at", "disk"] {
            sample.as_object_mut().unwrap().remove(key);
        }
        for disk in sample["detail"]["disks"].as_array_mut().into_iter().flatten() {
            let disk = disk.as_object_mut().unwrap();
            for key in ["used_bytes", "total_bytes"] {
                disk.remove(key);
                if let Some(missing) = disk.get_mut("missing").and_then(Value::as_object_mut) {
                    missing.remove(key);
                }
            }
        }
        json!({
            "name": host_name(&self.roots),
            "boot_id": boot_id(&self.roots),
            "system": system(&self.roots),
            "addresses": address_details(&self.roots, None),
            "sample": sample,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn each_host_is_told_as_it_is() {
    let written = std::env::var_os("HERDBOOK_WRITE_EXPECTED").is_some();
    for name in HOSTS {
        let host = Host::sampled(name).await;
        host.sample.check().unwrap_or_else(|broken| panic!("{name}: {broken}"));
        let path = fixtures().join(name).join("expected.json");
        let told = host.told();
        if written {
            fs::write(&path, format!("{told:#}\n")).unwrap();
        }
        let expected: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(told, expected, "{name}: {told:#}");
    }
}

#[test]
fn no_host_is_forgotten() {
    let mut names: Vec<String> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, HOSTS);
}

#[tokio::test(start_paused = true)]
async fn a_kernel_without_pressure_and_available_memory_misses_just_these() {
    let host = Host::sampled("rhel7-3.10").await;
    let missing: Vec<&str> = host.sample.missing.keys().map(String::as_str).collect();
    assert_eq!(missing, ["memory_used_bytes", "pressure"]);
    assert!(host.sample.missing.values().all(|r| *r == MissingReason::NotSupported));
    let missing: Vec<&str> = host.detail().missing.keys().map(String::as_str).collect();
    assert_eq!(missing, ["memory_available_bytes", "temperatures"]);
    assert_eq!(host.detail().iowait_percent, Some(10.0));
    assert_eq!(host.detail().steal_percent, Some(5.0));
}

#[tokio::test(start_paused = true)]
async fn a_share_on_another_machine_is_not_asked_nor_what_lies_behind_it() {
    let host = Host::sampled("ubuntu2204-5.15").await;
    let disks = host.detail().disks.as_ref().unwrap();
    assert!(disks.iter().all(|disk| disk.mount.as_deref() != Some("/mnt/models")));
    let behind = disks.iter().find(|disk| disk.mount.as_deref() == Some("/mnt/models/local"));
    assert_eq!(behind.unwrap().missing["used_bytes"], MissingReason::CannotTell);
    assert!(behind.unwrap().read_bytes_per_second.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_comes_online_is_told_from_the_next_time_on() {
    let mut host = Host::sampled("arch-6.18").await;
    assert_eq!(host.detail().cores_percent.as_ref().map(Vec::len), Some(5));
    let stat = host.folder.path().join("proc/stat");
    let later = fs::read_to_string(&stat).unwrap().replace("cpu  ", "cpu  9");
    fs::write(&stat, later).unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    let sample = host.sampler.sample(Depth::Complete, Instant::now());
    assert_eq!(sample.detail.unwrap().cores_percent.map(|cores| cores.len()), Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_machine_of_256_processors_is_told_whole_and_its_guests_are_not() {
    let host = Host::sampled("epyc-256").await;
    let detail = host.detail();
    assert_eq!(detail.cores_percent.as_ref().map(Vec::len), Some(256));
    assert_eq!(detail.cores_percent.as_ref().unwrap()[..4], [0, 1, 2, 3]);
    let names = |list: Vec<&str>| list.join(" ");
    let interfaces = detail.interfaces.as_ref().unwrap();
    let interfaces = names(interfaces.iter().map(|i| i.name.as_str()).collect());
    assert_eq!(interfaces, "enp65s0f0np0 enp65s0f1np1 ibp1s0");
    let disks = detail.disks.as_ref().unwrap();
    let disks = names(disks.iter().map(|d| d.device.as_str()).collect());
    assert_eq!(disks, "md1 tank nvme2n1 nvme3n1");
    assert_eq!(detail.temperatures.as_ref().map(Vec::len), Some(7));
    let bytes = serde_json::to_vec(&host.sample).unwrap().len();
    assert!(bytes < 6 * 1024, "{bytes} bytes");
}

#[tokio::test(start_paused = true)]
async fn containers_have_their_limits_and_machines_none() {
    for (name, cores, memory) in [
        ("docker-cgroup2", Some(2.5), Some(8 << 30)),
        ("container-cgroup1", Some(1.5), Some(4 << 30)),
        ("rhel7-3.10", None, None),
        ("epyc-256", None, None),
        ("wsl2", None, None),
    ] {
        let host = Host::sampled(name).await;
        let limits = host.detail().limits.as_ref();
        assert_eq!(limits.and_then(|limits| limits.cpu_cores), cores, "{name}");
        assert_eq!(limits.and_then(|limits| limits.memory_bytes), memory, "{name}");
    }
}

/// How a file is broken.
#[derive(Clone, Copy, Debug)]
enum Broken {
    Gone,
    Empty,
    Cut,
    Garbage,
}

const SHARES: [&str; 4] = ["cpu_percent", "cores_percent", "iowait_percent", "steal_percent"];
/// Each file, and the values that it may take with it.
const FILES: [(&str, &[&str]); 11] = [
    ("stat", &SHARES),
    ("uptime", &["uptime_s"]),
    ("loadavg", &["load1", "load5", "load15"]),
    (
        "meminfo",
        &[
            "memory_total_bytes",
            "memory_used_bytes",
            "memory_available_bytes",
            "memory_cached_bytes",
            "swap_used_bytes",
            "swap_total_bytes",
        ],
    ),
    (
        "net/dev",
        &["network_receive_bytes_per_second", "network_transmit_bytes_per_second", "interfaces"],
    ),
    ("diskstats", &["disks"]),
    ("1/mountinfo", &["disk", "disks"]),
    ("1/cgroup", &["limits"]),
    ("pressure/cpu", &["pressure", "pressure.cpu_some_avg10"]),
    ("pressure/memory", &["pressure", "pressure.memory_some_avg10"]),
    ("hwmon", &["temperatures"]),
];
/// Where a host has no others, these are gone with their file for sure.
const SURE: [&str; 5] = ["stat", "uptime", "loadavg", "meminfo", "net/dev"];

/// Where the file is on this host; all inputs of its sensors are one.
fn paths(host: &Path, file: &str) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let inputs = |chip: &PathBuf| {
        let is_input = |path: &PathBuf| path.to_str().unwrap().ends_with("_input");
        entries(chip).into_iter().filter(is_input).collect::<Vec<_>>()
    };
    let files = match file {
        "hwmon" => entries(&host.join("sys/class/hwmon")).iter().flat_map(inputs).collect(),
        "net/dev" => vec![host.join("proc/1/net/dev"), host.join("proc/net/dev")],
        file => vec![host.join("proc").join(file)],
    };
    files.into_iter().filter(|path| path.is_file()).collect()
}

fn break_it(path: &Path, how: Broken) {
    let text = fs::read(path).unwrap();
    match how {
        Broken::Gone => fs::remove_file(path).unwrap(),
        Broken::Empty => fs::write(path, "").unwrap(),
        Broken::Cut => fs::write(path, &text[..text.len() / 2]).unwrap(),
        Broken::Garbage => fs::write(path, "garbage \u{7}\n\n\u{0}\u{fffd} x: y\n").unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_broken_dims_its_own_values_on_every_host() {
    for name in HOSTS {
        for (file, may_miss) in FILES {
            for how in [Broken::Gone, Broken::Empty, Broken::Cut, Broken::Garbage] {
                dims_its_own(name, file, how, may_miss).await;
            }
        }
    }
}

async fn dims_its_own(name: &str, file: &str, how: Broken, may_miss: &[&str]) {
    let mut host = Host::sampled(name).await;
    let before = missing(&host.sample);
    let paths = paths(host.folder.path(), file);
    paths.iter().for_each(|path| break_it(path, how));
    if matches!(how, Broken::Gone) {
        // A file that is open is still there.
        host.sampler = Sampler::new(host.roots.clone());
        host.sampler.sample(Depth::Complete, Instant::now());
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    let sample = host.sampler.sample(Depth::Complete, Instant::now());
    sample.check().unwrap();
    let after = missing(&sample);
    for key in &after {
        // Counters that stand still have no shares.
        let known = before.contains(key) || SHARES.contains(&key.as_str());
        assert!(known || may_miss.contains(&key.as_str()), "{name}, {file}, {how:?}: {key}");
    }
    if !paths.is_empty() && SURE.contains(&file) && !matches!(how, Broken::Cut) {
        let all = may_miss.iter().all(|key| after.contains(&(*key).to_owned()));
        assert!(all, "{name}, {file}, {how:?}: {after:?}");
    }
    // A list that is there is of something.
    let detail = sample.detail.unwrap();
    assert!(detail.temperatures.is_none_or(|list| !list.is_empty()), "{name}, {file}, {how:?}");
}

fn missing(sample: &Sample) -> Vec<String> {
    let detail = sample.detail.iter().flat_map(|detail| detail.missing.keys());
    sample.missing.keys().chain(detail).cloned().collect()
}
