//! What the machine is: read once at the start, and for an inventory. What the agent's own system
//! calls itself is told by sysinfo; it knows no other root, so that of a host around a container
//! comes from files under the roots, as do all numbers of either.

use std::path::Path;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::System;

use super::Roots;
use super::container::container;
use super::memory::MemorySource;
use super::processor;
use super::source::{beginning, value};
use super::word::word;

/// Enough of `/proc/cpuinfo` for the kinds of processors; of 256, each has 1.5 KB there.
const CPUINFO_BYTES: u64 = 64 * 1024;
/// Enough of `/proc/stat` for 4,000 processors and many more interrupts.
const STAT_BYTES: u64 = 1024 * 1024;
const OS_RELEASE_BYTES: u64 = 16 * 1024;

/// The machine and its operating system.
#[must_use]
pub fn system(roots: &Roots) -> System {
    let cpuinfo = beginning(&roots.proc.join("cpuinfo"), CPUINFO_BYTES).unwrap_or_default();
    let stat = beginning(&roots.proc.join("stat"), STAT_BYTES).unwrap_or_default();
    System {
        os: own(roots, own_os).unwrap_or_else(|| os(&roots.root)),
        kernel: release(roots).unwrap_or_default(),
        arch: arch(roots, &cpuinfo),
        cpu_model: processor::model(&cpuinfo).or_else(|| board(roots)),
        cpu_cores: cpu_cores(&stat),
        memory_total_bytes: MemorySource::new(roots).read(&mut Vec::new()).total_bytes.ok(),
        container: container(roots),
        boot_time: boot_time(&stat),
    }
}

/// The host's name for people, where it has one. The kernel tells every container its own, so that
/// of another root stands in a file.
#[must_use]
pub fn host_name(roots: &Roots) -> Option<String> {
    let of_file = || value(&roots.root.join("etc/hostname"));
    let of_kernel = || kernel(roots, "hostname");
    let of_other = || of_file().or_else(of_kernel);
    let name = if roots.is_own() { sysinfo::System::host_name().ok() } else { of_other() };
    name.map(|name| word(&name)).filter(|name| !name.is_empty() && name != "(none)")
}

/// This boot of the kernel.
#[must_use]
pub fn boot_id(roots: &Roots) -> Option<String> {
    kernel(roots, "random/boot_id")
}

fn kernel(roots: &Roots, name: &str) -> Option<String> {
    let text = value(&roots.proc.join("sys/kernel").join(name))?;
    Some(word(&text)).filter(|text| !text.is_empty())
}

/// What the agent's own system tells of itself, where that is asked for.
fn own(roots: &Roots, tell: impl Fn() -> Option<String>) -> Option<String> {
    let told = roots.is_own().then(tell)??;
    Some(word(&told)).filter(|told| !told.is_empty())
}

/// Of the agent's own kernel, or as another root's `/proc` has it.
fn release(roots: &Roots) -> Option<String> {
    own(roots, || sysinfo::System::kernel_version().ok()).or_else(|| kernel(roots, "osrelease"))
}

/// Of the agent's own system; `None` where it has no `/etc/os-release`.
fn own_os() -> Option<String> {
    let name = sysinfo::System::name().ok()?;
    Some(os_in_words(&name, &sysinfo::System::os_version().unwrap_or_default()))
}

/// Of the system under another root, or of one that keeps its file elsewhere.
fn os(root: &Path) -> String {
    let read = |path: &str| beginning(&root.join(path), OS_RELEASE_BYTES).ok();
    // The first is usually a link to the second, which an absolute one leads out of another root.
    let own = read("etc/os-release").or_else(|| read("usr/lib/os-release"));
    own.map(|text| os_of(&text)).unwrap_or_default()
}

/// <https://www.freedesktop.org/software/systemd/man/latest/os-release.html>
fn os_of(text: &str) -> String {
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.to_owned())
    };
    let name = field("NAME").unwrap_or_else(|| "Linux".to_owned());
    os_in_words(&name, &field("VERSION_ID").unwrap_or_default())
}

