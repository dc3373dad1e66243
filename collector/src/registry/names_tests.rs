//! Who is called what: by the address that it proved and by its name, while nobody else could be
//! meant.

use herdbook_shared::ids::InstanceId;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::join::DeclaredAs;
use crate::registry::service::{Check, Reachable, ServiceStatus, Source};
use crate::registry::session::CloseReason;
use crate::registry::testing::fleet::*;
use crate::registry::testing::*;

#[test]
fn a_name_of_two_hosts_belongs_to_neither_until_one_is_gone() {
    let mut fleet = Fleet::new();
    fleet.host(1, "Ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.add("http://ubuntu:11434").0, "ubuntu:11434");
    fleet.registry.forget_host(1, fleet.clock.moment());
    fleet.registry.take_back("ubuntu:11434", Source::Manual, fleet.clock.moment());

    fleet.host(1, "ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    fleet.host(2, "ubuntu", "10.0.0.2", vec![ollama("0.0.0.0")]);
    let second = "ubuntu-000002:11434";
    assert_eq!(fleet.aliases("ubuntu:11434"), ["10.0.0.1:11434"]);
    assert_eq!(fleet.aliases(second), ["10.0.0.2:11434"]);
    let (third, declared_as) = fleet.add("http://ubuntu:11434");
    assert_eq!((third.as_str(), declared_as), ("ubuntu:11434~2", DeclaredAs::New));

    fleet.registry.forget_host(1, fleet.clock.pass(1));
    assert_eq!(fleet.ids(), [second]);
    assert_eq!(fleet.led_to("ubuntu:11434"), some(second));
    assert_eq!(fleet.led_to("ubuntu:11434~2"), some(second));
    assert_eq!(fleet.sources(second), both());
    fleet.registry.check_indexes();
}

#[test]
fn an_address_that_a_host_left_is_no_longer_its_own() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.host(1, "gpu-1", "10.0.0.8", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.aliases("gpu-1:11434"), ["10.0.0.8:11434"]);
    assert_eq!(fleet.add("http://10.0.0.7:11434").1, DeclaredAs::New);
}

#[test]
fn a_silent_hosts_address_still_names_its_services() {
    let mut fleet = Fleet::new();
    let servers = vec![ollama("0.0.0.0"), service("0.0.0.0", 8000, vec![])];
    let opened = fleet.host(1, "gpu-1", PEER, servers);
    let (id, session) = (&opened.host_id, &opened.session.id);
    let reason = CloseReason::Shutdown;
    fleet.registry.close_session(id, session, reason, fleet.clock.pass(1));
    // That another one goes has the names of all found anew.
    fleet.registry.take_back("gpu-1:8000", Source::Agent, fleet.clock.pass(1));
    assert_eq!(fleet.add("http://10.0.0.7:11434").1, DeclaredAs::Joined);
    // Nobody on the host can judge it now.
    let entry = fleet.registry.resolve("10.0.0.7:11434").unwrap();
    assert_eq!((entry.facts.check, entry.status), (Check::Probe, ServiceStatus::Unknown));
}

#[test]
fn addresses_of_the_sixth_version_are_read_in_every_spelling() {
    for (peer, url) in [
        ("fd00::7", "http://[FD00:0:0::7]:11434"),
        ("::ffff:10.0.0.7", "http://10.0.0.7:11434"),
        ("10.0.0.7", "http://[::ffff:10.0.0.7]:11434"),
    ] {
        let mut fleet = Fleet::new();
        fleet.host(1, "gpu-1", peer, vec![ollama("::")]);
        assert_eq!(fleet.add(url), ("gpu-1:11434".to_owned(), DeclaredAs::Joined), "{peer} {url}");
    }
}

#[test]
fn two_servers_on_one_port_are_told_apart_by_the_address_on_which_they_listen() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("127.0.0.1"), ollama(PEER)]);
    let beyond = "gpu-1-10.0.0.7:11434";
    assert_eq!(fleet.ids(), [beyond, "gpu-1:11434"]);
    assert_eq!(fleet.add("http://10.0.0.7:11434"), (beyond.to_owned(), DeclaredAs::Joined));
    // As an id it is the first one's; as a name it is that of the one that can be called.
    assert_eq!(fleet.add("http://gpu-1:11434"), (beyond.to_owned(), DeclaredAs::Replaced));
    assert_eq!(fleet.sources("gpu-1:11434"), [Source::Agent]);
    assert_eq!(fleet.aliases(beyond), ["10.0.0.7:11434"]);
}

