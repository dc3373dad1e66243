//! Places that somebody named, and the addresses that they stand for. Names are looked up here,
//! beside everything else, since a name server may take its time.
//!
//! Whether such a place may be contacted at all, the rule tells.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::ollama_host::{Host, Place};
use crate::discovery::lead::Origin;

/// More than anyone needs.
const NAMES_MAX: usize = 32;
/// A name that leads to more addresses than this is used up to here.
const ADDRESSES_OF_A_NAME_MAX: usize = 4;
/// How long until a name that could not be looked up is tried again.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(60);
/// A name server that takes longer has not answered.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(20);

/// A place, and who named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) place: Place,
    pub(super) origin: Origin,
}

/// What names stand for, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<String, Known>,
    asked: FuturesUnordered<BoxFuture<'static, (String, io::Result<Vec<IpAddr>>)>>,
}

#[derive(Debug)]
enum Known {
    Asked,
    Told(Vec<IpAddr>),
    Failed { again_at: Instant },
}

impl Names {
    /// The addresses of a place: none yet, where its name is not known.
    pub(super) fn addresses(&self, place: &Place) -> Vec<IpAddr> {
        match &place.host {
            Host::Address(address) => vec![address.to_canonical()],
            Host::Name(name) if is_localhost(name) => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Host::Name(name) => match self.known.get(name) {
                Some(Known::Told(addresses)) => addresses.clone(),
                Some(Known::Asked | Known::Failed { .. }) | None => Vec::new(),
            },
        }
    }

    /// Begins to look up what is not known yet, or failed a while ago.
    pub(super) fn ask(&mut self, named: &[Named], now: Instant) {
        for place in named.iter().map(|named| &named.place) {
            let Host::Name(name) = &place.host else { continue };
            let is_due = match self.known.get(name) {
                Some(Known::Asked | Known::Told(_)) => false,
                Some(Known::Failed { again_at }) => now >= *again_at,
                None => self.known.len() < NAMES_MAX,
            };
            if is_due && !is_localhost(name) {
                self.known.insert(name.clone(), Known::Asked);
                self.asked.push(Box::pin(look_up(name.clone(), place.port)));
            }
        }
    }

    /// Forgets all that is known: the host may be in another network now.
    pub(super) fn forget(&mut self) {
        self.known.retain(|_, known| matches!(known, Known::Asked));
    }

    /// Waits until one more name is known; for ever, where none is asked for.
    pub(super) async fn told(&mut self) {
        let Some((name, told)) = self.asked.next().await else {
            return std::future::pending().await;
        };
        let known = match told {
            Ok(addresses) => Known::Told(addresses),
            Err(error) => {
                tracing::warn!(name, %error, "a model server's name cannot be looked up");
                Known::Failed { again_at: Instant::now() + LOOK_UP_AGAIN }
            }
        };
        self.known.insert(name, known);
    }
}

#[cfg(test)]
impl Names {
    /// As a name server would.
    pub(super) fn tell(&mut self, name: &str, addresses: &[IpAddr]) {
        self.known.insert(name.to_owned(), Known::Told(addresses.to_vec()));
    }
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

async fn look_up(name: String, port: u16) -> (String, io::Result<Vec<IpAddr>>) {
    let found =
        tokio::time::timeout(LOOK_UP_DEADLINE, tokio::net::lookup_host((name.as_str(), port)));
    let found = match found.await {
        Ok(found) => found.map(|sockets| distinct(sockets.map(|socket| socket.ip()))),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    let found = found.and_then(|addresses| match addresses.is_empty() {
        true => Err(io::ErrorKind::NotFound.into()),
        false => Ok(addresses),
    });
    (name, found)
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    for address in addresses.map(|address| address.to_canonical()) {
        if !all.contains(&address) && all.len() < ADDRESSES_OF_A_NAME_MAX {
            all.push(address);
        }
    }
    all
}
