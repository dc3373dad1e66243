//! A network of its own for a story: the test starts itself once more in a network namespace, so that
//! peers may have addresses that are not those of loopback.

use std::process::{Command, Stdio};

/// Set in the process that runs within the namespace.
const INSIDE: &str = "HERDBOOK_TEST_NAMESPACE";

/// Whether this is the run within the namespace, which then has these addresses; otherwise that run
/// has been, and went well. `story` is the whole name of the test.
///
/// # Panics
///
/// Where it did not go well, or there can be no namespace.
#[must_use]
pub fn is_inside(story: &str, addresses: &[String]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        run("ip link set lo up");
        run("ip link add eth0 type veth peer name veth0");
        addresses.iter().for_each(|address| run(&format!("ip addr add {address} dev eth0")));
        run("ip link set veth0 up");
        run("ip link set eth0 up");
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
    let figures = said[0].lines().filter(|line| line.contains("hostile"));
    figures.for_each(|line| {
        let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{line}\n").as_bytes());
    });
    false
}

fn run(line: &str) {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    let status = command.env("PATH", format!("{path}:/usr/sbin:/sbin")).args(words).status();
    assert!(status.expect("ip").success(), "failed: {line}");
}