#[test]
fn a_second_server_on_a_port_takes_the_address_with_it_if_it_listens_there() {
    let mut fleet = Fleet::new();
    let opened = fleet.host(1, "gpu-1", PEER, vec![ollama("127.0.0.1")]);
    assert_eq!(fleet.led_to("10.0.0.7:11434"), some("gpu-1:11434"));
    let both = vec![ollama("127.0.0.1"), ollama(PEER)];
    fleet.registry.take_inventory(&opened, both, fleet.clock.pass(1));
    assert_eq!(fleet.led_to("10.0.0.7:11434"), some("gpu-1-10.0.0.7:11434"));
    fleet.registry.check_indexes();
}

#[test]
fn an_agent_gets_nothing_by_claiming_anothers_address() {
    let mut fleet = Fleet::new();
    fleet.add("http://10.0.0.7:11434");
    fleet.add("http://127.0.0.1:11434");
    fleet.add("http://localhost:11434");
    for (n, name) in
        ["10.0.0.7", "0x0a000007", "localhost", "10.0.0.7:11434/", "x@10.0.0.7", "127.0.0.1"]
            .into_iter()
            .enumerate()
    {
        // The inventory of all of them names 10.0.0.7 as their own address.
        let n = u8::try_from(n).unwrap();
        fleet.host(n, name, &format!("10.0.1.{n}"), vec![ollama("0.0.0.0"), ollama(PEER)]);
        assert_eq!(fleet.sources("10.0.0.7:11434"), [Source::Manual], "{name}");
        assert_eq!(fleet.sources("127.0.0.1:11434"), [Source::Manual], "{name}");
        assert_eq!(fleet.sources("localhost:11434"), [Source::Manual], "{name}");
    }
    fleet.registry.check_indexes();
}

#[test]
fn hosts_behind_one_address_do_not_have_it() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0"), service("0.0.0.0", 8000, vec![])]);
    assert_eq!(fleet.aliases("gpu-1:11434"), ["10.0.0.7:11434"]);
    fleet.host(2, "gpu-2", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.led_to("10.0.0.7:11434"), None);
    assert_eq!(fleet.aliases("gpu-1:11434"), [""; 0]);
    assert_eq!(fleet.led_to("10.0.0.7:8000"), some("gpu-1:8000"));
    assert_eq!(fleet.add("http://10.0.0.7:11434").1, DeclaredAs::New);
    assert_eq!(fleet.add("http://gpu-2:11434"), ("gpu-2:11434".to_owned(), DeclaredAs::Joined));
}

#[test]
fn loopback_names_the_collectors_own_machine_and_nobody_behind_a_tunnel() {
    let names = ["127.0.0.1:11434", "[::1]:11434", "localhost:11434"];
    for (boot_id, listens, is_named) in [
        (BOOT, "0.0.0.0", [true, false, true]),
        (BOOT, "::", [true, true, true]),
        (BOOT, "127.0.0.1", [true, false, true]),
        (BOOT, "::1", [false, true, true]),
        (BOOT, PEER, [false, false, false]),
        ("another", "127.0.0.1", [false, false, false]),
        ("", "127.0.0.1", [false, false, false]),
    ] {
        for (name, is_named) in names.iter().zip(is_named) {
            let mut fleet = Fleet::new();
            let arrival = Arrival { name: "here", peer: "127.0.0.1", boot_id };
            fleet.host_since(1, arrival, vec![ollama(listens)]);
            let expected = if is_named { DeclaredAs::Joined } else { DeclaredAs::New };
            assert_eq!(fleet.add(name).1, expected, "{boot_id} {listens} {name}");
        }
    }
}

