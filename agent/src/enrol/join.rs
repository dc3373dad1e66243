//! `herdbook-agent join`: takes a join line from stdin or a file, and joins.
//!
//! Where an agent runs on the state directory, the line is handed to it and its outcome waited for;
//! else this process joins by itself, and leaves what the agent needs to start with.

use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::wire::AgentMessage;
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::hello::{Goodbye, GoodbyeReason};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::join_line::LINE_BYTES_MAX;
use super::membership::JOIN;
use super::outcome::Outcome;
use super::{JoinLine, JoinLineError, Membership, MembershipError, StateError, Target};
use crate::config::{JoinOptions, Settings};
use crate::durable;
use crate::identity::{Identity, IdentityError};
use crate::link::End;
use crate::link::dial::{Dial as _, TcpDial};
use crate::link::greeting::{Credentials, greet};
use crate::run::hello;
use crate::sampling::Roots;
use echo::Silenced;
pub use interrupts::Interrupts;

mod echo;
mod interrupts;

/// How long an agent that runs is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What a goodbye may take.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(2);

/// Why the agent has not joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The line cannot be read.
    #[error("cannot read the join line from {from}")]
    Read {
        /// From where.
        from: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Signals cannot be watched for.
    #[error("cannot watch for SIGINT and SIGTERM")]
    Signals(#[source] io::Error),
    /// SIGINT or SIGTERM came first.
    #[error("interrupted before this host was known to have joined; the line is not kept")]
    Interrupted,
    /// The line is none.
    #[error(transparent)]
    Line(#[from] JoinLineError),
    /// The state directory.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What is in it.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// A file of it.
    #[error(transparent)]
    State(#[from] StateError),
    /// A new identity under an agent that runs.
    #[error("an agent runs on {dir}: stop it before it gets a new identity", dir = .dir.display())]
    Running {
        /// The state directory.
        dir: PathBuf,
    },
    /// The collector is told elsewhere.
    #[error(
        "this agent is told to use another collector, by HERDBOOK_COLLECTOR or its file: remove \
         that and join again"
    )]
    Told,
    /// The collector at hand did not take the host in.
    #[error("not joined the collector at {target}")]
    Ended {
        /// Where.
        target: Target,
        /// Why.
        #[source]
        end: Box<End>,
    },
    /// The agent that runs did not join.
    #[error("not joined: {0}")]
    GivenUp(String),
    /// The agent that runs has not joined yet.
    #[error(
        "not joined after 30 s: {0}; the agent that runs here goes on trying, its log says how it \
         goes"
    )]
    NotYet(String),
}

impl JoinError {
    /// Whether what was given is wrong, apart from whether the collector can be had.
    #[must_use]
    pub fn is_told_wrong(&self) -> bool {
        !matches!(
            self,
            Self::Ended { .. }
                | Self::GivenUp(_)
                | Self::NotYet(_)
                | Self::Interrupted
                | Self::Signals(_)
        )
    }
}

/// A host that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    collector: String,
    name: String,
    fingerprint: String,
    agent: Agent,
}

/// Whether an agent runs already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agent {
    Runs,
    IsToStart,
}

/// Reads the join line that the options name; what is typed is not shown.
///
/// # Errors
///
/// Where it cannot be read, is none, or somebody interrupts.
pub async fn read_line(
    options: &JoinOptions,
    interrupts: &mut Interrupts,
) -> Result<JoinLine, JoinError> {
    let file = options.file.clone();
    let from = file.as_ref().map_or_else(|| "stdin".to_owned(), |path| path.display().to_string());
    let is_typed = file.is_none() && io::stdin().is_terminal();
    let failed = |source| JoinError::Read { from, source };
    let silenced = is_typed.then(|| Silenced::new(&io::stdin()));
    if is_typed {
        // Where stderr has gone, the line can be pasted all the same.
        let _ = write!(io::stderr(), "paste the join line (it is not shown): ");
    }
    // A thread that waits for a line cannot be stopped; it ends with the process.
    let reading = tokio::task::spawn_blocking(move || match file {
        Some(path) => bounded(std::fs::File::open(path)?),
        None if is_typed => typed(),
        None => bounded(io::stdin().lock()),
    });
    let read = tokio::select! {
        read = reading => Ok(read.map_err(io::Error::other).flatten()),
        () = interrupts.come() => Err(JoinError::Interrupted),
    };
    drop(silenced);
    if is_typed {
        let _ = writeln!(io::stderr());
    }
    Ok(JoinLine::parse(&read?.map_err(failed)?)?)
}

fn typed() -> io::Result<String> {
    let mut line = String::new();
    io::BufRead::read_line(&mut Read::take(io::stdin().lock(), LINE_BYTES_MAX + 1), &mut line)?;
    Ok(line)
}

