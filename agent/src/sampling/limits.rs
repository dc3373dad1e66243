//! What a container's control group may use, from `/sys/fs/cgroup`, of both versions
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html>,
//! <https://docs.kernel.org/admin-guide/cgroup-v1/index.html>).
//!
//! A group cannot use more than any group above it may, so the tightest limit on the way up holds.
//! On a whole machine nothing is told: there, only the agent's own unit is limited.

use std::path::{Path, PathBuf};

use herdbook_shared::limits;
use herdbook_shared::missing::MissingReason;
use herdbook_shared::wire::detail::Limits;

use super::Roots;
use super::source::{beginning, value};

/// The text that names a process's groups is no longer than this.
const FILE_BYTES: u64 = 16 * 1024;
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

    /// `None` where nothing is limited.
    pub(super) fn read(&self) -> Result<Option<Limits>, MissingReason> {
        let text = beginning(&self.cgroup, FILE_BYTES)?;
        let groups = Groups::of(&text).ok_or(MissingReason::CannotTell)?;
        // In a namespace of its own, a container's group is the root, and has limits nevertheless.
        if self.kind == Kind::Machine && groups.is_within() {
            return Ok(None);
        }
        let (memory_bytes, memory_used_bytes) = self.memory(&groups).unzip();
        let cpu_cores = self.cpu_cores(&groups);
        let is_limited = memory_bytes.is_some() || cpu_cores.is_some();
        let memory_used_bytes = memory_used_bytes.flatten();
        Ok(is_limited.then_some(Limits { cpu_cores, memory_bytes, memory_used_bytes }))
    }

    /// The tightest limit, and what is used of it. What the kernel can give back is not used.
    fn memory(&self, groups: &Groups<'_>) -> Option<(u64, Option<u64>)> {
        let unified =
            self.folders("", groups.unified).chain(self.folders("unified", groups.unified));
        let unified = unified.filter_map(|folder| {
            let limit = bytes(&folder.join("memory.max"))?;
            Some((limit, used(&folder, "memory.current", "inactive_file")))
        });
        let separate = self.folders("memory", groups.memory).filter_map(|folder| {
            let limit = bytes(&folder.join("memory.limit_in_bytes"))?;
            Some((limit, used(&folder, "memory.usage_in_bytes", "total_inactive_file")))
        });
        unified.chain(separate).min_by_key(|(limit, _)| *limit)
    }

    fn cpu_cores(&self, groups: &Groups<'_>) -> Option<f64> {
        let unified =
            self.folders("", groups.unified).chain(self.folders("unified", groups.unified));
        let unified = unified.filter_map(|folder| quota(&value(&folder.join("cpu.max"))?));
        let of = |mounted| self.folders(mounted, groups.cpu);
        let separate = of("cpu,cpuacct").chain(of("cpu")).filter_map(|folder| {
            let quota_us = value(&folder.join("cpu.cfs_quota_us"))?;
            quota(&format!("{quota_us} {}", value(&folder.join("cpu.cfs_period_us"))?))
        });
        unified.chain(separate).min_by(f64::total_cmp)
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

/// `max`, and the huge number of version 1, are no limit.
fn bytes(path: &Path) -> Option<u64> {
    value(path)?.parse().ok().filter(|bytes| *bytes <= limits::BYTES_MAX)
}

fn used(folder: &Path, file: &str, cache: &str) -> Option<u64> {
    let used = bytes(&folder.join(file))?;
    let stat = beginning(&folder.join("memory.stat"), FILE_BYTES).unwrap_or_default();
    let cached = stat.lines().find_map(|line| {
        let (key, count) = line.split_once(' ')?;
        (key == cache).then(|| count.trim().parse::<u64>().ok())?
    });
    Some(used.saturating_sub(cached.unwrap_or(0)))
}

/// `150000 100000`: microseconds in microseconds; `max` or -1 is no limit.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (u32, u32) = (quota.parse().ok()?, period.trim().parse().ok()?);
    (quota > 0 && period > 0).then(|| super::cpu::hundredths(f64::from(quota) / f64::from(period)))
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
