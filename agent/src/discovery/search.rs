//! Where model servers may be on this host. It only looks, at the kernel's tables and at files:
//! nobody is contacted here, which is what the probers do.
//!
//! Read in this order: what listens (`sockets`), what runs and what that looks like (`process`,
//! `guise`), who holds which socket (`owner`), whose sockets make one server (`server`); what
//! people say (`named`, `ollama_host`, `unit`); and which of all that is a lead (`rule`).
//!
//! Every five seconds the listening sockets are looked at. Processes are, when those have changed,
//! and once a minute; so whatever serves is found within five seconds of its first listening.

mod sockets;

mod guise;
mod process;

mod owner;
mod server;

mod named;
pub(super) mod ollama_host;
mod unit;

mod rule;

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use self::named::{Named, Names, News};
use self::ollama_host::{Host, OLLAMA_PORT, OllamaUrl, Place};
use self::owner::Owners;
use self::process::{Depth, Processes};
use self::rule::Scene;
use self::sockets::{Listening, Sockets};
use self::unit::Units;
#[cfg(test)]
use super::lead;
use super::lead::{Leads, Origin};
use crate::sampling::{self, Roots};

/// How often the listening sockets are looked at.
const TICK: Duration = Duration::from_secs(5);
/// How long until everything is looked at, though no socket has come or gone.
const LOOK_AT_ALL: Duration = Duration::from_secs(60);

/// Where to search.
#[derive(Clone, Debug)]
pub(super) struct SearchSettings {
    /// The servers that the user named, with `--ollama`.
    pub(super) ollama_urls: Vec<OllamaUrl>,
    /// The agent's own `OLLAMA_HOST`.
    pub(super) ollama_host_env: Option<String>,
    /// Where the kernel's files are, and everybody's.
    pub(super) roots: Roots,
    /// Changes when the host has slept: everything is looked at again at once.
    pub(super) resumed: watch::Receiver<u64>,
}

/// Searches for ever. What it publishes first is a whole look; later, only what differs.
pub(super) async fn watch(settings: SearchSettings, leads: watch::Sender<Arc<Leads>>) {
    let mut search = Search::new(&settings);
    let mut resumed = settings.resumed;
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let first = search.look(Instant::now()).await.unwrap_or_default();
    warn_of_left_out(0, first.left_out);
    leads.send_replace(Arc::new(first));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            news = search.names.told() => match news {
                News::Others => search.look_at_all_next(),
                News::Same => continue,
            },
            Ok(()) = resumed.changed() => search.wake(),
        }
        if let Some(found) = search.look(Instant::now()).await {
            publish(&leads, found);
        }
    }
}

fn publish(leads: &watch::Sender<Arc<Leads>>, found: Leads) {
    leads.send_if_modified(|before| {
        let is_news = **before != found;
        if is_news {
            warn_of_left_out(before.left_out, found.left_out);
            *before = Arc::new(found);
        }
        is_news
    });
}

fn warn_of_left_out(before: u64, now: u64) {
    if now > before {
        tracing::warn!(left_out = now, "more model servers than are followed");
    }
}

/// All that is remembered between two looks.
#[derive(Debug)]
struct Search {
    roots: Roots,
    /// What people said, the strongest first.
    said: Vec<Named>,
    names: Names,
    own: Vec<IpAddr>,
    /// Places on other machines that somebody was told are none of this agent's.
    warned_of: Vec<Place>,
    sockets: Sockets,
    listening: Option<Vec<Listening>>,
    processes: Processes,
    owners: Owners,
    units: Units,
    all_due_at: Option<Instant>,
}

impl Search {
    fn new(settings: &SearchSettings) -> Self {
        let roots = settings.roots.clone();
        Self {
            said: said(settings),
            names: Names::default(),
            own: Vec::new(),
            warned_of: Vec::new(),
            sockets: Sockets::new(&roots.proc),
            listening: None,
            processes: Processes::new(&roots.proc),
            owners: Owners::new(&roots.proc),
            units: Units::new(&roots.root, &roots.process().join("mountinfo")),
            all_due_at: None,
            roots,
        }
    }

    /// After sleep, whatever was known may be otherwise.
    fn wake(&mut self) {
        self.names.forget();
        self.look_at_all_next();
    }

    fn look_at_all_next(&mut self) {
        self.all_due_at = None;
    }

