//! Which record counts: every declared field of every source, taken away from the top.

use super::*;
use crate::registry::service::Source;
use crate::registry::testing;

/// A record of which every declared field tells the number.
fn record(n: u8) -> Option<Arc<Declared>> {
    let roles = [Role::Experimental, Role::Canary, Role::Staging, Role::Production];
    let types = [ServiceType::Model, ServiceType::Tool, ServiceType::Agent, ServiceType::Model];
    let model = testing::model(&format!("model-{n}"), false);
    Some(Arc::new(Declared {
        name: Some(format!("name-{n}")),
        r#type: Some(types[usize::from(n)]),
        kind: Some(format!("kind-{n}")),
        url: Some(format!("http://host-{n}:1")),
        check: Some(Check::Heartbeat),
        role: Some(roles[usize::from(n)]),
        caps: Some(vec![format!("cap-{n}")]),
        labels: Some([(format!("label-{n}"), String::new())].into()),
        label_edits: None,
        priority: Some(n.into()),
        ctx_limit: Some(n.into()),
        cost_hint_usd_per_1k: Some(n.into()),
        heartbeat_interval_s: Some(n.into()),
        ttl_s: Some(100 + u64::from(n)),
        models: Some([Model::from(model)].into()),
        drain: Some(n % 2 == 1),
        credential: None,
        owner: None,
    }))
}

fn found() -> Arc<Found> {
    Arc::new(Found {
        name: "gpu-1".to_owned(),
        kind: "ollama".to_owned(),
        host_id: testing::host_id(1),
        address: "0.0.0.0".to_owned(),
        port: 11434,
        url: "http://gpu-1:11434".to_owned(),
        reachable: Reachable::Host,
        version: None,
        state_told_by: None,
        asks_credential: None,
        unit: None,
        container: None,
        gpu_ids: Vec::new(),
        registered_at: Timestamp::from_unix_ms(0),
        down_since: None,
        last_error: None,
        last_error_at: None,
        models: Arc::new([]),
        models_left_out: 0,
    })
}

fn of(records: Records) -> ServiceFacts {
    let check = records.check(false);
    ServiceFacts::of(records, check, Timestamp::from_unix_ms(0), None)
}

