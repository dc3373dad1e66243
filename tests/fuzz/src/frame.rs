//! Frames of an agent: what the collector decodes, and what its protocol makes of one after another.

use std::time::Duration;

use herdbook_collector::ingest::protocol::{Begins, Protocol, Step};
use herdbook_shared::wire::codec::{decode_agent, encode};
use tokio::time::Instant;

/// Each line is a frame, a tenth of a second after the last.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for begins in [Begins::Hello, Begins::Knock] {
        talk(text, begins);
    }
}

/// One conversation, where no credentials are demanded and where they are.
fn talk(text: &str, begins: Begins) {
    let mut now = Instant::now();
    let mut protocol = Protocol::new(begins, now);
    for frame in text.lines() {
        now += Duration::from_millis(100);
        if let Ok(message) = decode_agent(frame) {
            // What is taken in can be told, and read again.
            let again = encode(&message);
            assert!(decode_agent(&again).is_ok(), "{again}");
        }
        if let Step::Refuse(_, refused) = protocol.text(frame, now) {
            // An answer is bounded, whatever it quotes.
            assert!(refused.message.len() < 4096, "{}", refused.message);
            return;
        }
    }
}
