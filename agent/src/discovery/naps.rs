//! Whether a llama.cpp server may fall asleep, which nothing that it answers tells: from how it was
//! started.
//!
//! The kernel takes that out of the process's own memory, and whoever reads it from a process that
//! hangs hangs as well: it is read beside everything else, once for each process.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::lead::{Owner, Process};

const FLAG: &[u8] = b"--sleep-idle-seconds";
const VARIABLE: &[u8] = b"LLAMA_ARG_SLEEP_IDLE_SECONDS=";
/// Longer command lines and environments are not read to their end.
const BYTES_MAX: u64 = 256 * 1024;

/// Far longer than any process's words take that does not hang.
const DEADLINE: Duration = Duration::from_secs(2);

/// What is known of the process that was looked at last.
#[derive(Debug, Default)]
pub(super) struct Naps {
    pid: u32,
    may: Option<bool>,
    hanging: Option<JoinHandle<bool>>,
}

impl Naps {
    /// Whether it may; who cannot be looked at may.
    pub(super) async fn may_fall_asleep(&mut self, proc_root: &Path, owner: &Owner) -> bool {
        let Owner::Known(process) = owner else { return true };
        if self.pid != process.pid {
            (self.pid, self.may) = (process.pid, None);
        }
        if let Some(may) = self.may {
            return may;
        }
        let (proc_root, process) = (proc_root.to_owned(), process.clone());
        self.read(move || may_fall_asleep(&proc_root, &process)).await
    }

    /// Reads for as long as nothing hangs.
    async fn read(&mut self, read: impl FnOnce() -> bool + Send + 'static) -> bool {
        if self.hanging.as_ref().is_some_and(|reading| !reading.is_finished()) {
            return true;
        }
        let mut reading = tokio::task::spawn_blocking(read);
        match timeout(DEADLINE, &mut reading).await {
            Ok(may) => self.may = may.ok(),
            Err(_) => self.hanging = Some(reading),
        }
        self.may.unwrap_or(true)
    }
}

fn may_fall_asleep(proc_root: &Path, process: &Process) -> bool {
    let Some(arguments) = read(proc_root, process, "cmdline") else { return true };
    if words(&arguments).any(|word| word.starts_with(FLAG)) {
        return true;
    }
    match read(proc_root, process, "environ") {
        Some(variables) => words(&variables).any(|word| word.starts_with(VARIABLE)),
        // Those in containers are set up by their environment, others by their command line.
        None => process.container.is_some(),
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == 0)
}

fn read(proc_root: &Path, process: &Process, name: &str) -> Option<Vec<u8>> {
    let path: PathBuf = proc_root.join(process.pid.to_string()).join(name);
    let mut text = Vec::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn how_it_was_started_tells() {
        let table: [(Option<&str>, Option<&str>, bool, bool); 6] = [
            (None, None, false, true),
            (Some("llama-server\0-m\0x\0"), None, false, false),
            (Some("llama-server\0-m\0x\0"), None, true, true),
            (Some("llama-server\0--sleep-idle-seconds=300\0"), None, false, true),
            (Some("llama-server\0"), Some("A=1\0LLAMA_ARG_SLEEP_IDLE_SECONDS=9\0"), false, true),
            (Some("llama-server\0"), Some("A=1\0"), true, false),
        ];
        for (arguments, variables, in_container, expected) in table {
            let root = tempfile::tempdir().unwrap();
            let of_process = root.path().join("7");
            std::fs::create_dir(&of_process).unwrap();
            for (name, text) in [("cmdline", arguments), ("environ", variables)] {
                if let Some(text) = text {
                    std::fs::write(of_process.join(name), text).unwrap();
                }
            }
            let container = in_container.then(|| "c0ffee".to_owned());
            let process = Process { pid: 7, container, ..Process::default() };
            let owner = Owner::Known(process.into());
            let may = Naps::default().may_fall_asleep(root.path(), &owner).await;
            assert_eq!(may, expected, "{arguments:?} {variables:?}");
        }
        assert!(Naps::default().may_fall_asleep("/nowhere".as_ref(), &Owner::Unknown).await);
    }

    #[tokio::test]
    async fn who_hangs_keeps_nobody_waiting_and_nobody_else_is_sent_after_it() {
        let mut naps = Naps::default();
        let (go_on, hang) = std::sync::mpsc::channel::<()>();
        assert!(naps.read(move || hang.recv().is_ok()).await, "not known, so it may");
        assert!(naps.read(|| panic!("a second one is read")).await);
        drop(go_on);
        let hanging = naps.hanging.as_mut().unwrap();
        timeout(Duration::from_secs(10), hanging).await.unwrap().unwrap();
        assert!(!naps.read(|| false).await);
        assert_eq!(naps.may, Some(false));
    }
}
