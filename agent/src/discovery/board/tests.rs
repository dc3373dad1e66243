use herdbook_shared::wire::inventory::ServiceState;
use herdbook_shared::wire::sample::Expiry;

use super::*;

fn target(n: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, n], 11434))
}

fn identity(n: u8) -> Identity {
    Identity { address: target(n).ip(), port: 11434 }
}

fn model(name: &str) -> Model {
    Model { name: name.to_owned(), ..Model::default() }
}

fn entry(n: u8, models: Vec<Model>) -> Entry {
    let address = target(n).ip().to_string();
    Entry {
        service: Service {
            kind: "ollama".to_owned(),
            address: address.clone(),
            port: 11434,
            version: Some("0.33.0".to_owned()),
            state: ServiceState::Idle,
            models,
            ..Service::default()
        },
        moving: ServiceSample {
            address,
            port: 11434,
            latency_ms: Some(1),
            ..ServiceSample::default()
        },
        pids: vec![u32::from(n)],
    }
}

/// One whose first look is over.
fn looked() -> (Arc<Board>, watch::Receiver<Arc<Found>>) {
    let (board, mut found) = Board::new(0);
    board.looked();
    found.mark_unchanged();
    (board, found)
}

#[test]
fn what_is_found_during_the_first_look_is_told_when_it_is_over() {
    let (board, mut found) = Board::new(1);
    let slow = board.expects();
    board.looked();
    board.put(target(1), entry(1, Vec::new()));
    assert!(!found.has_changed().unwrap());
    assert_eq!((found.borrow().revision, found.borrow().services.len()), (0, 1));
    board.put(target(2), entry(2, Vec::new()));
    drop(slow);
    assert!(found.has_changed().unwrap());
    let found = found.borrow_and_update();
    assert_eq!((found.revision, found.services.len()), (1, 2));
}

#[test]
fn a_first_look_that_takes_too_long_is_over() {
    let (board, found) = Board::new(1);
    let slow = board.expects();
    board.put(target(1), entry(1, Vec::new()));
    board.looked_long_enough();
    assert_eq!((found.borrow().revision, found.borrow().services.len()), (1, 1));
    drop(slow);
    board.looked();
    assert_eq!(found.borrow().revision, 1);
}

#[test]
fn the_first_look_raises_the_revision_even_when_nothing_is_there() {
    let (board, found) = Board::new(2);
    let guard = board.expects();
    board.looked();
    board.looked();
    assert_eq!(found.borrow().revision, 0);
    drop(guard);
    assert_eq!(found.borrow().revision, 1);
    board.looked();
    assert_eq!(found.borrow().revision, 1);
}

#[test]
fn what_moves_is_told_without_a_new_revision_or_a_wake_up() {
    let (board, mut found) = looked();
    board.put(target(1), entry(1, vec![model("a")]));
    let revision = found.borrow_and_update().revision;

    let mut later = entry(1, vec![model("a")]);
    let at = "2026-11-20T10:00:00Z".parse().unwrap();
    later.service.models[0].expires_at = Some(at);
    later.moving.expires = vec![Expiry { model: "a".to_owned(), at }];
    later.moving.latency_ms = Some(9);
    board.put(target(1), later);

    assert!(!found.has_changed().unwrap());
    assert_eq!(found.borrow().revision, revision);
    assert_eq!(found.borrow().moving[0].latency_ms, Some(9));
    assert_eq!(found.borrow().services[0].models[0].expires_at, Some(at));
}

