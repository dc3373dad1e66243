//! Which entries are one, whichever came first, and what becomes of them when a source goes.

use crate::registry::check::probe::{ProbeFailure, Probed};
use crate::registry::lease::{Outcome, Target};
use crate::registry::pick::Wanted;
use crate::registry::service::Role;
use crate::registry::session::CloseReason;
use crate::registry::testing::fleet::*;
use crate::registry::testing::*;

use super::*;

#[test]
fn what_is_added_by_address_or_name_joins_what_was_found() {
    for url in ["http://10.0.0.7:11434", "10.0.0.7:11434/", "http://GPU-1.:11434//", "gpu-1:11434"]
    {
        let mut fleet = Fleet::new();
        fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        assert_eq!(fleet.add(url), ("gpu-1:11434".to_owned(), DeclaredAs::Joined), "{url}");
        assert_eq!(fleet.add(url).1, DeclaredAs::Replaced);
        assert_eq!(
            (fleet.ids(), fleet.sources("gpu-1:11434")),
            (vec!["gpu-1:11434".to_owned()], both())
        );
        assert_eq!(fleet.led_to("10.0.0.7:11434"), some("gpu-1:11434"));
        assert_eq!(fleet.aliases("gpu-1:11434"), ["10.0.0.7:11434"]);
        let entry = fleet.registry.service("gpu-1:11434").unwrap();
        assert_eq!((entry.facts.check, entry.status), (Check::Agent, ServiceStatus::Healthy));
    }
}

#[test]
fn what_is_found_later_is_the_entry_that_was_added() {
    let mut fleet = Fleet::new();
    assert_eq!(fleet.add("http://10.0.0.7:11434").1, DeclaredAs::New);
    let seq = fleet.registry.cursor().1;
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    let kinds = fleet.registry.kinds_since(seq);
    assert!(
        kinds.contains(&"service.changed") && !kinds.contains(&"service.registered"),
        "{kinds:?}"
    );
    assert_eq!(
        (fleet.ids(), fleet.sources("gpu-1:11434")),
        (vec!["10.0.0.7:11434".to_owned()], both())
    );
    assert_eq!(fleet.led_to("gpu-1:11434"), some("10.0.0.7:11434"));
    assert_eq!(fleet.aliases("gpu-1:11434"), ["gpu-1:11434"]);
    let entry = fleet.registry.service("10.0.0.7:11434").unwrap();
    assert_eq!(entry.host_id(), Some(&host_id(1)));
    assert_eq!((entry.facts.check, entry.status), (Check::Agent, ServiceStatus::Healthy));
    assert!(entry.model("a").is_some());
    // The id that it would have got is its name for ever.
    fleet.host(1, "gpu-5", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.led_to("gpu-1:11434"), some("10.0.0.7:11434"));
    fleet.registry.check_indexes();
}

#[test]
fn two_entries_that_turn_out_to_be_one_are_the_older_with_all_names() {
    let mut fleet = Fleet::new();
    let declared = |role, priority| Declared { role: Some(role), priority, ..Declared::default() };
    let urls =
        ["http://10.0.0.7:11434", "http://gpu-1:11434"].map(|u| ServiceUrl::parse(u).unwrap());
    let moment = fleet.clock.pass(1);
    let older = declared(Role::Staging, None);
    fleet.registry.transaction(moment).declare(Source::Manual, older, &urls[0]);
    let younger = declared(Role::Canary, Some(7));
    let moment = fleet.clock.pass(1);
    fleet.registry.transaction(moment).declare(Source::Manual, younger, &urls[1]);
    assert_eq!(fleet.ids(), ["10.0.0.7:11434", "gpu-1:11434"]);
    let seq = fleet.registry.cursor().1;
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.ids(), ["10.0.0.7:11434"]);
    assert_eq!(fleet.led_to("gpu-1:11434"), some("10.0.0.7:11434"));
    let changes = fleet.registry.changes_since(seq, 100).unwrap();
    let removed = changes.iter().find(|change| change.kind == ChangeKind::ServiceRemoved).unwrap();
    assert_eq!(removed.cause.as_deref(), Some("joined 10.0.0.7:11434"));
    let facts = Arc::clone(&fleet.registry.resolve("gpu-1:11434").unwrap().facts);
    assert_eq!((facts.role, facts.priority), (Role::Staging, 7));
    assert_eq!(&*facts.url, "http://10.0.0.7:11434");
    fleet.registry.check_indexes();
}

