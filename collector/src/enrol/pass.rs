//! What an agent has that was let in: its connection ends with its right.

use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::Rekey;
use herdbook_shared::wire::hello::{RefusalCode, Refused};
use tokio_util::sync::CancellationToken;

use super::key::{AgentKey, KeyState};
use super::refusal::Refusal;
use super::{Asked, Enrolment, Entry, key_row};
use crate::store::{AuditRow, Row, RowKind};

/// A key is not replaced sooner than this, unless it was asked for: each replacement is a row of the
/// audit log for ever.
const REKEY_EVERY_MS: i64 = 3_600_000;

/// See the module's words. When it is dropped, its agent is no longer here.
#[derive(Debug)]
pub struct Pass {
    enrolment: Arc<Enrolment>,
    fingerprint: Fingerprint,
    asked: Asked,
    connection: u64,
    /// Whether the agent shall make itself another key.
    pub rotate: bool,
}

impl Pass {
    pub(super) fn new(
        enrolment: Arc<Enrolment>,
        fingerprint: Fingerprint,
        asked: Asked,
        rotate: bool,
        ending: CancellationToken,
    ) -> Self {
        let connection = {
            let mut book = enrolment.book();
            book.seen(fingerprint, Timestamp::now());
            let connection = book.live.came(fingerprint, ending);
            // Revoked since it was let in.
            if book.is_revoked(&fingerprint) {
                book.live.end(&fingerprint);
            }
            connection
        };
        Self { enrolment, fingerprint, asked, connection, rotate }
    }

    /// Which key it is that of.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Why the connection has to end, where its right is why.
    #[must_use]
    pub fn why_ended(&self) -> Option<Refused> {
        let book = self.enrolment.book();
        if book.is_revoked(&self.fingerprint) {
            return Some(Refusal::Revoked.told());
        }
        let message = "connect again, and make another key".to_owned();
        let refused = Refused { code: RefusalCode::ShuttingDown, message, retry_after_ms: None };
        book.live.was_ended(&self.fingerprint, self.connection).then_some(refused)
    }

    /// Gives the agent another key. The old one counts no longer.
    ///
    /// # Errors
    ///
    /// What to tell it instead: the old key counts then.
    pub async fn rekey(&mut self, rekey: &Rekey) -> Result<Fingerprint, Refused> {
        let fingerprint = self.exchange(rekey).await.map_err(|refusal| refusal.told())?;
        self.fingerprint = fingerprint;
        self.rotate = false;
        Ok(fingerprint)
    }

    async fn exchange(&self, rekey: &Rekey) -> Result<Fingerprint, Refusal> {
        let (enrolment, old) = (&self.enrolment, self.fingerprint);
        let at = Timestamp::now();
        let order = enrolment.order.lock().await;
        let key = enrolment.book().keys.get(&old).cloned();
        let key = key.filter(|key| key.state == KeyState::Approved).ok_or(Refusal::Revoked)?;
        // One that has just come in may have an old key to replace.
        let is_first = key.key_made_at == key.approved_at;
        if at.ms_since(key.key_made_at) < REKEY_EVERY_MS && !key.rotate && !is_first {
            return Err(Refusal::TooSoon);
        }
        let public_key = key.public_key.ok_or(Refusal::BadProof)?;
        if !self.asked.holds_both(&public_key, rekey) {
            return Err(Refusal::BadProof);
        }
        let fingerprint = super::fingerprint_of(&rekey.public_key);
        if enrolment.book().is_taken(&fingerprint) {
            return Err(Refusal::BadProof);
        }
        let public_key = Some(rekey.public_key);
        let new = AgentKey { fingerprint, public_key, key_made_at: at, rotate: false, ..key };
        let gone = Row { kind: RowKind::AgentKey, id: old.to_string(), doc: None };
        let queued = enrolment.store.enqueue(vec![key_row(&new), gone], vec![entry(old, &new, at)]);
        let written = match queued.await {
            Ok(receipt) => receipt.written().await,
            Err(error) => Err(error),
        };
        written.map_err(|_| Refusal::NotKept)?;
        enrolment.book().rekeyed(&old, new, self.connection);
        drop(order);
        tracing::info!(%old, new = %fingerprint, "an agent has another key");
        Ok(fingerprint)
    }
}

fn entry(old: Fingerprint, new: &AgentKey, at: Timestamp) -> Entry {
    Entry::Audit(AuditRow {
        at,
        actor: format!("agent {old}"),
        action: "rekeyAgent".to_owned(),
        subject: new.host_id.as_ref().map(ToString::to_string),
        from_address: Some(new.from_address.to_string()),
        detail: format!("{}: the key is now {}", new.name, new.fingerprint),
    })
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut book = self.enrolment.book();
        book.live.left(&self.fingerprint, self.connection);
        book.seen(self.fingerprint, Timestamp::now());
    }
}
