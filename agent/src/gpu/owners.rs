//! Who the holders of a GPU's memory are: name, systemd unit, container. A process keeps its
//! control group, so that is looked up once; what tells one process from a later one of the same
//! number is when it started, which stands beside its name.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::sample::GpuProcess;

use crate::sampling::cgroup::{Membership, membership_of};
use crate::sampling::word::word;

/// More of `/proc/<pid>/stat` than the kernel writes.
const STAT_BYTES: u64 = 4096;

/// What was learnt of processes. It holds those of the last round and of this one, so it is as
/// bounded as the lists of processes are.
#[derive(Debug)]
pub(super) struct Owners {
    proc: PathBuf,
    last: HashMap<u32, Owner>,
    now: HashMap<u32, Owner>,
}

#[derive(Clone, Debug)]
struct Owner {
    started: u64,
    membership: Membership,
}

impl Owners {
    pub(super) fn new(proc: &Path) -> Self {
        Self { proc: proc.to_owned(), last: HashMap::new(), now: HashMap::new() }
    }

    /// Begins a round: whoever was not seen in the last one is forgotten.
    pub(super) fn begin(&mut self) {
        self.last = std::mem::take(&mut self.now);
    }

    /// Completes what is known of a process. One that is gone already, or lives in a PID
    /// namespace that is not ours, has no name.
    pub(super) fn complete(&mut self, process: &mut GpuProcess) {
        let Some(stat) = self.stat(process.pid) else {
            process.missing.insert("name".to_owned(), MissingReason::CannotTell);
            return;
        };
        process.name = Some(stat.name);
        let known = [&self.now, &self.last].into_iter().find_map(|round| round.get(&process.pid));
        let owner = match known {
            Some(owner) if owner.started == stat.started => owner.clone(),
            _ => {
                Owner { started: stat.started, membership: membership_of(&self.proc, process.pid) }
            }
        };
        process.unit = owner.membership.unit.clone();
        process.container = owner.membership.container.clone();
        self.now.insert(process.pid, owner);
    }

    fn stat(&self, pid: u32) -> Option<Stat> {
        let file = File::open(self.proc.join(pid.to_string()).join("stat")).ok()?;
        let mut bytes = Vec::new();
        file.take(STAT_BYTES).read_to_end(&mut bytes).ok()?;
        parse(&String::from_utf8_lossy(&bytes))
    }
}

/// Of `/proc/<pid>/stat` (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    started: u64,
}

/// The name stands in parentheses and may hold any of them itself.
fn parse(text: &str) -> Option<Stat> {
    /// Of the fields after the name; the whole line's 22nd.
    const STARTED: usize = 19;
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let started = after.split_whitespace().nth(STARTED)?.parse().ok()?;
    Some(Stat { name: word(name), started }).filter(|stat| !stat.name.is_empty())
}

#[cfg(test)]
mod tests {
    use fake_nvml::Machine;
    use proptest::prelude::*;

    use super::*;

    fn complete(owners: &mut Owners, pid: u32) -> GpuProcess {
        let mut process = GpuProcess { pid, ..GpuProcess::default() };
        owners.begin();
        owners.complete(&mut process);
        process
    }

    #[test]
    fn a_process_has_a_name_a_unit_and_a_container() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(folder.path());
        machine.process(7, "llama (x) server", "/system.slice/ollama.service").unwrap();
        let id = "1f".repeat(32);
        machine.process(8, "python3", &format!("/system.slice/docker-{id}.scope")).unwrap();
        let mut owners = Owners::new(&folder.path().join("proc"));
        let process = complete(&mut owners, 7);
        assert_eq!(process.name.as_deref(), Some("llama (x) server"));
        assert_eq!(process.unit.as_deref(), Some("ollama.service"));
        assert!(process.missing.is_empty());
        assert!(complete(&mut owners, 8).container.is_some_and(|found| id.starts_with(&found)));
        let gone = complete(&mut owners, 9);
        assert_eq!((gone.name, gone.missing["name"]), (None, MissingReason::CannotTell));
    }

    #[test]
    fn the_control_group_is_read_once_a_process() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::new(folder.path());
        machine.process(7, "a", "/system.slice/a.service").unwrap();
        let mut owners = Owners::new(&folder.path().join("proc"));
        assert_eq!(complete(&mut owners, 7).unit.as_deref(), Some("a.service"));
        std::fs::remove_file(folder.path().join("proc/7/cgroup")).unwrap();
        for _ in 0..3 {
            assert_eq!(complete(&mut owners, 7).unit.as_deref(), Some("a.service"));
        }
        let stat = folder.path().join("proc/7/stat");
        let text = std::fs::read_to_string(&stat).unwrap();
        std::fs::write(&stat, text.replace("1007", "2007")).unwrap();
        assert_eq!(complete(&mut owners, 7).unit, None, "another process of the same number");
        complete(&mut owners, 8);
        complete(&mut owners, 8);
        assert!(owners.last.is_empty() && owners.now.is_empty(), "the past is forgotten");
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_name_is_found(name in "[a-z() ]{0,15}", started: u64) {
            let zeros = "0 ".repeat(18);
            let stat = parse(&format!("7 (x{name}) S {zeros}{started} 0\n")).unwrap();
            prop_assert_eq!(stat, Stat { name: word(&format!("x{name}")), started });
        }
    }
}