fn bounded(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(LINE_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Joins the collector of the line.
///
/// # Errors
///
/// Why not.
pub async fn join(
    line: &JoinLine,
    options: &JoinOptions,
    settings: Settings,
    interrupts: &mut Interrupts,
) -> Result<Joined, JoinError> {
    let dir = settings.state_dir.clone();
    let opened =
        if options.new_identity { Identity::open_anew(&dir) } else { Identity::open(&dir) };
    match opened {
        Ok(identity) => by_itself(line, settings, identity, interrupts).await,
        Err(IdentityError::Taken { .. }) if options.new_identity => Err(JoinError::Running { dir }),
        Err(IdentityError::Taken { .. }) => {
            tokio::select! {
                joined = through_agent(line, &dir) => joined,
                () = interrupts.come() => {
                    take_back(&dir)?;
                    Err(JoinError::Interrupted)
                }
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Hands the line to the agent that runs, and waits for the outcome.
async fn through_agent(line: &JoinLine, dir: &Path) -> Result<Joined, JoinError> {
    Outcome::forget(dir)?;
    hand_over(line, dir)?;
    let until = Instant::now() + PATIENCE;
    let mut last = "the agent has not looked at it".to_owned();
    while Instant::now() < until {
        sleep(LOOK_EVERY).await;
        match Outcome::read(dir) {
            Some(Outcome::Joined { collector, name, fingerprint }) => {
                Outcome::forget(dir)?;
                return Ok(Joined { collector, name, fingerprint, agent: Agent::Runs });
            }
            Some(Outcome::GivenUp { why }) => {
                Outcome::forget(dir)?;
                return Err(JoinError::GivenUp(why));
            }
            Some(Outcome::Trying { why }) => last = why,
            None => {}
        }
    }
    Err(JoinError::NotYet(last))
}

fn hand_over(line: &JoinLine, dir: &Path) -> Result<(), StateError> {
    let failed = |source| StateError::Io { action: "write", path: dir.join(JOIN), source };
    durable::write(dir, JOIN, line.text().as_bytes()).map_err(failed)
}

/// What is not joined now is not joined by surprise later. The agent that runs lets go of a line
/// that was taken back.
fn take_back(dir: &Path) -> Result<(), StateError> {
    let failed = |source| StateError::Io { action: "remove", path: dir.join(JOIN), source };
    durable::remove(dir, JOIN).map_err(failed)?;
    Outcome::forget(dir)
}

/// Joins in this process: one connection, and a goodbye to an agent that follows.
async fn by_itself(
    line: &JoinLine,
    settings: Settings,
    identity: Identity,
    interrupts: &mut Interrupts,
) -> Result<Joined, JoinError> {
    if settings.collector.as_ref().is_some_and(|told| *told != line.target().url) {
        return Err(JoinError::Told);
    }
    // A line that an agent before has left is not to follow this one.
    take_back(&settings.state_dir)?;
    let settings = Settings { join_file: None, ..settings };
    let hello = hello(&settings, &identity, &Roots::under(&settings.host_root));
    let mut membership = Membership::open(&settings, &hello.name)?;
    membership.join(line.clone());
    membership.need_key().map_err(MembershipError::Key)?;
    let target = line.target();
    let ended = |end| JoinError::Ended { target: line.target(), end: Box::new(end) };
    let connected = async {
        let mut socket = TcpDial.dial(&target).await.map_err(End::Unreachable)?;
        let shown = TcpDial.channel(&socket).zip(membership.key());
        let (channel, key) = shown.ok_or(End::Closed)?;
        let credentials = Credentials { key, channel, token: Some(line.token()) };
        let greeted = greet(&mut socket, &hello, Some(credentials)).await?;
        Ok::<_, End>((socket, channel, greeted.welcome))
    };
    let connected = tokio::select! {
        connected = connected => connected,
        () = interrupts.come() => return Err(JoinError::Interrupted),
    };
    let (mut socket, channel, welcome) = connected.map_err(ended)?;
    let fingerprint = membership.fingerprint();
    membership.welcomed(&welcome, &target, &channel);
    let session_id = welcome.session_id;
    let goodbye = AgentMessage::Goodbye(Goodbye { reason: GoodbyeReason::Upgrade, session_id });
    let leaving = async {
        use futures_util::{SinkExt as _, StreamExt as _};
        socket.send(Message::text(encode(&goodbye))).await.ok()?;
        socket.send(Message::Close(None)).await.ok()?;
        while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
        Some(())
    };
    // That the host has joined is known by now; a goodbye that is lost is a lost connection.
    let _ = timeout(GOODBYE_DEADLINE, leaving).await;
    let collector = target.to_string();
    Ok(Joined { collector, name: hello.name, fingerprint, agent: Agent::IsToStart })
}

/// Prints that the host has joined, and what is next.
///
/// # Errors
///
/// Where `out` refuses.
pub fn print(joined: &Joined, out: &mut impl Write) -> io::Result<()> {
    let Joined { collector, name, fingerprint, agent } = joined;
    writeln!(out, "joined {collector} as {name}, key {fingerprint}")?;
    match agent {
        Agent::Runs => writeln!(out, "the agent that runs here is connected"),
        Agent::IsToStart => writeln!(
            out,
            "next: start the agent, with systemctl enable --now herdbook-agent or by running \
             herdbook-agent"
        ),
    }?;
    out.flush()
}
