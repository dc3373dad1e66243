//! Control groups as kernels, systemd and container engines name them.

use proptest::prelude::{any, prop_assert, proptest};

use super::*;

const ID: &str = "3f4c1b2a9d8e7f60518293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8";

fn told(text: &str) -> (Option<String>, Option<String>) {
    let Membership { unit, container } = membership(&text.replace("ID", ID));
    (unit, container)
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[test]
fn names_tell_unit_and_container() {
    let short = &ID[..12];
    for (path, unit, container) in [
        ("/system.slice/ollama.service", "ollama.service", ""),
        ("/system.slice/system-ollama.slice/ollama@0.service", "ollama@0.service", ""),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", ""),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/llama.service",
            "llama.service",
            "",
        ),
        ("/init.scope", "init.scope", ""),
        ("/", "", ""),
        ("/../../..", "", ""),
        ("/system.slice/.service", "", ""),
        // Docker with systemd's groups and with its own, and inside a rootless daemon.
        ("/system.slice/docker-ID.scope", "", short),
        ("/docker/ID", "", short),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
            "user@1000.service",
            short,
        ),
        // Podman: a pod's, a unit's own, and the monitor, which is in no container.
        ("/machine.slice/libpod-ID.scope/container", "", short),
        ("/system.slice/ollama.service/libpod-payload-ID", "ollama.service", short),
        ("/machine.slice/libpod-conmon-ID.scope", "", ""),
        ("/libpod_parent/libpod-ID", "", short),
        // Kubernetes: containerd and CRI-O, both drivers.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-ID.scope",
            "",
            short,
        ),
        ("/kubepods/burstable/pod3f4c/ID", "", short),
        ("/kubepods.slice/kubepods-pod1.slice/crio-ID.scope", "", short),
        ("/system.slice/kubepods-pod1.slice:cri-containerd:ID", "", short),
        // A system in a container has units of its own.
        ("/docker/ID/system.slice/ollama.service", "ollama.service", short),
        ("/lxc/101/ns/system.slice/ollama.service", "ollama.service", "101"),
        ("/lxc.payload.web/system.slice/ollama.service", "ollama.service", "web"),
        ("/lxc.payload/web", "", "web"),
        ("/machine.slice/systemd-nspawn@my\\x2dbox.service/payload", "", "my-box"),
        ("/machine.slice/machine-my\\x2dbox.scope/payload", "", "my-box"),
        ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "machine-qemu\\x2d1\\x2dvm.scope", ""),
    ] {
        assert_eq!(told(&format!("0::{path}\n")), (some(unit), some(container)), "{path}");
    }
}

#[test]
fn in_version_1_systemds_own_hierarchy_is_asked_first() {
    let text = "12:pids:/system.slice/ollama.service\n11:memory:/system.slice/ollama.service/x\n\
                1:name=systemd:/system.slice/ollama.service\n0::/system.slice/other.service\n";
    assert_eq!(told(text), (some("ollama.service"), None));
    let text = "11:memory:/docker/ID\n4:cpu,cpuacct:/docker/ID\n1:name=systemd:/docker/ID\n";
    assert_eq!(told(text), (None, some(&ID[..12])));
    // Version 2 beside it is empty where version 1 has the groups.
    assert_eq!(told("3:memory:/docker/ID\n1:name=systemd:/\n0::/\n"), (None, some(&ID[..12])));
}

#[test]
fn an_engine_that_shares_a_prefix_with_a_unit_is_none() {
    assert_eq!(told("0::/system.slice/docker.service\n"), (some("docker.service"), None));
    assert_eq!(told("0::/system.slice/docker-1234.scope\n"), (some("docker-1234.scope"), None));
}

#[test]
fn a_process_that_is_gone_belongs_to_nothing() {
    let proc = tempfile::tempdir().unwrap();
    assert_eq!(membership_of(proc.path(), 7), Membership::default());
    std::fs::create_dir(proc.path().join("7")).unwrap();
    std::fs::write(proc.path().join("7/cgroup"), "0::/system.slice/a.service\n").unwrap();
    assert_eq!(membership_of(proc.path(), 7).unit, some("a.service"));
    let long = format!("0::/{}/a.service\n", "x".repeat(1 << 20));
    std::fs::write(proc.path().join("7/cgroup"), long).unwrap();
    assert_eq!(membership_of(proc.path(), 7), Membership::default());
}

proptest! {
    #[test]
    fn garbage_never_panics_and_stays_bounded(
        text in "([0-9]{0,2}:[a-z=,]{0,9}:)?[/a-z.@:\\\\x2d0-9-]{0,300}(service|scope)?\n?",
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        for text in [text, String::from_utf8_lossy(&bytes).into_owned()] {
            let Membership { unit, container } = membership(&text);
            for name in [unit, container].into_iter().flatten() {
                prop_assert!(!name.is_empty() && name.len() <= 256, "{name:?}");
                prop_assert!(!name.contains(char::is_control), "{name:?}");
            }
        }
    }
}
