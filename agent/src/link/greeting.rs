//! How a conversation begins: hello, then a welcome or a refusal within a deadline.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::hello::{Hello, Welcome};
use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

pub use super::inbound::Inbound;
use super::{End, Socket};

/// From the hello to the answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Says hello and waits to be welcomed. What came in is counted on in the session.
///
/// # Errors
///
/// Why there is no session.
pub async fn greet(socket: &mut impl Socket, hello: &Hello) -> Result<(Welcome, Inbound), End> {
    timeout(DEADLINE, exchange(socket, hello)).await.unwrap_or(Err(End::NoWelcome))
}

async fn exchange(socket: &mut impl Socket, hello: &Hello) -> Result<(Welcome, Inbound), End> {
    let message = AgentMessage::Hello(Box::new(hello.clone()));
    socket.send(Message::text(encode(&message))).await.map_err(End::Lost)?;
    let mut inbound = Inbound::new(Instant::now());
    loop {
        let frame = socket.next().await;
        if let Some(CollectorMessage::Welcome(welcome)) = inbound.read(frame, Instant::now())? {
            let offered = hello.protocol.min..=hello.protocol.max;
            if !offered.contains(&welcome.protocol) {
                return Err(End::Protocol(welcome.protocol));
            }
            return Ok((welcome, inbound));
        }
    }
}
