//! The processes of this host, as far as they matter: what they look like, whose children they
//! are, whose network they live in.
//!
//! A look reads one small file of each process, and more only of those that are new. Nothing here
//! knows of sockets; who holds which, `owner` tells.

mod files;
mod reader;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use self::files::Stat;
use self::reader::{Reader, Words};
use super::guise::{self, Guise, Serving};
use super::ollama_host;
use crate::discovery::lead::{Engine, Kind, Process, Role, Runner};
use crate::sampling::cgroup::{self, Membership};

/// No more processes than this are looked at.
const PROCESSES_MAX: usize = 32_768;
/// So many are looked at before others have their turn.
const PER_TURN: usize = 64;
/// More runners of one server than any has.
const RUNNERS_MAX: usize = 64;
/// The kernel's own threads are children of this one.
const KERNEL: u32 = 2;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// Since boot, in the kernel's ticks: tells a process from a later one of the same number.
    pub(super) started_at: u64,
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) guise: Guise,
    pub(super) network: Network,
    pub(super) belongs_to: Membership,
    /// The ports that its command line names.
    pub(super) named_ports: Vec<u16>,
    /// What its unit says, where it is one that was told no port otherwise.
    unit_port: Option<u16>,
    words: WordsRead,
}

/// Whether its command line was read. Who is young may not have said all about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WordsRead {
    Never,
    Once,
    Again,
}

/// Whose sockets a process opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// The agent's own, or one that cannot be told.
    Own,
    /// Another: a container's, say.
    Another,
}

/// How much of what is known is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Processes that are known are as they were.
    News,
    /// Those that were new at the last look are read again: they may have given themselves
    /// another title since.
    All,
}

impl Seen {
    fn wants_words(&self, depth: Depth) -> bool {
        match self.words {
            _ if self.is_kernels() => false,
            WordsRead::Never => true,
            WordsRead::Once => depth == Depth::All,
            WordsRead::Again => false,
        }
    }

