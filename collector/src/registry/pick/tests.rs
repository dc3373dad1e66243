//! What is picked of real fleets: that each step of the order is fed from the right place.

use std::sync::Arc;

use herdbook_shared::wire::inventory::Model as Told;

use crate::registry::service::{Role, ServiceStatus, ServiceType};

use super::fleet::*;
use super::*;

/// Hosts 1 and 2 are alike, so that 1 is picked for its id, until one of them changes.
fn two() -> Fleet {
    Fleet::with_cold(&[1, 2])
}

#[test]
fn of_equals_the_first_by_id_is_picked() {
    assert_eq!(two().order(), [id(1), id(2)]);
}

#[test]
fn what_makes_a_service_worse_makes_the_other_one_be_picked() {
    type Worsen = fn(&Fleet);
    let worsen: [(&str, Worsen); 9] = [
        ("unconfirmed", |f| f.edit(1, |s| s.unconfirmed = true)),
        ("degraded", |f| f.edit(1, |s| s.status = ServiceStatus::Degraded)),
        ("colder", |f| {
            let opened = f.host(2, &[small("m", true)]);
            f.sample(&opened, 2, Some(12));
        }),
        ("priority", |f| f.edit_facts(2, |facts| facts.priority = 1)),
        ("pending", |f| {
            f.entry(1).live.begin_request();
        }),
        ("queue", |f| f.queue(1, 1)),
        ("latency", |f| {
            f.entry(1).live.write_latency(20);
            f.entry(2).live.write_latency(10);
        }),
        ("check latency", |f| f.entry(2).live.write_check_latency(10)),
        ("GPU load", |f| {
            let opened = f.host(2, &[small("m", false)]);
            f.sample_at(&opened, 2, Some(0), Some(90.0));
        }),
    ];
    for (what, worsen) in worsen {
        let fleet = two();
        worsen(&fleet);
        assert_eq!(fleet.order(), [id(2), id(1)], "{what}");
    }
}

#[test]
fn one_that_loads_the_model_comes_after_a_warm_one_and_before_a_cold_one() {
    let fleet = Fleet::with_cold(&[1]);
    fleet.host(2, &[Told { loading: true, ..small("m", false) }]);
    fleet.host(3, &[small("m", true)]);
    assert_eq!(fleet.order(), [id(3), id(2), id(1)]);
    let picked = fleet.pick(&model_m());
    assert_eq!(picked.service.why, ["warm", "0 pending"]);
    assert_eq!(picked.alternatives[0].why, ["loading", "0 pending"]);
}

#[test]
fn cold_models_go_where_there_is_room() {
    let fleet = Fleet::new();
    let models = [small("m", false)];
    let full = fleet.host(1, &models);
    fleet.sample(&full, 1, Some(89));
    let cannot_tell = fleet.host(2, &models);
    fleet.sample(&cannot_tell, 2, None);
    let cpu = fleet.host(3, &models);
    fleet.report_with(&cpu, Some(Vec::new()), vec![service_of(3)]);
    let fits = fleet.host(4, &models);
    fleet.sample(&fits, 4, Some(88));
    assert_eq!(fleet.order(), [id(4), id(2), id(1), id(3)]);
    let why = |picked: &Picked| -> Vec<String> {
        let all = [&picked.service].into_iter().chain(&picked.alternatives);
        all.map(|chosen| chosen.why[1].clone()).collect()
    };
    let words = why(&fleet.pick(&model_m()));
    assert!(words[0].starts_with("fits in"), "{words:?}");
    assert!(words[1].starts_with("cannot tell"), "{words:?}");
    assert!(words[2].starts_with("needs"), "{words:?}");
    assert_eq!(words[3], "no GPU");
}

fn service_of(n: u8) -> herdbook_shared::wire::inventory::Service {
    let models = vec![small("m", false)];
    crate::registry::testing::service(&format!("10.0.0.{n}"), 11434, models)
}

#[test]
fn what_the_digest_took_elsewhere_counts_before_its_size() {
    let fleet = Fleet::with_cold(&[1, 2]);
    let full = fleet.host(1, &[small("m", false)]);
    fleet.sample(&full, 1, Some(50));
    assert_eq!(fleet.order()[0], id(1));
    // Seen in memory once, on another host, it took 60.
    let elsewhere = fleet.host(9, &[Told { vram_bytes: Some(60), ..small("m", true) }]);
    fleet.report(&elsewhere, 9, &[]);
    assert_eq!(fleet.order(), [id(2), id(1)]);
    // Who asks may know better.
    let wanted = Wanted { vram_bytes: Some(50), ..model_m() };
    assert_eq!(ids(&fleet.pick(&wanted))[0], id(1));
}

#[test]
fn latest_is_meant_for_ollama_alone() {
    let fleet = Fleet::new();
    fleet.host(1, &[small("m:latest", false)]);
    let other = fleet.host(2, &[]);
    let vllm = herdbook_shared::wire::inventory::Service {
        kind: "vllm".to_owned(),
        models: vec![small("m:latest", false)],
        ..service_of(2)
    };
    fleet.report_with(&other, Some(Vec::new()), vec![vllm]);
    let picked = fleet.pick(&model_m());
    assert_eq!((ids(&picked), picked.n_considered), (vec![id(1)], 1));
    assert_eq!(picked.service.model.as_deref(), Some("m:latest"));
    let exact = Wanted { model: Some("m:latest".to_owned()), ..Wanted::default() };
    assert_eq!(fleet.pick(&exact).n_considered, 2);
    assert_eq!(latest("localhost:5000/ns/m"), Some("localhost:5000/ns/m:latest".to_owned()));
    assert_eq!(latest("m:8b"), None);
}

