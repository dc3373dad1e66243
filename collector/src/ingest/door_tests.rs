//! Agents that have to prove who they are, over a pair of channels and a real database.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use futures_channel::mpsc;
use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::codec::{decode_agent, decode_collector};
use herdbook_shared::wire::enrol::{Octets, Proof, proven, rekeyed};
use herdbook_shared::wire::fixtures::HELLO;
use herdbook_shared::wire::hello::Welcome;
use herdbook_shared::wire::{AgentMessage, enrol};
use tokio_util::sync::CancellationToken;

use crate::api::live::pipe::{Far, pipe};
use crate::config::{Enrol, Liveness};
use crate::enrol::{By, Docs, KeyState, TokenOrder};
use crate::ingest::Desk;
use crate::ingest::socket::{Ends, run};
use crate::registry::Registry;
use crate::secret::Secret;
use crate::store::Store;

use super::*;

const CHANNEL: ChannelSecret = ChannelSecret([7; 32]);
const ELSEWHERE: ChannelSecret = ChannelSecret([8; 32]);

/// A collector that demands credentials.
struct Collector {
    registry: Arc<Registry>,
    enrolment: Arc<Enrolment>,
    dir: tempfile::TempDir,
}

impl Collector {
    fn new(rule: Enrol) -> Self {
        Self::on(rule, tempfile::tempdir().unwrap())
    }

    fn on(rule: Enrol, dir: tempfile::TempDir) -> Self {
        let registry = Arc::new(Registry::new(Liveness::default()));
        let (store, loaded) = Store::open(dir.path()).unwrap();
        let docs = Docs { tokens: &loaded.join_tokens, keys: &loaded.agent_keys };
        let (store, registry2) = (Arc::new(store), Arc::clone(&registry));
        let enrolment = Enrolment::of_dir(dir.path(), (rule, Vec::new()), docs, store, registry2);
        Self { registry, enrolment: Arc::new(enrolment.unwrap()), dir }
    }

    /// The same directory, after a restart.
    async fn again(self, rule: Enrol) -> Self {
        let Self { enrolment, dir, .. } = self;
        // The database is let go of with the last reference.
        while Arc::strong_count(&enrolment) > 1 {
            tokio::task::yield_now().await;
        }
        drop(enrolment);
        Self::on(rule, dir)
    }

    async fn token(&self, uses: u32) -> Secret {
        let expires_at = Timestamp::from_unix_ms(i64::MAX / 2);
        let order = TokenOrder { uses, expires_at, name_pattern: None, from: None };
        self.enrolment.make_token(order, &ada()).await.unwrap().text
    }

    fn connect(&self, door: Door) -> Agent {
        let (socket, Far { to, from }) = pipe();
        let ends = Ends { remote: [10, 0, 0, 7].into(), local: None };
        let (registry, desk) = (Arc::clone(&self.registry), Desk::new("c"));
        let serving = run(socket, (ends, door), registry, desk, CancellationToken::new());
        Agent { to, from, connection: tokio::task::spawn_local(serving) }
    }

    fn door(&self) -> Door {
        Door::Proof(Arc::clone(&self.enrolment), CHANNEL, None)
    }

    /// Connects with this key and token, up to the answer.
    async fn join(&self, key: &Key, token: Option<&Secret>) -> (Agent, Option<CollectorMessage>) {
        let mut agent = self.connect(self.door());
        agent.say(&AgentMessage::Knock(key.knock(token.is_some()))).await;
        let answer = match agent.hear().await {
            Some(CollectorMessage::Challenge(challenge)) => {
                agent.say(&key.hello(&challenge.nonce, CHANNEL, token)).await;
                agent.hear().await
            }
            other => other,
        };
        (agent, answer)
    }
}

fn ada() -> By {
    By { actor: "ada".into(), from: None }
}

/// The agent's end.
struct Agent {
    to: mpsc::Sender<Result<Message, &'static str>>,
    from: mpsc::Receiver<Message>,
    connection: tokio::task::JoinHandle<()>,
}

