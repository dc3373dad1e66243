//! A receiver of webhooks on a port of its own, which notes what it gets and answers as told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Whole, from the first line on.
    Says(String),
    /// Never answers.
    Hangs,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// See the module's words. It ends with the test.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    _tasks: JoinSet<()>,
}

pub(crate) fn says(status: &str, headers: &str, body: &str) -> Answer {
    let len = body.len();
    Answer::Says(format!("HTTP/1.1 {status}\r\n{headers}content-length: {len}\r\n\r\n{body}"))
}

impl Receiver {
    /// Answers the first requests with these, and all after them with 200.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (seen, answers) = (Arc::clone(&got), Arc::new(Mutex::new(VecDeque::from(answers))));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                connections.spawn(async move {
                    let next = || answers.lock().unwrap().pop_front();
                    serve(stream, &seen, next).await;
                });
            }
        });
        Self { address, got, _tasks: tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    pub(crate) async fn gets(&self, n: usize) -> Vec<Got> {
        let started = Instant::now();
        while self.got().len() < n {
            assert!(started.elapsed() < Duration::from_secs(20), "{:?}", self.got());
            sleep(Duration::from_millis(10)).await;
        }
        self.got()
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: &Mutex<Vec<Got>>,
    next: impl FnOnce() -> Option<Answer>,
) {
    let mut text = String::new();
    let (head, body) = loop {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap_or(0);
        if n == 0 {
            return;
        }
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= len.map_or(0, |len| len.parse().unwrap()) {
            break (head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null));
        }
    };
    seen.lock().unwrap().push(Got { head, body });
    match next().unwrap_or_else(|| says("200 OK", "", "ok")) {
        Answer::Says(answer) => drop(stream.write_all(answer.as_bytes()).await),
        Answer::Hangs => std::future::pending().await,
    }
}
