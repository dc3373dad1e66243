//! Who may do what. One function decides for REST, WebSocket and streams alike, and what it does
//! not name is denied.
//!
//! Not here: how a request is read (`api::guard`), and credentials, which come with enrolment.
//! Until then there is loopback mode only: whoever is on this machine is admin.

mod host;
mod recognise;

use std::sync::Arc;

pub use host::{AllowedHosts, HostKind, HostName, NotAHostName};
pub use recognise::recognise;

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody that the collector knows, and why not.
    Anonymous(Unknown),
    /// An agent that proved its own key. None can until enrolment exists.
    Agent,
    /// Somebody with every right, and how they were recognised.
    Admin(Recognised),
}

impl Principal {
    /// Whose the services are that it registers; `None`: an admin's, who may change those of all.
    #[must_use]
    pub fn owner(&self) -> Option<Arc<str>> {
        None
    }
}

/// How an admin was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// By being on this machine: loopback peer, loopback Host, no proxy between.
    Loopback,
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
}

/// What a route lets its caller do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask whether the collector lives and is ready.
    Health,
    /// Load the page, which holds no data.
    Dashboard,
    /// Read hosts, services and models.
    ReadFleet,
    /// Follow what changes.
    Watch,
    /// Report a host, as its agent.
    Ingest,
    /// Register, beat and deregister a service.
    Register,
    /// Take a service for a request, and give it back.
    Lease,
    /// Change or remove what the registry holds.
    Change,
}

/// The request is understood, and not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody known asks.
    #[error("{}", .0.remedy())]
    Nobody(Unknown),
    /// Somebody known asks for what their role does not allow.
    #[error("this role may not do that")]
    Role,
}

/// The one place that decides.
///
/// # Errors
///
/// [`Denied`] for every pair that is not allowed here in so many words.
pub fn authorize(principal: Principal, action: Action) -> Result<(), Denied> {
    match (principal, action) {
        (_, Action::Health) => Ok(()),
        // Without enrolment, an agent on this machine is known by the same sign as its admin.
        (
            Principal::Admin(Recognised::Loopback),
            Action::Dashboard
            | Action::ReadFleet
            | Action::Watch
            | Action::Ingest
            | Action::Register
            | Action::Lease
            | Action::Change,
        ) => Ok(()),
        (Principal::Agent, Action::Ingest) => Ok(()),
        (Principal::Anonymous(why), _) => Err(Denied::Nobody(why)),
        (Principal::Agent, _) => Err(Denied::Role),
    }
}

impl Action {
    /// Every action, for tests that walk through all of them.
    pub const ALL: [Self; 8] = [
        Self::Health,
        Self::Dashboard,
        Self::ReadFleet,
        Self::Watch,
        Self::Ingest,
        Self::Register,
        Self::Lease,
        Self::Change,
    ];
}

impl Unknown {
    fn remedy(self) -> &'static str {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINCIPALS: [Principal; 6] = [
        Principal::Anonymous(Unknown::Forwarded),
        Principal::Anonymous(Unknown::PublicName),
        Principal::Anonymous(Unknown::NotLoopback),
        Principal::Anonymous(Unknown::Unseen),
        Principal::Agent,
        Principal::Admin(Recognised::Loopback),
    ];

    /// One row a principal, one column an action in the order of `Action::ALL`.
    const TABLE: [[u8; 7]; 6] = [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 1, 0, 0],
        [1, 1, 1, 1, 1, 1, 1],
    ];

    #[test]
    fn every_principal_may_do_what_its_row_says_and_no_more() {
        for (principal, row) in PRINCIPALS.into_iter().zip(TABLE) {
            for (action, allowed) in Action::ALL.into_iter().zip(row) {
                let verdict = authorize(principal, action);
                assert_eq!(verdict.is_ok(), allowed == 1, "{principal:?} × {action:?}");
            }
        }
    }

    #[test]
    fn nobody_is_told_what_to_do_instead() {
        let denied = authorize(PRINCIPALS[0], Action::ReadFleet).unwrap_err();
        assert!(denied.to_string().contains("ssh -L"), "{denied}");
    }
}