/// `Debian 12`: what a distribution calls itself beyond its name helps nobody here.
fn os_in_words(name: &str, version: &str) -> String {
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let name = bare(name);
    let name = name.trim_end_matches("GNU/Linux").trim();
    word(&format!("{name} {}", bare(version)))
}

/// Of the agent's own machine; kernels from 6.1 on tell another root's, before that the processor.
fn arch(roots: &Roots, cpuinfo: &str) -> String {
    let of_own = own(roots, || Some(sysinfo::System::cpu_arch()));
    let of_processor = || processor::architecture(cpuinfo).map(str::to_owned);
    let arch = of_own.or_else(|| kernel(roots, "arch")).or_else(of_processor);
    arch.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// A board whose processor has no name has one itself.
fn board(roots: &Roots) -> Option<String> {
    let name = value(&roots.proc.join("device-tree/model"))
        .or_else(|| value(&roots.sys.join("class/dmi/id/product_name")))?;
    Some(word(&name)).filter(|name| !name.is_empty())
}

/// Those that are online: `/proc/stat` has a line for each.
fn cpu_cores(stat: &str) -> Option<u32> {
    let is_core = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    u32::try_from(stat.lines().filter(is_core).count()).ok().filter(|n| *n > 0)
}

/// `btime 1769680213`
fn boot_time(stat: &str) -> Option<Timestamp> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    let seconds: i64 = seconds.trim().parse().ok()?;
    // Beyond this, no clock of any machine is right.
    (1..1 << 40).contains(&seconds).then(|| Timestamp::from_unix_ms(seconds * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_something() {
        let system = system(&Roots::default());
        assert!(!system.os.is_empty() && !system.kernel.is_empty() && !system.arch.is_empty());
        assert!(system.cpu_cores.unwrap() > 0);
        assert!(system.memory_total_bytes.unwrap() > 0);
        assert!(system.boot_time.unwrap() < Timestamp::now());
        assert!(host_name(&Roots::default()).is_some());
    }

    /// The two ways to the same words: were they others, a host would change its name with its root.
    #[test]
    fn sysinfo_and_the_files_tell_the_same() {
        let roots = Roots::default();
        let told = system(&roots);
        assert_eq!(told.os, os(&roots.root));
        assert_eq!(Some(told.kernel), kernel(&roots, "osrelease"));
        assert_eq!(told.arch, rustix::system::uname().machine().to_string_lossy());
        assert_eq!(host_name(&roots), kernel(&roots, "hostname"));
    }

    #[test]
    fn a_distribution_has_a_name_and_perhaps_a_version() {
        for (text, os) in [
            ("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n", "Debian 12"),
            ("PRETTY_NAME=\"x\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\n", "Ubuntu 22.04"),
            ("NAME='Arch Linux'\nBUILD_ID=rolling\n", "Arch Linux"),
            ("", "Linux"),
        ] {
            assert_eq!(os_of(text), os);
        }
    }

    #[test]
    fn a_boot_has_an_id_where_the_kernel_tells_one() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots { proc: folder.path().to_owned(), ..Roots::default() };
        assert_eq!(boot_id(&roots), None);
        std::fs::create_dir_all(folder.path().join("sys/kernel/random")).unwrap();
        std::fs::write(folder.path().join("sys/kernel/random/boot_id"), "a-b\n").unwrap();
        assert_eq!(boot_id(&roots).as_deref(), Some("a-b"));
    }

    #[test]
    fn no_stat_panics() {
        proptest::proptest!(|(text in "((cpu|btime )[0-9 -]{0,24}\n){0,6}")| {
            let (cores, boot) = (cpu_cores(&text), boot_time(&text));
            proptest::prop_assert!(cores.is_none_or(|n| n <= 6));
            proptest::prop_assert!(boot.is_none_or(|at| at.unix_ms() > 0));
        });
    }
}
