//! Which process holds a listening socket. Where files may be read, `/proc/<pid>/fd` tells. Where
//! not, the socket's user does, if one process of that user alone fits.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::guise::{self, Guise, Serving};
use super::process::{Depth, Network, Processes, Seen};
use super::sockets::Listening;

/// Open files of one process that are looked at.
const FILES_MAX: usize = 4096;
/// Open files that one look goes through.
const FILES_OF_A_LOOK_MAX: usize = 131_072;

/// Who holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// This process.
    Process(u32),
    /// One of several model servers of its user, who runs nothing else.
    SomeServer,
    /// One of the processes of its user, none of which is of interest.
    NoServer,
    /// It cannot be told.
    Unknown,
}

/// Remembers who holds what, so that files are gone through for new sockets only.
#[derive(Debug)]
pub(super) struct Owners {
    proc_root: PathBuf,
    by_inode: HashMap<u64, Held>,
    /// Sockets that nobody of those who matter holds.
    sought_in_vain: HashSet<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    pid: u32,
    started_at: u64,
}

/// What one look still has to find.
struct Search {
    wanted: HashSet<u64>,
    n_files_left: usize,
}

impl Owners {
    pub(super) fn new(proc_root: &Path) -> Self {
        Self {
            proc_root: proc_root.to_owned(),
            by_inode: HashMap::new(),
            sought_in_vain: HashSet::new(),
        }
    }

    /// Who holds each of these sockets, in their order. On named ports, and on those that model
    /// servers use, even somebody of no interest is worth knowing: he is left alone.
    pub(super) async fn holders(
        &mut self,
        sockets: &[Listening],
        named_ports: &[u16],
        processes: &Processes,
        depth: Depth,
    ) -> Vec<Holder> {
        self.forget_gone(sockets, processes, depth);
        let all = processes.oldest_first();
        let of_interest = |seen: &&&Seen| seen.guise != Guise::Other;
        let mut search = Search { wanted: self.wanted(sockets), n_files_left: FILES_OF_A_LOOK_MAX };
        self.seek(&mut search, all.iter().filter(of_interest)).await;
        let is_worth_port = |port: u16| guise::is_usual_port(port) || named_ports.contains(&port);
        let is_worth =
            |inode: &u64| sockets.iter().any(|l| l.inode == *inode && is_worth_port(l.port));
        let unsure: HashSet<u64> = search.wanted.iter().copied().filter(is_worth).collect();
        self.sought_in_vain.extend(search.wanted.difference(&unsure));
        search.wanted = unsure;
        self.seek(&mut search, all.iter().filter(|seen| !of_interest(seen))).await;
        self.sought_in_vain.extend(search.wanted);
        let unsure = sockets.iter().filter(|l| !self.by_inode.contains_key(&l.inode));
        let unsure = unsure.filter(|l| is_worth_port(l.port)).map(|l| l.uid).collect();
        let strangers = Strangers::new(&self.proc_root, &all, processes, &unsure);
        sockets.iter().map(|listening| self.holder(listening, &strangers)).collect()
    }

    fn forget_gone(&mut self, sockets: &[Listening], processes: &Processes, depth: Depth) {
        let inodes: HashSet<u64> = sockets.iter().map(|listening| listening.inode).collect();
        let is_alive = |held: &Held| {
            processes.get(held.pid).is_some_and(|seen| seen.started_at == held.started_at)
        };
        self.by_inode.retain(|inode, held| inodes.contains(inode) && is_alive(held));
        match depth {
            Depth::All => self.sought_in_vain.clear(),
            Depth::News => self.sought_in_vain.retain(|inode| inodes.contains(inode)),
        }
    }

    fn wanted(&self, sockets: &[Listening]) -> HashSet<u64> {
        let inodes = sockets.iter().map(|listening| listening.inode);
        let is_new = |inode: &u64| {
            *inode != 0
                && !self.by_inode.contains_key(inode)
                && !self.sought_in_vain.contains(inode)
        };
        inodes.filter(is_new).collect()
    }

    async fn seek<'a>(&mut self, search: &mut Search, among: impl Iterator<Item = &'a &'a Seen>) {
        for seen in among.filter(|seen| seen.network == Network::Own) {
            if search.wanted.is_empty() {
                return;
            }
            // Gone, or another user's.
            let _ = self.seek_in(search, seen);
            tokio::task::yield_now().await;
        }
    }

    fn seek_in(&mut self, search: &mut Search, seen: &Seen) -> io::Result<()> {
        let folder = self.proc_root.join(seen.pid.to_string()).join("fd");
        for entry in fs::read_dir(folder)?.flatten().take(FILES_MAX.min(search.n_files_left)) {
            search.n_files_left = search.n_files_left.saturating_sub(1);
            let Ok(link) = fs::read_link(entry.path()) else { continue };
            let Some(inode) = link.to_str().and_then(socket_inode) else { continue };
            if search.wanted.remove(&inode) {
                let held = Held { pid: seen.pid, started_at: seen.started_at };
                self.by_inode.insert(inode, held);
            }
        }
        Ok(())
    }

    fn holder(&self, listening: &Listening, strangers: &Strangers) -> Holder {
        match self.by_inode.get(&listening.inode) {
            Some(held) => Holder::Process(held.pid),
            None => strangers.holder(listening),
        }
    }
}

