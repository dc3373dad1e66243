//! The sampler as a whole, on a folder that stands in for `/proc`.

use std::path::Path;

use super::*;

const STAT: &str = "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n";
const MEMINFO: &str =
    "MemTotal: 8000 kB\nMemAvailable: 6000 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n";
const DEV: &str = "h\nh\n eth0: 1000 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0\n";
const SOME: &str = "some avg10=1.50 avg60=0.00 avg300=0.00 total=0\n";

fn host() -> (tempfile::TempDir, Sampler) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("stat", STAT),
        ("loadavg", "0.50 0.40 0.30 1/2 3\n"),
        ("meminfo", MEMINFO),
        ("net/dev", DEV),
        ("1/mountinfo", "20 1 8:2 / / rw - ext4 /dev/sda2 rw\n"),
        ("pressure/cpu", SOME),
        ("pressure/memory", SOME),
        ("pressure/io", SOME),
    ] {
        write(folder.path(), name, text);
    }
    let proc = folder.path().to_owned();
    let sampler = Sampler::new(Roots { proc: proc.clone(), sys: proc.clone(), root: proc });
    (folder, sampler)
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test(start_paused = true)]
async fn rates_come_with_the_second_sample() {
    let (folder, mut sampler) = host();
    let first = sampler.sample(Depth::Fast, Instant::now());
    assert_eq!(first.cpu_percent, None);
    assert_eq!(first.missing["cpu_percent"], MissingReason::CannotTell);
    assert_eq!(first.missing["network_receive_bytes_per_second"], MissingReason::CannotTell);
    assert_eq!(first.missing.len(), 3, "{:?}", first.missing);

    tokio::time::advance(Duration::from_secs(2)).await;
    write(folder.path(), "stat", "cpu  140 0 110 740 110 0 0 0 0 0\n");
    write(folder.path(), "net/dev", &DEV.replace(" 1000 ", " 5000 "));
    let second = sampler.sample(Depth::Fast, Instant::now());
    assert_eq!(second.cpu_percent, Some(50.0));
    assert_eq!(second.network_receive_bytes_per_second, Some(2000));
    assert_eq!(second.network_transmit_bytes_per_second, Some(0));
    assert_eq!(second.load1, Some(0.5));
    assert_eq!(second.memory_used_bytes, Some(2000 * 1024));
    assert_eq!(second.swap_used_bytes, Some(6 * 1024));
    assert_eq!(second.pressure.unwrap().io_some_avg10, Some(1.5));
    assert!(second.missing.is_empty(), "{:?}", second.missing);
    assert_eq!(second.disk, None);
    second.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_measured_over_a_few_milliseconds_is_not_told() {
    let (folder, mut sampler) = host();
    let rates = ["cpu_percent", "network_receive_bytes_per_second"];
    sampler.sample(Depth::Complete, Instant::now());
    tokio::time::advance(Duration::from_millis(5)).await;
    write(folder.path(), "stat", "cpu  101 0 100 700 100 0 0 0 0 0\ncpu0 2 1 1 1\n");
    let first = sampler.sample(sampler.depth(Depth::Fast), Instant::now());
    assert!(rates.iter().all(|key| first.missing[*key] == MissingReason::CannotTell));
    let detail = first.detail.unwrap();
    assert_eq!(detail.missing["cores_percent"], MissingReason::CannotTell);
    assert_eq!(detail.interfaces.unwrap()[0].receive_bytes_per_second, None);

    // The next is over the whole time, and complete, so that nothing is missing for long.
    tokio::time::advance(Duration::from_secs(1)).await;
    write(folder.path(), "stat", "cpu  110 0 100 790 100 0 0 0 0 0\ncpu0 11 1 1 91\n");
    assert_eq!(sampler.depth(Depth::Fast), Depth::Complete);
    let second = sampler.sample(Depth::Complete, Instant::now());
    assert_eq!(second.cpu_percent, Some(10.0));
    let detail = second.detail.unwrap();
    assert_eq!(detail.cores_percent, Some(vec![10]));
    assert_eq!(detail.interfaces.unwrap()[0].receive_bytes_per_second, Some(0));
    assert_eq!(sampler.depth(Depth::Fast), Depth::Fast);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_pause_the_counters_start_anew() {
    let (folder, mut sampler) = host();
    sampler.sample(Depth::Complete, Instant::now());
    let longest = Duration::from_secs(3);
    tokio::time::advance(longest).await;
    write(folder.path(), "stat", "cpu  110 0 100 790 100 0 0 0 0 0\ncpu0 11 1 1 91\n");
    sampler.resume(longest, Instant::now());
    assert_eq!(sampler.sample(Depth::Complete, Instant::now()).cpu_percent, Some(10.0));

    tokio::time::advance(Duration::from_secs(600)).await;
    write(folder.path(), "stat", "cpu  990 0 100 790 100 0 0 0 0 0\ncpu0 990 1 1 91\n");
    sampler.resume(longest, Instant::now());
    let sample = sampler.sample(Depth::Complete, Instant::now());
    assert_eq!(sample.missing["cpu_percent"], MissingReason::CannotTell);
    assert_eq!(sample.missing["network_receive_bytes_per_second"], MissingReason::CannotTell);
    let detail = sample.detail.unwrap();
    assert_eq!((detail.cores_percent, detail.iowait_percent), (None, None));
    assert_eq!(detail.interfaces.unwrap()[0].receive_bytes_per_second, None);
    assert_eq!(sampler.depth(Depth::Fast), Depth::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_complete_sample_has_the_disk() {
    let (_folder, mut sampler) = host();
    let sample = sampler.sample(Depth::Complete, Instant::now());
    let disk = sample.disk.unwrap();
    assert!(disk.total_bytes >= disk.used_bytes && disk.total_bytes > 0);
}

#[tokio::test(start_paused = true)]
async fn each_broken_source_dims_its_own_values_alone() {
    for (name, keys) in [
        ("stat", &["cpu_percent"][..]),
        ("loadavg", &["load1"]),
        ("meminfo", &["memory_total_bytes", "memory_used_bytes", "swap_used_bytes"]),
        ("net/dev", &["network_receive_bytes_per_second", "network_transmit_bytes_per_second"]),
        ("pressure/io", &["pressure.io_some_avg10"]),
    ] {
        let (folder, mut sampler) = host();
        sampler.sample(Depth::Fast, Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        write(folder.path(), "stat", "cpu  140 0 110 740 110 0 0 0 0 0\n");
        write(folder.path(), name, "garbage\ngarbage\ngarbage\n");
        let sample = sampler.sample(Depth::Fast, Instant::now());
        let missing: Vec<&str> = sample.missing.keys().map(String::as_str).collect();
        assert_eq!(missing, keys, "{name}");
        assert!(sample.missing.values().all(|reason| *reason == MissingReason::CannotTell));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kernel_without_pressure_says_so_once() {
    let (folder, mut sampler) = host();
    std::fs::remove_dir_all(folder.path().join("pressure")).unwrap();
    let sample = sampler.sample(Depth::Fast, Instant::now());
    assert_eq!(sample.pressure, None);
    assert_eq!(sample.missing["pressure"], MissingReason::NotSupported);
}

#[tokio::test]
async fn this_machine_can_be_sampled() {
    let mut sampler = Sampler::new(Roots::default());
    let sample = sampler.sample(Depth::Complete, Instant::now());
    assert!(sample.memory_total_bytes.unwrap() > 0);
    assert!(sample.disk.is_some());
    sample.check().unwrap();
}
