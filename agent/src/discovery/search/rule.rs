//! Which listening sockets become leads. Nothing is asked of anybody else: a database that gets a
//! request over HTTP writes an error into its log, or worse.
//!
//! | what holds the socket | lead |
//! |---|---|
//! | named by `--ollama` | always, but for a runner |
//! | named by the agent's `OLLAMA_HOST` or a unit | unless it is an aggregator, a runner or a part |
//! | a model server | on the port that it was told, or else its usual one |
//! | it, but on neither | on all of its, if it may have been told another unseen |
//! | one of several model servers of a user who runs nothing else | yes |
//! | perhaps a model server whose sockets may not be seen, among other things of its user | yes, of few |
//! | an interpreter whose command line speaks of models | on a port that it names or that servers use |
//! | another interpreter, or a process that cannot be told | on a port that model servers use |
//! | a forwarder | if the container's port is such a one, or a model server in another network listens there |
//! | a runner, a part of a server, an aggregator, anybody else | no |
//! | no socket at Ollama's usual place | yes |
//! | no socket, but a model server lives in another network | on loopback at its port |
//!
//! The first line that fits counts, and where the parts of a training job may meet, only a server
//! that was told that port.
//!
//! Where the kernel itself forwards a port into another network (Docker without its proxy), no
//! socket of this host shows it. Such a server is found on loopback, but from which addresses it
//! can be reached cannot be told here: it stands in the firewall's tables, which need privileges.
//!
//! A server with several sockets on one port is one lead, and only loopback and the host's own
//! addresses are ever one.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::guise::{self, Guise, Hint, Serving};
use super::owner::Holder;
use super::process::{Network, Processes, Seen};
use super::server::{Server, servers};
use super::sockets::Listening;
use crate::discovery::lead::{Kind, Lead, Leads, Origin, Owner, Role};

/// As many as the wire has room for.
const LEADS_MAX: usize = herdbook_shared::limits::SERVICES;
/// As many of a process of which no more is known than that it speaks of models.
const LEADS_OF_A_HINT_MAX: usize = 4;
/// Where Python's own model servers listen unless told otherwise: text-generation-webui, TabbyAPI.
const PYTHONS_PORT: u16 = 5000;
/// LM Studio's own affair: it speaks with its command line there.
const LM_STUDIO_INTERNAL: u16 = 41343;

/// All that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    /// `None`: the kernel does not say.
    pub(super) sockets: Option<&'a [Listening]>,
    /// The process that holds each of them, as far as it is known.
    pub(super) holders: &'a [Holder],
    pub(super) processes: &'a Processes,
    /// Places that people or units name, with the addresses that they stand for.
    pub(super) named: &'a [(Origin, Vec<SocketAddr>)],
    /// The host's own addresses but loopback.
    pub(super) own: &'a [IpAddr],
}

/// Applies the rule.
pub(super) fn leads(scene: &Scene<'_>) -> Leads {
    let mut found = Found::default();
    let named_here = || scene.named.iter().filter(|(_, targets)| are_here(targets, scene.own));
    let Some(sockets) = scene.sockets else {
        for (origin, targets) in named_here() {
            targets.iter().for_each(|target| found.unheard(*target, *origin));
        }
        return found.finish();
    };
    let servers = servers(sockets, scene.holders, scene.processes);
    for (origin, targets) in named_here() {
        name(&mut found, *origin, targets, &servers, scene);
    }
    for server in &servers {
        if let Some(origin) = origin_of(server, &servers, scene) {
            found.server(server, origin, sockets, scene);
        }
    }
    elsewhere(&mut found, &servers, scene);
    found.finish()
}

/// One address of a name that is not this host's makes it another machine's.
pub(super) fn are_here(targets: &[SocketAddr], own: &[IpAddr]) -> bool {
    targets.iter().all(|target| is_here(target.ip(), own))
}

fn is_here(address: IpAddr, own: &[IpAddr]) -> bool {
    // Without its interface, a link-local address leads nowhere.
    let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    address.is_loopback() || (own.contains(&address) && !is_link_local)
}

