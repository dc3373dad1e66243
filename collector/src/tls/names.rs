//! The names that the collector's own certificate is for.

use std::collections::BTreeSet;

use crate::auth::HostName;
use crate::config::Config;

/// Under which it is asked: those that it was told, those of its machine, and its addresses.
pub(super) fn of(config: &Config) -> Vec<String> {
    let public = config.public_names.iter().map(|name| {
        // An address stands in brackets in a URL, and without them in a certificate.
        name.to_string().trim_matches(['[', ']']).to_owned()
    });
    let machine = HostName::of_machine().into_iter().map(|name| name.to_string());
    let addresses = config.listen.iter().map(|address| address.ip().to_canonical());
    let addresses = addresses.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
    let all = public.chain(machine).chain(["localhost".to_owned()]).chain(addresses);
    let mut seen = BTreeSet::new();
    all.filter(|name| seen.insert(name.clone())).collect()
}