#[test]
fn a_join_holds_when_its_name_becomes_another_hosts_too() {
    let mut fleet = Fleet::new();
    fleet.host(1, "ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    fleet.add("http://ubuntu:11434");
    fleet.host(2, "ubuntu", "10.0.0.2", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.sources("ubuntu:11434"), both());
    assert_eq!(fleet.add("http://ubuntu:11434"), ("ubuntu:11434".to_owned(), DeclaredAs::Replaced));
    let (id, declared_as) = fleet.declare(Source::File, "http://ubuntu:11434/");
    assert_eq!((id.as_str(), declared_as), ("ubuntu:11434", DeclaredAs::Joined));
    assert_eq!(fleet.ids().len(), 2);
}

#[test]
fn a_renamed_host_joins_what_was_added_under_its_new_name() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.add("http://gpu-9:11434");
    fleet.host(1, "gpu-9", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(
        (fleet.ids(), fleet.sources("gpu-1:11434")),
        (vec!["gpu-1:11434".to_owned()], both())
    );
    assert_eq!(fleet.led_to("gpu-9:11434"), some("gpu-1:11434"));
    // Its id is its id, but the name is free for another host.
    assert_eq!(fleet.add("http://gpu-1:11434"), ("gpu-1:11434~2".to_owned(), DeclaredAs::New));
    fleet.registry.check_indexes();
}

#[test]
fn a_url_with_a_path_joins_nobody() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    let id = "10.0.0.7:11434/team-a";
    assert_eq!(fleet.add("http://10.0.0.7:11434/team-a"), (id.to_owned(), DeclaredAs::New));
    assert_eq!(fleet.add("http://10.0.0.7:11434/team-a/"), (id.to_owned(), DeclaredAs::Replaced));
    assert_eq!(fleet.add("http://10.0.0.7:11434/team-b").1, DeclaredAs::New);
    assert_eq!(fleet.ids().len(), 3);
    // Nor does a server that is found later join it.
    fleet.host(2, "gpu-2", "10.0.0.8", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.sources(id), [Source::Manual]);
}

#[test]
fn who_registered_itself_joins_nobody_and_nobody_joins_it() {
    let mut fleet = Fleet::new();
    let declared = Declared { url: some("http://10.0.0.7:11434"), ..Declared::default() };
    let own = |id: &str, at| {
        let declared = Some(Arc::new(declared.clone()));
        let records = Records { own: declared.clone(), patch: declared, ..Records::default() };
        let facts = ServiceFacts::of(records, Check::Heartbeat, at, None);
        ServiceEntry::unjudged(ServiceId::from_text(id), facts)
    };
    let moment = fleet.clock.pass(1);
    let kind = ChangeKind::ServiceRegistered;
    fleet.registry.transaction(moment).put_service(own("0199", moment.at), kind, None);
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.ids(), ["0199", "gpu-1:11434"]);
    assert_eq!(fleet.led_to("10.0.0.7:11434"), some("gpu-1:11434"));
    assert_eq!(fleet.add("http://10.0.0.7:11434").0, "gpu-1:11434");
    assert_eq!(fleet.sources("0199"), [Source::Own]);
    fleet.registry.check_indexes();
}

#[test]
fn an_agent_that_goes_away_comes_back_under_the_entry_that_was_added() {
    for found_first in [true, false] {
        let mut fleet = Fleet::new();
        if found_first {
            fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        }
        fleet.add("http://10.0.0.7:11434");
        fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        let ids = fleet.ids();
        fleet.registry.forget_host(1, fleet.clock.pass(1));
        fleet.registry.check_indexes();
        assert_eq!(
            (fleet.ids(), fleet.sources("10.0.0.7:11434")),
            (ids.clone(), vec![Source::Manual])
        );
        let left = fleet.registry.resolve("10.0.0.7:11434").unwrap();
        assert_eq!((left.host_id(), left.status, left.state), (None, ServiceStatus::Unknown, None));
        assert_eq!((left.facts.check, left.facts.models.len()), (Check::Probe, 0));
        assert!(fleet.registry.services_of_model("a").is_empty());

        fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
        assert_eq!((fleet.ids(), fleet.sources("10.0.0.7:11434")), (ids, both()));
        assert_eq!(
            fleet.registry.resolve("10.0.0.7:11434").unwrap().status,
            ServiceStatus::Healthy
        );
        assert_eq!(fleet.registry.services_of_model("a").len(), 1);
        let aliases = fleet.aliases("10.0.0.7:11434");
        assert_eq!(aliases.len(), 1, "{aliases:?}");
        fleet.registry.check_indexes();
    }
}

