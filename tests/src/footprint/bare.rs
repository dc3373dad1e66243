//! The least that a program could do that reads what an agent reads: it parses nothing, keeps
//! nothing and tells nobody. It measures the machine, not Herdbook.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::interval;

/// What a sample needs, every second.
const FAST: [&str; 7] = [
    "/proc/stat",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/net/dev",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
];
/// What is told less often, every tenth second; of these as many as there are.
const SLOW: [&str; 3] = ["/proc/diskstats", "/proc/self/mountinfo", "/proc/uptime"];
const SLOW_EVERY: u64 = 10;
/// Folders of devices, and what is read of each: interfaces and sensors.
const DEVICES: [(&str, &[&str]); 2] = [
    ("/sys/class/net", &["operstate", "speed"]),
    (
        "/sys/class/hwmon",
        &["temp1_input", "temp2_input", "temp3_input", "device/power/runtime_status"],
    ),
];
/// What the own control group may use: named anew each time, as a group may be another.
const GROUP: &str = "/proc/self/cgroup";
/// Where model servers are looked for: once a minute where no socket comes or goes, in the state of
/// every process.
const PROCESSES: &str = "/proc";
const PROCESSES_EVERY: u64 = 60;

/// Opens the files once and reads them for ever, the fast ones once a second.
pub async fn read() {
    let open = |path: PathBuf| File::open(path).ok();
    let fast: Vec<File> = FAST.into_iter().map(PathBuf::from).filter_map(open).collect();
    let slow = SLOW.into_iter().map(PathBuf::from).chain(devices());
    let slow: Vec<File> = slow.filter_map(open).collect();
    let mut buffer = vec![0; 64 * 1024];
    let mut ticks = interval(Duration::from_secs(1));
    for n in 0_u64.. {
        ticks.tick().await;
        fast.iter().for_each(|file| read_whole(file, &mut buffer));
        if n.is_multiple_of(SLOW_EVERY) {
            slow.iter().for_each(|file| read_whole(file, &mut buffer));
            let _ = rustix::fs::statvfs("/");
            read_anew(Path::new(GROUP), &mut buffer);
        }
        if n.is_multiple_of(PROCESSES_EVERY) {
            processes().for_each(|folder| read_anew(&folder.join("stat"), &mut buffer));
        }
    }
}

/// One read where the file fits the buffer, as nearly all do. What cannot be read costs as much.
fn read_whole(file: &File, buffer: &mut [u8]) {
    let _ = file.read_at(buffer, 0);
}

/// What comes and goes cannot be kept open.
fn read_anew(path: &Path, buffer: &mut [u8]) {
    if let Ok(file) = File::open(path) {
        read_whole(&file, buffer);
    }
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(PROCESSES).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn devices() -> impl Iterator<Item = PathBuf> {
    DEVICES.into_iter().flat_map(|(folder, files)| {
        let devices = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let devices = devices.map(|device| device.path()).filter(|path| is_real(path));
        devices.flat_map(|device| files.iter().map(move |file| device.join(file)))
    })
}

fn is_real(device: &Path) -> bool {
    device.file_name() != Some(OsStr::new("lo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_always_there_can_be_read() {
        for file in FAST.iter().take(4).chain(&SLOW).chain([&GROUP]) {
            assert!(File::open(file).is_ok(), "{file}");
        }
        let own = std::process::id().to_string();
        assert!(processes().any(|folder| folder.ends_with(&own)));
        assert!(processes().all(|folder| folder.join("stat").exists() || !folder.exists()));
    }
}
