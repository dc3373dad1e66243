//! Who may do what. One function decides for REST, WebSocket and streams alike, and what it does
//! not name is denied.
//!
//! Where every listener is on loopback and `auth` is not `required`, whoever is on this machine is
//! admin, without credentials. Elsewhere people sign in, and programs have tokens. Not here: how a
//! request is read (`api::guard`), and how agents prove themselves.

mod host;
mod principal;
mod role;

mod buckets;
mod lapse;
mod secret;

mod access;
mod book;
mod caller;
mod first_admin;
mod password;
mod proxy;
mod recognise;

pub use access::{Access, AccessError, SignedIn};
pub use book::{PersonView, TokenState, TokenView};
pub use caller::{Caller, Noted, audited};
pub use host::{AllowedHosts, HostKind, HostName, NotAHostName};
pub use lapse::Lapse;
pub use principal::{Principal, Unknown, Who};
pub use recognise::{Asking, NotFromPage, recognise};
pub use role::Role;
pub use secret::{API_TOKEN, Digest, JOIN_TOKEN, digest, made, random_id};

/// What a route lets its caller do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask whether the collector lives and is ready.
    Health,
    /// Load the page, which holds no data.
    Dashboard,
    /// Sign in and out, and ask who one is.
    SignIn,
    /// Connect as an agent, which proves itself inside.
    Knock,
    /// Report a host, as its agent.
    Ingest,
    /// Read hosts, services and models.
    ReadFleet,
    /// Follow what changes.
    Watch,
    /// Have a service picked.
    Pick,
    /// Take a service for a request, and give it back.
    Lease,
    /// Register a service.
    Register,
    /// Beat for a service.
    Beat,
    /// Deregister a service of one's own.
    Deregister,
    /// Change or remove what the registry holds.
    Change,
    /// Decide who may do what, and read who did.
    Administer,
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
pub fn authorize(principal: &Principal, action: Action) -> Result<(), Denied> {
    match (principal, action) {
        (_, Action::Health | Action::Knock) => Ok(()),
        (Principal::Anonymous(why), Action::Dashboard | Action::SignIn)
            if why.wants_credentials() =>
        {
            Ok(())
        }
        (Principal::Agent(_), Action::Ingest) => Ok(()),
        // Where nobody needs credentials, an agent is known by the same sign as the admin.
        (Principal::Known { who: Who::Loopback, .. }, Action::Ingest) => Ok(()),
        (
            Principal::Known { .. },
            Action::Dashboard | Action::SignIn | Action::ReadFleet | Action::Watch | Action::Pick,
        ) => Ok(()),
        (
            Principal::Known { role: Role::Client | Role::Admin, .. },
            Action::Lease | Action::Register | Action::Beat | Action::Deregister,
        ) => Ok(()),
        (Principal::Known { role: Role::Admin, .. }, Action::Change | Action::Administer) => Ok(()),
        (Principal::Anonymous(why), _) => Err(Denied::Nobody(*why)),
        (Principal::Agent(_) | Principal::Known { .. }, _) => Err(Denied::Role),
    }
}

impl Action {
    /// How many there are.
    const N: usize = 14;

    /// Every action, for tests that walk through all of them.
    pub const ALL: [Self; Self::N] = [
        Self::Health,
        Self::Dashboard,
        Self::SignIn,
        Self::Knock,
        Self::Ingest,
        Self::ReadFleet,
        Self::Watch,
        Self::Pick,
        Self::Lease,
        Self::Register,
        Self::Beat,
        Self::Deregister,
        Self::Change,
        Self::Administer,
    ];

    /// Whether the audit log tells that they did it: of acts that only an admin may do, and of what
    /// an admin does that counts more than a client's. Where everybody on the machine is admin, a
    /// program that registers itself is no admin at work.
    #[must_use]
    pub fn is_audited(self, principal: &Principal) -> bool {
        match self {
            Self::Change | Self::Administer => true,
            Self::Deregister => principal.role() == Some(Role::Admin),
            Self::Register => {
                principal.role() == Some(Role::Admin) && *principal != Principal::LOCAL
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::fingerprint::Fingerprint;

    use super::*;

    fn known(role: Role, who: Who) -> Principal {
        Principal::Known { role, who }
    }

    /// Everybody, each with one mark an action in the order of `Action::ALL`. The compiler counts
    /// the marks.
    fn table() -> Vec<(Principal, [u8; Action::N])> {
        let anna = || Who::Person("anna".into());
        let token = || Who::Token { id: "abc".into(), name: "ci".into() };
        let proxy = || Who::Proxy("otto".into());
        let (viewer, client, admin) = (
            [1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        );
        let (outside, nobody) = (
            [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        );
        let mut table = vec![
            (Principal::Anonymous(Unknown::Forwarded), outside),
            (Principal::Anonymous(Unknown::PublicName), outside),
            (Principal::Anonymous(Unknown::NotLoopback), outside),
            (Principal::Anonymous(Unknown::Unseen), outside),
            (Principal::Anonymous(Unknown::NoCredentials), nobody),
            (Principal::Anonymous(Unknown::BadToken), nobody),
            (Principal::Anonymous(Unknown::SignedOut), nobody),
            (
                Principal::Agent(Fingerprint::of_digest([1; 32])),
                [1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
            (Principal::LOCAL, [1; Action::N]),
            (known(Role::Admin, Who::Control), admin),
        ];
        for (role, row) in [(Role::Viewer, viewer), (Role::Client, client), (Role::Admin, admin)] {
            table.extend([anna(), token(), proxy()].map(|who| (known(role, who), row)));
        }
        table
    }

    #[test]
    fn every_principal_may_do_what_its_row_says_and_no_more() {
        for (principal, row) in table() {
            for (n, action) in Action::ALL.into_iter().enumerate() {
                let verdict = authorize(&principal, action);
                assert_eq!(verdict.is_ok(), row[n] == 1, "{principal:?} × {action:?}");
            }
        }
    }

    #[test]
    fn every_action_stands_once_among_all() {
        let all: std::collections::HashSet<_> = Action::ALL.into_iter().collect();
        assert_eq!(all.len(), Action::N);
    }

    #[test]
    fn nobody_is_told_what_to_do_instead() {
        let forwarded = Principal::Anonymous(Unknown::Forwarded);
        let denied = authorize(&forwarded, Action::ReadFleet).unwrap_err();
        assert!(denied.to_string().contains("ssh -L"), "{denied}");
        let nobody = Principal::Anonymous(Unknown::NoCredentials);
        let denied = authorize(&nobody, Action::ReadFleet).unwrap_err();
        assert!(denied.to_string().contains("token create"), "{denied}");
    }

    #[test]
    fn only_those_who_may_not_change_all_own_what_they_register() {
        for (principal, _) in table() {
            let is_admin = principal.role() == Some(Role::Admin);
            assert_eq!(principal.owner().is_none(), is_admin, "{principal:?}");
        }
    }
}
