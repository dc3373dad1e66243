//! What a container's control group may use, from `/sys/fs/cgroup`, of both versions
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html>,
//! <https://docs.kernel.org/admin-guide/cgroup-v1/index.html>).
//!
//! A group cannot use more than any group above it may, so the tightest limit on the way up holds.
//! On a whole machine nothing is told: there, only the agent's own unit is limited.

use std::path::{Path, PathBuf};

use herdbook_shared::limits;
use herdbook_shared::missing::{Missing, MissingReason};
use herdbook_shared::wire::detail::Limits;

use super::cpu::hundredths;
use super::memory::Figure;
use super::source::beginning;
use super::{Roots, told};

/// The text that names a process's groups is no longer than this.
const FILE_BYTES: u64 = 16 * 1024;
/// A limit is a number or two.
const WORD_BYTES: u64 = 256;
/// Groups within groups are followed up so far.
const STOREYS: usize = 32;

/// Where the groups are.
#[derive(Debug)]
pub(super) struct LimitsSource {
    groups: PathBuf,
    cgroup: PathBuf,
    kind: Kind,
}

/// Whether the limits are those of what the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Container,
    Machine,
}

impl LimitsSource {
    pub(super) fn new(roots: &Roots) -> Self {
        let kind = match super::container::container(roots) {
            Some(container) if container != super::container::WSL => Kind::Container,
            _ => Kind::Machine,
        };
        let cgroup = roots.process().join("cgroup");
        Self { groups: roots.sys.join("fs/cgroup"), cgroup, kind }
    }

    /// `None` where nothing is limited; a limit that cannot be told is missing.
    pub(super) fn read(&self) -> Result<Option<Limits>, MissingReason> {
        let text = beginning(&self.cgroup, FILE_BYTES)?;
        let groups = Groups::of(&text).ok_or(MissingReason::CannotTell)?;
        // In a namespace of its own, a container's group is the root, and has limits nevertheless.
        if self.kind == Kind::Machine && groups.is_within() {
            return Ok(None);
        }
        let mut missing = Missing::new();
        let memory = told("memory_bytes", self.memory(&groups), &mut missing).flatten();
        let cpu = told("cpu_cores", self.cpu_cores(&groups), &mut missing);
        let cpu_cores = cpu.flatten();
        if memory.is_none() && cpu_cores.is_none() && missing.is_empty() {
            return Ok(None);
        }
        let (memory_bytes, used) = memory.unzip();
        let used = used.and_then(|used| told("memory_used_bytes", used, &mut missing));
        Ok(Some(Limits { cpu_cores, memory_bytes, memory_used_bytes: used, missing }))
    }

    /// The tightest limit, and what is used of it. What the kernel can give back is not used.
    fn memory(&self, groups: &Groups<'_>) -> Result<Option<(u64, Figure)>, MissingReason> {
        let unified =
            self.folders("", groups.unified).chain(self.folders("unified", groups.unified));
        let unified = unified.filter_map(|folder| {
            let limit = bytes(&folder.join("memory.max")).transpose()?;
            Some(limit.map(|limit| (limit, used(&folder, "memory.current", "inactive_file"))))
        });
        let separate = self.folders("memory", groups.memory).filter_map(|folder| {
            let limit = bytes(&folder.join("memory.limit_in_bytes")).transpose()?;
            let used = || used(&folder, "memory.usage_in_bytes", "total_inactive_file");
            Some(limit.map(|limit| (limit, used())))
        });
        // One that cannot be told may be the tightest.
        let all: Vec<(u64, Figure)> = unified.chain(separate).collect::<Result<_, _>>()?;
        Ok(all.into_iter().min_by_key(|(limit, _)| *limit))
    }

    fn cpu_cores(&self, groups: &Groups<'_>) -> Result<Option<f64>, MissingReason> {
        let unified =
            self.folders("", groups.unified).chain(self.folders("unified", groups.unified));
        let unified = unified.filter_map(|folder| cores(word(&folder.join("cpu.max"))?));
        let of = |mounted| self.folders(mounted, groups.cpu);
        let separate = of("cpu,cpuacct").chain(of("cpu")).filter_map(|folder| {
            let quota = word(&folder.join("cpu.cfs_quota_us"))?;
            let period = word(&folder.join("cpu.cfs_period_us")).unwrap_or(Ok(String::new()));
            cores(quota.and_then(|quota| Ok(format!("{quota} {}", period?))))
        });
        let all: Vec<f64> = unified.chain(separate).collect::<Result<_, _>>()?;
        Ok(all.into_iter().min_by(f64::total_cmp))
    }

