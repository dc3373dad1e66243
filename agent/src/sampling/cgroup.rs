//! Which systemd unit and which container a process belongs to, from the text of
//! `/proc/<pid>/cgroup` (<https://man7.org/linux/man-pages/man7/cgroups.7.html>), of both versions.
//!
//! The names of control groups are conventions of whoever made them: systemd names a group after
//! its unit, container engines put their container's id into it. Nobody is asked, nothing is
//! resolved: what the names do not tell is `None`. What a group may use stands in `limits`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::word::word;

/// More of the file than this is not read; a process of version 1 has about 15 lines.
const FILE_BYTES: u64 = 16 * 1024;
/// An engine's ids are shown as its own lists show them.
const ID_CHARS: usize = 12;

/// What a process belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The innermost unit of systemd, a user's too, that is no container's: `ollama.service`,
    /// `session-3.scope`.
    pub(crate) unit: Option<String>,
    /// The innermost container: the first 12 digits of its id, or its name where the engine knows
    /// it by that (LXC, nspawn).
    pub(crate) container: Option<String>,
}

/// What the process belongs to; nothing where the file cannot be read.
pub(crate) fn membership_of(proc_root: &Path, pid: u32) -> Membership {
    let path = proc_root.join(pid.to_string()).join("cgroup");
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(FILE_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => membership(&String::from_utf8_lossy(&bytes)),
        Err(_) => Membership::default(),
    }
}

/// What the text of `/proc/<pid>/cgroup` tells.
pub(crate) fn membership(cgroup_text: &str) -> Membership {
    let mut lines: Vec<(Trust, &str)> = cgroup_text.lines().filter_map(line).collect();
    lines.sort_by_key(|(trust, _)| *trust);
    let first = |tell: fn(&str) -> Option<String>| lines.iter().find_map(|(_, path)| tell(path));
    Membership { unit: first(unit), container: first(container) }
}

/// Whose names tell most, first: systemd's own hierarchy, that of version 2, those of version 1,
/// which some engines name less fully.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    Systemd,
    Unified,
    Controller,
}

/// `4:memory:/path`, `1:name=systemd:/path`, `0::/path`
fn line(line: &str) -> Option<(Trust, &str)> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let trust = match controllers {
        "name=systemd" => Trust::Systemd,
        "" => Trust::Unified,
        _ => Trust::Controller,
    };
    Some((trust, path))
}

/// What one piece of a group's path is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Unit(&'a str),
    Container(String),
    Other,
}

fn unit(path: &str) -> Option<String> {
    pieces(path).rev().find_map(|piece| match piece {
        Piece::Unit(name) => Some(word(name)),
        _ => None,
    })
}

fn container(path: &str) -> Option<String> {
    pieces(path).rev().find_map(|piece| match piece {
        Piece::Container(name) => Some(word(&name)).filter(|name| !name.is_empty()),
        _ => None,
    })
}

fn pieces(path: &str) -> impl DoubleEndedIterator<Item = Piece<'_>> {
    // A name may stand in a folder of its own: `/lxc/web`.
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    (0..names.len()).map(move |n| {
        let parent = n.checked_sub(1).and_then(|n| names.get(n)).copied();
        piece(parent, names.get(n).copied().unwrap_or_default())
    })
}

fn piece<'a>(parent: Option<&str>, name: &'a str) -> Piece<'a> {
    if let Some(id) = engine_id(name) {
        return Piece::Container(id);
    }
    if is_engines(name) {
        return Piece::Other;
    }
    if let Some(name) = named(parent, name) {
        return Piece::Container(name);
    }
    let stem = name.strip_suffix(".service").or_else(|| name.strip_suffix(".scope"));
    if stem.is_some_and(|stem| !stem.is_empty()) { Piece::Unit(name) } else { Piece::Other }
}

/// `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`, `crio-ID`, `libpod-payload-ID`,
/// `SLICE:cri-containerd:ID`, or `ID` alone: Docker, Podman, containerd, CRI-O and their kin all
/// use 64 hexadecimal digits. What only watches a container is none.
fn engine_id(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    let id = stem.rsplit(['-', ':']).next()?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && !is_monitor(stem)).then(|| id.chars().take(ID_CHARS).collect())
}

fn is_monitor(stem: &str) -> bool {
    stem.contains("-conmon-")
}

/// A scope of an engine that is no container's.
fn is_engines(name: &str) -> bool {
    name.strip_suffix(".scope").is_some_and(is_monitor)
}

/// Containers that are known by a name: LXC's `lxc/NAME`, `lxc.payload.NAME` and
/// `lxc.payload/NAME`, systemd's `systemd-nspawn@NAME.service` and `machine-NAME.scope`, which
/// may also be a virtual machine's.
fn named(parent: Option<&str>, name: &str) -> Option<String> {
    if matches!(parent, Some("lxc" | "lxc.payload")) {
        return Some(name.to_owned());
    }
    let systemds = |name: &str| Some(unescape(name)).filter(|name| !name.is_empty());
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Some(name.to_owned()).filter(|name| !name.is_empty());
    }
    if let Some(name) = name.strip_prefix("systemd-nspawn@") {
        return systemds(name.strip_suffix(".service")?);
    }
    let machine = name.strip_prefix("machine-")?.strip_suffix(".scope")?;
    if machine.starts_with("qemu") || machine.starts_with("libvirt") {
        return None;
    }
    systemds(machine)
}

/// systemd writes `-` within a name as `\x2d`.
fn unescape(name: &str) -> String {
    let mut pieces = name.split("\\x");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match (code, piece.get(2..)) {
            (Some(code), Some(rest)) if code.is_ascii() => {
                plain.push(char::from(code));
                plain.push_str(rest);
            }
            _ => {
                plain.push_str("\\x");
                plain.push_str(piece);
            }
        }
    }
    plain
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