#[test]
fn a_server_that_is_gone_for_too_long_leaves_what_was_added() {
    let mut fleet = Fleet::new();
    let opened = fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0"), service("::", 8000, vec![])]);
    fleet.add("http://10.0.0.7:11434");
    fleet.registry.take_inventory(&opened, Vec::new(), fleet.clock.pass(1));
    let since = fleet.clock.moment().at;
    for id in ["gpu-1:11434", "gpu-1:8000"] {
        let id = ServiceId::from_text(id);
        fleet.registry.forget_service(&id, since, fleet.clock.pass(1));
    }
    assert_eq!(
        (fleet.ids(), fleet.sources("gpu-1:11434")),
        (vec!["gpu-1:11434".to_owned()], vec![Source::Manual])
    );
    assert!(fleet.registry.host(host_id(1).as_str()).unwrap().services.is_empty());
    fleet.registry.check_indexes();
}

#[test]
fn what_is_taken_back_leaves_the_rest_and_lets_its_address_go() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.add("http://10.0.0.7:11434");
    fleet.host(1, "gpu-1", "10.0.0.8", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.aliases("gpu-1:11434"), ["10.0.0.7:11434", "10.0.0.8:11434"]);
    fleet.registry.take_back("gpu-1:11434", Source::File, fleet.clock.moment());
    assert_eq!(fleet.sources("gpu-1:11434"), both());
    fleet.registry.take_back("gpu-1:11434", Source::Manual, fleet.clock.moment());
    assert_eq!(fleet.sources("gpu-1:11434"), [Source::Agent]);
    assert_eq!(fleet.aliases("gpu-1:11434"), ["10.0.0.8:11434"]);
    fleet.registry.take_back("gpu-1:11434", Source::Agent, fleet.clock.moment());
    assert_eq!(fleet.ids(), [""; 0]);
    fleet.registry.check_indexes();
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

#[test]
fn a_restart_keeps_ids_other_names_and_who_joined_whom() {
    let mut fleet = Fleet::new();
    fleet.add("http://10.0.0.7:11434");
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0"), service("::", 8000, vec![])]);
    fleet.host(2, "gpu-2", "10.0.0.8", vec![ollama("0.0.0.0")]);
    let ids = fleet.ids();
    fleet.registry = restarted(&fleet.registry, fleet.clock.pass(1));
    fleet.registry.check_indexes();
    assert_eq!((fleet.ids(), fleet.sources("gpu-1:11434")), (ids.clone(), both()));
    // Names are known at once, addresses once they are proved anew.
    assert_eq!(fleet.add("http://gpu-2:11434"), ("gpu-2:11434".to_owned(), DeclaredAs::Joined));
    assert_eq!(fleet.led_to("10.0.0.7:8000"), None);
    fleet.add("http://10.0.0.7:8000");
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0"), service("::", 8000, vec![])]);
    assert_eq!(fleet.ids(), ids);
    assert_eq!(fleet.sources("gpu-1:8000"), both());
    fleet.registry.check_indexes();
}

#[test]
fn a_name_that_was_joined_once_is_nobodys_while_two_hosts_have_it() {
    let mut fleet = Fleet::new();
    fleet.add("http://10.0.0.1:11434");
    fleet.add("http://ubuntu:11434");
    fleet.host(1, "ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    fleet.host(1, "gpu-1", "10.0.0.1", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.led_to("ubuntu:11434"), some("10.0.0.1:11434"));
    fleet.host(2, "ubuntu", "10.0.0.2", vec![ollama("0.0.0.0")]);
    fleet.host(3, "ubuntu", "10.0.0.3", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.led_to("ubuntu:11434"), None);
    let (id, declared_as) = fleet.declare(Source::File, "http://ubuntu:11434");
    assert_eq!((id.as_str(), declared_as), ("ubuntu:11434~2", DeclaredAs::New));
}

#[test]
fn a_name_that_an_agent_gave_makes_nobody_join() {
    let mut fleet = Fleet::new();
    fleet.add("http://10.0.0.1:11434");
    fleet.host(1, "ubuntu", "10.0.0.1", vec![ollama("0.0.0.0")]);
    fleet.registry.forget_host(1, fleet.clock.pass(1));
    fleet.host(2, "ubuntu", "10.0.0.2", vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.sources("10.0.0.1:11434"), [Source::Manual]);
    assert_eq!(fleet.ids().len(), 2);
}

#[test]
fn who_lost_its_agent_joins_the_one_that_is_left_there() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.add("http://10.0.0.7:11434");
    fleet.host(2, "gpu-2", PEER, vec![ollama("0.0.0.0")]);
    fleet.registry.forget_host(1, fleet.clock.pass(1));
    assert_eq!(fleet.ids(), ["gpu-1:11434"]);
    assert_eq!(fleet.registry.service("gpu-1:11434").unwrap().host_id(), Some(&host_id(2)));
    assert_eq!(fleet.led_to("gpu-2:11434"), some("gpu-1:11434"));
    fleet.registry.check_indexes();
}

