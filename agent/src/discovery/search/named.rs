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
/// How long until a name is looked up again: it may stand for another machine by then.
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
struct Known {
    /// As it was last told; none, where it never was.
    addresses: Vec<IpAddr>,
    asked_at: Instant,
    is_pending: bool,
}

/// Whether a name stands for other addresses than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Others,
    Same,
}

impl Names {
    /// The addresses of a place: none yet, where its name is not known.
    pub(super) fn addresses(&self, place: &Place) -> Vec<IpAddr> {
        match &place.host {
            Host::Address(address) => vec![address.to_canonical()],
            Host::Name(name) if is_localhost(name) => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Host::Name(name) => {
                self.known.get(name).map(|known| known.addresses.clone()).unwrap_or_default()
            }
        }
    }

    /// Begins to look up what is not known yet, or was asked for a while ago.
    pub(super) fn ask(&mut self, named: &[Named], now: Instant) {
        for place in named.iter().map(|named| &named.place) {
            let Host::Name(name) = &place.host else { continue };
            let is_due = match self.known.get(name) {
                Some(known) => !known.is_pending && now >= known.asked_at + LOOK_UP_AGAIN,
                None => self.known.len() < NAMES_MAX,
            };
            if is_due && !is_localhost(name) {
                let before = self.known.remove(name).map(|known| known.addresses);
                let addresses = before.unwrap_or_default();
                let known = Known { addresses, asked_at: now, is_pending: true };
                self.known.insert(name.clone(), known);
                self.asked.push(Box::pin(look_up(name.clone(), place.port)));
            }
        }
    }

    /// Forgets all that is known: the host may be in another network now.
    pub(super) fn forget(&mut self) {
        self.known.retain(|_, known| known.is_pending);
        self.known.values_mut().for_each(|known| known.addresses.clear());
    }

    /// Waits until one more name is known; for ever, where none is asked for.
    pub(super) async fn told(&mut self) -> News {
        let Some((name, told)) = self.asked.next().await else {
            return std::future::pending().await;
        };
        let Some(known) = self.known.get_mut(&name) else { return News::Same };
        known.is_pending = false;
        match told {
            Ok(addresses) if addresses != known.addresses => {
                known.addresses = addresses;
                News::Others
            }
            Ok(_) => News::Same,
            // What it was told to be before is the best that is known.
            Err(error) => {
                tracing::warn!(name, %error, "a model server's name cannot be looked up");
                News::Same
            }
        }
    }
}

#[cfg(test)]
impl Names {
    /// As a name server would.
    pub(super) fn tell(&mut self, name: &str, addresses: &[IpAddr]) {
        let (addresses, asked_at) = (addresses.to_vec(), Instant::now());
        self.known.insert(name.to_owned(), Known { addresses, asked_at, is_pending: false });
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(name: &str) -> Named {
        let place = Place { host: Host::Name(name.to_owned()), port: 1 };
        Named { place, origin: Origin::Flag }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_known_is_looked_up_again_each_minute() {
        let (mut names, now) = (Names::default(), Instant::now());
        let (gpu_7, address) = (named("gpu-7.test"), IpAddr::from([10, 0, 0, 7]));
        names.tell("gpu-7.test", &[address]);
        let gpu_7 = [gpu_7];
        names.ask(&gpu_7, now + LOOK_UP_AGAIN - Duration::from_secs(1));
        assert_eq!(names.asked.len(), 0);
        for _ in 0..2 {
            names.ask(&gpu_7, now + LOOK_UP_AGAIN);
            assert_eq!(names.asked.len(), 1);
            assert_eq!(names.addresses(&gpu_7[0].place), [address], "until it is told otherwise");
        }
        // Nobody answers for `.test`, and what was known is kept.
        names.asked = FuturesUnordered::new();
        let failed =
            std::future::ready(("gpu-7.test".to_owned(), Err(io::ErrorKind::NotFound.into())));
        names.asked.push(Box::pin(failed));
        assert_eq!(names.told().await, News::Same);
        assert_eq!(names.addresses(&gpu_7[0].place), [address]);
        let moved = IpAddr::from([10, 0, 0, 8]);
        let told = std::future::ready(("gpu-7.test".to_owned(), Ok(vec![moved])));
        names.asked.push(Box::pin(told));
        assert_eq!(names.told().await, News::Others);
        assert_eq!(names.addresses(&gpu_7[0].place), [moved]);
    }

    proptest! {
        #[test]
        fn whatever_is_named_only_so_much_is_looked_up(
            all in proptest::collection::vec("[a-z.]{1,12}|localhost|.{0,20}", 0..80)
        ) {
            let all: Vec<Named> = all.iter().map(|name| named(name)).collect();
            let mut names = Names::default();
            names.ask(&all, Instant::now());
            prop_assert!(names.asked.len() <= NAMES_MAX);
            for one in &all {
                let is_loopback = |address: &IpAddr| address.is_loopback();
                prop_assert!(names.addresses(&one.place).iter().all(is_loopback));
            }
        }

        #[test]
        fn addresses_of_a_name_are_few_and_each_is_there_once(
            all in proptest::collection::vec(proptest::num::u32::ANY, 0..12)
        ) {
            let mapped = |n: &u32| IpAddr::from(Ipv4Addr::from(n % 6).to_ipv6_mapped());
            let some = distinct(all.iter().map(mapped));
            prop_assert!(some.len() <= ADDRESSES_OF_A_NAME_MAX);
            for (n, address) in some.iter().enumerate() {
                prop_assert!(address.is_ipv4() && !some[..n].contains(address));
            }
        }
    }
}
