//! A collector by DNS: the SRV record of a domain that this host belongs to, and the pins in the
//! TXT record beside it. Without a pin the system's roots have to vouch for the name.

use herdbook_shared::fingerprint::Fingerprint;
use hickory_resolver::TokioResolver;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData};
use hickory_resolver::system_conf::read_system_conf;
use rustix::system::uname;

use super::{PIN, SERVICE, pins_of};
use crate::config::CollectorUrl;
use crate::enrol::{Target, Trust};

/// A resolv.conf with more search domains is asked about the first ones.
const DOMAINS: usize = 6;

/// The best collector of the first domain that names one.
pub(super) async fn search() -> Option<Target> {
    let (config, mut options) = read_system_conf().ok()?;
    // One search is one resolver.
    options.cache_size = 0;
    let listed = config.search().iter().chain(config.domain()).map(Name::to_ascii).collect();
    let provider = TokioRuntimeProvider::default();
    let builder = TokioResolver::builder_with_config(config, provider);
    let resolver = builder.with_options(options).build().ok()?;
    for domain in domains(listed) {
        let name = Name::from_ascii(format!("{SERVICE}.{domain}.")).ok()?;
        let Ok(answer) = resolver.srv_lookup(name.clone()).await else { continue };
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(srv),
            _ => None,
        });
        let Some(url) = best(records) else { continue };
        return Some(Target { url, trust: Trust::by(pins(&resolver, name).await) });
    }
    None
}

/// Those of resolv.conf, then that of the host's own name.
fn domains(listed: Vec<String>) -> Vec<String> {
    let uname = uname();
    let of_host = uname.nodename().to_string_lossy();
    let of_host = of_host.split_once('.').map(|(_, domain)| domain.to_owned());
    let mut domains: Vec<String> = Vec::new();
    for domain in listed.into_iter().chain(of_host) {
        let domain = domain.trim_matches('.').to_ascii_lowercase();
        if !domain.is_empty() && !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains.truncate(DOMAINS);
    domains
}

/// The lowest priority, then the greatest weight, then the name: every agent of a domain finds the
/// same one.
fn best<'a>(records: impl Iterator<Item = &'a SRV>) -> Option<CollectorUrl> {
    let usable = |srv: &'a SRV| {
        let url = CollectorUrl::found(&srv.target.to_ascii(), srv.port)?;
        Some(((srv.priority, u16::MAX - srv.weight, url.to_string()), url))
    };
    let best = records.filter_map(usable).min_by(|(one, _), (other, _)| one.cmp(other));
    best.map(|(_, url)| url)
}

async fn pins(resolver: &TokioResolver, name: Name) -> Vec<Fingerprint> {
    let Ok(answer) = resolver.txt_lookup(name).await else { return Vec::new() };
    let texts = answer.answers().iter().filter_map(|record| match &record.data {
        RData::TXT(txt) => Some(&txt.txt_data),
        _ => None,
    });
    let mut values = texts
        .flat_map(|texts| texts.iter())
        .filter_map(|text| std::str::from_utf8(text).ok()?.strip_prefix(PIN)?.strip_prefix('='));
    values.next().map(pins_of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, port: u16, target: &str) -> SRV {
        SRV::new(priority, weight, port, Name::from_ascii(target).unwrap())
    }

    #[test]
    fn the_best_record_is_the_same_for_everybody() {
        let records = [
            record(10, 0, 1, "later.example."),
            record(0, 1, 2, "b.example."),
            record(0, 5, 3, "heavy.example."),
            record(0, 9, 0, "no-port.example."),
            record(0, 9, 4, "."),
        ];
        let found = best(records.iter()).unwrap();
        assert_eq!(found.to_string(), "https://heavy.example:3");
        assert_eq!(best(records.iter().rev()), Some(found));
        assert_eq!(best(records[4..].iter()), None);
    }
}
