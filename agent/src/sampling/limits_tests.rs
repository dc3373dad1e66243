//! Limits on folders that stand in for control groups of both versions.

use std::fs;

use super::*;

fn limits_of(files: &[(&str, &str)]) -> Result<Option<Limits>, MissingReason> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    LimitsSource::new(&Roots::under(folder.path())).read()
}

const DOCKER: (&str, &str) = (".dockerenv", "");

#[test]
fn in_a_namespace_of_its_own_the_root_has_the_limits() {
    let limits = limits_of(&[
        DOCKER,
        ("proc/1/cgroup", "0::/\n"),
        ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
        ("sys/fs/cgroup/memory.max", "2147483648\n"),
        ("sys/fs/cgroup/memory.current", "1000000\n"),
        ("sys/fs/cgroup/memory.stat", "anon 5\ninactive_file 400000\n"),
    ]);
    let expected = Limits {
        cpu_cores: Some(1.5),
        memory_bytes: Some(2_147_483_648),
        memory_used_bytes: Some(600_000),
        ..Limits::default()
    };
    assert_eq!(limits, Ok(Some(expected)));
}

#[test]
fn the_tightest_limit_on_the_way_up_holds() {
    let limits = limits_of(&[
        DOCKER,
        ("proc/1/cgroup", "0::/kubepods/pod1/ctr\n"),
        ("sys/fs/cgroup/kubepods/pod1/ctr/memory.max", "max\n"),
        ("sys/fs/cgroup/kubepods/pod1/ctr/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/kubepods/pod1/memory.max", "1000\n"),
        ("sys/fs/cgroup/kubepods/pod1/memory.current", "400\n"),
        ("sys/fs/cgroup/kubepods/memory.max", "9000\n"),
    ]);
    let expected =
        Limits { memory_bytes: Some(1000), memory_used_bytes: Some(400), ..Limits::default() };
    assert_eq!(limits, Ok(Some(expected)));
}

#[test]
fn version_1_is_read_where_only_the_end_of_the_path_is_seen() {
    let limits = limits_of(&[
        DOCKER,
        (
            "proc/1/cgroup",
            "5:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
        ),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1048576\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ]);
    let expected = Limits {
        cpu_cores: Some(4.0),
        memory_bytes: Some(1_048_576),
        memory_used_bytes: Some(500_000),
        ..Limits::default()
    };
    assert_eq!(limits, Ok(Some(expected)));
}

#[test]
fn nothing_is_told_where_nothing_is_limited() {
    let unlimited = [
        DOCKER,
        ("proc/1/cgroup", "5:memory:/\n3:cpu,cpuacct:/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ];
    assert_eq!(limits_of(&unlimited), Ok(None));
    // On a whole machine, the agent's own unit has a limit that is none of the host's.
    let unit = [
        ("proc/1/cgroup", "0::/system.slice/herdbook-agent.service\n"),
        ("sys/fs/cgroup/system.slice/herdbook-agent.service/memory.max", "134217728\n"),
    ];
    assert_eq!(limits_of(&unit), Ok(None));
}

#[test]
fn what_is_no_group_cannot_be_told_and_leads_nowhere() {
    assert_eq!(limits_of(&[DOCKER]), Err(MissingReason::NotSupported));
    assert_eq!(
        limits_of(&[DOCKER, ("proc/1/cgroup", "garbage\n")]),
        Err(MissingReason::CannotTell)
    );
    let outside = [
        DOCKER,
        ("proc/1/cgroup", "0::/../../x\n"),
        ("sys/fs/x/memory.max", "1\n"),
        ("sys/x/memory.max", "1\n"),
    ];
    assert_eq!(limits_of(&outside), Ok(None));
}

#[test]
fn garbage_is_not_no_limit() {
    for (garbage, is_missing) in
        [("", true), ("many\n", true), ("-5\n", true), ("max\n", false), ("max 100000\n", false)]
    {
        let memory = if garbage.contains(' ') { "max" } else { garbage };
        let told = limits_of(&[
            DOCKER,
            ("proc/1/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cpu.max", garbage),
            ("sys/fs/cgroup/memory.max", memory),
        ]);
        let cannot_tell =
            ["cpu_cores", "memory_bytes"].map(|key| (key.to_owned(), MissingReason::CannotTell));
        let expected = Limits { missing: Missing::from(cannot_tell), ..Limits::default() };
        assert_eq!(told, Ok(is_missing.then_some(expected)), "{garbage}");
    }
    // What can be told is.
    let told = limits_of(&[
        DOCKER,
        ("proc/1/cgroup", "0::/\n"),
        ("sys/fs/cgroup/cpu.max", "100000 x\n"),
        ("sys/fs/cgroup/memory.max", "1000\n"),
        ("sys/fs/cgroup/memory.current", "x\n"),
    ]);
    let told = told.unwrap().unwrap();
    assert_eq!((told.memory_bytes, told.cpu_cores), (Some(1000), None));
    let missing: Vec<&str> = told.missing.keys().map(String::as_str).collect();
    assert_eq!(missing, ["cpu_cores", "memory_used_bytes"]);
}

#[test]
fn no_text_panics() {
    proptest::proptest!(|(text in "([0-9]{0,2}:[a-z,=]{0,12}:[/a-z.]{0,20}\n){0,4}", quota in "[0-9max -]{0,20}")| {
        let _ = Groups::of(&text).map(|groups| groups.is_within());
        let cores = super::quota(&quota);
        let cores = cores.unwrap_or(Ok(0.0)).unwrap_or(0.0);
        proptest::prop_assert!(cores.is_finite() && cores >= 0.0);
    });
}
