//! Keys change and end: of a host that is revoked or asked for another key, and the collector's own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use herdbook_agent::enrol::JoinLine;
use herdbook_agent::link::dial::{Dial as _, DialError, TcpDial};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_tests::harness::{Demanding, Joiner, Program, eventually};
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::door::{TOKEN, sha256};

const PATIENCE: Duration = Duration::from_secs(60);
/// After it was revoked, a host's session ends within this.
const ENDED_WITHIN: Duration = Duration::from_secs(1);

async fn logs(agent: &Program, words: &str) {
    let look = async || {
        let log = agent.log();
        if log.contains(words) { Ok(()) } else { Err(agent.log_tail()) }
    };
    eventually(&format!("the log has {words:?}"), PATIENCE, look).await;
}

/// An agent that starts now is told that its key was revoked.
async fn stays_out(collector: &Demanding, host: &Joiner) {
    let mut agent = host.start(&[]);
    logs(&agent, "refused as revoked").await;
    let revoked = collector.one_agent("revoked").await;
    assert_eq!(revoked["connected"], false);
    assert!(agent.is_running(), "{}", agent.log_tail());
    agent.kill9().await;
}

#[tokio::test]
async fn a_revoked_host_is_out_at_once_and_for_ever() {
    let mut collector = Demanding::start().await;
    let (host, mut agent) = collector.joined("gpu-1").await;
    let id = collector.online("gpu-1").await["id"].clone();
    let backup = collector.dir().join("herd.backup").display().to_string();
    collector.told(&["backup", &backup]).await;

    collector.told(&["host", "revoke", "gpu-1"]).await;
    let ended = async || match &collector.agents("revoked").await[..] {
        [one] if one["connected"] == false => Ok(()),
        others => Err(format!("{others:?}")),
    };
    eventually("its session has ended", ENDED_WITHIN, ended).await;
    logs(&agent, "revoked").await;
    agent.kill9().await;
    stays_out(&collector, &host).await;

    collector.restart().await;
    stays_out(&collector, &host).await;

    // The older database does not know that it was revoked.
    collector.stop().await;
    collector.told(&["restore", &backup]).await;
    collector.start_again().await;
    stays_out(&collector, &host).await;

    let said = host.join(&collector.join_line().await, &["--new-identity"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let _agent = host.start(&[]);
    let online = async || {
        let own = collector.one_agent("approved").await;
        let hosts = collector.rest().hosts().await;
        let is_own = |host: &&Value| host["id"] == own["host_id"] && host["status"] == "online";
        hosts.iter().find(is_own).cloned().ok_or_else(|| format!("{hosts:?}"))
    };
    let own = eventually("a host of its own", PATIENCE, online).await;
    assert_ne!(own["id"], id);
    let audit = collector.ask(&["audit", "--verify"]).await;
    assert_eq!(audit.code, Some(0), "{}{}", audit.out, audit.err);
}

#[tokio::test]
async fn a_host_that_is_asked_for_another_key_makes_one_and_goes_on() {
    let collector = Demanding::start().await;
    let (host, _agent) = collector.joined("gpu-1").await;
    let (id, before) =
        (collector.online("gpu-1").await["id"].clone(), collector.one_agent("approved").await);
    let key = |host: &Joiner| std::fs::read(host.state_dir().join("key")).expect("a key");
    let key_before = key(&host);
    let fingerprint = before["fingerprint"].as_str().expect("a fingerprint");
    let path = format!("/api/v1/agents/{}/rotate", herdbook_tests::harness::encoded(fingerprint));
    let (status, told) = collector.rest().post(&path, &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{told}");

    let changed = async || {
        // From here on it is never away for longer than it takes to dial again.
        let hosts = collector.rest().hosts().await;
        assert_eq!(hosts.len(), 1, "{hosts:?}");
        assert!(hosts[0]["id"] == id && hosts[0]["status"] != "offline", "{hosts:?}");
        match &collector.agents("approved").await[..] {
            [one] if one["fingerprint"] != before["fingerprint"] && one["connected"] == true => {
                Ok(one.clone())
            }
            others => Err(format!("{others:?}")),
        }
    };
    let after = eventually("another key", PATIENCE, changed).await;
    assert_eq!((&after["host_id"], &after["how"]), (&id, &before["how"]));
    let succeeded = async || {
        let has_next = host.state_dir().join("key.next").exists();
        if key(&host) != key_before && !has_next { Ok(()) } else { Err("the old key".to_owned()) }
    };
    eventually("the new key is the host's", PATIENCE, succeeded).await;
    collector.online("gpu-1").await;
}

/// What the host knows of its collector.
fn pins_of(host: &Joiner) -> String {
    std::fs::read_to_string(host.state_dir().join("collector")).expect("a collector")
}

/// By which keys a join line says that the collector is known.
async fn pins(collector: &Demanding, n: usize) -> Vec<String> {
    let told = async || {
        let line = collector.join_line().await;
        let pins = line.split_whitespace().find(|word| word.starts_with("sha256:"));
        let pins = pins.expect("a pin").trim_end_matches('\'').split(',').map(str::to_owned);
        let pins: Vec<String> = pins.collect();
        if pins.len() == n { Ok(pins) } else { Err(line) }
    };
    eventually(&format!("{n} pins"), PATIENCE, told).await
}

#[tokio::test]
async fn the_collectors_key_changes_and_who_was_there_meanwhile_comes_back() {
    let mut collector = Demanding::start().await;
    let (host, _agent) = collector.joined("gpu-1").await;
    let (absent, mut its_agent) = collector.joined("gpu-2").await;
    its_agent.signal(Signal::TERM);
    its_agent.exit(PATIENCE).await;
    let old = pins(&collector, 1).await.remove(0);

    collector.told(&["tls", "rotate"]).await;
    collector.collector().signal(Signal::HUP);
    let both = pins(&collector, 2).await;
    assert_eq!(both[0], old);
    // It is told so where it is, and does not have to come anew for it.
    let learnt = async || {
        let known = pins_of(&host);
        if both.iter().all(|pin| known.contains(pin)) { Ok(()) } else { Err(known) }
    };
    eventually("the host knows both", PATIENCE, learnt).await;

    collector.told(&["tls", "activate"]).await;
    collector.collector().signal(Signal::HUP);
    assert_eq!(pins(&collector, 1).await, both[1..]);
    collector.restart().await;
    let back = async || {
        let agents = collector.agents("approved").await;
        let own = agents.iter().find(|agent| agent["name"] == "gpu-1").cloned();
        own.filter(|own| own["connected"] == true).ok_or_else(|| format!("{agents:?}"))
    };
    eventually("the host is back", PATIENCE, back).await;
    let knows = async || {
        let known = pins_of(&host);
        if known.contains(&both[1]) && !known.contains(&old) { Ok(()) } else { Err(known) }
    };
    eventually("the host knows the new key alone", PATIENCE, knows).await;

    // Who was away tells the new key nothing, and joins anew.
    let mut agent = absent.start(&[]);
    logs(&agent, &format!("has the key {}, expected {old}", both[1])).await;
    agent.kill9().await;
    let said = absent.join(&collector.join_line().await, &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
}

/// A certificate of the owner's, and its key, in files. Returns its pin.
fn give(dir: &Path) -> Fingerprint {
    let key = KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).expect("names").self_signed(&key);
    std::fs::write(dir.join("server.pem"), certificate.expect("a certificate").pem())
        .expect("room");
    std::fs::write(dir.join("server.key"), key.serialize_pem()).expect("room");
    sha256(&key.subject_public_key_info())
}

/// The key that is shown to whoever connects now.
async fn shown(address: SocketAddr) -> Fingerprint {
    let nobody = Fingerprint::of_digest([0; 32]);
    let line = JoinLine::parse(&format!("https://{address} {TOKEN} {nobody}"));
    match TcpDial.dial(&line.expect("a join line").target()).await {
        Err(DialError::WrongPin(wrong)) => wrong.seen,
        Err(error) => panic!("expected another key, got {error:?}"),
        Ok(_) => panic!("nobody has this key"),
    }
}

#[tokio::test]
async fn a_given_certificate_is_replaced_without_a_restart_and_a_bad_one_is_not_taken() {
    let home = tempfile::tempdir().expect("a folder");
    let first = give(home.path());
    let [certificate, key] = ["server.pem", "server.key"].map(|name| home.path().join(name));
    let settings = format!(
        "auth = \"required\"\n[tls]\nloopback = true\ncertificate = {certificate:?}\nkey = {key:?}\n"
    );
    let mut collector = Demanding::start_at("127.0.0.1:0", &settings).await;
    let address = collector.address();
    assert_eq!(shown(address).await, first);
    let (_host, agent) = collector.joined("gpu-1").await;

    let second = give(home.path());
    assert_eq!(shown(address).await, first, "nobody said that it changed");
    collector.collector().signal(Signal::HUP);
    let changed = async || match shown(address).await {
        pin if pin == second => Ok(()),
        pin => Err(pin.to_string()),
    };
    eventually("the new certificate", PATIENCE, changed).await;

    let good = std::fs::read(&key).expect("the key");
    for bad in ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        std::fs::write(&key, bad).expect("room");
        let n_before = refused(&mut collector);
        collector.collector().signal(Signal::HUP);
        let told = async || {
            if refused(&mut collector) > n_before { Ok(()) } else { Err("nothing".to_owned()) }
        };
        eventually("the log says that it stays", PATIENCE, told).await;
        assert_eq!(shown(address).await, second, "{bad:?}");
    }
    // Another key than the certificate's is as bad.
    give(home.path());
    std::fs::write(&key, good).expect("room");
    let n_before = refused(&mut collector);
    collector.collector().signal(Signal::HUP);
    let told = async || {
        if refused(&mut collector) > n_before { Ok(()) } else { Err("nothing".to_owned()) }
    };
    eventually("the log says that it stays", PATIENCE, told).await;
    assert_eq!(shown(address).await, second);
    // Whoever was connected has noticed nothing.
    assert_eq!(agent.log().matches("connected to").count(), 1, "{}", agent.log());
}

fn refused(collector: &mut Demanding) -> usize {
    collector.collector().log().matches("the key of TLS cannot be read: it stays as it was").count()
}
