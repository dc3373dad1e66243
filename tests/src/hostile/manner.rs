//! The manners of a collector that means harm: what it does to an agent that it has lured in.

use herdbook_shared::ids::SessionId;
use herdbook_shared::limits;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::CollectorMessage;
use herdbook_shared::wire::PROTOCOL;
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::hello::{RefusalCode, Refused, Welcome};

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// What a collector does: what the others are measured against.
    Good,
    /// Takes the connection and says nothing, not even TLS.
    Mute,
    /// Opens the WebSocket and never answers the knock.
    NeverAnswers,
    /// Answers with what is no message.
    Garbage,
    /// Sends frames without an end, before any welcome.
    EndlessFrames,
    /// Asks for a signature over a challenge of a megabyte.
    HugeChallenge,
    /// Welcomes with an id of 200 KiB.
    HugeWelcome,
    /// Welcomes before it asked for a proof.
    WelcomeFirst,
    /// Speaks a protocol that was not offered.
    WrongProtocol,
    /// Sends a thousand pings, then goes on as if nothing were.
    Pings,
    /// Refuses until the end of time.
    RefusesForEver,
    /// Refuses, and wants to be asked again at once.
    RefusesForNothing,
    /// Tells ten thousand keys by which it may be known.
    ManyPins,
    /// Asks for another key in every welcome, and never takes one.
    RotatesForEver,
    /// Sends its welcome one byte a second.
    Drips,
    /// Wants a sample every millisecond, and to be redialled within none.
    Hasty,
}

impl Manner {
    /// All that do harm.
    pub const HOSTILE: [Self; 15] = [
        Self::Mute,
        Self::NeverAnswers,
        Self::Garbage,
        Self::EndlessFrames,
        Self::HugeChallenge,
        Self::HugeWelcome,
        Self::WelcomeFirst,
        Self::WrongProtocol,
        Self::Pings,
        Self::RefusesForEver,
        Self::RefusesForNothing,
        Self::ManyPins,
        Self::RotatesForEver,
        Self::Drips,
        Self::Hasty,
    ];

    /// Whether it is said instead of the challenge, and what.
    pub(super) fn instead_of_challenge(self) -> Option<String> {
        Some(match self {
            Self::Garbage => "welcome? \u{0}\u{1b}[31m".to_owned(),
            Self::HugeChallenge => {
                format!(r#"{{"type":"challenge","nonce":"{}"}}"#, "A".repeat(1 << 20))
            }
            Self::WelcomeFirst => said(welcome()),
            Self::RefusesForEver => refused(u64::MAX),
            Self::RefusesForNothing => refused(0),
            _ => return None,
        })
    }

    /// How it welcomes whoever proved their key.
    pub(super) fn welcome(self) -> String {
        let welcome = welcome();
        said(match self {
            Self::HugeWelcome => {
                let collector_id = "c".repeat(limits::FRAME_BYTES - 8 * 1024);
                Welcome { collector_id, ..welcome }
            }
            Self::WrongProtocol => Welcome { protocol: PROTOCOL + 1, ..welcome },
            Self::RotatesForEver => Welcome { rotate_key: true, ..welcome },
            Self::Hasty => Welcome { sample_interval_ms: 1, reconnect_spread_ms: 0, ..welcome },
            Self::ManyPins => return many_pins(),
            _ => welcome,
        })
    }
}

fn welcome() -> Welcome {
    Welcome {
        collector_id: "hostile".to_owned(),
        session_id: SessionId::from_text("hostile"),
        protocol: PROTOCOL,
        sample_interval_ms: 1_000,
        reconnect_spread_ms: 500,
        server_time: Timestamp::now(),
        pins: Vec::new(),
        rotate_key: false,
    }
}

fn said(welcome: Welcome) -> String {
    encode(&CollectorMessage::Welcome(welcome))
}

fn refused(retry_after_ms: u64) -> String {
    let message = "m".repeat(100 * 1024);
    let code = RefusalCode::Full;
    encode(&CollectorMessage::Refused(Refused {
        code,
        message,
        retry_after_ms: Some(retry_after_ms),
    }))
}

/// As many as one frame holds, all of them different.
fn many_pins() -> String {
    let pin = |n: u32| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        herdbook_shared::fingerprint::Fingerprint::of_digest(digest)
    };
    said(Welcome { pins: (0..4_800).map(pin).collect(), ..welcome() })
}
