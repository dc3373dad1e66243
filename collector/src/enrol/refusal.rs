//! Why an agent is not let in, in words for whoever reads its log.

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::ids::HostId;
use herdbook_shared::wire::hello::{RefusalCode, Refused};

use super::token::TokenRefusal;
use super::{KEYS_MAX, PENDING_RETRY_MS};

/// What a person can change is asked for again this late.
const RETRY_MS: u64 = 60_000;
/// What passes by itself.
const SOON_MS: u64 = 1_000;

const BUSY: &str = "this agent is being let in on another connection";

/// Why an agent is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A person has to approve it.
    Pending(Fingerprint),
    /// So many wait already that it is not listed.
    Crowded,
    /// Nobody is let in without a token.
    UnknownKey,
    /// The key was revoked.
    Revoked,
    /// The token does not let it in.
    Token(TokenRefusal),
    /// Too many tokens were tried from there.
    Tries,
    /// The host is another key's.
    NotYours(HostId),
    /// The signature does not hold, or is missing.
    BadProof,
    /// The same key is being let in on another connection.
    Busy,
    /// There is no room for another key.
    Full,
    /// The key was replaced just now.
    TooSoon,
    /// It cannot be kept.
    NotKept,
}

impl Refusal {
    /// As it goes over the wire.
    pub(super) fn told(&self) -> Refused {
        let (code, message, retry_after_ms) = self.words();
        Refused { code, message, retry_after_ms: Some(retry_after_ms) }
    }

    fn words(&self) -> (RefusalCode, String, u64) {
        let later = |code, words: &str| (code, words.to_owned(), RETRY_MS);
        match self {
            Self::Pending(fingerprint) => {
                let words = format!(
                    "this agent waits to be approved: on the page under Access, or with \
                     herdbook-collector host approve {fingerprint}"
                );
                (RefusalCode::Pending, words, PENDING_RETRY_MS)
            }
            Self::Crowded => later(
                RefusalCode::Pending,
                "so many agents wait to be approved, from this network or in all, that this one is \
                 not listed: approve or forget some under Access, or join by a line (herdbook-collector \
                 token create)",
            ),
            Self::UnknownKey => later(
                RefusalCode::UnknownKey,
                "this collector lets agents in by a join line only: make one with \
                 herdbook-collector token create, and give it to herdbook-agent join",
            ),
            Self::Revoked => later(
                RefusalCode::Revoked,
                "the key of this agent was revoked: to join again, make a join line with \
                 herdbook-collector token create, and give it to herdbook-agent join \
                 --new-identity",
            ),
            Self::Token(refusal) => (RefusalCode::TokenRefused, refusal.to_string(), RETRY_MS),
            Self::Tries => later(
                RefusalCode::TokenRefused,
                "too many tokens that are not good came from this address: wait a minute",
            ),
            Self::NotYours(host_id) => {
                let words = format!(
                    "the host {host_id} has another key: revoke that one on the collector if this \
                     is the same machine, or join with herdbook-agent join --new-identity if it is \
                     a copy"
                );
                (RefusalCode::NotYours, words, RETRY_MS)
            }
            Self::BadProof => later(
                RefusalCode::BadProof,
                "the signature does not hold for this key on this connection: does something \
                 between agent and collector end TLS? Agents connect to the collector itself",
            ),
            Self::Busy => (RefusalCode::Pending, BUSY.to_owned(), SOON_MS),
            Self::Full => {
                let words = format!("there are {KEYS_MAX} keys already: forget revoked ones");
                (RefusalCode::Full, words, RETRY_MS)
            }
            Self::TooSoon => later(
                RefusalCode::TooManyErrors,
                "the key of this agent is younger than an hour: keep it",
            ),
            Self::NotKept => later(
                RefusalCode::Full,
                "the collector cannot write to its database now: its log says why",
            ),
        }
    }
}
