//! Which process holds a socket, where the files that tell may not be read: by the socket's user and port, as
//! far as what that user runs leaves no doubt. Where it leaves some, a server that is missing may
//! still be sought among the user's few sockets that nothing explains.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

use super::Holder;
use crate::discovery::lead::Kind;
use crate::discovery::search::guise::{self, Guise, Serving};
use crate::discovery::search::process::{Network, Processes, Seen};
use crate::discovery::search::sockets::Listening;

/// No more sockets of one user than these are asked for a server that is missing.
const GUESSES_MAX: usize = 8;
/// Only administrators' services listen below.
const UNPRIVILEGED: u16 = 1024;
/// Where databases and the like listen, which do not bear HTTP.
const NO_HTTP: [u16; 32] = [
    1433, 1521, 1883, 2049, 2181, 2379, 2380, 3306, 3389, 4222, 5222, 5432, 5433, 5672, 5900, 5901,
    6000, 6010, 6379, 6380, 6432, 7000, 7001, 9042, 9092, 9300, 11211, 26379, 27017, 27018, 33060,
    50051,
];

/// The processes of interest whose files may not be read.
#[derive(Default)]
pub(super) struct Strangers {
    all: Vec<Stranger>,
    /// Users who run model servers, what belongs to them, and nothing else.
    serve_only: HashSet<u32>,
    /// Users who run something else.
    do_otherwise: HashSet<u32>,
    /// Users' ports that are named by what is no server.
    explained: HashSet<(u32, u16)>,
}

struct Stranger {
    pid: u32,
    uid: u32,
    guise: Guise,
    named_ports: Vec<u16>,
}

impl Strangers {
    /// Whether users run other things is looked at only for those users of whom it matters.
    pub(super) fn new(
        proc_root: &Path,
        all: &[&Seen],
        processes: &Processes,
        unsure: &HashSet<u32>,
    ) -> Self {
        let mut strangers = Self::default();
        for seen in all.iter().filter(|seen| seen.network == Network::Own && !seen.is_kernels()) {
            let Seen { pid, uid, ref named_ports, .. } = **seen;
            let guise = processes.guise(seen);
            if !matches!(guise, Guise::Server(_)) {
                strangers.explained.extend(named_ports.iter().map(|port| (uid, *port)));
            }
            let is_enough = !unsure.contains(&uid) || strangers.do_otherwise.contains(&uid);
            if guise == Guise::Other && is_enough {
                continue;
            }
            if !is_closed(&proc_root.join(pid.to_string()).join("fd")) {
                continue;
            }
            match guise {
                Guise::Other => drop(strangers.do_otherwise.insert(uid)),
                guise => {
                    let named_ports = named_ports.clone();
                    strangers.all.push(Stranger { pid, uid, guise, named_ports });
                }
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

    /// By the socket's user and port: the process that was told this port; else the one server
    /// whose usual port it is; else the only server of a user who runs nothing but servers.
    pub(super) fn holder(&self, listening: &Listening) -> Holder {
        let Listening { uid, port, .. } = *listening;
        let told = self.all.iter().filter(|stranger| stranger.uid == uid && stranger.is_told(port));
        let told: Vec<u32> = told.map(|stranger| stranger.pid).collect();
        let usual = self.pids(uid, |guise| is_free(guise) && has_usual(guise, port));
        if let ([pid], _) | (_, [pid]) = (told.as_slice(), usual.as_slice()) {
            return Holder::Process(*pid);
        }
        // A forwarder has one process for each family.
        if let Some(pid) = self.pids(uid, |guise| is_forwarder_of(guise, port)).first() {
            return Holder::Process(*pid);
        }
        match self.pids(uid, is_free).as_slice() {
            _ if !self.serve_only.contains(&uid) => self.by_another(uid),
            [] => Holder::Unknown,
            [pid] => Holder::Process(*pid),
            _ => Holder::SomeServer,
        }
    }

    /// Where a user runs nothing that might be a server, it is another program that listens.
    fn by_another(&self, uid: u32) -> Holder {
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

    /// Says of the few sockets that may be a missing server's that they are.
    pub(super) fn guess(&self, sockets: &[Listening], named: &[u16], holders: &mut [Holder]) {
        let found: HashSet<Holder> = holders.iter().copied().collect();
        let missing = self.all.iter().filter(|stranger| {
            may_be_anywhere(&stranger.guise) && !found.contains(&Holder::Process(stranger.pid))
        });
        let users: HashSet<u32> = missing.map(|stranger| stranger.uid).collect();
        for uid in users {
            let may_be_its = |at: &usize| {
                let Listening { uid: user, port, .. } = sockets[*at];
                user == uid && holders[*at] == Holder::Unknown && self.is_open_to_guess(uid, port)
            };
            let mut guesses: Vec<usize> = (0..sockets.len()).filter(may_be_its).collect();
            let is_likely = |port: u16| guise::is_usual_port(port) || named.contains(&port);
            guesses.sort_by_key(|at| (!is_likely(sockets[*at].port), sockets[*at].port));
            guesses.truncate(GUESSES_MAX);
            guesses.into_iter().for_each(|at| holders[at] = Holder::SomeServer);
        }
    }

    fn is_open_to_guess(&self, uid: u32, port: u16) -> bool {
        let is_out_of_bounds = port < UNPRIVILEGED || NO_HTTP.contains(&port);
        !is_out_of_bounds && !guise::is_meeting_port(port) && !self.explained.contains(&(uid, port))
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

impl Stranger {
    fn is_told(&self, port: u16) -> bool {
        match &self.guise {
            Guise::Server(serving) => serving.port == Some(port),
            Guise::Runner(runner) => runner.port == Some(port),
            Guise::Unclear(_) | Guise::Aggregator => self.named_ports.contains(&port),
            _ => false,
        }
    }
}

/// Wherever its unit or its kind has it: what its environment says is not seen.
fn may_be_anywhere(guise: &Guise) -> bool {
    match guise {
        Guise::Server(serving) if serving.kind == Kind::Ollama => true,
        Guise::Server(serving) => serving.port.is_none() && serving.told_elsewhere,
        _ => false,
    }
}

/// A server that was told no port.
fn is_free(guise: &Guise) -> bool {
    matches!(guise, Guise::Server(Serving { port: None, .. }))
}

fn has_usual(guise: &Guise, port: u16) -> bool {
    matches!(guise, Guise::Server(serving) if guise::usual_port(serving.kind) == Some(port))
}

fn is_forwarder_of(guise: &Guise, port: u16) -> bool {
    matches!(guise, Guise::Forwarder(forwards) if forwards.container_port(port).is_some())
}
