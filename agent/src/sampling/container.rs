//! What the agent runs in, where that is no whole machine: by the marks that engines leave, read
//! once at the start.

use super::Roots;
use super::source::{beginning, value};
use super::word::word;

/// Windows' own virtual machine: nearly a whole one.
pub(super) const WSL: &str = "wsl";

const FILE_BYTES: u64 = 64 * 1024;

/// An open word; `None` on a whole machine, or where nothing tells.
pub(super) fn container(roots: &Roots) -> Option<String> {
    let exists = |path: &str| roots.root.join(path).exists();
    let of_systemd = || value(&roots.root.join("run/systemd/container"));
    let of_engine = || {
        let engine = match () {
            () if exists("run/secrets/kubernetes.io") => "kubernetes",
            () if exists("run/.containerenv") => "podman",
            () if exists(".dockerenv") => "docker",
            () => return None,
        };
        Some(engine.to_owned())
    };
    of_systemd()
        .or_else(of_engine)
        .or_else(|| of_environment(roots))
        .or_else(|| of_groups(roots))
        .or_else(|| of_kernel(roots))
        .map(|container| word(&container))
        .filter(|container| !container.is_empty())
}

/// The first process is told by whoever starts it; others may not read that everywhere.
fn of_environment(roots: &Roots) -> Option<String> {
    let environment = beginning(&roots.proc.join("1/environ"), FILE_BYTES).ok()?;
    let container = environment.split('\0').find_map(|pair| pair.strip_prefix("container="))?;
    Some(container.to_owned())
}

/// Where the container has no namespace for its groups, their names tell.
fn of_groups(roots: &Roots) -> Option<String> {
    let groups = beginning(&roots.process().join("cgroup"), FILE_BYTES).ok()?;
    const MARKS: [(&str, &str); 6] = [
        ("kubepods", "kubernetes"),
        ("libpod", "podman"),
        ("/docker", "docker"),
        ("docker-", "docker"),
        ("lxc.payload", "lxc"),
        ("/lxc/", "lxc"),
    ];
    super::cgroup::membership(&groups).container?;
    let (_, container) = MARKS.iter().find(|(mark, _)| groups.contains(mark))?;
    Some((*container).to_owned())
}

fn of_kernel(roots: &Roots) -> Option<String> {
    let release = value(&roots.proc.join("sys/kernel/osrelease"))?;
    release.to_ascii_lowercase().contains("microsoft").then(|| WSL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_tells_and_a_whole_machine_has_none() {
        for (file, text, expected) in [
            (".dockerenv", "", Some("docker")),
            ("run/.containerenv", "", Some("podman")),
            ("run/secrets/kubernetes.io/token", "", Some("kubernetes")),
            ("run/systemd/container", "systemd-nspawn\n", Some("systemd-nspawn")),
            ("proc/1/environ", "A=b\0container=lxc\0", Some("lxc")),
            ("proc/sys/kernel/osrelease", "5.15.167.4-microsoft-standard-WSL2\n", Some("wsl")),
            (
                "proc/1/cgroup",
                "3:cpu:/kubepods/besteffort/pod1/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
                Some("kubernetes"),
            ),
            ("proc/1/cgroup", "0::/system.slice/docker.service\n", None),
            ("run/systemd/container", "\n", None),
            ("etc/hostname", "gpu-1\n", None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            let found = container(&Roots::under(folder.path()));
            assert_eq!(found.as_deref(), expected, "{file}");
        }
    }

    #[test]
    fn no_mark_panics_or_is_more_than_a_word() {
        let mark = "(container=|0::|[0-9]:[a-z]{0,5}:|/|docker|kubepods|lxc|libpod|\\\\x2d|\u{0}|\n|[0-9a-f]{64}|\\PC{0,300}){0,8}";
        let folder = tempfile::tempdir().unwrap();
        let files = ["run/systemd/container", "proc/1/environ", "proc/1/cgroup"];
        let files = files.map(|file| folder.path().join(file));
        for file in &files {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        proptest::proptest!(proptest::test_runner::Config::with_cases(64), |(texts: [String; 3], mark in mark)| {
            for (file, text) in files.iter().zip(texts) {
                std::fs::write(file, format!("{mark}{text}")).unwrap();
            }
            let found = container(&Roots::under(folder.path()));
            proptest::prop_assert!(found.is_none_or(|found| !found.is_empty() && found.len() <= 256));
        });
    }
}