impl Agent {
    async fn say(&mut self, message: &AgentMessage) {
        self.to.send(Ok(Message::Text(encode(message).into()))).await.unwrap();
    }

    async fn hear(&mut self) -> Option<CollectorMessage> {
        loop {
            match self.from.next().await? {
                Message::Text(text) => return Some(decode_collector(&text).unwrap()),
                Message::Close(_) => return None,
                _ => (),
            }
        }
    }
}

/// The key of an agent.
struct Key {
    pair: Ed25519KeyPair,
    host_id: String,
}

impl Key {
    fn of_host(n: u8) -> Self {
        let host_id = format!("0199f3a0-0000-7000-8000-0000000000{n:02x}");
        Self { pair: Ed25519KeyPair::generate().unwrap(), host_id }
    }

    fn public(&self) -> Octets<32> {
        Octets(self.pair.public_key().as_ref().try_into().unwrap())
    }

    fn fingerprint(&self) -> Fingerprint {
        let digest = digest(&SHA256, &self.public().0);
        Fingerprint::of_digest(digest.as_ref().try_into().unwrap())
    }

    fn sign(&self, message: &[u8]) -> Octets<64> {
        Octets(self.pair.sign(message).as_ref().try_into().unwrap())
    }

    fn knock(&self, has_token: bool) -> Knock {
        Knock { name: "gpu-1".to_owned(), fingerprint: self.fingerprint(), has_token }
    }

    fn hello(
        &self,
        nonce: &Octets<32>,
        channel: ChannelSecret,
        token: Option<&Secret>,
    ) -> AgentMessage {
        let AgentMessage::Hello(mut hello) = decode_agent(HELLO).unwrap() else { panic!() };
        let message = proven(nonce, &channel, &self.public(), &self.host_id);
        let token = token.map(|token| token.expose().to_owned());
        let (public_key, signature) = (self.public(), self.sign(&message));
        hello.proof = Some(Proof { public_key, signature, token });
        (hello.name, hello.host_id) = ("gpu-1".to_owned(), self.host_id.clone());
        AgentMessage::Hello(hello)
    }
}

fn code(answer: Option<CollectorMessage>) -> Option<RefusalCode> {
    match answer {
        Some(CollectorMessage::Refused(refused)) => Some(refused.code),
        _ => None,
    }
}

fn welcome(answer: Option<CollectorMessage>) -> Welcome {
    match answer {
        Some(CollectorMessage::Welcome(welcome)) => welcome,
        other => panic!("no welcome but {other:?}"),
    }
}

/// Runs a story on one thread, since the connections are local to it.
async fn story<F: Future<Output = ()>>(tell: F) {
    tokio::task::LocalSet::new().run_until(tell).await;
}

#[tokio::test]
async fn a_token_lets_a_host_in_and_its_key_does_from_then_on() {
    story(async {
        let collector = Collector::new(Enrol::Token);
        let (key, token) = (Key::of_host(1), collector.token(1).await);
        let (agent, answer) = collector.join(&key, Some(&token)).await;
        welcome(answer);
        assert_eq!(collector.registry.n_hosts(), 1);
        drop(agent.to);
        agent.connection.await.unwrap();
        let collector = collector.again(Enrol::Token).await;
        let (_again, answer) = collector.join(&key, None).await;
        welcome(answer);
        let (_, answer) = collector.join(&Key::of_host(2), Some(&token)).await;
        assert_eq!(code(answer), Some(RefusalCode::TokenRefused), "it was used up for ever");
        let (_, answer) = collector.join(&Key::of_host(2), None).await;
        assert_eq!(code(answer), Some(RefusalCode::UnknownKey));
    })
    .await;
}