fn assert_is_of(facts: &ServiceFacts, n: u8) {
    let record = record(n).unwrap();
    assert_eq!(*facts.name, *record.name.clone().unwrap());
    assert_eq!(facts.r#type, record.r#type.unwrap());
    assert_eq!(*facts.kind, *record.kind.clone().unwrap());
    assert_eq!(*facts.url, *record.url.clone().unwrap());
    assert_eq!(facts.role, record.role.unwrap());
    assert_eq!(facts.caps[..], record.caps.clone().unwrap()[..]);
    assert_eq!(*facts.labels, record.labels.clone().unwrap());
    assert_eq!(facts.priority, record.priority.unwrap());
    assert_eq!(facts.ctx_limit, record.ctx_limit);
    assert_eq!(facts.cost_hint_usd_per_1k, record.cost_hint_usd_per_1k);
    assert_eq!(facts.drain, record.drain.unwrap());
}

#[test]
fn what_was_changed_by_hand_counts_then_files_people_itself_and_its_agent() {
    let mut records = Records {
        agent: Some(found()),
        own: record(0),
        manual: record(1),
        file: record(2),
        patch: record(3),
        checked: None,
    };
    assert_eq!(
        records.sources(),
        [Source::Agent, Source::Own, Source::Manual, Source::File],
        "what was changed by hand is no source"
    );
    assert_is_of(&of(records.clone()), 3);
    records.patch = None;
    assert_is_of(&of(records.clone()), 2);
    records.file = None;
    assert_is_of(&of(records.clone()), 1);
    records.manual = None;
    assert_is_of(&of(records.clone()), 0);
    records.own = None;
    let facts = of(records);
    assert_eq!((&*facts.name, &*facts.kind), ("gpu-1", "ollama"));
    assert_eq!((&*facts.url, facts.role), ("http://gpu-1:11434", Role::Experimental));
}

#[test]
fn each_field_comes_from_the_first_record_that_has_it() {
    let only_role = Declared { role: Some(Role::Production), ..Declared::default() };
    let records =
        Records { patch: Some(Arc::new(only_role)), manual: record(1), ..Records::default() };
    let facts = of(records);
    assert_eq!((facts.role, &*facts.name, facts.priority), (Role::Production, "name-1", 1));
    assert_eq!(facts.models[0].name.as_ref(), "model-1");
}

#[test]
fn a_kind_that_nobody_told_is_generic() {
    let mut records = Records { manual: record(1), ..Records::default() };
    records.manual = records.manual.map(|m| Arc::new(Declared { kind: None, ..(*m).clone() }));
    assert_eq!(&*of(records.clone()).kind, KIND);
    let checked = Checked { kind: Some("vllm".to_owned()), ..Checked::default() };
    records.checked = Some(Arc::new(checked));
    assert_eq!(&*of(records).kind, "vllm");
}

#[test]
fn a_beat_never_holds_for_less_than_the_time_between_two() {
    for (interval, ttl, expected) in [
        (None, None, (60, 90)),
        (Some(10), None, (10, 90)),
        (Some(120), None, (120, 120)),
        (None, Some(30), (30, 30)),
        (None, Some(300), (60, 300)),
        (Some(60), Some(180), (60, 180)),
    ] {
        let own = Declared { heartbeat_interval_s: interval, ttl_s: ttl, ..Declared::default() };
        let own = Declared { check: Some(Check::Heartbeat), ..own };
        let records = Records { own: Some(Arc::new(own)), ..Records::default() };
        let facts = of(records.clone());
        let told = (facts.heartbeat_interval_s, facts.ttl_s);
        assert_eq!(told, (Some(expected.0), Some(expected.1)), "{interval:?} {ttl:?}");
        // Two who declare may contradict each other.
        let patch = Declared { heartbeat_interval_s: Some(500), ..Declared::default() };
        let facts = of(Records { patch: Some(Arc::new(patch)), ..records });
        assert_eq!(facts.ttl_s, Some(500.max(expected.1).max(ttl.unwrap_or(0))));
    }
}

/// What is shown of a service that its agent found so, with a URL that a person gave.
fn shown(found_at: (&str, Reachable), url: &str, was_reached: bool) -> (String, Reachable) {
    let found = Found { url: found_at.0.to_owned(), reachable: found_at.1, ..(*found()).clone() };
    let checked = Checked { was_reached, ..Checked::default() };
    let records = Records {
        agent: Some(Arc::new(found)),
        manual: Some(Arc::new(Declared { url: Some(url.to_owned()), ..Declared::default() })),
        checked: Some(Arc::new(checked)),
        ..Records::default()
    };
    let facts = of(records);
    (facts.url.as_ref().to_owned(), facts.reachable)
}

#[test]
fn a_url_given_by_hand_changes_nothing_about_who_can_call_what_an_agent_judges() {
    let (network, local) = ("http://10.0.0.7:1", "http://127.0.0.1:1");
    let (host, loopback) = ((network, Reachable::Host), (local, Reachable::Loopback));
    let named = "http://gpu-1:1";
    let cases = [
        (host, "http://localhost:1", false, host),
        (host, named, false, (named, Reachable::Host)),
        (loopback, named, false, loopback),
        (loopback, named, true, (named, Reachable::Collector)),
        (loopback, "http://localhost:1", true, loopback),
    ];
    for (found, url, was_reached, expected) in cases {
        let (shown, reachable) = shown(found, url, was_reached);
        assert_eq!((shown.as_str(), reachable), expected, "{found:?} {url} {was_reached}");
    }
}

#[test]
fn a_secret_is_for_the_url_that_it_was_given_with() {
    let secret = |header: &str| {
        let (header, sealed) = (header.to_owned(), String::new());
        Some(Arc::new(crate::registry::service::record::Credential { header, sealed }))
    };
    let record = |url: Option<&str>, credential| {
        let url = url.map(str::to_owned);
        Some(Arc::new(Declared { url, credential, ..Declared::default() }))
    };
    let (plain, tls) = ("http://gpu-1:1", "https://gpu-1:1");
    let manual = record(Some(tls), secret("x-tls"));
    let mut records = Records { file: record(Some(plain), None), manual, ..Records::default() };
    assert_eq!(&*of(records.clone()).url, plain);
    let header = |records: &Records, url| records.credential_for(url).map(|c| c.header.clone());
    assert_eq!(header(&records, plain), None);
    assert_eq!(header(&records, tls).as_deref(), Some("x-tls"));
    records.own = record(None, secret("x-any"));
    assert_eq!(header(&records, plain).as_deref(), Some("x-any"));
}
