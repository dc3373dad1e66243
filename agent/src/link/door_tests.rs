//! The whole link against a collector that demands credentials, over real TLS.

use std::path::Path;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::wire::enrol::{Pins, Rekeyed, rekeyed};
use herdbook_shared::wire::hello::RefusalCode;
use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

use super::dial::TcpDial;
use super::door::{Door, TOKEN, is_signed, sha256, welcome};
use super::fake::{FakeView, hello};
use super::*;
use crate::config::{Flags, Settings};
use crate::enrol::{Origin, Remembered};

/// An agent on a directory of its own.
struct Agent {
    home: TempDir,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    _resumed: watch::Sender<u64>,
}

impl Agent {
    /// What it knows is what `prepare` writes.
    fn start(prepare: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().unwrap();
        prepare(home.path());
        Self::again(home)
    }

    fn again(home: TempDir) -> Self {
        let flags = Flags { state_dir: Some(home.path().into()), ..Flags::default() };
        let settings = Settings::load(&flags, &|_| None).unwrap();
        let membership = Membership::open(&settings, "gpu-1").unwrap();
        let (resumed, seen) = watch::channel(0);
        let random = fastrand::Rng::with_seed(7);
        let link = Link::new(TcpDial, FakeView::default(), hello(), membership, seen, random);
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(link.run(stop.clone()));
        Self { home, stop, tasks, _resumed: resumed }
    }

    async fn stop(mut self) -> TempDir {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
        self.home
    }

    fn remembered(&self) -> Option<Remembered> {
        Remembered::read(self.home.path()).unwrap()
    }
}

/// The agent pastes the join line of this door.
fn joins(door: &Door) -> impl FnOnce(&Path) {
    let line = door.line();
    move |dir| crate::durable::write(dir, "join", line.as_bytes()).unwrap()
}

/// The agent has joined a collector here, with this key.
fn knows(door: &Door, pin: Fingerprint) -> impl FnOnce(&Path) {
    let url = crate::config::CollectorUrl::parse_for_tests(&door.url());
    move |dir| Remembered { url, pins: vec![pin], origin: Origin::Told }.write(dir).unwrap()
}

#[tokio::test]
async fn joins_with_a_token_and_comes_back_without() {
    let door = Door::open().await;
    let agent = Agent::start(joins(&door));
    let mut guest = door.accept().await;
    let knock = guest.knock().await;
    assert_eq!(knock.name, "gpu-1");
    assert!(knock.has_token);
    let first = guest.challenge().await;
    assert!(guest.is_proven(&first));
    let proof = first.proof.clone().unwrap();
    assert_eq!(sha256(&proof.public_key.0), knock.fingerprint);
    assert_eq!(proof.token.as_deref(), Some(TOKEN));
    guest.say(&CollectorMessage::Welcome(welcome())).await;
    assert!(matches!(guest.hear().await, Some(AgentMessage::Inventory(_))));
    assert_eq!(agent.remembered().unwrap().pins, [door.pin]);
    assert!(!agent.home.path().join("join").exists());
    drop(guest);

    let mut guest = door.accept().await;
    let knock = guest.knock().await;
    assert!(!knock.has_token && knock.fingerprint == sha256(&proof.public_key.0));
    // What was recorded proves nothing on another connection, whatever the challenge.
    assert!(!guest.is_proven(&first));
    let second = guest.challenge().await;
    assert!(guest.is_proven(&second));
    assert_eq!(second.proof.unwrap().token, None);
    agent.stop().await;
}

#[tokio::test]
async fn somebody_in_between_hears_nothing() {
    let (door, other) = (Door::open().await, Door::open().await);
    let agent = Agent::start(|dir| {
        let line = door.line().replace(&door.pin.to_string(), &other.pin.to_string());
        crate::durable::write(dir, "join", line.as_bytes()).unwrap();
    });
    for _ in 0..3 {
        let mut heard = Vec::new();
        if let Some(mut stream) = door.handshake().await {
            let _ = stream.read_to_end(&mut heard).await;
        }
        assert!(heard.is_empty(), "{heard:?}");
    }
    assert_eq!(agent.remembered(), None);
    agent.stop().await;
}