#[test]
fn a_collector_that_does_not_know_its_boot_believes_no_loopback() {
    for boot_id in [None, Some(String::new())] {
        let registry = Registry::new(Liveness::default()).with_boot_id(boot_id);
        let mut fleet = Fleet { registry, clock: Clock::new() };
        let arrival = Arrival { name: "x", peer: "127.0.0.1", boot_id: "" };
        fleet.host_since(1, arrival, vec![ollama("::")]);
        assert_eq!(fleet.led_to("127.0.0.1:11434"), None);
    }
}

#[test]
fn a_clone_touches_no_name_of_the_original() {
    let mut fleet = Fleet::new();
    let (first, second) = (InstanceId::random(), InstanceId::random());
    let connect = |instance| connect_as(&fleet.registry, 1, instance, fleet.clock.moment());
    connect(first);
    let original = connect(second);
    fleet.registry.take_inventory(&original, vec![ollama("0.0.0.0")], fleet.clock.moment());
    let clone = connect(first);
    assert!(clone.host_id.is_clone());
    fleet.registry.take_inventory(&clone, vec![ollama("0.0.0.0")], fleet.clock.moment());
    assert_eq!(fleet.add("http://gpu-1:11434"), ("gpu-1:11434".to_owned(), DeclaredAs::Joined));
}

#[test]
fn a_name_that_is_anothers_id_is_free_once_that_is_gone() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.host(1, "gpu-9", PEER, vec![ollama("0.0.0.0")]);
    fleet.host(2, "gpu-1", "10.0.0.8", vec![ollama("0.0.0.0")]);
    let second = "gpu-1-000002:11434";
    assert_eq!(fleet.aliases(second), ["10.0.0.8:11434"]);
    fleet.registry.forget_host(1, fleet.clock.pass(1));
    assert_eq!(fleet.aliases(second), ["10.0.0.8:11434", "gpu-1:11434"]);
    assert_eq!(fleet.led_to("gpu-1:11434"), some(second));
}

#[test]
fn a_host_that_is_named_like_an_address_gets_no_id_of_that_address() {
    for name in ["10.0.0.7", "localhost", "[fd00::1]", "gpu-1/team"] {
        let mut fleet = Fleet::new();
        fleet.host(2, name, "10.0.1.2", vec![ollama("0.0.0.0")]);
        let squatter = fleet.ids().remove(0);
        assert_eq!(squatter, format!("{name}-000002:11434"));
        fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        assert_eq!(fleet.led_to("10.0.0.7:11434"), some("gpu-1:11434"), "{name}");
        let added = fleet.add("http://10.0.0.7:11434");
        assert_eq!(added, ("gpu-1:11434".to_owned(), DeclaredAs::Joined), "{name}");
        assert_eq!(fleet.sources(&squatter), [Source::Agent], "{name}");
    }
}

#[test]
fn an_ipv4_address_that_is_written_as_ipv6_is_that_address() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", "::ffff:10.0.0.5", vec![ollama("0.0.0.0")]);
    fleet.host(2, "gpu-2", "10.0.0.6", vec![ollama("::ffff:127.0.0.1")]);
    let told = |id: &str| {
        let entry = fleet.registry.service(id).unwrap();
        (entry.facts.url.to_string(), entry.facts.reachable)
    };
    let there = ("http://10.0.0.5:11434".to_owned(), Reachable::Host);
    assert_eq!(told("gpu-1:11434"), there);
    let own = ("http://127.0.0.1:11434".to_owned(), Reachable::Loopback);
    assert_eq!(told("gpu-2:11434"), own);
    let session = fleet.registry.host(host_id(1).as_str()).unwrap().session.clone().unwrap();
    assert_eq!(session.remote_address.to_string(), "10.0.0.5");
}
