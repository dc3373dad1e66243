//! Which process holds a listening socket. Where files may be read, `/proc/<pid>/fd` tells. Where
//! not, `strangers` tells what it can from the socket's user.

mod strangers;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::strangers::Strangers;
use super::guise::{self, Guise};
use super::process::{Depth, Network, Processes, Seen};
use super::sockets::Listening;

/// Open files of one process that are looked at.
const FILES_MAX: usize = 4096;
/// Open files that one look goes through.
const FILES_OF_A_LOOK_MAX: usize = 131_072;

/// What holds a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// This process.
    Process(u32),
    /// One of several model servers of its user; or some process of a user, of whose model servers
    /// one is missing: its socket is not known.
    SomeServer,
    /// One of the processes of its user, none of which is of interest.
    NoServer,
    /// It cannot be told.
    Unknown,
}

/// Remembers which process holds what, so that files are gone through for new sockets only.
#[derive(Debug)]
pub(super) struct Owners {
    proc_root: PathBuf,
    by_inode: HashMap<u64, Held>,
    /// Sockets that no process that matters holds.
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

    /// What holds each of these sockets, in their order. On named ports, and on those that model
    /// servers use, even a process of no interest is worth knowing: it is left alone.
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
        let holders = sockets.iter().map(|listening| self.holder(listening, &strangers));
        let mut holders: Vec<Holder> = holders.collect();
        strangers.guess(sockets, named_ports, &mut holders);
        holders
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

#[cfg(test)]
mod tests;
