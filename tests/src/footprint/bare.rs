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
const SLOW: [&str; 6] = [
    "/proc/diskstats",
    "/proc/self/mountinfo",
    "/proc/net/tcp",
    "/proc/net/tcp6",
    "/proc/uptime",
    "/proc/vmstat",
];
const SLOW_EVERY: u64 = 10;
/// Folders of devices, and what is read of each: interfaces and sensors.
const DEVICES: [(&str, &[&str]); 2] = [
    ("/sys/class/net", &["operstate", "speed", "statistics/rx_errors", "statistics/tx_errors"]),
    ("/sys/class/hwmon", &["temp1_input", "temp2_input", "temp3_input"]),
];

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
        }
    }
}

/// One read where the file fits the buffer, as nearly all do. What cannot be read costs as much.
fn read_whole(file: &File, buffer: &mut [u8]) {
    let _ = file.read_at(buffer, 0);
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
