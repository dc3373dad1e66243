//! The files of one process under `/proc`. Each may vanish at any time, or be another user's.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// More of a command line than this says nothing more.
const COMMAND_LINE_BYTES: u64 = 8 * 1024;
/// More arguments than this are not looked at.
const ARGUMENTS_MAX: usize = 256;
/// More of an environment than this is not looked at.
const ENVIRONMENT_BYTES: u64 = 64 * 1024;
/// `stat` and the head of `status` are far smaller.
const HEAD_BYTES: u64 = 4096;

/// The numbers of all processes, in order.
pub(super) fn pids(proc_root: &Path, max: usize) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(proc_root) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids: Vec<u32> = names.take(max).collect();
    pids.sort_unstable();
    pids
}

fn read(folder: &Path, name: &str, max_bytes: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(folder.join(name)).ok()?.take(max_bytes).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// From `/proc/<pid>/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) parent: u32,
    pub(super) started_at: u64,
}

pub(super) fn stat(folder: &Path) -> Option<Stat> {
    parse_stat(&String::from_utf8_lossy(&read(folder, "stat", HEAD_BYTES)?))
}

/// `12 (name) S 1 …`: the name may hold anything, so it ends at the last bracket.
pub(super) fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started_at = fields.nth(17)?.parse().ok()?;
    let name = name.chars().filter(|c| !c.is_control()).take(64).collect();
    Some(Stat { name, parent, started_at })
}

/// The user whose sockets it opens: the effective one.
pub(super) fn uid(folder: &Path) -> Option<u32> {
    parse_uid(&String::from_utf8_lossy(&read(folder, "status", HEAD_BYTES)?))
}

pub(super) fn parse_uid(text: &str) -> Option<u32> {
    let uids = text.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub(super) fn command_line(folder: &Path) -> Vec<String> {
    parse_command_line(&read(folder, "cmdline", COMMAND_LINE_BYTES).unwrap_or_default())
}

pub(super) fn parse_command_line(bytes: &[u8]) -> Vec<String> {
    // A title that a process wrote over its arguments leaves zeros behind.
    let args = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let mut args: Vec<String> = args.map(String::from).take(ARGUMENTS_MAX).collect();
    while args.last().is_some_and(String::is_empty) {
        args.pop();
    }
    args
}

/// One variable, where the environment may be read.
pub(super) fn environment(folder: &Path, name: &str) -> Option<String> {
    variable(&read(folder, "environ", ENVIRONMENT_BYTES)?, name)
}

pub(super) fn variable(bytes: &[u8], name: &str) -> Option<String> {
    let mut variables = bytes.split(|byte| *byte == 0);
    let value = variables.find_map(|variable| {
        variable.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    })?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Which network namespace a process lives in. Its proper name is hidden from other users, but
/// each namespace has its own files, whose inodes everyone may see.
pub(super) fn network(folder: &Path) -> Option<u64> {
    fs::metadata(folder.join("net/dev")).ok().map(|file| file.ino())
}

/// The reader's own, or nothing where the root knows no reader.
pub(super) fn own_network(proc_root: &Path) -> Option<u64> {
    network(&proc_root.join("self")).or_else(|| network(&proc_root.join("1")))
}
