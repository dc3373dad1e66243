//! The first words of a connection, whose sender is nobody yet: a knock, a hello, and what is in
//! them, each by itself, so that a broken one does not hide the next.

use herdbook_collector::ingest::protocol::{Protocol, Step};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::ids::HostId;
use herdbook_shared::wire::codec::{decode_agent, decode_collector};
use tokio::time::Instant;

/// Each line is the first of a connection.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for line in text.lines() {
        let first = Protocol::new(Instant::now()).text(line, Instant::now());
        if let Step::Hello(host_id, _) = &first {
            assert!(HostId::parse(host_id.as_str()).is_ok(), "{host_id:?}");
        }
        // Nobody is taken for more than a first word allows.
        assert!(!matches!(first, Step::Inventory(_) | Step::Sample(_)), "{first:?}");
        // An agent reads what a stranger answers on the collector's port.
        let _ = (decode_agent(line), decode_collector(line));
        if let Ok(fingerprint) = line.parse::<Fingerprint>() {
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
    }
}
