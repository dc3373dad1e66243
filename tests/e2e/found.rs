//! An agent that was told nothing finds a collector on its network: by a real mDNS responder, by a
//! real DNS server; and what a collector announces is seen by others. Each story runs in namespaces
//! of its own for the network and for mounts, so that it touches nobody's resolver or multicast.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use herdbook_collector::announce::Announcement;
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Program, eventually};
use tempfile::TempDir;

use door::Door;

#[path = "../../agent/tests/support/door.rs"]
#[expect(dead_code, reason = "the agent's own tests use more of it")]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
mod door;

/// Set in the process that runs within the namespaces.
const INSIDE: &str = "HERDBOOK_TEST_FOUND";
/// The host's address on its network.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 5);

const NETWORK: [&str; 6] = [
    "link set lo up",
    "link add eth0 type veth peer name veth0",
    "addr add 10.20.0.5/24 dev eth0",
    "link set veth0 up",
    "link set eth0 up",
    "route add default via 10.20.0.1",
];

/// Everybody may do everything on this bus, which only the story can reach.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=BUS</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>"#;

const RESPONDER: &str = "[server]\nhost-name=fake\nallow-interfaces=eth0\n[wide-area]\n[publish]\n";

/// Runs the story of this name once more, alone, in namespaces. Whether this is that run.
fn is_inside(story: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        run("mount", "-t tmpfs tmpfs /run");
        NETWORK.iter().for_each(|line| run("ip", line));
        return true;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount"]);
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let own = std::env::current_exe().expect("the path of the running test");
    unshare.arg(own).args(["--exact", "--nocapture"]).arg(format!("found::{story}"));
    let run = unshare.env(INSIDE, "1").stdin(Stdio::null()).output().expect("unshare");
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(run.status.success(), "{}", said.concat());
    assert!(said[0].contains("1 passed"), "{}", said.concat());
    false
}

fn system(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
    command
}

fn run(program: &str, arguments: &str) {
    let status = system(program).args(arguments.split(' ')).status().expect(program);
    assert!(status.success(), "failed: {program} {arguments}");
}

/// Programs of the story, which end with it.
struct Daemons {
    dir: TempDir,
    running: Vec<Child>,
}