    /// All leads, where anything may have changed since the last look.
    async fn look(&mut self, now: Instant) -> Option<Leads> {
        let listening = self.sockets.look();
        let is_due = self.all_due_at.is_none_or(|due_at| now >= due_at);
        let is_news = listening != self.listening;
        let may_have_moved = is_due || is_news || self.is_anywhere_unknown(&listening);
        let has_moved = may_have_moved && self.look_at_addresses();
        let depth = match is_due {
            true => Depth::All,
            false if is_news || has_moved => Depth::News,
            false => return None,
        };
        self.listening = listening;
        if depth == Depth::All {
            self.all_due_at = Some(now + LOOK_AT_ALL);
        }
        self.units.refresh(now).await;
        self.processes.scan(depth).await;
        let units = &self.units;
        self.processes.tell_ports(|unit| units.port_of(unit));
        Some(self.leads(depth, now).await)
    }

    /// Whether anybody listens on an address that the host was not known to have.
    fn is_anywhere_unknown(&self, listening: &Option<Vec<Listening>>) -> bool {
        let is_known = |address: IpAddr| {
            address.is_unspecified() || address.is_loopback() || self.own.contains(&address)
        };
        listening.iter().flatten().any(|socket| !is_known(socket.address))
    }

    /// Whether the host's own addresses are others than before.
    fn look_at_addresses(&mut self) -> bool {
        let own = own_addresses(&self.roots);
        let has_changed = own != self.own;
        self.own = own;
        has_changed
    }

    async fn leads(&mut self, depth: Depth, now: Instant) -> Leads {
        let named = self.named(now);
        self.warn_of_other_machines(&named);
        let listening = self.listening.as_deref();
        let sockets = listening.unwrap_or_default();
        let ports = named.iter().flat_map(|(_, targets)| targets.iter().map(SocketAddr::port));
        let ports: Vec<u16> = ports.collect();
        let holders = self.owners.holders(sockets, &ports, &self.processes, depth).await;
        rule::leads(&Scene {
            sockets: listening,
            holders: &holders,
            processes: &self.processes,
            named: &named,
            own: &self.own,
        })
    }

    fn warn_of_other_machines(&mut self, named: &[(Origin, Vec<SocketAddr>)]) {
        for place in self.newly_elsewhere(named) {
            tracing::warn!(
                %place,
                "what --ollama names is not on this host, and is not asked: expected loopback or \
                 an address of this host; an agent on that machine finds its servers itself"
            );
            self.warned_of.push(place);
        }
    }

    /// Where `--ollama` leads to another machine, and nobody was told so yet.
    fn newly_elsewhere(&self, named: &[(Origin, Vec<SocketAddr>)]) -> Vec<Place> {
        // What people said stands first in what is named.
        let by_flag = self.said.iter().zip(named).filter(|(said, _)| said.origin == Origin::Flag);
        let elsewhere = by_flag.filter(|(_, (_, targets))| !rule::are_here(targets, &self.own));
        let places = elsewhere.map(|(said, _)| &said.place);
        places.filter(|place| !self.warned_of.contains(place)).cloned().collect()
    }

    /// All named places with their addresses, the strongest first.
    fn named(&mut self, now: Instant) -> Vec<(Origin, Vec<SocketAddr>)> {
        let units = self.units.places().iter();
        let units = units.map(|unit| Named { place: unit.place.clone(), origin: Origin::Unit });
        let usual = rule::USUAL.map(|address| Named {
            place: Place { host: Host::Address(address), port: OLLAMA_PORT },
            origin: Origin::Usual,
        });
        let all: Vec<Named> = self.said.iter().cloned().chain(units).chain(usual).collect();
        self.names.ask(&all, now);
        let with_addresses = all.iter().map(|named| {
            let port = named.place.port;
            let addresses = self.names.addresses(&named.place).into_iter();
            (named.origin, addresses.map(|address| SocketAddr::new(address, port)).collect())
        });
        with_addresses.collect()
    }
}

fn own_addresses(roots: &Roots) -> Vec<IpAddr> {
    sampling::addresses(roots).iter().flat_map(|text| text.parse()).collect()
}

/// What people and the agent's own environment name.
fn said(settings: &SearchSettings) -> Vec<Named> {
    let flags = settings.ollama_urls.iter().map(|url| (url.place().clone(), Origin::Flag));
    let env = settings.ollama_host_env.as_deref().and_then(ollama_host::ollama_host);
    let env = env.map(|place| (place, Origin::Environment));
    flags.chain(env).map(|(place, origin)| Named { place, origin }).collect()
}

/// What a command line is taken for, and the port that it is then expected at.
#[cfg(test)]
pub(super) fn kind_of(args: &[&str]) -> Option<(lead::Kind, Option<u16>)> {
    let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    match guise::guise(args.first()?, &args) {
        guise::Guise::Server(serving) => Some((serving.kind, guise::usual_port(serving.kind))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
