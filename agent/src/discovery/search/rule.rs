//! Which listening sockets become leads. Nothing is asked of anybody else: a database that gets a
//! request over HTTP writes an error into its log, or worse.
//!
//! | who listens | lead |
//! |---|---|
//! | named by `--ollama` | always, but for a runner |
//! | named by the agent's `OLLAMA_HOST` or a unit | unless it is an aggregator, a runner or a part |
//! | a model server | on the port that it was told; if on none, on its usual one, or else on all of its |
//! | one of several model servers of a user who runs nothing else | yes |
//! | an interpreter whose command line speaks of models | yes |
//! | another interpreter, or somebody who cannot be told | on a port that model servers use |
//! | a forwarder | if the container's port is such a one, or a model server in another network listens there |
//! | a runner, a part of a server, an aggregator, anybody else | no |
//! | nobody, at Ollama's usual place | yes |
//! | nobody, but a model server lives in another network | on loopback at its port |
//!
//! The first line that fits counts. A server with several sockets on one port is one lead, and only
//! loopback and the host's own addresses are ever one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::guise::{self, Guise, Hint, Serving};
use super::owner::Holder;
use super::process::{Network, Processes};
use super::server::{Server, servers};
use super::sockets::Listening;
use crate::discovery::lead::{Kind, Lead, Leads, Origin, Owner};

/// As many as the wire has room for.
const LEADS_MAX: usize = herdbook_shared::limits::SERVICES;
/// LM Studio's own affair: it speaks with its command line there.
const LM_STUDIO_INTERNAL: u16 = 41343;

/// All that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    /// `None`: the kernel does not say.
    pub(super) sockets: Option<&'a [Listening]>,
    /// Who holds each of them.
    pub(super) holders: &'a [Holder],
    pub(super) processes: &'a Processes,
    /// Places that somebody named, with the addresses that they stand for.
    pub(super) named: &'a [(Origin, Vec<SocketAddr>)],
    /// The host's own addresses but loopback.
    pub(super) own: &'a [IpAddr],
}

/// Applies the rule.
pub(super) fn leads(scene: &Scene<'_>) -> Leads {
    let mut found = Found::default();
    let Some(sockets) = scene.sockets else {
        for (origin, targets) in scene.named.iter().filter(|(_, targets)| are_here(targets, scene))
        {
            targets.iter().for_each(|target| found.nobody(*target, *origin));
        }
        return found.finish();
    };
    let servers = servers(sockets, scene.holders, scene.processes);
    for (origin, targets) in scene.named.iter().filter(|(_, targets)| are_here(targets, scene)) {
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
fn are_here(targets: &[SocketAddr], scene: &Scene<'_>) -> bool {
    targets.iter().all(|target| is_here(target.ip(), scene))
}

fn is_here(address: IpAddr, scene: &Scene<'_>) -> bool {
    // Without its interface, a link-local address leads nowhere.
    let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    address.is_loopback() || (scene.own.contains(&address) && !is_link_local)
}

/// A named place leads to who listens there, or else to nobody at its first address.
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
        found.nobody(*target, origin);
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

/// Why a server that nobody named is looked at, if it is.
fn origin_of(server: &Server<'_>, all: &[Server<'_>], scene: &Scene<'_>) -> Option<Origin> {
    let on_usual_port = guise::is_usual_port(server.port).then_some(Origin::Port);
    match (&server.guise, server.holder) {
        (Some(Guise::Server(serving)), _) => {
            is_its_port(serving, server, all).then_some(Origin::Process)
        }
        (Some(Guise::Unclear(Hint::Models)), _) | (None, Holder::SomeServer) => {
            Some(Origin::Process)
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

/// Some servers have more sockets than the one that they serve on.
fn is_its_port(serving: &Serving, server: &Server<'_>, all: &[Server<'_>]) -> bool {
    let Some(expected) = serving.port.or(guise::usual_port(serving.kind)) else { return true };
    if server.port == expected {
        return true;
    }
    if serving.kind == Kind::LmStudio && server.port == LM_STUDIO_INTERNAL {
        return false;
    }
    // It is still starting, and what it has so far is its own affair. Of an Ollama it may be the
    // unit that told, which need not be the last word; but that has no other sockets.
    if serving.port.is_some() && serving.kind != Kind::Ollama {
        return false;
    }
    !all.iter().any(|other| other.holder == server.holder && other.port == expected)
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

/// Ports that the kernel forwards show nowhere: the server's own is tried, unless somebody listens
/// there or a forwarder is seen that leads to it.
fn elsewhere(found: &mut Found, servers: &[Server<'_>], scene: &Scene<'_>) {
    let inner = |server: &Server<'_>| match &server.guise {
        Some(Guise::Forwarder(forwards)) => forwards.container_port(server.port),
        _ => None,
    };
    for port in ports_elsewhere(scene) {
        let target = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let is_published = servers.iter().any(|server| inner(server) == Some(port));
        if !is_published && heard_by(target, servers).is_none() {
            found.nobody(target, Origin::Port);
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

    fn nobody(&mut self, target: SocketAddr, origin: Origin) {
        self.put(Lead { target, listens_on: None, origin, owner: Owner::Unknown });
    }

    fn server(
        &mut self,
        server: &Server<'_>,
        origin: Origin,
        all: &[Listening],
        scene: &Scene<'_>,
    ) {
        let is_allowed = |address: IpAddr| is_here(address, scene);
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
        let n_left_out = leads.len().saturating_sub(LEADS_MAX);
        if n_left_out > 0 {
            leads.sort_by_key(|lead| (lead.origin, lead.target));
            leads.truncate(LEADS_MAX);
            leads.sort_by_key(|lead| lead.target);
        }
        Leads { leads, left_out: n_left_out as u64 }
    }
}

/// Loopback of both families, where Ollama is usually asked.
pub(super) const USUAL: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[cfg(test)]
mod tests;
