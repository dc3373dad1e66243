//! Where model servers may be on this host. It only looks, at the kernel's tables and at files:
//! nobody is contacted here, which is what the probers do.

pub(super) mod ollama_host;

mod named;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::named::{Named, Names};
use self::ollama_host::{Host, OLLAMA_PORT, OllamaUrl, Place};
use super::lead::{Lead, Leads, Origin, Owner};
use super::listeners::{Hearing, Listeners};
use crate::sampling::{self, Roots};

/// How often the listening sockets are looked at.
const TICK: Duration = Duration::from_secs(5);
/// More servers than anyone runs on one host.
const LEADS_MAX: usize = 64;

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
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    leads.send_replace(Arc::new(search.look()));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = search.names.told() => {}
            Ok(()) = resumed.changed() => search.wake(),
        }
        let found = search.look();
        leads.send_if_modified(|before| {
            let is_news = **before != found;
            if is_news {
                *before = Arc::new(found);
            }
            is_news
        });
    }
}

struct Search {
    named: Vec<Named>,
    names: Names,
    own: Vec<IpAddr>,
    listeners: Listeners,
    roots: Roots,
}

impl Search {
    fn new(settings: &SearchSettings) -> Self {
        let own = own_addresses(&settings.roots);
        let listeners = Listeners::new(settings.roots.proc.clone());
        let roots = settings.roots.clone();
        Self { named: named(settings), names: Names::default(), own, listeners, roots }
    }

    fn wake(&mut self) {
        self.names.forget();
        self.own = own_addresses(&self.roots);
    }

    fn look(&mut self) -> Leads {
        let now = Instant::now();
        self.names.ask(&self.named, now);
        let mut leads: Vec<Lead> = Vec::new();
        let mut heard: Vec<(IpAddr, u16)> = Vec::new();
        for named in &self.named {
            let addresses = self.names.addresses(&named.place);
            if !addresses.iter().all(|ip| ip.is_loopback() || self.own.contains(ip)) {
                continue;
            }
            for address in addresses {
                let target = SocketAddr::new(address, named.place.port);
                let listens_on = match self.listeners.hearing(target, now) {
                    Hearing::At(address) => Some(address),
                    Hearing::Nobody | Hearing::CannotTell => None,
                };
                let at = (listens_on.unwrap_or(address), target.port());
                if !heard.contains(&at) {
                    heard.push(at);
                    let origin = named.origin;
                    leads.push(Lead { target, listens_on, origin, owner: Owner::Unknown });
                }
            }
        }
        leads.sort_by_key(|lead| lead.target);
        let left_out = leads.len().saturating_sub(LEADS_MAX) as u64;
        leads.truncate(LEADS_MAX);
        Leads { leads, left_out }
    }
}

fn own_addresses(roots: &Roots) -> Vec<IpAddr> {
    sampling::addresses(roots).iter().flat_map(|text| text.parse()).collect()
}

/// What people and environment name, and the usual places, the strongest first.
fn named(settings: &SearchSettings) -> Vec<Named> {
    let flags = settings.ollama_urls.iter().map(|url| (url.place().clone(), Origin::Flag));
    let env = settings.ollama_host_env.as_deref().and_then(ollama_host::ollama_host);
    let env = env.map(|place| (place, Origin::Environment));
    let usual = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
        .map(|ip| (Place { host: Host::Address(ip), port: OLLAMA_PORT }, Origin::Usual));
    let all = flags.chain(env).chain(usual);
    all.map(|(place, origin)| Named { place, origin }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_look_has_the_usual_places_and_what_people_named() {
        let (_resume, resumed) = watch::channel(0);
        let settings = SearchSettings {
            ollama_urls: vec!["http://127.0.0.1:9".parse().unwrap()],
            ollama_host_env: Some("192.0.2.1".into()),
            roots: Roots { proc: "/nowhere".into(), ..Roots::default() },
            resumed,
        };
        let (sender, mut leads) = watch::channel(Arc::default());
        let mut searching = Box::pin(watch(settings, sender));
        tokio::select! {
            () = &mut searching => {}
            _ = leads.changed() => {}
        }
        let targets = |leads: &Leads| -> Vec<String> {
            leads.leads.iter().map(|lead| lead.target.to_string()).collect()
        };
        let all = targets(&leads.borrow());
        assert_eq!(all, ["127.0.0.1:9", "127.0.0.1:11434", "[::1]:11434"]);
    }
}
