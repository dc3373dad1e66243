//! Which entries are one, whichever came first, and what becomes of them when a source goes.

use herdbook_shared::wire::inventory::Service;

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::arrive::Opened;
use crate::registry::testing::*;

use super::*;

/// The collector's own boot.
const BOOT: &str = "5f0e";

const PEER: &str = "10.0.0.7";

struct World {
    registry: Registry,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let registry = Registry::new(Liveness::default()).with_boot_id(Some(BOOT.to_owned()));
        Self { registry, clock: Clock::new() }
    }

    /// Host `n` connects from there and has these servers.
    fn host(&mut self, n: u8, name: &str, peer: &str, servers: Vec<Service>) -> Opened {
        self.host_since(n, Arrival { name, peer, boot_id: "a boot of its own" }, servers)
    }

    fn host_since(&mut self, n: u8, arrival: Arrival<'_>, servers: Vec<Service>) -> Opened {
        let opened = arrive(&self.registry, n, arrival, self.clock.pass(1));
        self.registry.take_sample(&opened, sample(), self.clock.moment());
        self.registry.take_inventory(&opened, servers, self.clock.moment());
        opened
    }

    fn add(&mut self, url: &str) -> (String, DeclaredAs) {
        self.declare(Source::Manual, url)
    }

    fn declare(&mut self, source: Source, url: &str) -> (String, DeclaredAs) {
        let (entry, declared_as) = self.registry.declare_url(source, url, self.clock.pass(1));
        self.registry.check_indexes();
        (entry.id.to_string(), declared_as)
    }

    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.registry.services().iter().map(|s| s.id.to_string()).collect();
        ids.sort_unstable();
        ids
    }

    fn led_to(&self, name: &str) -> Option<String> {
        self.registry.resolve(name).map(|entry| entry.id.to_string())
    }

    fn aliases(&self, name: &str) -> Vec<String> {
        let entry = self.registry.resolve(name).unwrap();
        entry.aliases().into_iter().map(str::to_owned).collect()
    }

    fn sources(&self, name: &str) -> Vec<Source> {
        self.registry.resolve(name).unwrap().facts.records.sources()
    }
}

fn ollama(address: &str) -> Service {
    service(address, 11434, vec![model("a", true)])
}

