//! Files of the kernel and of a host: names of processes, interfaces, mounts and units are whatever
//! somebody on the host chose.

use std::cell::RefCell;
use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use herdbook_agent::discovery::fuzzing;
use herdbook_agent::sampling::{self, Depth, Roots, Sampler};
use tokio::time::Instant;

/// Between two files: no byte of UTF-8.
const BETWEEN: u8 = 0xff;

/// The files, in the order of the pieces.
const FILES: [&str; 28] = [
    "proc/stat",
    "proc/meminfo",
    "proc/loadavg",
    "proc/1/net/dev",
    "proc/diskstats",
    "proc/1/mountinfo",
    "proc/1/cgroup",
    "proc/uptime",
    "proc/cpuinfo",
    "proc/pressure/cpu",
    "proc/pressure/memory",
    "proc/1/net/route",
    "proc/1/net/fib_trie",
    "proc/1/net/if_inet6",
    "proc/1/net/tcp",
    "proc/1/net/tcp6",
    "proc/1/stat",
    "proc/7/stat",
    "proc/7/status",
    "proc/7/cmdline",
    "proc/7/environ",
    "proc/7/cgroup",
    "proc/sys/kernel/random/boot_id",
    "proc/sys/kernel/hostname",
    "etc/os-release",
    "etc/passwd",
    "etc/systemd/system/ollama.service",
    "etc/systemd/system/ollama.service.d/override.conf",
];

/// Each piece is one file. One that is missing is empty.
pub fn run(input: &[u8]) {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let root = crate::folder(&FOLDER);
    let mut pieces = input.split(|byte| *byte == BETWEEN);
    for (n, name) in FILES.into_iter().enumerate() {
        write(root, n, name, pieces.next().unwrap_or_default());
    }
    let roots = Roots::under(root);
    let (now, mut sampler) = (Instant::now(), Sampler::new(roots.clone()));
    sampler.sample(Depth::Complete, now);
    write(root, 0, FILES[0], pieces.next().unwrap_or_default());
    sampler.sample(Depth::Complete, now + Duration::from_secs(10));
    let _ = (sampling::system(&roots), sampling::host_name(&roots), sampling::boot_id(&roots));
    let _ = sampling::address_details(&roots, None);
    RUNTIME.with_borrow(|runtime| {
        if let Some(runtime) = runtime {
            runtime.block_on(fuzzing::search(root));
        }
    });
}

thread_local! {
    static RUNTIME: RefCell<Option<tokio::runtime::Runtime>> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().enable_time().build().ok());
    /// What the files hold; most inputs change one.
    static WRITTEN: RefCell<[Option<Vec<u8>>; FILES.len()]> = RefCell::new([const { None }; FILES.len()]);
}

fn write(root: &std::path::Path, n: usize, name: &str, bytes: &[u8]) {
    WRITTEN.with_borrow_mut(|written| {
        if written[n].as_deref() == Some(bytes) {
            return;
        }
        let path = root.join(name);
        if let Some(folder) = path.parent() {
            let _ = fs::create_dir_all(folder);
        }
        if fs::write(path, bytes).is_ok() {
            written[n] = Some(bytes.to_vec());
        }
    });
}
