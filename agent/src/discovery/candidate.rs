//! Where a model server may be: a list of sources, and the rule of what may be contacted at all.
//!
//! Sources only say where to look. Whether a server is there, and which one, the prober tells.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::DiscoverySettings;
use super::board::Board;
use super::ollama_host::{self, Host, OLLAMA_PORT, Place};

/// More than anyone needs; bounds the loops.
const CANDIDATES_MAX: usize = 32;
/// A name that leads to more addresses than this is used up to here.
const ADDRESSES_OF_A_NAME_MAX: usize = 4;
/// How long until a name that could not be looked up is tried again.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(60);

/// One place where a server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    place: Place,
    origin: Origin,
}

/// Who named the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Ollama's own default.
    Usual,
    /// `OLLAMA_HOST`, which may as well name another machine's server for the client.
    Environment,
    /// `--ollama`.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usual => "default",
            Self::Environment => "OLLAMA_HOST",
            Self::Flag => "--ollama",
        })
    }
}

type Source = fn(&DiscoverySettings) -> Vec<Candidate>;

/// Every way to learn of a place. One that reads listeners or unit files is a further line here.
const SOURCES: [Source; 3] = [usual, environment, flags];

/// What all sources name, each place once.
pub(super) fn candidates(settings: &DiscoverySettings) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    for candidate in SOURCES.iter().flat_map(|source| source(settings)) {
        if !all.iter().any(|known| known.place == candidate.place) {
            all.push(candidate);
        }
    }
    if all.len() > CANDIDATES_MAX {
        tracing::warn!(
            given = all.len(),
            used = CANDIDATES_MAX,
            "too many model servers are named"
        );
        all.truncate(CANDIDATES_MAX);
    }
    all
}

fn usual(_: &DiscoverySettings) -> Vec<Candidate> {
    [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]
        .map(|address| Place { host: Host::Address(address), port: OLLAMA_PORT })
        .map(|place| Candidate { place, origin: Origin::Usual })
        .to_vec()
}

fn environment(settings: &DiscoverySettings) -> Vec<Candidate> {
    let place = settings.ollama_host_env.as_deref().and_then(ollama_host::ollama_host);
    place.map(|place| Candidate { place, origin: Origin::Environment }).into_iter().collect()
}

fn flags(settings: &DiscoverySettings) -> Vec<Candidate> {
    let places = settings.ollama_urls.iter().map(|url| url.place().clone());
    places.map(|place| Candidate { place, origin: Origin::Flag }).collect()
}

/// Why a candidate has no target.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("the name could not be looked up")]
    NoAddress(#[source] io::Error),
    #[error("{0} is neither loopback nor an address of this host")]
    Elsewhere(IpAddr),
}

impl Candidate {
    /// The socket addresses to ask, none where the candidate is another machine's. A name that
    /// cannot be looked up is tried again until it can.
    pub(super) async fn targets(&self, own: &[IpAddr], board: &Board) -> Vec<SocketAddr> {
        let mut told = false;
        loop {
            let unusable = match self.try_targets(own).await {
                Ok(targets) => return targets,
                Err(unusable) => unusable,
            };
            let is_final = matches!(unusable, Unusable::Elsewhere(_));
            if !told {
                self.tell(&unusable);
            }
            if is_final {
                return Vec::new();
            }
            if !told {
                // Nobody waits for a name server to know what else is here.
                board.looked();
            }
            told = true;
            tokio::time::sleep(LOOK_UP_AGAIN).await;
        }
    }

    fn tell(&self, unusable: &Unusable) {
        let source = std::error::Error::source(unusable).map(ToString::to_string);
        tracing::warn!(
            server = %self.place,
            named_by = %self.origin,
            cause = source,
            "model server is not asked: {unusable}"
        );
    }

    async fn try_targets(&self, own: &[IpAddr]) -> Result<Vec<SocketAddr>, Unusable> {
        let addresses = match &self.place.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) if is_localhost(name) => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Host::Name(name) => look_up(name, self.place.port).await?,
        };
        let addresses = all_here(addresses, own)?;
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, self.place.port)).collect())
    }
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

async fn look_up(name: &str, port: u16) -> Result<Vec<IpAddr>, Unusable> {
    let found = tokio::net::lookup_host((name, port)).await.map_err(Unusable::NoAddress)?;
    let addresses: Vec<IpAddr> = found.map(|socket| socket.ip()).collect();
    if addresses.is_empty() {
        return Err(Unusable::NoAddress(io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

/// All of a name's addresses have to be this host's: one that is not makes the name another
/// machine's.
fn all_here(addresses: Vec<IpAddr>, own: &[IpAddr]) -> Result<Vec<IpAddr>, Unusable> {
    let mut here: Vec<IpAddr> = Vec::new();
    for address in addresses.into_iter().map(|address| address.to_canonical()) {
        if !address.is_loopback() && !own.contains(&address) {
            return Err(Unusable::Elsewhere(address));
        }
        if !here.contains(&address) && here.len() < ADDRESSES_OF_A_NAME_MAX {
            here.push(address);
        }
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(env: Option<&str>, urls: &[&str]) -> DiscoverySettings {
        DiscoverySettings {
            ollama_urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
            ollama_host_env: env.map(str::to_owned),
            own_addresses: Vec::new(),
            proc_root: "/nowhere".into(),
        }
    }

    fn places(settings: &DiscoverySettings) -> Vec<String> {
        candidates(settings).iter().map(|candidate| candidate.place.to_string()).collect()
    }

    #[test]
    fn the_usual_port_is_always_asked() {
        assert_eq!(places(&settings(None, &[])), ["127.0.0.1:11434", "[::1]:11434"]);
    }

    #[test]
    fn a_place_that_is_named_twice_is_listed_once() {
        let named = settings(Some("0.0.0.0"), &["http://127.0.0.1:11434", "http://127.0.0.1:9"]);
        assert_eq!(places(&named), ["127.0.0.1:11434", "[::1]:11434", "127.0.0.1:9"]);
    }

    #[test]
    fn the_number_of_candidates_is_bounded() {
        let urls: Vec<String> = (1..100).map(|port| format!("http://127.0.0.1:{port}")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        assert_eq!(candidates(&settings(None, &urls)).len(), CANDIDATES_MAX);
    }

    #[tokio::test]
    async fn only_loopback_and_own_addresses_are_targets() {
        let (board, _found) = Board::new(1);
        let own = ["192.168.1.7".parse().unwrap()];
        let table: [(&str, &[&str]); 6] = [
            ("192.168.1.7", &["192.168.1.7:11434"]),
            ("[::ffff:192.168.1.7]:1", &["192.168.1.7:1"]),
            ("192.168.1.8", &[]),
            ("169.254.169.254:80", &[]),
            ("localhost:5", &["127.0.0.1:5", "[::1]:5"]),
            ("127.0.1.1", &["127.0.1.1:11434"]),
        ];
        for (value, expected) in table {
            let place = ollama_host::ollama_host(value).unwrap();
            let candidate = Candidate { place, origin: Origin::Environment };
            let targets = candidate.targets(&own, &board).await;
            let expected: Vec<SocketAddr> = expected.iter().map(|t| t.parse().unwrap()).collect();
            assert_eq!(targets, expected, "{value:?}");
        }
    }

    #[test]
    fn a_name_with_one_foreign_address_is_another_machines() {
        let addresses = vec!["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        assert!(matches!(all_here(addresses, &[]), Err(Unusable::Elsewhere(_))));
    }
}