fn both() -> Vec<Source> {
    vec![Source::Agent, Source::Manual]
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn what_is_added_by_address_or_name_joins_what_was_found() {
    for url in ["http://10.0.0.7:11434", "10.0.0.7:11434/", "http://GPU-1.:11434//", "gpu-1:11434"]
    {
        let mut world = World::new();
        world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        assert_eq!(world.add(url), ("gpu-1:11434".to_owned(), DeclaredAs::Joined), "{url}");
        assert_eq!(world.add(url).1, DeclaredAs::Replaced);
        assert_eq!(
            (world.ids(), world.sources("gpu-1:11434")),
            (vec!["gpu-1:11434".to_owned()], both())
        );
        assert_eq!(world.led_to("10.0.0.7:11434"), some("gpu-1:11434"));
        assert_eq!(world.aliases("gpu-1:11434"), ["10.0.0.7:11434"]);
        let entry = world.registry.service("gpu-1:11434").unwrap();
        assert_eq!((entry.facts.check, entry.status), (Check::Agent, ServiceStatus::Healthy));
    }
}

#[test]
fn what_is_found_later_is_the_entry_that_was_added() {
    let mut world = World::new();
    assert_eq!(world.add("http://10.0.0.7:11434").1, DeclaredAs::New);
    let seq = world.registry.cursor().1;
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    let kinds = world.registry.kinds_since(seq);
    assert!(
        kinds.contains(&"service.changed") && !kinds.contains(&"service.registered"),
        "{kinds:?}"
    );
    assert_eq!(
        (world.ids(), world.sources("gpu-1:11434")),
        (vec!["10.0.0.7:11434".to_owned()], both())
    );
    assert_eq!(world.led_to("gpu-1:11434"), some("10.0.0.7:11434"));
    assert_eq!(world.aliases("gpu-1:11434"), ["gpu-1:11434"]);
    let entry = world.registry.service("10.0.0.7:11434").unwrap();
    assert_eq!(entry.host_id(), Some(&host_id(1)));
    assert_eq!((entry.facts.check, entry.status), (Check::Agent, ServiceStatus::Healthy));
    assert!(entry.model("a").is_some());
    world.registry.check_indexes();
}

#[test]
fn two_entries_that_turn_out_to_be_one_are_the_older_with_all_names() {
    let mut world = World::new();
    let declared = |role, priority| Declared { role: Some(role), priority, ..Declared::default() };
    let urls =
        ["http://10.0.0.7:11434", "http://gpu-1:11434"].map(|u| ServiceUrl::parse(u).unwrap());
    let moment = world.clock.pass(1);
    let older = declared(crate::registry::service::Role::Staging, None);
    world.registry.transaction(moment).declare(Source::Manual, older, &urls[0]);
    let younger = declared(crate::registry::service::Role::Canary, Some(7));
    let moment = world.clock.pass(1);
    world.registry.transaction(moment).declare(Source::Manual, younger, &urls[1]);
    assert_eq!(world.ids(), ["10.0.0.7:11434", "gpu-1:11434"]);
    let seq = world.registry.cursor().1;
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(world.ids(), ["10.0.0.7:11434"]);
    assert_eq!(world.led_to("gpu-1:11434"), some("10.0.0.7:11434"));
    let changes = world.registry.changes_since(seq, 100).unwrap();
    let removed = changes.iter().find(|change| change.kind == ChangeKind::ServiceRemoved).unwrap();
    assert_eq!(removed.cause.as_deref(), Some("joined 10.0.0.7:11434"));
    let facts = Arc::clone(&world.registry.resolve("gpu-1:11434").unwrap().facts);
    assert_eq!((facts.role, facts.priority), (crate::registry::service::Role::Staging, 7));
    assert_eq!(&*facts.url, "http://10.0.0.7:11434");
    world.registry.check_indexes();
}

#[test]
fn a_name_of_two_hosts_belongs_to_neither_until_one_is_gone() {
    let mut world = World::new();
    world.host(1, "Ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    assert_eq!(world.add("http://ubuntu:11434").0, "ubuntu:11434");
    world.registry.forget_host(1, world.clock.moment());
    world.registry.take_back("ubuntu:11434", Source::Manual, world.clock.moment());

    world.host(1, "ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    world.host(2, "ubuntu", "10.0.0.2", vec![ollama("0.0.0.0")]);
    let second = "ubuntu-000002:11434";
    assert_eq!(world.aliases("ubuntu:11434"), ["10.0.0.1:11434"]);
    assert_eq!(world.aliases(second), ["10.0.0.2:11434"]);
    let (third, declared_as) = world.add("http://ubuntu:11434");
    assert_eq!((third.as_str(), declared_as), ("ubuntu:11434~2", DeclaredAs::New));

    world.registry.forget_host(1, world.clock.pass(1));
    assert_eq!(world.ids(), [second]);
    assert_eq!(world.led_to("ubuntu:11434"), some(second));
    assert_eq!(world.led_to("ubuntu:11434~2"), some(second));
    assert_eq!(world.sources(second), both());
    world.registry.check_indexes();
}

#[test]
fn a_join_holds_when_its_name_becomes_another_hosts_too() {
    let mut world = World::new();
    world.host(1, "ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    world.add("http://ubuntu:11434");
    world.host(2, "ubuntu", "10.0.0.2", vec![ollama("0.0.0.0")]);
    assert_eq!(world.sources("ubuntu:11434"), both());
    assert_eq!(world.add("http://ubuntu:11434"), ("ubuntu:11434".to_owned(), DeclaredAs::Replaced));
    let (id, declared_as) = world.declare(Source::File, "http://ubuntu:11434/");
    assert_eq!((id.as_str(), declared_as), ("ubuntu:11434", DeclaredAs::Joined));
    assert_eq!(world.ids().len(), 2);
}

#[test]
fn a_renamed_host_joins_what_was_added_under_its_new_name() {
    let mut world = World::new();
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    world.add("http://gpu-9:11434");
    world.host(1, "gpu-9", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(
        (world.ids(), world.sources("gpu-1:11434")),
        (vec!["gpu-1:11434".to_owned()], both())
    );
    assert_eq!(world.led_to("gpu-9:11434"), some("gpu-1:11434"));
    // Its id is its id, but the name is free for another host.
    assert_eq!(world.add("http://gpu-1:11434"), ("gpu-1:11434~2".to_owned(), DeclaredAs::New));
    world.registry.check_indexes();
}

#[test]
fn an_address_that_a_host_left_is_no_longer_its_own() {
    let mut world = World::new();
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    world.host(1, "gpu-1", "10.0.0.8", vec![ollama("0.0.0.0")]);
    assert_eq!(world.aliases("gpu-1:11434"), ["10.0.0.8:11434"]);
    assert_eq!(world.add("http://10.0.0.7:11434").1, DeclaredAs::New);
}

#[test]
fn a_silent_hosts_address_still_names_its_services() {
    let mut world = World::new();
    let opened = world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    let (id, session) = (&opened.host_id, &opened.session.id);
    let reason = crate::registry::session::CloseReason::Shutdown;
    world.registry.close_session(id, session, reason, world.clock.pass(1));
    assert_eq!(world.add("http://10.0.0.7:11434").1, DeclaredAs::Joined);
    // Nobody on the host can judge it now.
    let entry = world.registry.resolve("10.0.0.7:11434").unwrap();
    assert_eq!((entry.facts.check, entry.status), (Check::Probe, ServiceStatus::Unknown));
}

#[test]
fn addresses_of_the_sixth_version_are_read_in_every_spelling() {
    for (peer, url) in [
        ("fd00::7", "http://[FD00:0:0::7]:11434"),
        ("::ffff:10.0.0.7", "http://10.0.0.7:11434"),
        ("10.0.0.7", "http://[::ffff:10.0.0.7]:11434"),
    ] {
        let mut world = World::new();
        world.host(1, "gpu-1", peer, vec![ollama("::")]);
        assert_eq!(world.add(url), ("gpu-1:11434".to_owned(), DeclaredAs::Joined), "{peer} {url}");
    }
}

#[test]
fn two_servers_on_one_port_are_told_apart_by_the_address_on_which_they_listen() {
    let mut world = World::new();
    world.host(1, "gpu-1", PEER, vec![ollama("127.0.0.1"), ollama(PEER)]);
    let beyond = "gpu-1-10.0.0.7:11434";
    assert_eq!(world.ids(), [beyond, "gpu-1:11434"]);
    assert_eq!(world.add("http://10.0.0.7:11434"), (beyond.to_owned(), DeclaredAs::Joined));
    // As an id it is the first one's; as a name it is that of the one that can be called.
    assert_eq!(world.add("http://gpu-1:11434"), (beyond.to_owned(), DeclaredAs::Replaced));
    assert_eq!(world.sources("gpu-1:11434"), [Source::Agent]);
}

#[test]
fn a_second_server_on_a_port_takes_the_address_with_it_if_it_listens_there() {
    let mut world = World::new();
    let opened = world.host(1, "gpu-1", PEER, vec![ollama("127.0.0.1")]);
    assert_eq!(world.led_to("10.0.0.7:11434"), some("gpu-1:11434"));
    let both = vec![ollama("127.0.0.1"), ollama(PEER)];
    world.registry.take_inventory(&opened, both, world.clock.pass(1));
    assert_eq!(world.led_to("10.0.0.7:11434"), some("gpu-1-10.0.0.7:11434"));
    world.registry.check_indexes();
}

#[test]
fn an_agent_gets_nothing_by_claiming_anothers_address() {
    let mut world = World::new();
    world.add("http://10.0.0.7:11434");
    world.add("http://127.0.0.1:11434");
    for (n, name) in
        ["10.0.0.7", "0x0a000007", "localhost", "10.0.0.7:11434/", "x@10.0.0.7", "127.0.0.1"]
            .into_iter()
            .enumerate()
    {
        // The inventory of all of them names 10.0.0.7 as their own address.
        let n = u8::try_from(n).unwrap();
        world.host(n, name, &format!("10.0.1.{n}"), vec![ollama("0.0.0.0"), ollama(PEER)]);
        assert_eq!(world.sources("10.0.0.7:11434"), [Source::Manual], "{name}");
        assert_eq!(world.sources("127.0.0.1:11434"), [Source::Manual], "{name}");
    }
    world.registry.check_indexes();
}

#[test]
fn hosts_behind_one_address_do_not_have_it() {
    let mut world = World::new();
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0"), service("0.0.0.0", 8000, vec![])]);
    world.host(2, "gpu-2", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(world.led_to("10.0.0.7:11434"), None);
    assert_eq!(world.led_to("10.0.0.7:8000"), some("gpu-1:8000"));
    assert_eq!(world.add("http://10.0.0.7:11434").1, DeclaredAs::New);
    assert_eq!(world.add("http://gpu-2:11434"), ("gpu-2:11434".to_owned(), DeclaredAs::Joined));
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
            let mut world = World::new();
            let arrival = Arrival { name: "here", peer: "127.0.0.1", boot_id };
            world.host_since(1, arrival, vec![ollama(listens)]);
            let expected = if is_named { DeclaredAs::Joined } else { DeclaredAs::New };
            assert_eq!(world.add(name).1, expected, "{boot_id} {listens} {name}");
        }
    }
}

#[test]
fn a_collector_that_does_not_know_its_boot_believes_no_loopback() {
    let registry = Registry::new(Liveness::default());
    let mut world = World { registry, clock: Clock::new() };
    world.host_since(1, Arrival { name: "x", peer: "127.0.0.1", boot_id: "" }, vec![ollama("::")]);
    assert_eq!(world.led_to("127.0.0.1:11434"), None);
}

#[test]
fn a_url_with_a_path_joins_nobody() {
    let mut world = World::new();
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    let id = "10.0.0.7:11434/team-a";
    assert_eq!(world.add("http://10.0.0.7:11434/team-a"), (id.to_owned(), DeclaredAs::New));
    assert_eq!(world.add("http://10.0.0.7:11434/team-a/"), (id.to_owned(), DeclaredAs::Replaced));
    assert_eq!(world.add("http://10.0.0.7:11434/team-b").1, DeclaredAs::New);
    assert_eq!(world.ids().len(), 3);
    // Nor does a server that is found later join it.
    world.host(2, "gpu-2", "10.0.0.8", vec![ollama("0.0.0.0")]);
    assert_eq!(world.sources(id), [Source::Manual]);
}

#[test]
fn who_registered_itself_joins_nobody_and_nobody_joins_it() {
    let mut world = World::new();
    let declared = Declared { url: some("http://10.0.0.7:11434"), ..Declared::default() };
    let own = |id: &str, at| {
        let records = Records { own: Some(Arc::new(declared.clone())), ..Records::default() };
        let facts = ServiceFacts::of(records, Check::Heartbeat, at, None);
        ServiceEntry::unjudged(ServiceId::from_text(id), facts)
    };
    let moment = world.clock.pass(1);
    let kind = ChangeKind::ServiceRegistered;
    world.registry.transaction(moment).put_service(own("0199", moment.at), kind, None);
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(world.ids(), ["0199", "gpu-1:11434"]);
    assert_eq!(world.add("http://10.0.0.7:11434").0, "gpu-1:11434");
    assert_eq!(world.sources("0199"), [Source::Own]);
    world.registry.check_indexes();
}

#[test]
fn an_agent_that_goes_away_comes_back_under_the_entry_that_was_added() {
    for found_first in [true, false] {
        let mut world = World::new();
        if found_first {
            world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        }
        world.add("http://10.0.0.7:11434");
        world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        let ids = world.ids();
        world.registry.forget_host(1, world.clock.pass(1));
        world.registry.check_indexes();
        assert_eq!(
            (world.ids(), world.sources("10.0.0.7:11434")),
            (ids.clone(), vec![Source::Manual])
        );
        let left = world.registry.resolve("10.0.0.7:11434").unwrap();
        assert_eq!((left.host_id(), left.status, left.state), (None, ServiceStatus::Unknown, None));
        assert_eq!((left.facts.check, left.facts.models.len()), (Check::Probe, 0));
        assert!(world.registry.services_of_model("a").is_empty());

        world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        assert_eq!((world.ids(), world.sources("10.0.0.7:11434")), (ids, both()));
        assert_eq!(
            world.registry.resolve("10.0.0.7:11434").unwrap().status,
            ServiceStatus::Healthy
        );
        assert_eq!(world.registry.services_of_model("a").len(), 1);
        let aliases = world.aliases("10.0.0.7:11434");
        assert_eq!(aliases.len(), 1, "{aliases:?}");
        world.registry.check_indexes();
    }
}

#[test]
fn a_server_that_is_gone_for_too_long_leaves_what_was_added() {
    let mut world = World::new();
    let opened = world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0"), service("::", 8000, vec![])]);
    world.add("http://10.0.0.7:11434");
    world.registry.take_inventory(&opened, Vec::new(), world.clock.pass(1));
    let since = world.clock.moment().at;
    for id in ["gpu-1:11434", "gpu-1:8000"] {
        let id = ServiceId::from_text(id);
        world.registry.forget_service(&id, since, world.clock.pass(1));
    }
    assert_eq!(
        (world.ids(), world.sources("gpu-1:11434")),
        (vec!["gpu-1:11434".to_owned()], vec![Source::Manual])
    );
    assert!(world.registry.host(host_id(1).as_str()).unwrap().services.is_empty());
    world.registry.check_indexes();
}

#[test]
fn what_is_taken_back_leaves_the_rest_and_lets_its_address_go() {
    let mut world = World::new();
    world.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    world.add("http://10.0.0.7:11434");
    world.host(1, "gpu-1", "10.0.0.8", vec![ollama("0.0.0.0")]);
    assert_eq!(world.aliases("gpu-1:11434"), ["10.0.0.7:11434", "10.0.0.8:11434"]);
    world.registry.take_back("gpu-1:11434", Source::File, world.clock.moment());
    assert_eq!(world.sources("gpu-1:11434"), both());
    world.registry.take_back("gpu-1:11434", Source::Manual, world.clock.moment());
    assert_eq!(world.sources("gpu-1:11434"), [Source::Agent]);
    assert_eq!(world.aliases("gpu-1:11434"), ["10.0.0.8:11434"]);
    world.registry.take_back("gpu-1:11434", Source::Agent, world.clock.moment());
    assert_eq!(world.ids(), [""; 0]);
    world.registry.check_indexes();
}

#[test]
fn a_clone_touches_no_name_of_the_original() {
    use herdbook_shared::ids::InstanceId;
    let mut world = World::new();
    let (first, second) = (InstanceId::random(), InstanceId::random());
    let connect = |instance| connect_as(&world.registry, 1, instance, world.clock.moment());
    connect(first);
    let original = connect(second);
    world.registry.take_inventory(&original, vec![ollama("0.0.0.0")], world.clock.moment());
    let clone = connect(first);
    assert!(clone.host_id.is_clone());
    world.registry.take_inventory(&clone, vec![ollama("0.0.0.0")], world.clock.moment());
    assert_eq!(world.add("http://gpu-1:11434"), ("gpu-1:11434".to_owned(), DeclaredAs::Joined));
}

#[test]
fn ids_by_url_are_numbered_where_they_are_taken() {
    let url = ServiceUrl::parse("http://gpu-1:8000/a").unwrap();
    let taken = ["gpu-1:8000/a", "gpu-1:8000/a~2"];
    let id = |taken: &[&str]| identity::fresh_id_of_url(&url, |id| taken.contains(&id)).to_string();
    assert_eq!(id(&[]), "gpu-1:8000/a");
    assert_eq!(id(&taken), "gpu-1:8000/a~3");
}

#[test]
fn other_names_that_are_kept_are_bounded() {
    let mut entry = ServiceEntry::unjudged(
        ServiceId::from_text("a"),
        ServiceFacts::of(Records::default(), Check::Probe, Timestamp::from_unix_ms(0), None),
    );
    for n in 0..100 {
        let aliases = entry.with_aliases([n.to_string(), "a".to_owned()]);
        entry.facts = Arc::new(ServiceFacts { aliases, ..(*entry.facts).clone() });
    }
    assert_eq!(entry.facts.aliases.len(), ALIASES_MAX);
    assert!(entry.is_named("99") && !entry.is_named("0"));
}
