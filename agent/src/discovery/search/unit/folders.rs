//! The folders of units under a root, and what was read of them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// A larger file is no unit.
const FILE_BYTES: u64 = 64 * 1024;
/// More mounts than this hold are not looked at.
const MOUNTS_BYTES: u64 = 1024 * 1024;
/// No more names than these of one folder are looked at.
const NAMES_MAX: usize = 4096;
/// Folders and files whose change is noticed.
const WATCHED_MAX: usize = 1024;
/// Users whose own units are looked for.
const HOMES_MAX: usize = 64;
/// A chain of links that is longer leads nowhere.
const LINKS_MAX: usize = 8;

const SYSTEM: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
const USER: [&str; 4] =
    ["etc/systemd/user", "run/systemd/user", "usr/local/lib/systemd/user", "usr/lib/systemd/user"];

/// File systems whose files are on another machine, or in the hands of another process.
const REMOTE: [&str; 17] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "autofs",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "afs",
    "9p",
    "fuse",
    "coda",
    "orangefs",
    "pvfs2",
    "glusterfs",
];

/// Where something is mounted, and what kind of file system.
fn mounts(mountinfo: &str) -> Vec<(PathBuf, String)> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?.replace("\\040", " ");
        Some((PathBuf::from(point), kind.split(' ').next()?.to_owned()))
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Whether the way to this path leads over a file system that may hang.
fn is_remote(path: &str, mounts: &[(PathBuf, String)]) -> bool {
    let is_one = |kind: &str| REMOTE.contains(&kind) || kind.starts_with("fuse.");
    mounts.iter().any(|(point, kind)| Path::new(path).starts_with(point) && is_one(kind))
}

fn beginning(path: &Path, max_bytes: u64) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(max_bytes).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Folders that are looked through for one manager, the strongest first.
#[derive(Clone, Debug)]
pub(super) struct Scope(Vec<PathBuf>);

impl Scope {
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.0
    }
}

/// What tells that a file or folder has changed; `None`: it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, i64, i64, u64)>);

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok();
        Self(metadata.map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.len())))
    }
}

/// Reads, and remembers what.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    read_from: Vec<(PathBuf, Stamp)>,
}

impl Folders {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), read_from: Vec::new() }
    }

    pub(super) fn into_read_from(self) -> Vec<(PathBuf, Stamp)> {
        self.read_from
    }

    /// The system's units, and those that it gives to all users.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        vec![Scope(self.under(&SYSTEM)), Scope(self.under(&USER))]
    }

    /// The units of each user who has some.
    pub(super) fn scopes_of(&mut self, homes: &[PathBuf]) -> Vec<Scope> {
        let user = self.under(&USER);
        let mut scopes = Vec::new();
        for home in homes {
            let own = home.join(".config/systemd/user");
            self.watch(&own);
            if own.is_dir() {
                scopes.push(Scope([vec![own], user.clone()].concat()));
            }
        }
        scopes
    }

    fn under(&self, names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| self.root.join(name)).collect()
    }

    /// The homes of all users but for those on other machines, which may hang, or be mounted by
    /// being looked at.
    pub(super) fn homes(&mut self, mountinfo: &Path) -> Vec<PathBuf> {
        let passwd = self.read(&self.root.join("etc/passwd")).unwrap_or_default();
        let mounts = mounts(&beginning(mountinfo, MOUNTS_BYTES).unwrap_or_default());
        let home = |line: &str| {
            let home = line.split(':').nth(5).filter(|home| home.len() > 1)?;
            (!is_remote(home, &mounts)).then(|| self.at(home))
        };
        let mut homes: Vec<PathBuf> = passwd.lines().filter_map(home).collect();
        homes.sort();
        homes.dedup();
        // Most users of a system have no home to speak of.
        homes.retain(|home| home.is_dir());
        homes.truncate(HOMES_MAX);
        homes
    }

    /// A path as the host has it, under the root, and never outside of it.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        let parts = Path::new(path).components().filter(|c| matches!(c, Component::Normal(_)));
        self.root.join(parts.collect::<PathBuf>())
    }

    pub(super) fn watch(&mut self, path: &Path) {
        let is_known = self.read_from.iter().any(|(known, _)| known == path);
        if !is_known && self.read_from.len() < WATCHED_MAX {
            self.read_from.push((path.to_owned(), Stamp::of(path)));
        }
    }

    /// The names in a folder, in order; its change is noticed.
    pub(super) fn list(&mut self, folder: &Path) -> Vec<String> {
        self.watch(folder);
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(NAMES_MAX).collect();
        names.sort_unstable();
        names
    }

    /// The text of a file; its change is noticed.
    pub(super) fn read(&mut self, path: &Path) -> Option<String> {
        self.watch(path);
        self.peek(path)
    }

    /// The text of a file that may not count.
    pub(super) fn peek(&self, path: &Path) -> Option<String> {
        let path = self.follow(path);
        // A pipe would keep us waiting; a masked unit is a device.
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        beginning(&path, FILE_BYTES)
    }

    /// Where a link leads, as the host whose root it is would follow it.
    fn follow(&self, path: &Path) -> PathBuf {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            match fs::read_link(&path) {
                Ok(to) if to.is_absolute() => path = self.at(&to.to_string_lossy()),
                Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
                Err(_) => break,
            }
        }
        path
    }
}