/// A named place leads to the server that listens there, or else, unheard, to its first address.
fn name(
    found: &mut Found,
    origin: Origin,
    targets: &[SocketAddr],
    servers: &[Server<'_>],
    scene: &Scene<'_>,
) {
    let mut is_heard = false;
    for target in targets {
        let Some(server) = heard_by(*target, servers) else { continue };
        is_heard = true;
        if may_be_named(origin, &server.guise) {
            let sockets = scene.sockets.unwrap_or_default();
            found.server(server, origin, sockets, scene);
        }
    }
    if let (false, Some(target)) = (is_heard, targets.first()) {
        found.unheard(*target, origin);
    }
}

/// As the kernel does: the most exact listener wins.
fn heard_by<'a, 'b>(target: SocketAddr, servers: &'a [Server<'b>]) -> Option<&'a Server<'b>> {
    let at_port = || servers.iter().filter(|server| server.port == target.port());
    let exact = at_port().find(|server| server.sockets.iter().any(|l| l.address == target.ip()));
    exact.or_else(|| at_port().find(|server| server.sockets.iter().any(|l| l.hears(target.ip()))))
}

fn may_be_named(origin: Origin, guise: &Option<Guise>) -> bool {
    match guise {
        Some(Guise::Runner(_)) => false,
        Some(Guise::Aggregator | Guise::Part) => origin == Origin::Flag,
        Some(Guise::Other) => origin != Origin::Usual,
        _ => true,
    }
}

/// Why a server that is named nowhere is looked at, if it is.
fn origin_of(server: &Server<'_>, all: &[Server<'_>], scene: &Scene<'_>) -> Option<Origin> {
    let on_usual_port = guise::is_usual_port(server.port).then_some(Origin::Port);
    match (&server.guise, server.holder) {
        (Some(Guise::Server(serving)), _) => {
            is_its_port(serving, server, all).then_some(Origin::Process)
        }
        (Some(Guise::Unclear(Hint::Models)), Holder::Process(pid)) => {
            may_serve_models(server.port, scene.processes.get(pid)).then_some(Origin::Process)
        }
        (None, Holder::SomeServer) => {
            (!guise::is_meeting_port(server.port)).then_some(Origin::Process)
        }
        (Some(Guise::Unclear(Hint::Nothing)) | None, _) => on_usual_port,
        (Some(Guise::Forwarder(forwards)), _) => {
            let inner = forwards.container_port(server.port);
            let is_one = inner.is_some_and(guise::is_usual_port)
                || serves_elsewhere(inner.unwrap_or(server.port), scene)
                || (inner.is_none() && on_usual_port.is_some());
            is_one.then_some(Origin::Port)
        }
        (Some(_), _) => None,
    }
}

/// Most sockets of such a program are no servers, and some do not bear a question.
fn may_serve_models(port: u16, seen: Option<&Seen>) -> bool {
    let is_named = seen.is_some_and(|seen| seen.named_ports.contains(&port));
    let is_likely = is_named || guise::is_usual_port(port) || port == PYTHONS_PORT;
    is_likely && !guise::is_meeting_port(port)
}

/// Some servers have more sockets than the one that they serve on.
fn is_its_port(serving: &Serving, server: &Server<'_>, all: &[Server<'_>]) -> bool {
    let expected = serving.port.or(guise::usual_port(serving.kind));
    if expected == Some(server.port) {
        return true;
    }
    let is_internal = serving.kind == Kind::LmStudio && server.port == LM_STUDIO_INTERNAL;
    if is_internal || guise::is_meeting_port(server.port) {
        return false;
    }
    // It is still starting, and what it has so far is its own affair. Of an Ollama it may be the
    // unit that told, which need not be the last word; but that has no other sockets.
    let is_known = serving.port.is_some() || !serving.told_elsewhere;
    if is_known && serving.kind != Kind::Ollama {
        return false;
    }
    !all.iter().any(|other| other.holder == server.holder && expected == Some(other.port))
}

