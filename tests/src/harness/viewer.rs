//! A viewer of the live feed: it reads all that comes and keeps what it folds to.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::fold::Folded;
use super::wait::eventually;

type Socket = WebSocketStream<TcpStream>;

/// How long the collector may take for the first snapshot.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(15);

/// One open live feed.
#[derive(Debug)]
pub struct Viewer {
    folded: Arc<Mutex<Folded>>,
    ended: Arc<Mutex<Option<String>>>,
    sink: SplitSink<Socket, Message>,
    _reader: JoinSet<()>,
}

/// Opens the live feed of the collector at `address` and reads nothing from it: its small buffer
/// is full at once.
///
/// # Panics
///
/// Where the collector does not upgrade the request.
pub async fn open_stalled(address: SocketAddr) -> Socket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    upgrade(socket.connect(address).await, address, "full").await
}

async fn upgrade(stream: io::Result<TcpStream>, address: SocketAddr, view: &str) -> Socket {
    let stream = stream.expect("a connection to the collector");
    let url = format!("ws://{address}/api/v1/live?view={view}");
    match tokio_tungstenite::client_async(&url, stream).await {
        Ok((socket, _)) => socket,
        Err(error) => panic!("the live feed was refused: {error}"),
    }
}

impl Viewer {
    /// Opens the live feed and waits for its first snapshot.
    ///
    /// # Panics
    ///
    /// Where no snapshot comes.
    pub async fn open(address: SocketAddr, view: &str) -> Self {
        let stream = TcpStream::connect(address).await;
        let (sink, stream) = upgrade(stream, address, view).await.split();
        let folded = Arc::new(Mutex::new(Folded::default()));
        let ended = Arc::new(Mutex::new(None));
        let mut reader = JoinSet::new();
        reader.spawn(read(stream, Arc::clone(&folded), Arc::clone(&ended)));
        let viewer = Self { folded, ended, sink, _reader: reader };
        let snapshot = async || match viewer.look(|folded| folded.n_snapshots) {
            0 => Err(format!("no frame; end: {:?}", viewer.ended())),
            _ => Ok(()),
        };
        eventually("the first snapshot", FIRST_SNAPSHOT, snapshot).await;
        viewer
    }

    /// What it knows now.
    ///
    /// # Panics
    ///
    /// Where the reader panicked.
    #[must_use]
    pub fn folded(&self) -> Folded {
        self.look(Folded::clone)
    }

    /// A glance without a copy, for what is asked again and again.
    fn look<T>(&self, at: impl FnOnce(&Folded) -> T) -> T {
        at(&self.folded.lock().expect("the reader lives"))
    }

    /// Why the feed ended, if it did.
    ///
    /// # Panics
    ///
    /// Where the reader panicked.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        self.ended.lock().expect("the reader lives").clone()
    }

    /// The status of one host, `gone` where it is not listed.
    #[must_use]
    pub fn status(&self, host_id: &str) -> String {
        let status = |host: &Value| host["status"].as_str().unwrap_or("?").to_owned();
        self.look(|folded| folded.hosts.get(host_id).map_or_else(|| "gone".to_owned(), status))
    }

    /// The types of all changes that named this host, in order.
    #[must_use]
    pub fn changes_of(&self, host_id: &str) -> Vec<String> {
        self.look(|folded| {
            let of_host = folded.changes.iter().filter(|change| change["host_id"] == host_id);
            of_host.filter_map(|change| change["type"].as_str().map(str::to_owned)).collect()
        })
    }

    /// The types of all changes that named this service, in order.
    #[must_use]
    pub fn changes_of_service(&self, service_id: &str) -> Vec<String> {
        self.told_of_service(service_id).into_iter().map(|change| word(&change["type"])).collect()
    }

    /// All changes that named this service, in order.
    #[must_use]
    pub fn told_of_service(&self, service_id: &str) -> Vec<Value> {
        self.look(|folded| {
            let changes = folded.changes.iter();
            changes.filter(|change| change["service_id"] == service_id).cloned().collect()
        })
    }

    /// Waits until a change of this type named this service, and returns the first.
    ///
    /// # Panics
    ///
    /// When `within` is over.
    pub async fn tells(&self, service_id: &str, kind: &str, within: Duration) -> Value {
        let look = async || {
            let told = self.told_of_service(service_id);
            let found = told.into_iter().find(|change| change["type"] == kind);
            found.ok_or_else(|| format!("{:?}", self.changes_of_service(service_id)))
        };
        eventually(&format!("{kind} of {service_id}"), within, look).await
    }

    /// How many changes of this type came, of whatever host.
    #[must_use]
    pub fn n_changes(&self, kind: &str) -> usize {
        self.look(|folded| folded.changes.iter().filter(|change| change["type"] == kind).count())
    }

    /// How many samples of this host came.
    #[must_use]
    pub fn n_samples(&self, host_id: &str) -> u64 {
        self.look(|folded| folded.n_samples.get(host_id).copied().unwrap_or_default())
    }

    /// Asks for the samples of these hosts.
    ///
    /// # Panics
    ///
    /// Where the feed has ended.
    pub async fn watch(&mut self, host_ids: &[&str]) {
        let watch =
            json!({"type": "watch", "hosts": host_ids, "services": [], "samples_per_second": 2});
        self.sink.send(Message::text(watch.to_string())).await.expect("an open feed");
    }

    /// Waits until the host has this status.
    ///
    /// # Panics
    ///
    /// When `within` is over.
    pub async fn becomes(&self, host_id: &str, status: &str, within: Duration) {
        let what = format!("host {host_id} {status}");
        let look = async || match self.status(host_id) {
            seen if seen == status => Ok(()),
            seen => Err(format!("{seen}, after {:?}", self.changes_of(host_id))),
        };
        eventually(&what, within, look).await;
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

async fn read(
    mut stream: SplitStream<Socket>,
    folded: Arc<Mutex<Folded>>,
    ended: Arc<Mutex<Option<String>>>,
) {
    let end = loop {
        let text = match stream.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(close))) => break format!("closed: {close:?}"),
            Some(Ok(_)) => continue,
            Some(Err(error)) => break format!("lost: {error}"),
            None => break "ended".to_owned(),
        };
        let mut folded = folded.lock().expect("one reader");
        match serde_json::from_str::<Value>(&text) {
            Ok(frame) => folded.take(&frame),
            Err(_) => folded.faults.push(format!("no JSON: {text}")),
        }
    };
    *ended.lock().expect("one reader") = Some(end);
}