#[tokio::test]
async fn a_hundred_agents_with_a_token_of_one_use_are_one_host() {
    story(async {
        let collector = Collector::new(Enrol::Token);
        let token = collector.token(1).await;
        let keys: Vec<Key> = (0..100).map(Key::of_host).collect();
        let joining = keys.iter().map(|key| collector.join(key, Some(&token)));
        let joined = futures_util::future::join_all(joining).await;
        let codes = joined.into_iter().map(|(agent, answer)| (agent, code(answer)));
        let codes: Vec<_> = codes.collect();
        assert_eq!(codes.iter().filter(|(_, code)| code.is_none()).count(), 1);
        assert_eq!(collector.registry.n_hosts(), 1);
        assert_eq!(collector.enrolment.agents(Timestamp::now()).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn who_does_not_knock_or_comes_without_tls_is_told_how() {
    story(async {
        let collector = Collector::new(Enrol::Open);
        for (door, words) in
            [(collector.door(), "herdbook-agent join"), (Door::NoWay, "https:// address")]
        {
            let mut agent = collector.connect(door);
            agent.say(&decode_agent(HELLO).unwrap()).await;
            let Some(CollectorMessage::Refused(refused)) = agent.hear().await else { panic!() };
            assert_eq!(refused.code, RefusalCode::CredentialsNeeded);
            assert!(refused.message.contains(words), "{}", refused.message);
        }
        assert_eq!(collector.registry.n_hosts(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_proof_of_another_connection_key_or_host_is_no_proof() {
    story(async {
        let collector = Collector::new(Enrol::Open);
        let (key, other) = (Key::of_host(1), Key::of_host(1));
        let (agent, answer) = collector.join(&key, None).await;
        welcome(answer);
        drop(agent);
        type Forge<'a> = Box<dyn Fn(&Octets<32>) -> AgentMessage + 'a>;
        let replayed = key.hello(&Octets([0; 32]), CHANNEL, None);
        let forged: [(&str, Forge<'_>); 5] = [
            ("a recording", Box::new(|_| replayed.clone())),
            ("of another channel", Box::new(|nonce| key.hello(nonce, ELSEWHERE, None))),
            ("by another key", Box::new(|nonce| other.hello(nonce, CHANNEL, None))),
            (
                "for another host",
                Box::new(|nonce| {
                    let AgentMessage::Hello(mut hello) = key.hello(nonce, CHANNEL, None) else {
                        panic!()
                    };
                    hello.host_id = Key::of_host(2).host_id;
                    AgentMessage::Hello(hello)
                }),
            ),
            ("no proof at all", Box::new(|_| decode_agent(HELLO).unwrap())),
        ];
        for (what, forge) in forged {
            let mut agent = collector.connect(collector.door());
            agent.say(&AgentMessage::Knock(key.knock(false))).await;
            let Some(CollectorMessage::Challenge(challenge)) = agent.hear().await else { panic!() };
            let mut hello = forge(&challenge.nonce);
            if let AgentMessage::Hello(hello) = &mut hello {
                hello.name = "gpu-1".to_owned();
            }
            agent.say(&hello).await;
            assert_eq!(code(agent.hear().await), Some(RefusalCode::BadProof), "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_waits_until_it_is_approved_and_has_told_no_more_than_name_and_fingerprint() {
    story(async {
        let collector = Collector::new(Enrol::Approve);
        let key = Key::of_host(1);
        let (_, answer) = collector.join(&key, None).await;
        assert_eq!(code(answer), Some(RefusalCode::Pending));
        let waiting = collector.enrolment.agents(Timestamp::now()).remove(0);
        assert_eq!((waiting.state, waiting.host_id), (KeyState::Pending, None));
        collector.enrolment.approve(key.fingerprint(), &ada()).await.unwrap();
        let collector = collector.again(Enrol::Approve).await;
        let (_agent, answer) = collector.join(&key, None).await;
        welcome(answer);
        let agent = collector.enrolment.agents(Timestamp::now()).remove(0);
        assert!(agent.connected);
        assert_eq!(agent.host_id.unwrap().as_str(), key.host_id);
    })
    .await;
}

#[tokio::test]
async fn who_is_revoked_is_turned_out_and_stays_out() {
    story(async {
        let collector = Collector::new(Enrol::Open);
        let key = Key::of_host(1);
        let (mut agent, answer) = collector.join(&key, None).await;
        welcome(answer);
        collector.enrolment.revoke(key.fingerprint(), &ada()).await.unwrap();
        assert_eq!(code(agent.hear().await), Some(RefusalCode::Revoked));
        agent.connection.await.unwrap();
        let (_, answer) = collector.join(&key, None).await;
        assert_eq!(code(answer), Some(RefusalCode::Revoked));
        // A database from before it takes the place of this one.
        let collector = collector.again(Enrol::Open).await;
        let dir = collector.dir.path().to_owned();
        let collector = {
            let Collector { enrolment, dir: keep, .. } = collector;
            drop(enrolment);
            std::fs::remove_file(dir.join("state.db")).unwrap();
            Collector::on(Enrol::Open, keep)
        };
        let (_, answer) = collector.join(&key, None).await;
        assert_eq!(code(answer), Some(RefusalCode::Revoked));
    })
    .await;
}

#[tokio::test]
async fn an_agent_gets_another_key_and_the_old_one_counts_no_more() {
    story(async {
        let collector = Collector::new(Enrol::Token);
        let token = collector.token(2).await;
        let (old, new) = (Key::of_host(1), Key::of_host(1));
        let (agent, answer) = collector.join(&old, Some(&token)).await;
        assert!(!welcome(answer).rotate_key);
        drop(agent);
        collector.enrolment.rotate(old.fingerprint(), &ada()).await.unwrap();

        let mut agent = collector.connect(collector.door());
        agent.say(&AgentMessage::Knock(old.knock(false))).await;
        let Some(CollectorMessage::Challenge(challenge)) = agent.hear().await else { panic!() };
        agent.say(&old.hello(&challenge.nonce, CHANNEL, None)).await;
        assert!(welcome(agent.hear().await).rotate_key);
        let message = rekeyed(&challenge.nonce, &CHANNEL, &new.public());
        let rekey = enrol::Rekey {
            public_key: new.public(),
            signature_by_old: old.sign(&message),
            signature_by_new: new.sign(&message),
        };
        agent.say(&AgentMessage::Rekey(rekey)).await;
        let Some(CollectorMessage::Rekeyed(told)) = agent.hear().await else { panic!() };
        assert_eq!(told.fingerprint, new.fingerprint());
        let again = Key::of_host(1);
        let message = rekeyed(&challenge.nonce, &CHANNEL, &again.public());
        let rekey = enrol::Rekey {
            public_key: again.public(),
            signature_by_old: new.sign(&message),
            signature_by_new: again.sign(&message),
        };
        agent.say(&AgentMessage::Rekey(rekey)).await;
        let refused = code(agent.hear().await);
        assert_eq!(refused, Some(RefusalCode::TooManyErrors), "not twice within an hour");

        let (_, answer) = collector.join(&old, None).await;
        assert_eq!(code(answer), Some(RefusalCode::UnknownKey));
        drop(agent);
        let collector = collector.again(Enrol::Token).await;
        let (_agent, answer) = collector.join(&new, None).await;
        assert!(!welcome(answer).rotate_key);
    })
    .await;
}

#[tokio::test]
async fn where_nothing_is_demanded_a_knock_is_answered_and_no_proof_looked_at() {
    story(async {
        let collector = Collector::new(Enrol::Token);
        let key = Key::of_host(1);
        let mut agent = collector.connect(Door::Open);
        agent.say(&AgentMessage::Knock(key.knock(false))).await;
        let Some(CollectorMessage::Challenge(challenge)) = agent.hear().await else { panic!() };
        agent.say(&key.hello(&challenge.nonce, ELSEWHERE, None)).await;
        welcome(agent.hear().await);
    })
    .await;
}