#[test]
fn a_context_that_is_loaded_too_short_is_as_good_as_cold() {
    let fleet = Fleet::new();
    let loaded = |n: u64| Told { loaded_context_length: Some(n), ..with_context(small("m", true)) };
    fleet.host(1, &[loaded(4096)]);
    fleet.host(2, &[loaded(8192)]);
    assert_eq!(fleet.order(), [id(1), id(2)]);
    let wanted = Wanted { min_ctx: Some(8192), ..model_m() };
    let picked = fleet.pick(&wanted);
    assert_eq!(ids(&picked), [id(2), id(1)]);
    assert_eq!(picked.alternatives[0].why[0], "warm with a shorter context");
}

fn with_context(model: Told) -> Told {
    Told { context_length: Some(32_768), ..model }
}

#[test]
fn filters_reject_with_what_is_there_instead() {
    let fleet = Fleet::new();
    let tools = Some("tools".to_owned());
    let capabilities = tools.iter().cloned().collect();
    fleet.host(1, &[Told { capabilities, ..with_context(small("m", false)) }]);
    fleet.host(2, &[small("m", false)]);
    fleet.edit_facts(1, |facts| {
        facts.role = Role::Production;
        facts.labels = Arc::new([("zone".to_owned(), "a".to_owned())].into());
    });
    let label = |text| Some(Label::parse(text));
    let cases = [
        (Wanted { role: Some(Role::Production), ..model_m() }, "its role is experimental"),
        (Wanted { cap: tools, ..model_m() }, "\"tools\""),
        (Wanted { label: label("zone=a"), ..model_m() }, "label zone=a"),
        (Wanted { label: label("zone"), ..model_m() }, "label zone"),
        (Wanted { min_ctx: Some(32_768), ..model_m() }, "nobody knows how many tokens"),
    ];
    for (wanted, why) in cases {
        let picked = fleet.pick(&wanted);
        assert_eq!((ids(&picked), picked.n_considered), (vec![id(1)], 2), "{why}");
        assert_eq!(picked.rejected[0].id.as_str(), id(2));
        assert!(picked.rejected[0].why.contains(why), "{:?}", picked.rejected);
    }
    for wanted in [
        Wanted { label: label("zone=b"), ..model_m() },
        Wanted { min_ctx: Some(32_769), ..model_m() },
        Wanted { r#type: Some(ServiceType::Tool), ..model_m() },
    ] {
        assert_eq!(fleet.registry.pick(&wanted).unwrap_err().rejected.len(), 2, "{wanted:?}");
    }
}

#[test]
fn a_tool_is_picked_by_type_and_capability() {
    let fleet = Fleet::with_cold(&[1]);
    for (name, cap) in [("a", "search"), ("b", "draw")] {
        fleet.add(name, |entry| {
            let facts = Arc::make_mut(&mut entry.facts);
            facts.r#type = ServiceType::Tool;
            facts.models = Arc::new([]);
            facts.caps = Arc::new([cap.to_owned()]);
        });
    }
    let wanted = |r#type, cap: Option<&str>| Wanted {
        r#type,
        cap: cap.map(str::to_owned),
        ..Wanted::default()
    };
    let tool = Some(ServiceType::Tool);
    assert_eq!(ids(&fleet.pick(&wanted(tool, None))), ["a", "b"]);
    let picked = fleet.pick(&wanted(tool, Some("draw")));
    assert_eq!((ids(&picked), picked.n_considered), (vec!["b".to_owned()], 1));
    assert_eq!(picked.service.why, ["0 pending"]);
    assert_eq!(ids(&fleet.pick(&wanted(None, Some("search")))), ["a"]);
    let none = fleet.registry.pick(&wanted(tool, Some("sing"))).unwrap_err();
    assert_eq!(none, NoneUsable::default());
}

#[test]
fn alternatives_and_rejected_are_bounded_and_the_first_by_their_order() {
    let fleet = Fleet::new();
    for n in 100..130 {
        fleet.host(n, &[small("m", false)]);
        fleet.edit(n, |entry| entry.status = ServiceStatus::Unhealthy);
    }
    for n in 200..206 {
        fleet.host(n, &[small("m", false)]);
        fleet.edit_facts(n, |facts| facts.priority = i32::from(n));
    }
    let picked = fleet.pick(&model_m());
    assert_eq!(ids(&picked), [id(205), id(204), id(203), id(202)]);
    assert_eq!((picked.rejected.len(), picked.n_considered), (REJECTED_MAX, 36));
    let first: Vec<String> = (100..120).map(id).collect();
    let rejected: Vec<String> = picked.rejected.iter().map(|r| r.id.to_string()).collect();
    assert_eq!(rejected, first);
}