#[test]
fn every_other_change_raises_the_revision() {
    type Change = fn(&mut Service);
    let changes: [Change; 23] = [
        |s| s.kind = "x".to_owned(),
        |s| s.address = "::".to_owned(),
        |s| s.port = 1,
        |s| s.version = None,
        |s| s.state = ServiceState::Busy,
        |s| s.last_error = Some("x".to_owned()),
        |s| s.models_left_out = 1,
        |s| s.state_told_by = Some(herdbook_shared::wire::inventory::ToldBy::Runner),
        |s| s.asks_credential = Some(true),
        |s| s.unit = Some("ollama.service".to_owned()),
        |s| s.container = Some("c0ffee".to_owned()),
        |s| s.models[0].loading = true,
        |s| s.models.push(model("b")),
        |s| s.models[0].name = "x".to_owned(),
        |s| s.models[0].digest = Some("x".to_owned()),
        |s| s.models[0].size_bytes = Some(1),
        |s| s.models[0].context_length = Some(1),
        |s| s.models[0].capabilities = vec!["tools".to_owned()],
        |s| s.models[0].warm = true,
        |s| s.models[0].vram_bytes = Some(1),
        |s| s.models[0].loaded_context_length = Some(1),
        |s| s.models[0].keep = Some("forever".to_owned()),
        |s| s.models[0].remote = true,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let (board, mut found) = looked();
        board.put(target(1), entry(1, vec![model("a")]));
        let before = found.borrow_and_update().revision;
        let mut changed = entry(1, vec![model("a")]);
        change(&mut changed.service);
        board.put(target(1), changed);
        assert!(found.has_changed().unwrap(), "change {n}");
        assert_eq!(found.borrow().revision, before + 1, "change {n}");
    }
}

#[test]
fn a_server_is_probed_by_one_only() {
    let (board, _found) = looked();
    assert_eq!(board.claim(target(1), identity(9)), Claim::Mine);
    assert_eq!(board.claim(target(2), identity(9)), Claim::Anothers);
    assert_eq!(board.claim(target(1), identity(9)), Claim::Mine);
    assert_eq!(board.claim(target(1), identity(8)), Claim::Mine);
    assert_eq!(board.claim(target(2), identity(9)), Claim::Mine);
    board.withdraw(target(2));
    assert_eq!(board.claim(target(3), identity(9)), Claim::Mine);
}

#[test]
fn what_is_withdrawn_leaves_the_list() {
    let (board, found) = looked();
    board.put(target(1), entry(1, Vec::new()));
    board.put(target(2), entry(2, Vec::new()));
    board.withdraw(target(1));
    let found = found.borrow();
    assert_eq!(found.services.len(), 1);
    assert_eq!(found.services[0].address, "127.0.0.2");
    assert_eq!(found.moving.len(), 1);
    assert_eq!(found.pids, [vec![2]]);
}

#[test]
fn of_too_many_servers_those_that_are_gone_are_left_out() {
    let (board, found) = looked();
    for n in 0..70 {
        let mut entry = entry(n, Vec::new());
        if n < 10 {
            entry.service.state = ServiceState::Down;
        }
        board.put(target(n), entry);
    }
    let found = found.borrow();
    assert_eq!(found.services.len(), limits::SERVICES);
    let n_down = found.services.iter().filter(|s| s.state == ServiceState::Down).count();
    assert_eq!(n_down, 4);
    let same_order = found.services.iter().zip(&found.moving).all(|(s, m)| s.address == m.address);
    assert!(same_order);
}

#[test]
fn the_models_of_a_host_are_bounded_over_all_its_servers() {
    let (board, found) = looked();
    let many = |n: usize| (0..n).map(|n| model(&n.to_string())).collect::<Vec<_>>();
    board.put(target(1), entry(1, many(600)));
    let mut second = entry(2, many(600));
    second.service.models_left_out = 7;
    board.put(target(2), second);
    let found = found.borrow();
    let told: Vec<_> = found.services.iter().map(|s| (s.models.len(), s.models_left_out)).collect();
    assert_eq!(told, [(500, 100), (500, 107)]);
}

#[test]
fn a_server_with_too_many_models_takes_none_from_the_others() {
    let (board, found) = looked();
    let many = |n: usize| (0..n).map(|n| model(&n.to_string())).collect::<Vec<_>>();
    board.put(target(1), entry(1, many(1000)));
    board.put(target(2), entry(2, many(3)));
    let found = found.borrow();
    let told: Vec<_> = found.services.iter().map(|s| (s.models.len(), s.models_left_out)).collect();
    assert_eq!(told, [(997, 3), (3, 0)]);
}
