//! The processes in which a fake Ollama pretends to run models: real ones, with the command line of
//! the real ones, so that who reads processes finds them.

use std::process::{Child, Command, Stdio};

use crate::story::{Model, Story};

/// A running `llama-server`; it is ended when it is dropped.
#[derive(Debug)]
pub(crate) struct RunnerProcess(Child);

impl RunnerProcess {
    /// Starts one for a model; `None` where the story has no program for that, or it does not start.
    pub(crate) fn start(story: &Story, name: &str, port: u16) -> Option<Self> {
        let program = story.runner.as_ref()?;
        let model = story.models.iter().find(|model| model.name == name).cloned();
        let file = model.unwrap_or_else(|| Model::named(name)).file_digest();
        let mut command = Command::new(program);
        command.arg("--model").arg(format!("{BLOBS}/sha256-{file}"));
        command.args(["--port", &port.to_string(), "--host", "127.0.0.1", "--no-webui"]);
        command.args(["--offline", "-c", "4096", "-np", "2"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().ok().map(Self)
    }
}

/// Where the files of models lie under the usual service.
pub(crate) const BLOBS: &str = "/usr/share/ollama/.ollama/models/blobs";

impl Drop for RunnerProcess {
    fn drop(&mut self) {
        // One that ended by itself cannot be killed, and need not be.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