    /// A thread of the kernel's own.
    pub(super) fn is_kernels(&self) -> bool {
        self.parent == KERNEL || self.pid == KERNEL
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Processes {
    proc_root: PathBuf,
    by_pid: HashMap<u32, Seen>,
    reader: Reader,
}

impl Processes {
    pub(super) fn new(proc_root: &Path) -> Self {
        let proc_root = proc_root.to_owned();
        Self { reader: Reader::new(&proc_root), proc_root, by_pid: HashMap::new() }
    }

    /// Reads what runs now. Others have their turn now and then.
    pub(super) async fn scan(&mut self, depth: Depth) {
        let before = std::mem::take(&mut self.by_pid);
        let mut unread = Vec::new();
        for (n, pid) in files::pids(&self.proc_root, PROCESSES_MAX).into_iter().enumerate() {
            if n % PER_TURN == PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            // What ends while it is read is gone.
            let Some(seen) = self.look_at(pid, before.get(&pid)) else { continue };
            if seen.wants_words(depth) {
                unread.push(pid);
            }
            self.by_pid.insert(pid, seen);
        }
        let own_network = files::own_network(&self.proc_root);
        for (pid, words) in self.reader.read(unread).await {
            self.tell(pid, &words, own_network);
        }
    }

    /// What can be read without waiting for the process itself.
    fn look_at(&self, pid: u32, known: Option<&Seen>) -> Option<Seen> {
        // Threads of the kernel never become anything else.
        if let Some(known) = known
            && known.is_kernels()
        {
            return Some(known.clone());
        }
        let folder = self.proc_root.join(pid.to_string());
        let Stat { name, parent, started_at } = files::stat(&folder)?;
        if let Some(known) = known
            && known.started_at == started_at
            && known.name == name
        {
            return Some(Seen { parent, ..known.clone() });
        }
        Some(Seen {
            pid,
            parent,
            started_at,
            name,
            uid: files::uid(&folder).unwrap_or(0),
            guise: Guise::Other,
            network: Network::Own,
            belongs_to: Membership::default(),
            named_ports: Vec::new(),
            unit_port: None,
            words: WordsRead::Never,
        })
    }

    /// Believes what a process says of itself.
    fn tell(&mut self, pid: u32, words: &Words, own_network: Option<u64>) {
        let Some(seen) = self.by_pid.get_mut(&pid) else { return };
        seen.words = match seen.words {
            WordsRead::Never => WordsRead::Once,
            WordsRead::Once | WordsRead::Again => WordsRead::Again,
        };
        seen.guise = guise::guise(&seen.name, &words.command_line);
        seen.named_ports = guise::named_ports(&words.command_line);
        if seen.guise == Guise::Other {
            return;
        }
        seen.belongs_to = cgroup::membership_of(&self.proc_root, pid);
        let network = files::network(&self.proc_root.join(pid.to_string()));
        if own_network.is_some() && network.is_some() && network != own_network {
            seen.network = Network::Another;
        }
        if let Guise::Server(Serving { kind: Kind::Ollama, port, .. }) = &mut seen.guise {
            let place = words.ollama_host.as_deref().and_then(ollama_host::ollama_host);
            *port = port.or(place.map(|place| place.port));
        }
    }

    /// Tells servers that were not told their port otherwise what their units say.
    pub(super) fn tell_ports(&mut self, port_of: impl Fn(&str) -> Option<u16>) {
        for seen in self.by_pid.values_mut().filter(|seen| seen.guise.is_of_servers()) {
            seen.unit_port = seen.belongs_to.unit.as_deref().and_then(&port_of);
        }
    }

    pub(super) fn get(&self, pid: u32) -> Option<&Seen> {
        self.by_pid.get(&pid)
    }

    /// All, the oldest first: where several hold a socket, it is the oldest's.
    pub(super) fn oldest_first(&self) -> Vec<&Seen> {
        let mut all: Vec<&Seen> = self.by_pid.values().collect();
        all.sort_unstable_by_key(|seen| (seen.started_at, seen.pid));
        all
    }

    /// What a process is, knowing its parent and its unit.
    pub(super) fn guise(&self, seen: &Seen) -> Guise {
        let Guise::Server(serving) = &seen.guise else { return seen.guise.clone() };
        if serving.kind != Kind::LlamaCpp {
            let unit_port = seen.unit_port.filter(|_| serving.kind == Kind::Ollama);
            return Guise::Server(Serving { port: serving.port.or(unit_port), ..serving.clone() });
        }
        match self.get(seen.parent).map(|parent| &parent.guise) {
            Some(Guise::Server(Serving { kind: Kind::Ollama, .. })) => Guise::Runner(Runner {
                pid: seen.pid,
                port: serving.port,
                digest: serving.digest.clone(),
                engine: Engine::LlamaServer,
            }),
            // One that hands out its models to children of its own.
            Some(Guise::Server(Serving { kind: Kind::LlamaCpp, .. })) => Guise::Part,
            _ => seen.guise.clone(),
        }
    }

    /// The leads' words for a process.
    pub(super) fn process(&self, seen: &Seen) -> Process {
        let role = match self.guise(seen) {
            Guise::Server(serving) => Role::Server(serving.kind),
            Guise::Aggregator => Role::Aggregator,
            _ => Role::Unclear,
        };
        Process {
            pid: seen.pid,
            name: seen.name.clone(),
            role,
            unit: seen.belongs_to.unit.clone(),
            container: seen.belongs_to.container.clone(),
            runners: self.runners(seen.pid),
        }
    }

    fn runners(&self, parent: u32) -> Vec<Runner> {
        let children = self.by_pid.values().filter(|seen| seen.parent == parent);
        let mut runners: Vec<Runner> = children
            .filter_map(|seen| match self.guise(seen) {
                Guise::Runner(runner) => Some(Runner { pid: seen.pid, ..runner }),
                _ => None,
            })
            .collect();
        runners.sort_unstable_by_key(|runner| runner.pid);
        runners.truncate(RUNNERS_MAX);
        runners
    }
}

#[cfg(test)]
pub(super) mod tests;