#[test]
fn an_address_that_moved_to_another_host_is_its_own_once_the_first_is_gone() {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.add("http://10.0.0.7:11434");
    fleet.host(1, "gpu-1", "10.0.0.8", vec![ollama("0.0.0.0")]);
    fleet.host(2, "gpu-2", PEER, vec![ollama("0.0.0.0")]);
    assert_eq!(fleet.led_to("10.0.0.7:11434"), None);
    fleet.registry.forget_host(1, fleet.clock.pass(1));
    assert_eq!(
        (fleet.ids(), fleet.sources("gpu-2:11434")),
        (vec!["gpu-1:11434".to_owned()], both())
    );
    fleet.registry.check_indexes();
}

/// A service that a person added, in use and checked, and a host that will be found to have it.
fn in_use() -> (Fleet, Vec<String>) {
    let mut fleet = Fleet::new();
    fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    fleet.add("http://gpu-9:11434");
    let probed = Probed { models: Some(vec![(&model("a", true)).into()]), ..Probed::default() };
    let id = fleet.registry.resolve("gpu-9:11434").unwrap().id.clone();
    fleet.registry.record_probe(&id, Ok(probed), fleet.clock.moment());
    let target = Target::Service(id.to_string());
    let leases = (0..100).map(|_| {
        let ttl = std::time::Duration::from_secs(300);
        let taken =
            fleet.registry.take_lease(&target, &Wanted::default(), ttl, fleet.clock.moment());
        taken.unwrap().lease.id.to_string()
    });
    let leases = leases.collect();
    (fleet, leases)
}

#[test]
fn leases_that_are_out_over_a_join_end_once_each() {
    let (mut fleet, leases) = in_use();
    fleet.host(1, "gpu-9", PEER, vec![ollama("0.0.0.0")]);
    let entry = fleet.registry.resolve("gpu-9:11434").unwrap();
    assert_eq!((entry.id.as_str(), entry.facts.records.sources()), ("gpu-1:11434", both()));
    assert_eq!((entry.live.pending(), entry.live.total()), (100, 100));
    assert_eq!(fleet.registry.begin_request("gpu-1:11434"), Ok(101));
    for (n, lease) in leases.iter().enumerate() {
        fleet.registry.give_back(lease, Outcome::Ok(Some(5)), fleet.clock.moment()).unwrap();
        assert_eq!(entry.live.pending(), 100 - n as u64);
    }
    assert_eq!(fleet.registry.end_request("gpu-9:11434"), Ok(0));
    assert_eq!((entry.live.total(), entry.live.latency_ms_avg()), (101, Some(5)));
}

#[test]
fn leases_that_are_given_back_while_their_service_joins_another_end_once_each() {
    for _ in 0..20 {
        let (mut fleet, leases) = in_use();
        let moment = fleet.clock.pass(1);
        let (start, registry) = (std::sync::Barrier::new(2), &fleet.registry);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for lease in &leases {
                    registry.give_back(lease, Outcome::Failed, moment).unwrap();
                }
            });
            start.wait();
            let arrival = Arrival { name: "gpu-9", peer: PEER, boot_id: "its own" };
            arrive(registry, 1, arrival, moment);
        });
        let live = &fleet.registry.resolve("gpu-9:11434").unwrap().live;
        assert_eq!((live.pending(), live.total()), (0, 100));
        assert_eq!(fleet.ids(), ["gpu-1:11434"]);
    }
}

#[test]
fn what_checks_found_is_kept_where_it_joins_what_a_silent_host_had() {
    let mut fleet = Fleet::new();
    let opened = fleet.host(1, "gpu-1", PEER, vec![ollama("0.0.0.0")]);
    let moment = fleet.clock.pass(3600);
    let (host, session) = (&opened.host_id, &opened.session.id);
    fleet.registry.close_session(host, session, CloseReason::Shutdown, moment);
    fleet.add("http://gpu-9:11434");
    let id = fleet.registry.resolve("gpu-9:11434").unwrap().id.clone();
    for _ in 0..2 {
        let refused = Err(ProbeFailure::Failed("refused".into()));
        fleet.registry.record_probe(&id, refused, fleet.clock.pass(1));
    }
    let before = fleet.registry.service(id.as_str()).unwrap();
    let entered = before.live.judged.entered_ms();
    assert!(before.status == ServiceStatus::Unhealthy && entered > 0);
    let arrival = Arrival { name: "gpu-9", peer: "10.0.0.8", boot_id: "its own" };
    arrive(&fleet.registry, 1, arrival, fleet.clock.pass(1));
    let after = fleet.registry.resolve("gpu-9:11434").unwrap();
    assert_eq!((after.id.as_str(), after.facts.check), ("gpu-1:11434", Check::Probe));
    assert_eq!((after.status, after.live.judged.entered_ms()), (before.status, entered));
    assert_eq!(after.live.consecutive_failures(), 2);
}