    /// The group's folder and those above it. A container that has no namespace of its own is told
    /// its path from outside, of which it sees the end alone: what is not there is passed over.
    fn folders(&self, mounted: &str, path: Option<&str>) -> impl Iterator<Item = PathBuf> {
        let base = self.groups.join(mounted);
        let path = path.map(|path| path.trim_matches('/').to_owned());
        let folders = path.into_iter().flat_map(move |path| {
            let inner = Path::new(&path).ancestors().take(STOREYS);
            let inner = inner.filter(|path| path.components().all(is_plain));
            inner.map(|path| base.join(path)).collect::<Vec<_>>()
        });
        folders.filter(|folder| folder.is_dir())
    }
}

fn is_plain(component: std::path::Component<'_>) -> bool {
    matches!(component, std::path::Component::Normal(_))
}

/// The groups that a process is in, by what they limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Groups<'a> {
    unified: Option<&'a str>,
    memory: Option<&'a str>,
    cpu: Option<&'a str>,
}

impl<'a> Groups<'a> {
    /// Lines `0::/path` and `4:cpu,cpuacct:/path`.
    fn of(text: &'a str) -> Option<Self> {
        let mut groups = Self::default();
        for line in text.lines() {
            let Some((controllers, path)) =
                line.split_once(':').and_then(|(_, rest)| rest.split_once(':'))
            else {
                continue;
            };
            match controllers {
                "" => groups.unified = Some(path),
                _ if has(controllers, "memory") => groups.memory = Some(path),
                _ if has(controllers, "cpu") => groups.cpu = Some(path),
                _ => {}
            }
        }
        (groups != Self::default()).then_some(groups)
    }

    /// Whether any of them is below a root.
    fn is_within(&self) -> bool {
        [self.unified, self.memory, self.cpu].into_iter().flatten().any(|path| path != "/")
    }
}

fn has(controllers: &str, wanted: &str) -> bool {
    controllers.split(',').any(|controller| controller == wanted)
}

/// What the file holds; `None` where the group has no such file.
fn word(path: &Path) -> Option<Result<String, MissingReason>> {
    match beginning(path, WORD_BYTES) {
        Err(MissingReason::NotSupported) => None,
        text => Some(text.map(|text| text.trim().to_owned())),
    }
}

/// `max`, and the huge number of version 1, are no limit.
fn bytes(path: &Path) -> Result<Option<u64>, MissingReason> {
    let Some(word) = word(path) else { return Ok(None) };
    match word?.as_str() {
        "max" => Ok(None),
        word => {
            let bytes: u64 = word.parse().map_err(|_| MissingReason::CannotTell)?;
            Ok(Some(bytes).filter(|bytes| *bytes <= limits::BYTES_MAX))
        }
    }
}

fn used(folder: &Path, file: &str, cache: &str) -> Figure {
    let used = bytes(&folder.join(file))?.ok_or(MissingReason::NotSupported)?;
    let stat = beginning(&folder.join("memory.stat"), FILE_BYTES).unwrap_or_default();
    let cached = stat.lines().find_map(|line| {
        let (key, count) = line.split_once(' ')?;
        (key == cache).then(|| count.trim().parse::<u64>().ok())?
    });
    Ok(used.saturating_sub(cached.unwrap_or(0)))
}

fn cores(text: Result<String, MissingReason>) -> Option<Result<f64, MissingReason>> {
    match text {
        Ok(text) => quota(&text),
        Err(reason) => Some(Err(reason)),
    }
}

/// `150000 100000`: microseconds in microseconds; `max` or -1 is no limit.
fn quota(text: &str) -> Option<Result<f64, MissingReason>> {
    let (quota, period) = text.split_once(' ').unwrap_or((text, ""));
    if matches!(quota, "max" | "-1") {
        return None;
    }
    let microseconds = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n > 0);
    let quota = microseconds(quota).zip(microseconds(period));
    let cores = quota.map(|(quota, period)| hundredths(f64::from(quota) / f64::from(period)));
    Some(cores.ok_or(MissingReason::CannotTell))
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
