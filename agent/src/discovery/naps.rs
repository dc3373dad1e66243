//! Whether a llama.cpp server may fall asleep, which nothing that it answers tells: from how it was
//! started.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::lead::{Owner, Process};

const FLAG: &[u8] = b"--sleep-idle-seconds";
const VARIABLE: &[u8] = b"LLAMA_ARG_SLEEP_IDLE_SECONDS=";
/// Longer command lines and environments are not read to their end.
const BYTES_MAX: u64 = 256 * 1024;

/// Whether it may; who cannot be looked at may.
pub(super) fn may_fall_asleep(proc_root: &Path, owner: &Owner) -> bool {
    let Owner::Known(process) = owner else { return true };
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

    #[test]
    fn how_it_was_started_tells() {
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
            let may = may_fall_asleep(root.path(), &Owner::Known(process.into()));
            assert_eq!(may, expected, "{arguments:?} {variables:?}");
        }
        assert!(may_fall_asleep("/nowhere".as_ref(), &Owner::Unknown));
    }
}
