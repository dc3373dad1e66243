//! Why there is no connection, or no longer.

use std::time::Duration;

use herdbook_shared::wire::codec::{DecodeError, encode};
use herdbook_shared::wire::hello::{RefusalCode, Refused};
use tokio_tungstenite::tungstenite::Error as SocketError;

use super::dial::DialError;
use crate::key::KeyError;

/// A collector that has another connection of this host is not asked again before this.
const TAKEN_OVER_FLOOR: Duration = Duration::from_secs(10);

/// A refusal that only a person can lift is not asked about again before this.
const PERSON_FLOOR: Duration = Duration::from_secs(60);
/// Who waits to be approved asks again after this, unless the collector says when.
const PENDING_AFTER: Duration = Duration::from_secs(10);

const UNREACHABLE: &str = "unreachable";

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// This agent stops.
    #[error("the agent stops")]
    Stopped,
    /// The host slept, and nobody knows what became of the connection.
    #[error("the host slept")]
    Resumed,
    /// There is no key to show.
    #[error("the agent has no key to show")]
    NoKey(#[source] KeyError),
    /// It could not be made.
    #[error("cannot connect")]
    Unreachable(#[source] DialError),
    /// The collector does not take the host in, or no longer. What it says is shown escaped.
    #[error("refused as {}: {:?}", code_word(.0.code), .0.message)]
    Refused(Refused),
    /// It connected and said nothing.
    #[error("no welcome within 10 s")]
    NoWelcome,
    /// It speaks another version than it was asked for.
    #[error("welcomed with protocol {0}, which was not offered; upgrade the agent")]
    Protocol(u32),
    /// It fell silent.
    #[error("nothing heard for 30 s")]
    Silent,
    /// It does not read.
    #[error("nothing could be sent for 5 min")]
    Stuck,
    /// It sent what is no message.
    #[error("the collector sent what is no message")]
    Garbage(#[source] DecodeError),
    /// It sent more than a collector has to say.
    #[error("the collector sent {0}")]
    Misbehaved(&'static str),
    /// The connection ended in order.
    #[error("closed by the collector")]
    Closed,
    /// The connection broke.
    #[error("connection lost")]
    Lost(#[source] SocketError),
}

impl End {
    /// How long to wait at least before the next try.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => {
                let asked = Duration::from_millis(refused.retry_after_ms.unwrap_or_default());
                Some(match refused.code {
                    RefusalCode::Superseded | RefusalCode::DuplicateIdentity => {
                        asked.max(TAKEN_OVER_FLOOR)
                    }
                    RefusalCode::Pending if asked.is_zero() => PENDING_AFTER,
                    RefusalCode::CredentialsNeeded
                    | RefusalCode::UnknownKey
                    | RefusalCode::Revoked
                    | RefusalCode::TokenRefused
                    | RefusalCode::BadProof
                    | RefusalCode::NotYours => asked.max(PERSON_FLOOR),
                    _ => asked,
                })
            }
            Self::Unreachable(DialError::Status { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// What the collector refused, if it is that.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// Whether a person has to approve this agent, and nothing is wrong.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.refused().is_some_and(|refused| refused.code == RefusalCode::Pending)
    }

    /// What kind of trouble this is, so that each is told once an outage.
    pub(super) fn kind(&self) -> String {
        match self {
            // It goes and comes back, as one that is killed does.
            Self::Refused(Refused { code: RefusalCode::ShuttingDown, .. }) => {
                UNREACHABLE.to_owned()
            }
            Self::Refused(refused) => code_word(refused.code),
            Self::Unreachable(DialError::Status { status, .. }) => format!("status {status}"),
            Self::Unreachable(DialError::WrongPin(_)) => "wrong pin".to_owned(),
            Self::Unreachable(DialError::Tls(_) | DialError::NoRoots) => "no TLS".to_owned(),
            Self::NoKey(_) => "no key".to_owned(),
            Self::Protocol(_) | Self::Garbage(_) | Self::Misbehaved(_) => "misbehaved".to_owned(),
            _ => UNREACHABLE.to_owned(),
        }
    }
}

fn code_word(code: RefusalCode) -> String {
    encode(&code).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: RefusalCode, retry_after_ms: Option<u64>) -> End {
        End::Refused(Refused { code, message: "no\nroom".to_owned(), retry_after_ms })
    }

    #[test]
    fn a_refusal_is_shown_in_one_line() {
        let shown = refused(RefusalCode::ProtocolOutOfRange, None).to_string();
        assert_eq!(shown, "refused as protocol_out_of_range: \"no\\nroom\"");
    }

    #[test]
    fn who_was_superseded_waits_at_least_ten_seconds() {
        let of = |code, ms| refused(code, ms).retry_after().unwrap();
        assert_eq!(of(RefusalCode::Superseded, None), TAKEN_OVER_FLOOR);
        assert_eq!(of(RefusalCode::DuplicateIdentity, Some(60_000)), Duration::from_secs(60));
        assert_eq!(of(RefusalCode::Full, Some(3_000)), Duration::from_secs(3));
    }

    #[test]
    fn what_only_a_person_can_lift_is_asked_about_slowly() {
        let of = |code, ms| refused(code, ms).retry_after().unwrap();
        assert_eq!(of(RefusalCode::Revoked, Some(1)), PERSON_FLOOR);
        assert_eq!(of(RefusalCode::TokenRefused, None), PERSON_FLOOR);
        assert_eq!(of(RefusalCode::Pending, None), PENDING_AFTER);
        assert_eq!(of(RefusalCode::Pending, Some(4_000)), Duration::from_secs(4));
    }
}
