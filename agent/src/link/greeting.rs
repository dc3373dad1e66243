//! How a conversation begins, within a deadline. Over TLS: a knock, a challenge, then a hello with
//! the proof that the agent has its key. On this machine: the hello alone. Then a welcome or a
//! refusal.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::enrol::{Knock, Octets, Proof, proven};
use herdbook_shared::wire::hello::{Hello, Welcome};
use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

pub use super::inbound::Inbound;
pub use super::rekeying::Opened;
use super::{End, Socket};
use crate::enrol::Channel;
use crate::key::Key;

/// From the first word to the welcome.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How the agent shows who it is over TLS.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The key that it signs with.
    pub key: &'a Key,
    /// What both ends know of the connection.
    pub channel: Channel,
    /// What lets it join. A secret, told with the proof only.
    pub token: Option<&'a str>,
}

/// How a conversation began.
#[derive(Debug)]
pub struct Greeted {
    /// What the collector said.
    pub welcome: Welcome,
    /// What came in, counted on in the session.
    pub inbound: Inbound,
    /// What was signed, where something was.
    pub opened: Option<Opened>,
}

/// Says hello, with a proof where there are `credentials`, and waits to be welcomed.
///
/// # Errors
///
/// Why there is no session.
pub async fn greet(
    socket: &mut impl Socket,
    hello: &Hello,
    credentials: Option<Credentials<'_>>,
) -> Result<Greeted, End> {
    greet_watched(socket, hello, credentials, || ()).await
}

/// The same; `challenged` is called between the collector's challenge and the hello.
pub(super) async fn greet_watched(
    socket: &mut impl Socket,
    hello: &Hello,
    credentials: Option<Credentials<'_>>,
    challenged: impl FnOnce(),
) -> Result<Greeted, End> {
    let greeted = timeout(DEADLINE, exchange(socket, hello, credentials, challenged)).await;
    greeted.unwrap_or(Err(End::NoWelcome))
}

async fn exchange(
    socket: &mut impl Socket,
    hello: &Hello,
    credentials: Option<Credentials<'_>>,
    challenged: impl FnOnce(),
) -> Result<Greeted, End> {
    let mut inbound = Inbound::new(Instant::now());
    let mut hello = hello.clone();
    let mut opened = None;
    if let Some(credentials) = credentials {
        let nonce = knock(socket, &mut inbound, &hello.name, &credentials).await?;
        challenged();
        hello.proof = Some(proof(&credentials, &nonce, &hello.host_id));
        opened = Some(Opened { nonce, secret: credentials.channel.secret });
    }
    let offered = hello.protocol.min..=hello.protocol.max;
    say(socket, &AgentMessage::Hello(Box::new(hello))).await?;
    loop {
        let frame = socket.next().await;
        if let Some(CollectorMessage::Welcome(welcome)) = inbound.read(frame, Instant::now())? {
            if !offered.contains(&welcome.protocol) {
                return Err(End::Protocol(welcome.protocol));
            }
            return Ok(Greeted { welcome, inbound, opened });
        }
    }
}

/// Tells the name and the key's fingerprint, and nothing else until the collector asks for more.
async fn knock(
    socket: &mut impl Socket,
    inbound: &mut Inbound,
    name: &str,
    credentials: &Credentials<'_>,
) -> Result<Octets<32>, End> {
    let knock = Knock {
        name: name.to_owned(),
        fingerprint: credentials.key.fingerprint(),
        has_token: credentials.token.is_some(),
    };
    say(socket, &AgentMessage::Knock(knock)).await?;
    loop {
        let frame = socket.next().await;
        match inbound.read(frame, Instant::now())? {
            Some(CollectorMessage::Challenge(challenge)) => return Ok(challenge.nonce),
            Some(CollectorMessage::Welcome(_)) => {
                return Err(End::Misbehaved("a welcome before it asked for a proof"));
            }
            _ => {}
        }
    }
}

fn proof(credentials: &Credentials<'_>, nonce: &Octets<32>, host_id: &str) -> Proof {
    let public_key = credentials.key.public_key();
    let signed = proven(nonce, &credentials.channel.secret, &public_key, host_id);
    Proof {
        public_key,
        signature: credentials.key.sign(&signed),
        token: credentials.token.map(str::to_owned),
    }
}

async fn say(socket: &mut impl Socket, message: &AgentMessage) -> Result<(), End> {
    socket.send(Message::text(encode(message))).await.map_err(End::Lost)
}
