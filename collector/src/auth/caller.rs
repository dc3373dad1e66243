//! Who sends a request, from where, and until when they may: an extension of every request. And how
//! what they do gets into the audit log.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use herdbook_shared::time::Timestamp;

use super::secret::Digest;
use super::{Lapse, Principal, Unknown};
use crate::store::{AuditRow, Entry, Row, Store, WriteError};

/// See the module's words.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// From where: behind a trusted proxy, the address that it tells.
    pub address: Option<IpAddr>,
    /// Ends when their right does.
    pub lapse: Lapse,
    /// Until when their right lasts, where that is known.
    pub expires_at: Option<Timestamp>,
    /// The sign-in by which they are known.
    pub(super) sign_in: Option<Digest>,
    /// Whether a cookie that needs https can be given.
    pub(super) is_secure: bool,
}

/// An extension of an answer whose deed stands in the audit log already, written together with
/// what it changed.
#[derive(Clone, Copy, Debug)]
pub struct Noted;

impl Caller {
    /// Somebody whose right ends with the request.
    #[must_use]
    pub fn of(principal: Principal) -> Self {
        let lapse = Lapse::default();
        Self { principal, address: None, lapse, expires_at: None, sign_in: None, is_secure: false }
    }

    /// Nobody.
    #[must_use]
    pub fn nobody(why: Unknown) -> Self {
        Self::of(Principal::Anonymous(why))
    }

    /// The same, from this address.
    #[must_use]
    pub fn at(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    /// What the audit log shall tell of what they do: `action` is the operation as it is called in
    /// the API, `subject` an id or name, `detail` for people. Never a secret.
    #[must_use]
    pub fn audit(
        &self,
        action: &str,
        subject: Option<&str>,
        detail: impl Into<String>,
    ) -> AuditRow {
        AuditRow {
            at: Timestamp::now(),
            actor: self.principal.to_string(),
            action: action.to_owned(),
            subject: subject.map(str::to_owned),
            from_address: self.address.map(|address| address.to_string()),
            detail: detail.into(),
        }
    }
}

/// Keeps rows and what the audit log tells of them, both or neither.
///
/// # Errors
///
/// [`WriteError`]: nothing was kept.
pub async fn audited(store: &Store, rows: Vec<Row>, row: AuditRow) -> Result<(), WriteError> {
    store.commit(rows, vec![Entry::Audit(row)]).await
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Self>().cloned();
        Ok(caller.unwrap_or_else(|| Self::nobody(Unknown::Unseen)))
    }
}
