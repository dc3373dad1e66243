//! The first words of a connection, whose sender is nobody yet: a knock, a hello, and what is in
//! them, each by itself, so that a broken one does not hide the next.

use herdbook_collector::ingest::protocol::{Begins, Protocol, Step};
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::ids::HostId;
use herdbook_shared::wire::codec::{decode_agent, decode_collector};
use tokio::time::Instant;

/// Each line is the first of a connection.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for line in text.lines() {
        for begins in [Begins::Hello, Begins::Knock, Begins::Nowhere] {
            first_word(line, begins);
        }
        // An agent reads what a stranger answers on the collector's port.
        let _ = (decode_agent(line), decode_collector(line));
        if let Ok(fingerprint) = line.parse::<Fingerprint>() {
            assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
    }
}

/// Nobody is taken for more than a first word allows.
fn first_word(line: &str, begins: Begins) {
    let first = Protocol::new(begins, Instant::now()).text(line, Instant::now());
    match &first {
        Step::Hello(host_id, ..) => {
            assert_eq!(begins, Begins::Hello, "{first:?}");
            assert!(HostId::parse(host_id.as_str()).is_ok(), "{host_id:?}");
        }
        Step::Knock(_) => assert_ne!(begins, Begins::Nowhere, "{first:?}"),
        Step::Refuse(..) => (),
        other => panic!("{other:?}"),
    }
}
