//! Two machines on one network, of this one: the story runs in a network namespace of its own, and
//! the other machine is a second one at the far end of a cable. It touches no other network.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use herdbook_tests::harness::program::command;
use herdbook_tests::harness::{Program, eventually};

/// Set in the process that runs within the namespace.
const INSIDE: &str = "HERDBOOK_TEST_NETWORKS";
/// The address of the machine that the story runs on.
pub(super) const NEAR: &str = "10.20.0.5";

const NEAR_SIDE: [&str; 6] = [
    "link set lo up",
    "link add eth0 type veth peer name far0",
    "addr add 10.20.0.5/24 dev eth0",
    "link set eth0 up",
    "route add default via 10.20.0.1",
    "link set far0 netns FAR",
];
const FAR_SIDE: [&str; 4] = [
    "link set lo up",
    "addr add 10.20.0.9/24 dev far0",
    "link set far0 up",
    "route add default via 10.20.0.1",
];

/// The other machine.
pub(super) struct Far {
    /// What its namespace lives by.
    holder: Program,
    before: Vec<String>,
}

/// Runs the story of this name, `joining::some_story`, once more, alone, in a namespace. Whether
/// this is that run.
pub(super) fn is_inside(story: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut unshare = Command::new("unshare");
    unshare.arg("--net");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let own = std::env::current_exe().expect("the path of the running test");
    unshare.arg(own).args(["--exact", "--nocapture", story]);
    let run = unshare.env(INSIDE, "1").stdin(Stdio::null()).output().expect("unshare");
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(run.status.success(), "{}", said.concat());
    assert!(said[0].contains("1 passed"), "{}", said.concat());
    false
}

impl Far {
    /// Lays the cable.
    pub(super) async fn connect(dir: &Path) -> Self {
        let mut holder = command(Path::new("unshare"), dir);
        holder.args(["--net", "sleep", "infinity"]);
        let holder = Program::start("far", holder, dir);
        let network = format!("/proc/{}/ns/net", holder.pid());
        let has_its_own = async || {
            let of = |path: &str| std::fs::read_link(path).map_err(|error| error.to_string());
            if of(&network)? == of("/proc/self/ns/net")? {
                return Err("the same network".to_owned());
            }
            Ok(())
        };
        eventually("a second network", Duration::from_secs(30), has_its_own).await;
        let before = ["nsenter".to_owned(), format!("--net={network}")].to_vec();
        let far = Self { holder, before };
        let pid = far.holder.pid().to_string();
        for line in NEAR_SIDE {
            run(&["ip"], &line.replace("FAR", &pid));
        }
        for line in FAR_SIDE {
            run(&[&far.before()[..], &["ip"]].concat(), line);
        }
        far
    }

    /// What goes before a command line that shall run there.
    pub(super) fn before(&self) -> Vec<&str> {
        self.before.iter().map(String::as_str).collect()
    }
}

fn run(program: &[&str], arguments: &str) {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program[0]);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
    let status = command.args(&program[1..]).args(arguments.split(' ')).status();
    assert!(status.expect("a program of the system").success(), "failed: {program:?} {arguments}");
}
