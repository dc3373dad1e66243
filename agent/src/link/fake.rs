//! For tests: a host that counts what is asked of it, and a collector at the other end of an
//! in-memory socket that really speaks WebSocket.

use std::net::IpAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use herdbook_shared::ids::{InstanceId, SessionId};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::codec::{decode_agent, encode};
use herdbook_shared::wire::hello::{Hello, ProtocolRange, Welcome};
use herdbook_shared::wire::inventory::Inventory;
use herdbook_shared::wire::sample::Sample;
use herdbook_shared::wire::{AgentMessage, CollectorMessage};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::HostView;
use super::dial::socket_config;
use crate::sampling::Depth;

/// A socket in memory.
pub(super) type MemorySocket = WebSocketStream<DuplexStream>;

/// A host whose samples tell how they were asked for: `load1` is 1 in a complete one.
#[derive(Debug)]
pub(super) struct FakeView {
    pub(super) revision: Option<u64>,
    pub(super) n_samples: u64,
    pub(super) n_inventories: u64,
}

impl Default for FakeView {
    fn default() -> Self {
        Self { revision: Some(1), n_samples: 0, n_inventories: 0 }
    }
}

impl HostView for FakeView {
    fn connected(&mut self, _own_end: Option<IpAddr>, _now: Instant) {}

    fn sample(&mut self, depth: Depth, _now: Instant) -> Sample {
        self.n_samples += 1;
        let load1 = Some(if depth == Depth::Complete { 1.0 } else { 0.0 });
        Sample { seq: self.n_samples, load1, ..Sample::default() }
    }

    fn revision(&mut self, _now: Instant) -> Option<u64> {
        self.revision
    }

    fn inventory(&mut self) -> Inventory {
        self.n_inventories += 1;
        Inventory::empty()
    }
}

pub(super) fn hello() -> Hello {
    Hello {
        protocol: ProtocolRange { min: 1, max: 1 },
        capabilities: Vec::new(),
        host_id: "0199f3a0-0000-7000-8000-0000000000ab".to_owned(),
        instance_id: InstanceId::random(),
        boot_id: String::new(),
        agent_version: String::new(),
        name: "gpu-1".to_owned(),
        role: "worker".to_owned(),
        labels: Default::default(),
        sample_interval_ms: 1000,
        proof: None,
    }
}

pub(super) fn welcome() -> Welcome {
    Welcome {
        collector_id: "c".to_owned(),
        session_id: SessionId::from_text("s"),
        protocol: 1,
        sample_interval_ms: 1000,
        reconnect_spread_ms: 500,
        server_time: Timestamp::default(),
        pins: Vec::new(),
        rotate_key: false,
    }
}

/// An agent's socket and its collector, `bytes` fitting between them.
pub(super) async fn pair(bytes: usize) -> (MemorySocket, FakeCollector) {
    let (near, far) = duplex(bytes);
    let agent = WebSocketStream::from_raw_socket(near, Role::Client, Some(socket_config())).await;
    let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    (agent, FakeCollector { socket: far })
}

/// The collector's end.
pub(super) struct FakeCollector {
    pub(super) socket: MemorySocket,
}

impl FakeCollector {
    pub(super) async fn say(&mut self, message: &CollectorMessage) {
        self.send(Message::text(encode(message))).await;
    }

    pub(super) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next message; none once the agent has closed. Pings are passed over.
    pub(super) async fn hear(&mut self) -> Option<AgentMessage> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) => return Some(decode_agent(text.as_str()).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    pub(super) async fn hear_sample(&mut self) -> Sample {
        loop {
            if let AgentMessage::Sample(sample) = self.hear().await.unwrap() {
                return *sample;
            }
        }
    }

    /// Hears the hello and welcomes.
    pub(super) async fn accept(&mut self) -> Hello {
        let Some(AgentMessage::Hello(hello)) = self.hear().await else { panic!("expected hello") };
        self.say(&CollectorMessage::Welcome(welcome())).await;
        *hello
    }
}
