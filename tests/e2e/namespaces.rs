//! A host with several networks: which of its addresses lead to it. Each story runs in a network
//! namespace of its own, so that its interfaces are real and touch no other.
//!
//! Over its networks an agent reaches the collector by TLS, as from another host.

use std::process::{Command, Stdio};
use std::time::Duration;

use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Demanding, Fleet, Program, Rest, eventually};
use serde_json::{Value, json};

/// Set in the process that runs within the namespace.
const INSIDE: &str = "HERDBOOK_TEST_NAMESPACE";

/// eth1 leads out, eth0 to a network of its own; docker0 and the tunnel lead nowhere.
const NETWORKS: [&str; 18] = [
    "link set lo up",
    "link add eth0 type veth peer name veth0",
    "link add eth1 type veth peer name veth1",
    "link add tailscale0 type veth peer name veth2",
    "addr add 10.20.0.5/24 dev eth0",
    "addr add fd12:3456::5/64 dev eth0 nodad",
    "addr add 198.51.100.7/24 dev eth1",
    "addr add 169.254.7.7/16 dev eth1",
    "addr add 100.64.0.9/32 dev tailscale0",
    // Only the addresses that are given.
    "link set veth0 addrgenmode none",
    "link set eth0 addrgenmode none",
    "link set eth1 addrgenmode none",
    "link set tailscale0 addrgenmode none",
    "link set veth0 up",
    "link set eth0 up",
    "link set eth1 up",
    "link set tailscale0 up",
    "route add default via 198.51.100.1",
];

/// As they should be told where the collector is on the host itself.
const LIKELIEST_FIRST: [(&str, &str); 7] = [
    ("198.51.100.7", "global"),
    ("10.20.0.5", "private"),
    ("fd12:3456::5", "private"),
    ("100.64.0.9", "shared"),
    ("172.17.0.1", "container"),
    ("169.254.7.7", "link_local"),
    ("fe80::5", "link_local"),
];

/// Runs the story of this name once more, alone, in a namespace. Whether this is that run.
fn is_inside(story: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        make_networks();
        return true;
    }
    let mut unshare = Command::new("unshare");
    unshare.arg("--net");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let own = std::env::current_exe().expect("the path of the running test");
    unshare.arg(own).args(["--exact", "--nocapture"]).arg(format!("namespaces::{story}"));
    let run = unshare.env(INSIDE, "1").stdin(Stdio::null()).output().expect("unshare");
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(run.status.success(), "{}", said.concat());
    assert!(said[0].contains("1 passed"), "{}", said.concat());
    false
}

fn make_networks() {
    NETWORKS.iter().for_each(|line| assert!(ip(line), "failed: ip {line}"));
    // A kernel without bridges has to do with what looks like one.
    assert!(
        ip("link add docker0 type bridge") || ip("link add docker0 type veth peer name veth3"),
        "failed: ip link add docker0"
    );
    for line in [
        "addr add 172.17.0.1/16 dev docker0",
        "link set docker0 addrgenmode none",
        "link set docker0 up",
        "addr add fe80::5/64 dev eth1 nodad",
    ] {
        assert!(ip(line), "failed: ip {line}");
    }
}

fn ip(arguments: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut ip = Command::new("ip");
    ip.env("PATH", format!("{path}:/usr/sbin:/sbin")).args(arguments.split(' '));
    ip.status().expect("ip").success()
}

async fn addresses_become(rest: &Rest, id: &str, expected: &[&str]) {
    let told = async || {
        let host = rest.host(id).await;
        if host["addresses"] == json!(expected) {
            Ok(())
        } else {
            Err(host["addresses"].to_string())
        }
    };
    eventually(&format!("{expected:?}"), Duration::from_secs(30), told).await;
}

#[tokio::test]
async fn the_likeliest_address_comes_first() {
    if !is_inside("the_likeliest_address_comes_first") {
        return;
    }
    let fleet = Fleet::start().await;
    let _agent = fleet.agent("gpu-1").start();
    let id = fleet.id_of("gpu-1").await;
    addresses_become(&fleet.rest(), &id, &LIKELIEST_FIRST.map(|(address, _)| address)).await;

    let mut command = command(&built("herdbook-agent"), fleet.dir());
    command.args(["--once", "--state-dir"]).arg(fleet.dir().join("once"));
    let mut once = Program::start("once", command, fleet.dir());
    assert!(once.exit(Duration::from_secs(40)).await.success(), "{}", once.log());
    let once: Value = serde_json::from_str(&once.out()).expect("JSON");
    let details = once["inventory"]["address_details"].as_array().expect("a list");
    let word = |detail: &Value, key: &str| detail[key].as_str().unwrap_or_default().to_owned();
    let told = details.iter().map(|detail| (word(detail, "address"), word(detail, "scope")));
    let expected = LIKELIEST_FIRST.map(|(address, scope)| (address.to_owned(), scope.to_owned()));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(details[0]["interface"], "eth1");
    assert_eq!(details[2]["interface"], "eth0");
    assert_eq!(details[3]["interface"], "tailscale0");
    assert_eq!(details[4]["interface"], "docker0");
}

#[tokio::test]
async fn the_address_that_the_collector_hears_from_comes_before_all() {
    if !is_inside("the_address_that_the_collector_hears_from_comes_before_all") {
        return;
    }
    let collector = Demanding::start_at("[::]:0", "").await;
    let port = collector.address().port();
    let (host, mut agent) = collector.joined("gpu-1").await;
    let id = collector.online("gpu-1").await["id"].as_str().expect("an id").to_owned();
    for (own, url) in [("10.20.0.5", "10.20.0.5"), ("fd12:3456::5", "[fd12:3456::5]")] {
        agent.kill9().await;
        let line = collector.join_line().await;
        let (_, token_and_pin) = line.split_once(" hbj_").expect("a join line");
        let line = format!("https://{url}:{port} hbj_{token_and_pin}");
        let line = line.split('\'').next().expect("what is piped");
        let said = host.join(line, &[]).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        agent = host.start(&[]);
        let others = LIKELIEST_FIRST.map(|(address, _)| address).into_iter();
        let mut expected = vec![own];
        expected.extend(others.filter(|address| *address != own));
        addresses_become(&collector.rest(), &id, &expected).await;
    }
}
