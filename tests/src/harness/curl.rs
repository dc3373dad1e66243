//! The real curl, as scripts use it.

use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use serde_json::Value;

use super::program::{Program, command};

/// curl, asking one collector.
#[derive(Clone, Debug)]
pub struct Curl {
    base: String,
    home: PathBuf,
}

impl Curl {
    /// curl for the collector at `base`, such as `http://127.0.0.1:6121`; what it writes goes to
    /// `home`.
    #[must_use]
    pub fn new(base: &str, home: &Path) -> Self {
        Self { base: base.to_owned(), home: home.to_owned() }
    }

    /// The answer to `curl {arguments} {base}{path}`: its status, and its body, `Null` for one that
    /// is no JSON.
    ///
    /// # Panics
    ///
    /// Where curl cannot be run, or nobody answers it.
    pub async fn ask(&self, path: &str, arguments: &[&str]) -> (StatusCode, Value) {
        let mut command = command(Path::new("curl"), &self.home);
        command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30"]);
        command.args(["--write-out", "\n%{http_code}"]).args(arguments);
        let output = command.arg(format!("{}{path}", self.base)).kill_on_drop(true).output().await;
        let output = output.unwrap_or_else(|error| panic!("curl cannot be run: {error}"));
        let (out, words) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "curl {arguments:?} {path}: {words}");
        let (body, status) = out.rsplit_once('\n').expect("the status after the body");
        let status = status.parse().expect("the status of an answer");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// What `curl {path}` answers with status 200.
    ///
    /// # Panics
    ///
    /// Where the answer is anything else.
    pub async fn get(&self, path: &str) -> Value {
        match self.ask(path, &[]).await {
            (StatusCode::OK, body) => body,
            other => panic!("GET {path}: expected 200, got {other:?}"),
        }
    }

    /// Sends a body that says that it is JSON.
    ///
    /// # Panics
    ///
    /// Where nobody answers.
    pub async fn send(&self, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let is_json = "content-type: application/json";
        self.ask(path, &["--request", method, "--header", is_json, "--data", body]).await
    }

    /// Starts `curl --no-buffer {arguments} {base}{path}`, which goes on; `name` is for its output.
    #[must_use]
    pub fn follow(&self, name: &str, path: &str, arguments: &[&str]) -> Program {
        let mut command = command(Path::new("curl"), &self.home);
        command.args(["--silent", "--show-error", "--noproxy", "*", "--no-buffer"]);
        command.args(arguments).arg(format!("{}{path}", self.base));
        Program::start(name, command, &self.home)
    }
}