/// The ports of model servers in other networks: containers', for the most part.
fn ports_elsewhere(scene: &Scene<'_>) -> Vec<u16> {
    let all = scene.processes.oldest_first().into_iter();
    let elsewhere = all.filter(|seen| seen.network == Network::Another);
    elsewhere
        .filter_map(|seen| match scene.processes.guise(seen) {
            Guise::Server(serving) => serving.port.or(guise::usual_port(serving.kind)),
            _ => None,
        })
        .collect()
}

fn serves_elsewhere(port: u16, scene: &Scene<'_>) -> bool {
    ports_elsewhere(scene).contains(&port)
}

/// Ports that the kernel forwards show nowhere: the server's own is tried, unless another
/// process listens there or a forwarder is seen that leads to it.
fn elsewhere(found: &mut Found, servers: &[Server<'_>], scene: &Scene<'_>) {
    let inner = |server: &Server<'_>| match &server.guise {
        Some(Guise::Forwarder(forwards)) => forwards.container_port(server.port),
        _ => None,
    };
    for port in ports_elsewhere(scene) {
        let target = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let is_published = servers.iter().any(|server| inner(server) == Some(port));
        if !is_published && heard_by(target, servers).is_none() {
            found.unheard(target, Origin::Port);
        }
    }
}

/// The leads so far, each target once, under the strongest origin.
#[derive(Default)]
struct Found(BTreeMap<SocketAddr, Lead>);

impl Found {
    fn put(&mut self, lead: Lead) {
        let known = self.0.entry(lead.target).or_insert_with(|| lead.clone());
        known.origin = known.origin.min(lead.origin);
    }

    fn unheard(&mut self, target: SocketAddr, origin: Origin) {
        self.put(Lead { target, listens_on: None, origin, owner: Owner::Unknown });
    }

    fn server(
        &mut self,
        server: &Server<'_>,
        origin: Origin,
        all: &[Listening],
        scene: &Scene<'_>,
    ) {
        let is_allowed = |address: IpAddr| is_here(address, scene.own);
        let Some(target) = server.target(all, is_allowed) else { return };
        let owner = match (&server.guise, server.holder) {
            (Some(Guise::Forwarder(_)), _) => Owner::Forwarder,
            (_, Holder::Process(pid)) => match scene.processes.get(pid) {
                Some(seen) => Owner::Known(Box::new(scene.processes.process(seen))),
                None => Owner::Unknown,
            },
            _ => Owner::Unknown,
        };
        self.put(Lead { target, listens_on: Some(server.listens_on()), origin, owner });
    }

    fn finish(self) -> Leads {
        let mut leads: Vec<Lead> = self.0.into_values().collect();
        let n_found = leads.len();
        leads.sort_by_key(|lead| (rank(lead), lead.origin, lead.target));
        let mut n_by_hint: HashMap<u32, usize> = HashMap::new();
        leads.retain(|lead| {
            let Some(pid) = hinting(lead) else { return true };
            let n = n_by_hint.entry(pid).or_default();
            *n += 1;
            *n <= LEADS_OF_A_HINT_MAX
        });
        leads.truncate(LEADS_MAX);
        leads.sort_by_key(|lead| lead.target);
        Leads { left_out: (n_found - leads.len()) as u64, leads }
    }
}

/// Which leads stay where there are more than are followed: what people named, then servers that
/// are known, then what is likely, then what is hinted at.
fn rank(lead: &Lead) -> (u8, bool) {
    let is_usual = guise::is_usual_port(lead.target.port());
    match (lead.origin, &lead.owner) {
        (Origin::Flag | Origin::Environment | Origin::Unit, _) => (0, false),
        // What its command line names goes before what others use.
        _ if hinting(lead).is_some() => (3, is_usual),
        (Origin::Process, Owner::Known(_)) => (1, !is_usual),
        _ => (2, !is_usual),
    }
}

/// The process that is no more than hinted at.
fn hinting(lead: &Lead) -> Option<u32> {
    match &lead.owner {
        Owner::Known(process)
            if lead.origin == Origin::Process && process.role == Role::Unclear =>
        {
            Some(process.pid)
        }
        _ => None,
    }
}

/// Loopback of both families, where Ollama is usually asked.
pub(super) const USUAL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[cfg(test)]
mod tests;