#[tokio::test]
async fn who_waits_to_be_approved_has_told_its_name_and_fingerprint_only() {
    let door = Door::open().await;
    let agent = Agent::start(knows(&door, door.pin));
    let mut fingerprints = Vec::new();
    for _ in 0..3 {
        let mut guest = door.accept().await;
        let knock = guest.knock().await;
        fingerprints.push(knock.fingerprint);
        guest.refuse(RefusalCode::Pending, Some(50)).await;
    }
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 1);
    let (mut guest, _) = door.welcome().await;
    assert!(matches!(guest.hear().await, Some(AgentMessage::Inventory(_))));
    agent.stop().await;
}

#[tokio::test]
async fn a_collector_that_asks_for_no_proof_is_told_nothing() {
    let door = Door::open().await;
    let agent = Agent::start(knows(&door, door.pin));
    let mut guest = door.accept().await;
    guest.knock().await;
    guest.say(&CollectorMessage::Welcome(welcome())).await;
    assert_eq!(guest.hear().await, None);
    agent.stop().await;
}

#[tokio::test]
async fn a_collector_tells_its_next_key_before_it_has_it() {
    let (door, next) = (Door::open().await, Door::open().await);
    let agent = Agent::start(knows(&door, door.pin));
    for (told, kept) in [
        (vec![next.pin], vec![door.pin]),
        (vec![door.pin; 5], vec![door.pin]),
        (vec![door.pin, next.pin], vec![door.pin, next.pin]),
        (vec![], vec![door.pin, next.pin]),
    ] {
        let mut guest = door.accept().await;
        guest.knock().await;
        guest.challenge().await;
        let welcome = Welcome { pins: told, ..welcome() };
        guest.say(&CollectorMessage::Welcome(welcome)).await;
        assert!(matches!(guest.hear().await, Some(AgentMessage::Inventory(_))));
        assert_eq!(agent.remembered().unwrap().pins, kept);
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_collector_tells_its_next_key_while_the_agent_is_connected() {
    let (door, next) = (Door::open().await, Door::open().await);
    let agent = Agent::start(knows(&door, door.pin));
    for (told, kept) in [
        (vec![vec![next.pin]], vec![door.pin]),
        (vec![vec![door.pin; 5]], vec![door.pin]),
        // The second within a minute is not listened to.
        (vec![vec![door.pin, next.pin], vec![door.pin]], vec![door.pin, next.pin]),
        (vec![vec![]], vec![door.pin, next.pin]),
    ] {
        let (mut guest, _) = door.welcome().await;
        for pins in told {
            guest.say(&CollectorMessage::Pins(Pins { pins })).await;
        }
        guest.refuse(RefusalCode::ShuttingDown, Some(10)).await;
        assert_eq!(agent.remembered().unwrap().pins, kept);
    }
    agent.stop().await;
}

#[tokio::test]
async fn a_key_is_changed_when_the_collector_asks() {
    let door = Door::open().await;
    let agent = Agent::start(knows(&door, door.pin));
    let mut guest = door.accept().await;
    let old = guest.knock().await.fingerprint;
    let hello = guest.challenge().await;
    guest.say(&CollectorMessage::Welcome(Welcome { rotate_key: true, ..welcome() })).await;
    let rekey = loop {
        if let Some(AgentMessage::Rekey(rekey)) = guest.hear().await {
            break rekey;
        }
    };
    let signed = rekeyed(&guest.nonce, &guest.secret, &rekey.public_key);
    assert!(is_signed(&hello.proof.unwrap().public_key, &signed, &rekey.signature_by_old));
    assert!(is_signed(&rekey.public_key, &signed, &rekey.signature_by_new));
    let new = sha256(&rekey.public_key.0);
    guest.say(&CollectorMessage::Rekeyed(Rekeyed { fingerprint: new })).await;
    while !matches!(guest.hear().await, Some(AgentMessage::Sample(_))) {}
    drop(guest);
    let mut guest = door.accept().await;
    assert_eq!(guest.knock().await.fingerprint, new);
    assert_ne!(old, new);
    let home = agent.stop().await;

    // Cut between the collector's change and the agent's: the successor is tried as well.
    std::fs::rename(home.path().join("key"), home.path().join("key.next")).unwrap();
    let agent = Agent::again(home);
    let mut guest = door.accept().await;
    assert_ne!(guest.knock().await.fingerprint, new);
    guest.refuse(RefusalCode::Pending, Some(10)).await;
    let mut guest = door.accept().await;
    assert_eq!(guest.knock().await.fingerprint, new);
    agent.stop().await;
}
