//! Who sends a request.

use std::fmt;
use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;

use super::Role;

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody that the collector knows, and why not.
    Anonymous(Unknown),
    /// An agent that proved its own key.
    Agent(Fingerprint),
    /// Somebody that it knows.
    Known {
        /// What they may do.
        role: Role,
        /// Who they are.
        who: Who,
    },
}

/// Somebody that the collector knows, by how it knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By being on this machine: loopback peer, loopback Host, no proxy between.
    Loopback,
    /// By the socket in the data directory, which only the collector's own user can open.
    Control,
    /// A person who signed in, by name.
    Person(Arc<str>),
    /// A program, by its token.
    Token {
        /// The id of the token.
        id: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// A person whom a proxy that is trusted has signed in, by name.
    Proxy(Arc<str>),
}

/// Why a request's sender is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A header says that something forwarded the request: its first sender may be anywhere.
    Forwarded,
    /// It asked for a public name, which a loopback request has no reason to.
    PublicName,
    /// Its peer is another machine.
    NotLoopback,
    /// Nothing looked at it.
    Unseen,
    /// Credentials are demanded, and it has none.
    NoCredentials,
    /// Its token is none, or holds no more.
    BadToken,
    /// Its sign-in has ended.
    SignedOut,
}

impl Principal {
    /// Whoever is on this machine, where that is enough.
    pub const LOCAL: Self = Self::Known { role: Role::Admin, who: Who::Loopback };

    /// What they may do.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Known { role, .. } => Some(*role),
            Self::Anonymous(_) | Self::Agent(_) => None,
        }
    }

    /// Whom a service belongs to that is registered by them, where they may change no other's:
    /// `None` for admins, who may change all.
    #[must_use]
    pub fn owner(&self) -> Option<Arc<str>> {
        match self {
            Self::Known { role: Role::Admin, .. } => None,
            Self::Known { who, .. } => Some(match who {
                Who::Token { id, .. } => format!("token {id}").into(),
                other => other.to_string().into(),
            }),
            Self::Agent(_) | Self::Anonymous(_) => Some(self.to_string().into()),
        }
    }
}

impl Unknown {
    /// Whether credentials would help.
    #[must_use]
    pub fn wants_credentials(self) -> bool {
        matches!(self, Self::NoCredentials | Self::BadToken | Self::SignedOut)
    }

    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Forwarded => {
                "the request came through a proxy (it carries a forwarding header), and only \
                 requests from this machine itself are let in; use an SSH tunnel instead: \
                 ssh -L 6121:127.0.0.1:6121 HOST"
            }
            Self::PublicName => {
                "only requests to a loopback name are let in; open http://localhost or \
                 http://127.0.0.1 with the collector's port"
            }
            Self::NotLoopback => {
                "only requests from this machine are let in; use an SSH tunnel instead: \
                 ssh -L 6121:127.0.0.1:6121 HOST"
            }
            Self::Unseen => "nothing told who sends the request",
            Self::NoCredentials => {
                "sign in, or send a token in the header Authorization: Bearer hbt_…; an admin \
                 makes one by `herdbook-collector token create --role viewer`"
            }
            Self::BadToken => {
                "the token is unknown, expired or revoked; an admin makes another by \
                 `herdbook-collector token create --role viewer`"
            }
            Self::SignedOut => "the sign-in has ended: sign in again",
        }
    }
}

/// As the audit log tells it. No name can be taken for another sort of caller.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous(_) => f.write_str("nobody"),
            Self::Agent(fingerprint) => write!(f, "agent {fingerprint}"),
            Self::Known { who, .. } => who.fmt(f),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("local"),
            Self::Control => f.write_str("command line"),
            Self::Person(name) => write!(f, "person {name}"),
            Self::Token { id, name } => write!(f, "token {name} ({id})"),
            Self::Proxy(name) => write!(f, "proxy {name}"),
        }
    }
}
