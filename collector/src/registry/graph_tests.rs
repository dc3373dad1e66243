//! The graph's shape, and what makes it be encoded anew.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::registry::pick::fleet::*;
use crate::registry::service::{Role, ServiceStatus};
use crate::registry::session::CloseReason;
use crate::registry::testing::{host_id, sample};

use super::*;

fn graph(fleet: &Fleet) -> Value {
    serde_json::from_slice(&fleet.registry.graph().json).unwrap()
}

#[test]
fn hosts_services_and_models_are_tied_to_each_other_and_to_the_collector() {
    let fleet = Fleet::new();
    let opened = fleet.host(1, &[small("m", true)]);
    fleet.edit_facts(1, |facts| {
        facts.labels = Arc::new([("domain".to_owned(), "lab".to_owned())].into());
    });
    let (host, session) = (opened.host_id.as_str(), opened.session.id.as_str());
    let expected = json!({
        "nodes": [
            {"id": "collector", "name": "collector", "kind": "collector", "role": null,
             "status": "online", "domain": null},
            {"id": host, "name": "gpu-1", "kind": "host", "role": "worker", "status": "online",
             "domain": null},
            {"id": id(1), "name": "gpu-1", "kind": "service", "role": "experimental",
             "status": "healthy", "domain": "lab"},
            {"id": "model:m", "name": "m", "kind": "model", "role": null, "status": null,
             "domain": null},
        ],
        "links": [
            {"source": host, "target": "collector", "type": "session", "session_id": session},
            {"source": host, "target": id(1), "type": "runs", "session_id": null},
            {"source": id(1), "target": "model:m", "type": "serves", "session_id": null},
        ],
    });
    assert_eq!(graph(&fleet), expected);
}

#[test]
fn ids_are_unique_over_all_kinds_and_every_link_leads_somewhere() {
    let fleet = Fleet::with_cold(&[1, 2]);
    let own = host_id(1).to_string();
    for name in ["model:m", "service:model:m", "collector", own.as_str()] {
        fleet.add(name, |_| ());
    }
    let graph = graph(&fleet);
    let nodes = graph["nodes"].as_array().unwrap();
    let ids: BTreeSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.len());
    assert_eq!(nodes.len(), 1 + 2 + 6 + 1);
    for link in graph["links"].as_array().unwrap() {
        for end in ["source", "target"] {
            assert!(ids.contains(link[end].as_str().unwrap()), "{link}");
        }
    }
}

#[test]
fn what_only_moves_does_not_have_it_encoded_anew() {
    let fleet = Fleet::new();
    let opened = fleet.host(1, &[small("m", false)]);
    let before = fleet.registry.graph();
    fleet.sample(&opened, 1, Some(50));
    fleet.registry.take_sample(&opened, sample(), fleet.clock.moment());
    fleet.report(&opened, 1, &[small("m", true)]);
    fleet.report(&opened, 1, &[small("m", false)]);
    fleet.edit_facts(1, |facts| facts.priority = 7);
    fleet.entry(1).live.begin_request();
    assert!(Arc::ptr_eq(&before, &fleet.registry.graph()));
    assert!(fleet.registry.known_graph().is_some());
}

#[test]
fn whatever_it_shows_has_it_encoded_anew() {
    type Change = fn(&mut Fleet);
    let changes: [(&str, Change); 11] = [
        ("a host comes", |f| drop(f.connect(2, [10, 0, 0, 2].into(), ""))),
        ("a session ends", |f| {
            let session = f.registry.host(host_id(1).as_str()).unwrap().session.clone().unwrap();
            let (reason, moment) = (CloseReason::Lost, f.clock.moment());
            f.registry.close_session(&host_id(1), &session.id, reason, moment);
        }),
        ("a host goes offline", |f| {
            let mut transaction = f.registry.transaction(f.clock.moment());
            transaction.mark(&host_id(1), crate::registry::host::HostStatus::Offline, "test");
        }),
        ("a host is removed", |f| {
            f.registry.transaction(f.clock.moment()).remove_host(&host_id(1), "test");
        }),
        ("a service comes", |f| f.add("other", |_| ())),
        ("a service is unwell", |f| f.edit(1, |s| s.status = ServiceStatus::Unhealthy)),
        ("a service drains", |f| f.drain_host(1, true)),
        ("a service is promoted", |f| f.edit_facts(1, |facts| facts.role = Role::Production)),
        ("a service is renamed", |f| f.edit_facts(1, |facts| facts.name = "new".into())),
        ("a service goes", |f| {
            let id = f.entry(1).id.clone();
            f.registry.transaction(f.clock.moment()).remove_service(&id, "test");
        }),
        ("a model is installed", |f| {
            f.edit_facts(1, |facts| {
                let more = [small("m", false), small("n", false)];
                facts.models = more.iter().map(Into::into).collect();
            });
        }),
    ];
    for (what, change) in changes {
        let mut fleet = Fleet::with_cold(&[1]);
        let before = fleet.registry.graph();
        change(&mut fleet);
        assert!(fleet.registry.known_graph().is_none(), "{what}");
        let after = fleet.registry.graph();
        assert_ne!((&before.tag, &before.json), (&after.tag, &after.json), "{what}");
        assert_ne!(before.json, after.json, "{what}");
    }
}