/// `socket:[123]`
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The processes of interest whose files may not be read.
#[derive(Default)]
struct Strangers {
    all: Vec<Stranger>,
    /// Users who run model servers, what belongs to them, and nothing else.
    serve_only: HashSet<u32>,
    /// Users who run something else.
    do_otherwise: HashSet<u32>,
}

struct Stranger {
    pid: u32,
    uid: u32,
    guise: Guise,
}

impl Strangers {
    /// Whether users do otherwise is looked at for those alone of whom it matters.
    fn new(proc_root: &Path, all: &[&Seen], processes: &Processes, unsure: &HashSet<u32>) -> Self {
        let mut strangers = Self::default();
        for seen in all.iter().filter(|seen| seen.network == Network::Own && !seen.is_kernels()) {
            let Seen { pid, uid, .. } = **seen;
            let guise = processes.guise(seen);
            let is_enough = !unsure.contains(&uid) || strangers.do_otherwise.contains(&uid);
            if guise == Guise::Other && is_enough {
                continue;
            }
            if !is_closed(&proc_root.join(pid.to_string()).join("fd")) {
                continue;
            }
            match guise {
                Guise::Other => drop(strangers.do_otherwise.insert(uid)),
                guise => strangers.all.push(Stranger { pid, uid, guise }),
            }
        }
        let of_servers = |stranger: &&Stranger| stranger.guise.is_of_servers();
        strangers.serve_only =
            strangers.all.iter().filter(of_servers).map(|stranger| stranger.uid).collect();
        for seen in all.iter().filter(|seen| !processes.guise(seen).is_of_servers()) {
            strangers.serve_only.remove(&seen.uid);
        }
        strangers
    }

    /// By the socket's user and port: who was told this port; else the one server whose usual
    /// port it is; else the only server of a user who runs nothing but servers.
    fn holder(&self, listening: &Listening) -> Holder {
        let Listening { uid, port, .. } = *listening;
        let told = self.pids(uid, |guise| is_told(guise, port));
        let usual = self.pids(uid, |guise| is_free(guise) && has_usual(guise, port));
        if let ([pid], _) | (_, [pid]) = (told.as_slice(), usual.as_slice()) {
            return Holder::Process(*pid);
        }
        // A forwarder has one process for each family.
        if let Some(pid) = self.pids(uid, |guise| is_forwarder_of(guise, port)).first() {
            return Holder::Process(*pid);
        }
        match self.pids(uid, is_free).as_slice() {
            _ if !self.serve_only.contains(&uid) => self.somebody_else(uid),
            [] => Holder::Unknown,
            [pid] => Holder::Process(*pid),
            _ => Holder::SomeServer,
        }
    }

    /// A user who runs nothing that might be a server here has somebody else listen.
    fn somebody_else(&self, uid: u32) -> Holder {
        let may_serve = |guise: &Guise| {
            matches!(guise, Guise::Server(_) | Guise::Unclear(_) | Guise::Forwarder(_))
        };
        let aggregators = self.pids(uid, |guise| *guise == Guise::Aggregator);
        match aggregators.first() {
            _ if !self.pids(uid, may_serve).is_empty() => Holder::Unknown,
            Some(pid) => Holder::Process(*pid),
            None if self.do_otherwise.contains(&uid) => Holder::NoServer,
            None => Holder::Unknown,
        }
    }

    fn pids(&self, uid: u32, is_it: impl Fn(&Guise) -> bool) -> Vec<u32> {
        let own = self.all.iter().filter(|stranger| stranger.uid == uid);
        own.filter(|stranger| is_it(&stranger.guise)).map(|stranger| stranger.pid).collect()
    }
}

fn is_closed(folder: &Path) -> bool {
    // To open the folder may be allowed, and to read what is in it not.
    match fs::read_dir(folder).map(|mut entries| entries.next()) {
        Err(_) => true,
        Ok(Some(Ok(entry))) => fs::read_link(entry.path())
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied),
        Ok(_) => false,
    }
}

fn is_told(guise: &Guise, port: u16) -> bool {
    match guise {
        Guise::Server(serving) => serving.port == Some(port),
        Guise::Runner(runner) => runner.port == Some(port),
        _ => false,
    }
}

/// A server that may listen anywhere.
fn is_free(guise: &Guise) -> bool {
    matches!(guise, Guise::Server(Serving { port: None, .. }))
}

fn has_usual(guise: &Guise, port: u16) -> bool {
    matches!(guise, Guise::Server(serving) if guise::usual_port(serving.kind) == Some(port))
}

fn is_forwarder_of(guise: &Guise, port: u16) -> bool {
    matches!(guise, Guise::Forwarder(forwards) if forwards.container_port(port).is_some())
}

#[cfg(test)]
mod tests;
