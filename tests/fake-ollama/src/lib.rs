//! An Ollama for tests and demonstrations: it answers in the shapes of the real one, follows a
//! [`Story`] that can be changed while it runs, and misbehaves on request.
//!
//! It runs no model and keeps nothing. It counts what it was asked, so that a test can hold that
//! nobody asked for more than he should.
//!
//! Over HTTP, `POST /_story` takes a list of [`Step`]s as JSON and `GET /_story` tells the
//! [`Report`]; in the same process a [`Script`] does both.

pub mod story;

pub mod script;

pub mod kin;

mod answers;
mod faults;
mod listener;
mod runner;
mod serve;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::listener::CountingListener;

pub use self::kin::{FakeKin, Kin, KinStory};
pub use self::script::{Report, Script};
pub use self::story::{Fault, Keep, LoadedModel, Model, Step, Story};

/// A running fake; it stops, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct FakeOllama {
    addr: SocketAddr,
    script: Script,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl FakeOllama {
    /// Starts one where the story says.
    ///
    /// # Errors
    ///
    /// The address is taken, or not of this host.
    pub async fn start(story: Story) -> io::Result<Self> {
        let listener = TcpListener::bind(story.bind).await?;
        let addr = listener.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let script = Script::new(story);
        let listener = CountingListener::new(listener, script.clone(), stop.clone());
        let server = serve::serve(listener, script.clone(), addr);
        tasks.spawn(stop.clone().run_until_cancelled_owned(server));
        tasks.close();
        Ok(Self { addr, script, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it is reached, `http://127.0.0.1:11434`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The handle that changes the story and reads the counters.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Stops listening and cuts every connection; the port is free afterwards.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// Serves until it is stopped from outside.
    pub async fn run(self) {
        self.tasks.wait().await;
    }
}

impl Drop for FakeOllama {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
