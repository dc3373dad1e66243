//! What the machine is: read once at the start, and for an inventory.

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::System;
use sysinfo::{CpuRefreshKind, RefreshKind};

use super::Roots;
use super::memory::MemorySource;
use super::word::word;

/// The machine and its operating system.
#[must_use]
pub fn system(roots: &Roots) -> System {
    let cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let machine = sysinfo::System::new_with_specifics(cpus).ok();
    let cpus = machine.as_ref().map(sysinfo::System::cpus).unwrap_or_default();
    System {
        os: os(),
        kernel: word(&sysinfo::System::kernel_version().unwrap_or_default()),
        arch: word(&sysinfo::System::cpu_arch()),
        cpu_model: cpus.first().map(|cpu| word(cpu.brand())).filter(|brand| !brand.is_empty()),
        cpu_cores: u32::try_from(cpus.len()).ok().filter(|n| *n > 0),
        memory_total_bytes: MemorySource::new(roots).read(&mut Vec::new()).total_bytes.ok(),
        container: None,
        boot_time: boot_time(),
    }
}

/// The host's name for people, where it has one.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = word(&sysinfo::System::host_name().ok()?);
    (!name.is_empty()).then_some(name)
}

/// This boot of the kernel.
#[must_use]
pub fn boot_id(roots: &Roots) -> Option<String> {
    let id = std::fs::read_to_string(roots.proc.join("sys/kernel/random/boot_id")).ok()?;
    let id = word(&id);
    (!id.is_empty()).then_some(id)
}

/// `Debian 12`: what a distribution calls itself beyond its name helps nobody here.
fn os() -> String {
    let name = sysinfo::System::name().unwrap_or_default();
    let version = sysinfo::System::os_version().unwrap_or_default();
    word(&format!("{} {version}", name.trim_end_matches("GNU/Linux").trim()))
}

fn boot_time() -> Option<Timestamp> {
    let seconds = i64::try_from(sysinfo::System::boot_time().ok()?).ok()?;
    (seconds > 0).then(|| Timestamp::from_unix_ms(seconds.saturating_mul(1000)))
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
}
