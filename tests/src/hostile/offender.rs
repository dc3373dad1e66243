//! An enrolled agent that does everything at once that it may not, and the most of what it may, over
//! a hundred connections; whatever it is told, it comes again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_agent::link::End;
use herdbook_shared::limits;
use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::codec::{decode_collector, encode, split};
use herdbook_shared::wire::{CollectorMessage, enrol};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::member::{Member, Socket, say};
use super::too_much;

/// How long it waits before it comes again, whatever it was asked.
const PAUSE: Duration = Duration::from_millis(500);
/// How long one assault may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of one kind it sends on one connection.
const N_OF_A_KIND: usize = 300;

/// Its ways, one after the other on each connection.
const WAYS: [Way; 14] = [
    Way::Most,
    Way::EndlessParts,
    Way::Missing,
    Way::Deep,
    Way::ManySmall,
    Way::Flood,
    Way::Pings,
    Way::TooLarge,
    Way::Claimed,
    Way::Fragments,
    Way::Binary,
    Way::UnknownTypes,
    Way::Keys,
    Way::Silent,
];

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Every maximum, all of it allowed.
    Most,
    /// Parts of an inventory that never ends.
    EndlessParts,
    /// A map that fills a frame.
    Missing,
    /// What is nested too deep.
    Deep,
    /// A list of a hundred thousand empty words.
    ManySmall,
    /// Samples as fast as they go.
    Flood,
    /// The largest pings as fast as they go.
    Pings,
    /// A frame over the limit.
    TooLarge,
    /// A frame that claims to be of 2^62 bytes.
    Claimed,
    /// A message in pieces without an end.
    Fragments,
    /// No text.
    Binary,
    /// Types of no version.
    UnknownTypes,
    /// Another key, again and again, with signatures that do not hold.
    Keys,
    /// An open session in which nothing is said.
    Silent,
}

/// What it was told, by word, and how often.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<BTreeMap<String, u64>>>);

impl Told {
    fn count(&self, word: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *told.entry(word.to_owned()).or_default() += 1;
    }

    /// All of it.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sets it loose over so many connections; it goes on until what is returned is dropped.
pub fn set_loose(member: &Arc<Member>, n_connections: usize, told: &Told) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    for n in 0..n_connections {
        connections.spawn(offend(Arc::clone(member), n, told.clone()));
    }
    connections
}

async fn offend(member: Arc<Member>, first: usize, told: Told) {
    for way in WAYS.iter().cycle().skip(first % WAYS.len()) {
        let word = match member.connect_as(&too_much::hello(&member.host)).await {
            Ok((mut socket, _)) => {
                told.count("welcome");
                // It may have hung up meanwhile, and then said why.
                let _ = timeout(PATIENCE, assault(&mut socket, *way, &member)).await;
                last_word(&mut socket).await
            }
            Err(End::Refused(refused)) => encode(&refused.code),
            Err(end) => end.to_string(),
        };
        told.count(word.trim_matches('"'));
        sleep(PAUSE).await;
    }
}

async fn assault(socket: &mut Socket, way: Way, member: &Member) -> Result<(), Error> {
    let mut host = member.host.clone();
    match way {
        Way::Most => {
            for part in split(too_much::inventory(&host)) {
                say(socket, &AgentMessage::Inventory(Box::new(part))).await?;
            }
            for _ in 0..20 {
                say(socket, &AgentMessage::Sample(Box::new(too_much::sample(&mut host)))).await?;
            }
            Ok(())
        }
        Way::EndlessParts => {
            for part in too_much::endless_parts(&host) {
                socket.send(Message::text(part)).await?;
            }
            sleep(PATIENCE).await;
            Ok(())
        }
        Way::Missing => again(socket, Message::text(too_much::missing(&mut host))).await,
        Way::Deep => again(socket, Message::text(too_much::deep())).await,
        Way::ManySmall => again(socket, Message::text(too_much::many_small())).await,
        Way::Flood => {
            let sample = encode(&AgentMessage::Sample(Box::new(host.sample())));
            again(socket, Message::text(sample)).await
        }
        Way::Pings => again(socket, Message::Ping(vec![7; 125].into())).await,
        Way::TooLarge => again(socket, Message::text("x".repeat(limits::FRAME_BYTES + 1))).await,
        Way::Claimed => raw(socket, &claimed()).await,
        Way::Fragments => raw(socket, &fragments()).await,
        Way::Binary => again(socket, Message::binary(vec![0; limits::FRAME_BYTES])).await,
        Way::UnknownTypes => again(socket, Message::text(r#"{"type":"gossip"}"#)).await,
        Way::Keys => again(socket, Message::text(encode(&bad_rekey()))).await,
        Way::Silent => {
            sleep(PATIENCE).await;
            Ok(())
        }
    }
}

async fn again(socket: &mut Socket, message: Message) -> Result<(), Error> {
    for _ in 0..N_OF_A_KIND {
        socket.send(message.clone()).await?;
    }
    Ok(())
}

/// Past the library that knows how frames are made.
async fn raw(socket: &mut Socket, bytes: &[u8]) -> Result<(), Error> {
    socket.get_mut().write_all(bytes).await?;
    socket.get_mut().flush().await?;
    sleep(PATIENCE).await;
    Ok(())
}

/// The head of a text frame of 2^62 bytes, and its first kilobyte (RFC 6455, 5.2).
fn claimed() -> Vec<u8> {
    let mut bytes = vec![0x81, 0x80 | 127];
    bytes.extend((1_u64 << 62).to_be_bytes());
    bytes.extend([0; 4 + 1024]);
    bytes
}

/// The beginning of a message and a thousand empty pieces after it, none of them the last.
fn fragments() -> Vec<u8> {
    let begins = [0x01, 0x80, 0, 0, 0, 0];
    let goes_on = [0x00, 0x80, 0, 0, 0, 0];
    [begins.to_vec(), goes_on.repeat(1_000)].concat()
}

fn bad_rekey() -> AgentMessage {
    let (public_key, signature) = (enrol::Octets([7; 32]), enrol::Octets([7; 64]));
    AgentMessage::Rekey(enrol::Rekey {
        public_key,
        signature_by_old: signature,
        signature_by_new: signature,
    })
}

/// Why the collector ended it, where it said so.
async fn last_word(socket: &mut Socket) -> String {
    let listening = async {
        while let Some(Ok(frame)) = socket.next().await {
            if let Message::Text(text) = frame
                && let Ok(CollectorMessage::Refused(refused)) = decode_collector(&text)
            {
                return encode(&refused.code);
            }
        }
        "cut off".to_owned()
    };
    timeout(PAUSE, listening).await.unwrap_or_else(|_| "still there".to_owned())
}
