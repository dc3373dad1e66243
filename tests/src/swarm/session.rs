//! One session of a simulated agent: the socket, hello and welcome, and what is said from there on.
//! Whoever owns it knows the host.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use herdbook_agent::link::transport::Transport;
use herdbook_shared::wire::codec::{decode_collector, encode, split};
use herdbook_shared::wire::hello::{Goodbye, GoodbyeReason, Hello, Refused, Welcome};
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::{AgentMessage, CollectorMessage, SUBPROTOCOL};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The socket of an agent.
pub type Socket = WebSocketStream<Transport>;

/// How long a collector may take to upgrade a connection and to answer a hello.
const ANSWER: Duration = Duration::from_secs(20);

/// Why a simulated agent could not join, or why its session ended.
#[derive(Debug)]
pub enum Ended {
    /// The connection failed or was lost.
    Lost(String),
    /// The collector said why.
    Refused(Refused),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(why) => write!(f, "lost: {why}"),
            Self::Refused(refused) => write!(f, "refused: {refused:?}"),
        }
    }
}

impl From<tungstenite::Error> for Ended {
    fn from(error: tungstenite::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// An open session.
#[derive(Debug)]
pub struct Session {
    socket: Socket,
    welcome: Welcome,
}

/// Opens an agent's WebSocket and says nothing on it.
///
/// # Errors
///
/// Where the collector cannot be reached or does not upgrade.
pub async fn dial(collector: SocketAddr) -> Result<Socket, Ended> {
    let lost = |error: &dyn std::fmt::Display| Ended::Lost(error.to_string());
    let stream = TcpStream::connect(collector).await.map_err(|e| lost(&e))?;
    stream.set_nodelay(true).map_err(|e| lost(&e))?;
    let mut request = format!("ws://{collector}/api/v1/agent").into_client_request()?;
    let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
    request.headers_mut().insert("sec-websocket-protocol", subprotocol);
    // Thousands of these share one process: small buffers, no copies kept.
    let config = WebSocketConfig::default().read_buffer_size(2048).write_buffer_size(0);
    let stream = Transport::Plain(stream);
    let upgraded = timeout(ANSWER, client_async_with_config(request, stream, Some(config))).await;
    let (socket, _) = upgraded.map_err(|e| lost(&e))??;
    Ok(socket)
}

/// The next message on `socket`, `None` where it ended without one.
///
/// # Errors
///
/// Where the connection is lost, or nothing comes in time.
pub async fn next_message(socket: &mut Socket) -> Result<Option<CollectorMessage>, Ended> {
    // One deadline over all frames: pings are no answer.
    let answer = timeout(ANSWER, first_message(socket)).await;
    answer.map_err(|_| Ended::Lost("no answer in time".to_owned()))?
}

async fn first_message(socket: &mut Socket) -> Result<Option<CollectorMessage>, Ended> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let message = decode_collector(&text).map_err(|e| Ended::Lost(e.to_string()))?;
                return Ok(Some(message));
            }
            Some(Ok(Message::Close(_))) | None => return Ok(None),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

impl Session {
    /// One that was opened already.
    pub(super) fn of(socket: Socket, welcome: Welcome) -> Self {
        Self { socket, welcome }
    }

    /// Connects and says who is there.
    ///
    /// # Errors
    ///
    /// Where the collector cannot be reached or refuses the host.
    pub async fn open(collector: SocketAddr, hello: Hello) -> Result<Self, Ended> {
        let mut socket = dial(collector).await?;
        let hello = AgentMessage::Hello(Box::new(hello));
        socket.send(Message::text(encode(&hello))).await?;
        match next_message(&mut socket).await? {
            Some(CollectorMessage::Welcome(welcome)) => Ok(Self { socket, welcome }),
            Some(CollectorMessage::Refused(refused)) => Err(Ended::Refused(refused)),
            other => Err(Ended::Lost(format!("expected a welcome, got {other:?}"))),
        }
    }

    /// How the collector took the host in.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Says something.
    ///
    /// # Errors
    ///
    /// Where the connection is lost.
    pub async fn send(&mut self, message: &AgentMessage) -> Result<(), Ended> {
        Ok(self.socket.send(Message::text(encode(message))).await?)
    }

    /// Says what a host has, in as many parts as it takes.
    ///
    /// # Errors
    ///
    /// Where the connection is lost.
    pub async fn send_inventory(&mut self, inventory: Inventory) -> Result<(), Ended> {
        for part in split(inventory) {
            self.send(&AgentMessage::Inventory(Box::new(part))).await?;
        }
        Ok(())
    }

    /// Says something that is no message, and returns how the session ends.
    pub async fn say(mut self, frame: &str) -> Ended {
        if let Err(error) = self.socket.send(Message::text(frame.to_owned())).await {
            return error.into();
        }
        match next_message(&mut self.socket).await {
            Ok(Some(CollectorMessage::Refused(refused))) => Ended::Refused(refused),
            Ok(other) => Ended::Lost(format!("expected a refusal, got {other:?}")),
            Err(ended) => ended,
        }
    }

    /// Reads, which also answers the collector's pings, until the session ends. May be dropped and
    /// called again: nothing is lost between.
    pub async fn end(&mut self) -> Ended {
        loop {
            if let Some(ended) = end_of(self.socket.next().await) {
                return ended;
            }
        }
    }

    /// Takes leave.
    ///
    /// # Errors
    ///
    /// Where the connection is lost.
    pub async fn goodbye(mut self, reason: GoodbyeReason) -> Result<(), Ended> {
        let session_id = self.welcome.session_id.clone();
        self.send(&AgentMessage::Goodbye(Goodbye { reason, session_id })).await?;
        Ok(self.socket.close(None).await?)
    }
}

fn end_of(frame: Option<Result<Message, tungstenite::Error>>) -> Option<Ended> {
    match frame {
        Some(Ok(Message::Text(text))) => match decode_collector(&text) {
            Ok(CollectorMessage::Refused(refused)) => Some(Ended::Refused(refused)),
            _ => None,
        },
        Some(Ok(Message::Close(close))) => Some(Ended::Lost(format!("closed: {close:?}"))),
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.into()),
        None => Some(Ended::Lost("ended".to_owned())),
    }
}