impl Daemons {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), running: Vec::new() }
    }

    fn start(&mut self, mut command: Command) {
        command.env("DBUS_SYSTEM_BUS_ADDRESS", self.bus_address());
        self.running.push(command.spawn().expect("a program that tests/tools.sh installs"));
    }

    fn bus(&self) -> PathBuf {
        self.dir.path().join("bus")
    }

    fn bus_address(&self) -> String {
        format!("unix:path={}", self.bus().display())
    }

    /// avahi, on a bus of its own.
    async fn start_avahi(&mut self) {
        let (bus, responder) = (self.file("bus.conf"), self.file("avahi.conf"));
        std::fs::write(&bus, BUS.replace("BUS", &self.bus().display().to_string())).expect("room");
        std::fs::write(&responder, RESPONDER).expect("room");
        let mut daemon = system("dbus-daemon");
        daemon.arg(format!("--config-file={}", bus.display())).args(["--nofork", "--nopidfile"]);
        self.start(daemon);
        let bus = self.bus();
        let is_there = async || if bus.exists() { Ok(()) } else { Err("no socket".to_owned()) };
        eventually("a bus", Duration::from_secs(30), is_there).await;
        let mut daemon = system("avahi-daemon");
        daemon.arg("-f").arg(responder).args(["--no-drop-root", "--no-chroot", "--no-rlimits"]);
        self.start(daemon);
        let answers = async || {
            let seen = self.browse();
            if seen.status.success() { Ok(()) } else { Err(format!("{seen:?}")) }
        };
        eventually("avahi", Duration::from_secs(30), answers).await;
    }

    /// What avahi sees of collectors.
    fn browse(&self) -> Output {
        let mut browse = system("avahi-browse");
        browse.args(["--resolve", "--terminate", "--parsable", "_herdbook._tcp"]);
        browse.env("DBUS_SYSTEM_BUS_ADDRESS", self.bus_address()).output().expect("avahi-browse")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An agent that was told nothing.
    fn agent(&self) -> Program {
        let mut agent = command(&built("herdbook-agent"), self.dir.path());
        agent.arg("--state-dir").arg(self.file("state")).args(["--name", "gpu-1"]);
        Program::start("agent", agent, self.dir.path())
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in &mut self.running {
            // One that has ended already is ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The agent tells its name and fingerprint, and after the proof it belongs to this collector.
async fn takes_in(door: &Door, daemons: &Daemons) {
    let agent = daemons.agent();
    let mut guest = door.accept().await;
    let knock = guest.knock().await;
    assert_eq!((knock.name.as_str(), knock.has_token), ("gpu-1", false), "{}", agent.log());
    let hello = guest.challenge().await;
    assert!(guest.is_proven(&hello));
    guest.say(&herdbook_shared::wire::CollectorMessage::Welcome(door::welcome())).await;
    assert!(guest.hear().await.is_some());
    let kept = std::fs::read_to_string(daemons.file("state/collector")).expect("a collector");
    assert!(kept.contains(&door.pin.to_string()), "{kept}");
}

#[tokio::test]
async fn an_agent_finds_what_avahi_announces() {
    if !is_inside("an_agent_finds_what_avahi_announces") {
        return;
    }
    let door = Door::at(SocketAddr::from((OWN, 0))).await;
    let mut daemons = Daemons::new();
    daemons.start_avahi().await;
    let mut publish = system("avahi-publish");
    let port = door.address().port().to_string();
    publish.args(["-s", "gpu-0", "_herdbook._tcp", &port]).arg(format!("pin={}", door.pin));
    daemons.start(publish);
    takes_in(&door, &daemons).await;
}

#[tokio::test]
async fn an_agent_finds_what_its_dns_server_knows() {
    if !is_inside("an_agent_finds_what_its_dns_server_knows") {
        return;
    }
    let door = Door::at(SocketAddr::from((OWN, 0))).await;
    let mut daemons = Daemons::new();
    use_resolver(&daemons.file("resolv.conf"));
    let mut dns = system("dnsmasq");
    dns.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]);
    dns.args(["--listen-address=127.0.0.1", "--bind-interfaces"]);
    let service = "_herdbook._tcp.herd.test";
    dns.arg(format!("--srv-host={service},gpu-0.herd.test,{}", door.address().port()));
    dns.arg(format!("--txt-record={service},pin={}", door.pin));
    dns.arg(format!("--host-record=gpu-0.herd.test,{OWN}"));
    daemons.start(dns);
    takes_in(&door, &daemons).await;
}

/// This namespace alone asks the DNS server of the story.
fn use_resolver(file: &Path) {
    std::fs::write(file, "nameserver 127.0.0.1\nsearch herd.test\n").expect("room");
    let usual = Path::new("/etc/resolv.conf");
    let real = std::fs::read_link(usual).map_or(usual.to_owned(), |to| Path::new("/etc").join(to));
    // Where it is a link into /run, what it led to is gone with the other /run.
    if !real.exists() {
        std::fs::create_dir_all(real.parent().expect("a folder")).expect("room");
        std::fs::write(&real, "").expect("room");
    }
    run("mount", &format!("--bind {} {}", file.display(), real.display()));
}

#[tokio::test]
async fn what_a_collector_announces_is_seen_until_it_stops() {
    if !is_inside("what_a_collector_announces_is_seen_until_it_stops") {
        return;
    }
    let mut daemons = Daemons::new();
    daemons.start_avahi().await;
    let pin = Fingerprint::of_digest([7; 32]);
    let listeners = [SocketAddr::from((OWN, 6121)), SocketAddr::from(([127, 0, 0, 1], 6122))];
    let announced = Announcement::start("gpu-0", &listeners, &[pin]);
    let announced = announced.expect("mDNS").expect("a listener off loopback");
    let seen = || String::from_utf8_lossy(&daemons.browse().stdout).into_owned();
    let is_seen = async || {
        let seen = seen();
        let (place, txt) = (format!("{OWN};6121;"), format!("\"pin={pin}\""));
        let is_told = seen.contains(&place) && seen.contains(&txt) && !seen.contains("6122");
        if is_told { Ok(()) } else { Err(seen) }
    };
    eventually("the announcement", Duration::from_secs(30), is_seen).await;
    announced.stop().await;
    let is_gone = async || {
        let seen = seen();
        if seen.contains(&pin.to_string()) { Err(seen) } else { Ok(()) }
    };
    eventually("its end", Duration::from_secs(30), is_gone).await;
}
