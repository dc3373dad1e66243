//! A collector that demands credentials: TLS on one port, for agents, and plain HTTP on loopback for
//! the story's own questions, which come with a token of an admin.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use herdbook_agent::enrol::JoinLine;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::program::{built, command};
use crate::harness::{Program, Rest, eventually};
use crate::swarm::usage::{memory, n_open};

/// How long a program may take to start on a machine that is busy with other stories.
const START: Duration = Duration::from_secs(30);

/// See the module's words.
#[derive(Debug)]
pub struct House {
    // The program goes before the directory that it writes to.
    collector: Program,
    tls: SocketAddr,
    plain: SocketAddr,
    bearer: String,
    dir: TempDir,
}

impl House {
    /// Starts one with an empty data directory, for agents on this very machine.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST).await
    }

    /// The same for agents that dial `address`, one of this machine.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub async fn start_on(address: Ipv4Addr) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let settings = dir.path().join("collector.toml");
        std::fs::write(&settings, "announce = false\n").expect("a file of settings");
        let mut start = command(&built("herdbook-collector"), dir.path());
        start.args(["--listen", "0.0.0.0:0", "--listen", "127.0.0.1:0", "--data-dir"]);
        start.arg(dir.path().join("data")).arg("--config").arg(settings);
        let mut collector = Program::start("collector", start, dir.path());
        let listening = async || {
            assert!(collector.is_running(), "the collector ended: {}", collector.log_tail());
            let out = collector.out();
            let ports = (port_of(&out, "https"), port_of(&out, "http"));
            let (Some(tls), Some(plain)) = ports else { return Err(format!("stdout {out:?}")) };
            Ok((tls, plain))
        };
        let (tls, plain) = eventually("the collector's ready lines", START, listening).await;
        let (tls, plain) =
            (SocketAddr::from((address, tls)), SocketAddr::from((Ipv4Addr::LOCALHOST, plain)));
        let mut house = Self { collector, tls, plain, bearer: String::new(), dir };
        let token = house.told(&["token", "create", "--role", "admin", "--name", "story"]).await;
        house.bearer = format!("Bearer {}", word_with(&token, "hbt_"));
        house
    }

    /// Where agents dial.
    #[must_use]
    pub fn tls(&self) -> SocketAddr {
        self.tls
    }

    /// Where questions are asked.
    #[must_use]
    pub fn plain(&self) -> SocketAddr {
        self.plain
    }

    /// What its admin shows, as the value of `Authorization`.
    #[must_use]
    pub fn bearer(&self) -> &str {
        &self.bearer
    }

    /// The collector's process.
    #[must_use]
    pub fn collector(&mut self) -> &mut Program {
        &mut self.collector
    }

    /// A directory that goes with it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the collector's program prints when it is asked this on the control socket.
    ///
    /// # Panics
    ///
    /// Where it refuses.
    pub async fn told(&self, arguments: &[&str]) -> String {
        let mut ask = command(&built("herdbook-collector"), self.dir.path());
        ask.arg("--data-dir").arg(self.dir.path().join("data")).args(arguments);
        let output = ask.kill_on_drop(true).output().await.expect("the collector's program");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {words}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The line by which so many hosts join, at `self.tls()`.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub async fn line(&self, uses: u32) -> String {
        let told = self.told(&["token", "create", "--uses", &uses.to_string()]).await;
        let token = word_with(&told, "hbj_");
        let pin = word_with(&told, "sha256:");
        format!("https://{} {token} {pin}", self.tls)
    }

    /// The same, read.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub async fn join_line(&self, uses: u32) -> JoinLine {
        JoinLine::parse(&self.line(uses).await).expect("a join line")
    }

    /// The answer to a request of the admin.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let rest = Rest::new(&format!("http://{}", self.plain));
        rest.send(method, path, &[("authorization", &self.bearer)], body).await
    }

    /// What the admin is answered with status 200.
    ///
    /// # Panics
    ///
    /// Where the answer is anything else.
    pub async fn get(&self, path: &str) -> Value {
        match self.ask(Method::GET, path, None).await {
            (StatusCode::OK, body) => body,
            other => panic!("GET {path}: expected 200, got {other:?}"),
        }
    }

    /// All hosts.
    ///
    /// # Panics
    ///
    /// As [`House::get`].
    pub async fn hosts(&self) -> Vec<Value> {
        let mut answer = self.get("/api/v1/hosts?limit=1000").await;
        match answer["hosts"].take() {
            Value::Array(hosts) => hosts,
            other => panic!("expected a list, got {other}"),
        }
    }

    /// How many samples of the host were taken in, over all its sessions.
    ///
    /// # Panics
    ///
    /// As [`House::get`].
    pub async fn n_samples(&self, host_id: &str) -> u64 {
        let sessions = self.get(&format!("/api/v1/hosts/{host_id}/sessions?limit=100")).await;
        let sessions = sessions["sessions"].as_array().cloned().unwrap_or_default();
        sessions.iter().filter_map(|session| session["samples"].as_u64()).sum()
    }

    /// What the collector holds resident, KiB.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    #[must_use]
    pub fn rss_kib(&self) -> u64 {
        memory(self.collector.pid()).expect("a running collector").rss_kib
    }

    /// How many files and sockets it has open.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    #[must_use]
    pub fn n_open(&self) -> usize {
        n_open(self.collector.pid()).expect("a running collector")
    }

    /// That it never panicked, and still runs.
    ///
    /// # Panics
    ///
    /// Where it did, or does not.
    pub fn is_sound(&mut self) {
        assert!(self.collector.is_running(), "the collector ended: {}", self.collector.log_tail());
        let log = self.collector.log();
        assert!(!log.contains("panicked"), "{}", self.collector.log_tail());
    }
}

/// The port in the line `listening on https://0.0.0.0:6121`.
fn port_of(out: &str, scheme: &str) -> Option<u16> {
    let begins = format!("listening on {scheme}://");
    let address = out.lines().find_map(|line| line.strip_prefix(&begins))?;
    Some(address.trim_end_matches('/').parse::<SocketAddr>().ok()?.port())
}

/// The word of `text` that begins so.
fn word_with(text: &str, begins: &str) -> String {
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '\'' | '"');
    let word = text.split(is_separator).find(|word| word.starts_with(begins));
    word.unwrap_or_else(|| panic!("no {begins}… in {text:?}")).to_owned()
}
