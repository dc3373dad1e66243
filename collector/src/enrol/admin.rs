//! What people do about agents: approve, revoke, ask for another key, and make join lines. Each
//! act is on the disk, together with a row that says who did it, before it is answered.

use std::net::IpAddr;
use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;

use super::key::{AgentKey, AgentView, How, KeyState};
use super::token::{JoinToken, TokenOrder, TokenState};
use super::{Enrolment, KEYS_MAX, TOKENS_MAX, key_row, token_row};
use crate::registry::change::ChangeKind;
use crate::secret::Secret;
use crate::store::{AuditRow, Entry, Row, RowKind, WriteError};

/// Tokens that are over are listed for so long, milliseconds.
const OVER_KEPT_MS: i64 = 30 * 86_400_000;

const COMING_IN: &str = "the agent is being let in at this moment: ask again";

/// Who does something, and from where.
#[derive(Clone, Debug)]
pub struct By {
    /// In words, as the log has it.
    pub actor: Arc<str>,
    /// From which address.
    pub from: Option<IpAddr>,
}

/// A token that was made, and its text, which nobody can tell again.
#[derive(Debug)]
pub struct Made {
    /// As it is kept.
    pub token: JoinToken,
    /// What stands in the join line.
    pub text: Secret,
}

/// Something was not done about an agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// There is none.
    #[error("there is no agent with the key {0}")]
    Unknown(Fingerprint),
    /// It is not in the state for it.
    #[error("{0}")]
    State(&'static str),
    /// It is revoked, and that is not in the audit log.
    #[error(
        "the key is revoked, and neither the database nor the audit log tells so yet: the \
         collector's disk is full, or its log says why"
    )]
    Unlogged(#[source] WriteError),
    /// It could not be kept.
    #[error("it could not be kept")]
    Write(#[from] WriteError),
}

/// A token was not made or ended.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There are too many.
    #[error("there are {TOKENS_MAX} join tokens already: revoke some")]
    Full,
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
    /// It could not be kept.
    #[error("it could not be kept")]
    Write(#[from] WriteError),
}

impl By {
    fn did(&self, at: Timestamp, action: &str, subject: String, detail: String) -> Entry {
        Entry::Audit(AuditRow {
            at,
            actor: self.actor.to_string(),
            action: action.to_owned(),
            subject: Some(subject),
            from_address: self.from.map(|from| from.to_string()),
            detail,
        })
    }
}

impl Enrolment {
    /// All agents, by fingerprint.
    #[must_use]
    pub fn agents(&self, at: Timestamp) -> Vec<AgentView> {
        self.book().views(at)
    }

    /// Lets one in that waits. One that counts already stays as it is.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: it waits on.
    pub async fn approve(
        &self,
        fingerprint: Fingerprint,
        by: &By,
    ) -> Result<AgentView, AgentError> {
        let at = Timestamp::now();
        let _order = self.order.lock().await;
        let key = self.approved(fingerprint, by, at)?;
        let detail = format!("{} from {}", key.name, key.from_address);
        let entry = by.did(at, "approveAgent", fingerprint.to_string(), detail);
        self.store.commit(vec![key_row(&key)], vec![entry]).await?;
        let view = self.hold(key, at);
        tracing::info!(%fingerprint, name = &*view.name, by = &*by.actor, "an agent was approved");
        self.tell(ChangeKind::HostApproved);
        Ok(view)
    }

    fn approved(
        &self,
        fingerprint: Fingerprint,
        by: &By,
        at: Timestamp,
    ) -> Result<AgentKey, AgentError> {
        let book = self.book();
        if book.is_revoked(&fingerprint) {
            let words = "the key was revoked, for ever: its agent joins again with herdbook-agent \
                         join --new-identity";
            return Err(AgentError::State(words));
        }
        if book.is_enrolling(&fingerprint) {
            return Err(AgentError::State(COMING_IN));
        }
        if book.keys.contains_key(&fingerprint) {
            return Err(AgentError::State("the agent is approved already"));
        }
        if book.keys.len() >= KEYS_MAX {
            return Err(AgentError::State("there are too many keys: forget revoked ones"));
        }
        let waiting = book.door.get(&fingerprint).ok_or(AgentError::Unknown(fingerprint))?;
        Ok(AgentKey {
            fingerprint,
            public_key: None,
            host_id: None,
            name: Arc::clone(&waiting.name),
            state: KeyState::Approved,
            how: How::Approval,
            token: None,
            from_address: waiting.from,
            first_seen_at: waiting.first_seen_at,
            approved_at: at,
            approved_by: Arc::clone(&by.actor),
            revoked_at: None,
            key_made_at: at,
            rotate: false,
        })
    }

    /// Ends the right of a key for ever, and its connections with it. It is on the disk first.
    ///
    /// # Errors
    ///
    /// [`AgentError`]: it counts on.
    pub async fn revoke(&self, fingerprint: Fingerprint, by: &By) -> Result<AgentView, AgentError> {
        let at = Timestamp::now();
        let _order = self.order.lock().await;
        let key = self.settled(fingerprint)?;
        if key.state == KeyState::Revoked {
            return Err(AgentError::State("the key was revoked already"));
        }
        let key = AgentKey { state: KeyState::Revoked, revoked_at: Some(at), ..key };
        let detail = format!("{} ({})", key.name, host_of(&key));
        let entry = by.did(at, "revokeAgent", fingerprint.to_string(), detail);
        self.note_revoked(fingerprint).await?;
        // From here on it is revoked, whatever becomes of the row: a key that somebody else may have
        // does not wait for a full disk.
        let written = self.store.commit(vec![key_row(&key)], vec![entry]).await;
        self.book().revoke_all([fingerprint]);
        self.book().live.end(&fingerprint);
        let view = self.hold(key, at);
        tracing::info!(%fingerprint, name = &*view.name, by = &*by.actor, "a key was revoked");
        self.tell(ChangeKind::HostRevoked);
        written.map_err(AgentError::Unlogged)?;
        Ok(view)
    }

    /// A key that is not just being let in: what is known of it is on the disk.
    fn settled(&self, fingerprint: Fingerprint) -> Result<AgentKey, AgentError> {
        let book = self.book();
        if book.is_enrolling(&fingerprint) {
            return Err(AgentError::State(COMING_IN));
        }
        book.keys.get(&fingerprint).cloned().ok_or(AgentError::Unknown(fingerprint))
    }

    async fn note_revoked(&self, fingerprint: Fingerprint) -> Result<(), WriteError> {
        let file = Arc::clone(&self.revoked);
        let added = tokio::task::spawn_blocking(move || file.add(&fingerprint)).await;
        match added {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::StorageFull => {
                Err(WriteError::DiskFull)
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "failed to write down which key was revoked");
                Err(WriteError::Closed)
            }
            Err(_) => Err(WriteError::Closed),
        }
    }

    /// Asks an agent to make itself another key: at once where it is connected.
    ///
    /// # Errors
    ///
    /// [`AgentError`].
    pub async fn rotate(&self, fingerprint: Fingerprint, by: &By) -> Result<AgentView, AgentError> {
        let at = Timestamp::now();
        let _order = self.order.lock().await;
        let key = self.settled(fingerprint)?;
        if key.state == KeyState::Revoked {
            return Err(AgentError::State("the key was revoked: there is nothing to replace"));
        }
        let key = AgentKey { rotate: true, ..key };
        let entry = by.did(at, "rotateAgent", fingerprint.to_string(), key.name.to_string());
        self.store.commit(vec![key_row(&key)], vec![entry]).await?;
        self.book().live.end(&fingerprint);
        Ok(self.hold(key, at))
    }

    /// Takes one from the list that waits or was revoked. What was revoked stays so.
    ///
    /// # Errors
    ///
    /// [`AgentError`].
    pub async fn forget(&self, fingerprint: Fingerprint, by: &By) -> Result<(), AgentError> {
        let at = Timestamp::now();
        let _order = self.order.lock().await;
        let (name, rows) = {
            let book = self.book();
            match (book.keys.get(&fingerprint), book.door.get(&fingerprint)) {
                (Some(key), _) if key.state == KeyState::Approved => {
                    let words = "the agent is approved: revoke its key first";
                    return Err(AgentError::State(words));
                }
                (Some(key), _) => (Arc::clone(&key.name), vec![no_key(fingerprint)]),
                (None, Some(waiting)) => (Arc::clone(&waiting.name), Vec::new()),
                (None, None) => return Err(AgentError::Unknown(fingerprint)),
            }
        };
        let entry = by.did(at, "forgetAgent", fingerprint.to_string(), name.to_string());
        self.store.commit(rows, vec![entry]).await?;
        let mut book = self.book();
        book.forget(&fingerprint);
        book.door.remove(&fingerprint);
        Ok(())
    }

    fn hold(&self, key: AgentKey, at: Timestamp) -> AgentView {
        let mut book = self.book();
        let seen = key.view(None, false);
        let fingerprint = key.fingerprint;
        book.hold(key);
        book.view(&fingerprint, at).unwrap_or(seen)
    }

    /// Which key a host has now.
    #[must_use]
    pub fn key_of(&self, host_id: &str) -> Option<Fingerprint> {
        self.book().owner(host_id)
    }

    /// All tokens, in the order of their ids; those that were over long ago are left out.
    #[must_use]
    pub fn tokens(&self, at: Timestamp) -> Vec<JoinToken> {
        let book = self.book();
        let kept = book.tokens.values().filter(|token| !is_long_over(token, at));
        let mut tokens: Vec<JoinToken> = kept.cloned().collect();
        tokens.sort_by(|one, other| one.id.cmp(&other.id));
        tokens
    }

    /// Makes a token. It is on the disk then.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: there is none.
    pub async fn make_token(&self, order: TokenOrder, by: &By) -> Result<Made, TokenError> {
        let at = Timestamp::now();
        let _order = self.order.lock().await;
        let gone = self.long_over(at);
        if self.book().tokens.len() >= TOKENS_MAX + gone.len() {
            return Err(TokenError::Full);
        }
        let made = JoinToken::make(order, Arc::clone(&by.actor), at);
        let (token, text) = made.map_err(|_| TokenError::NoRandom)?;
        let detail = format!("uses: {}, until {}", token.uses, token.expires_at);
        let entry = by.did(at, "makeJoinToken", token.id.to_string(), detail);
        let over = gone.iter().map(|(_, id)| no_token(id));
        let rows = over.chain([token_row(&token)]).collect();
        self.store.commit(rows, vec![entry]).await?;
        let mut book = self.book();
        for (hash, _) in &gone {
            book.tokens.remove(hash);
        }
        book.tokens.insert(token.hash, token.clone());
        Ok(Made { token, text })
    }

    fn long_over(
        &self,
        at: Timestamp,
    ) -> Vec<(herdbook_shared::wire::enrol::Octets<32>, Arc<str>)> {
        let book = self.book();
        let over = book.tokens.values().filter(|token| is_long_over(token, at));
        over.map(|token| (token.hash, Arc::clone(&token.id))).collect()
    }

    /// Ends a token. Whether there is one.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: it lets hosts in as before.
    pub async fn revoke_token(&self, id: &str, by: &By) -> Result<bool, TokenError> {
        let at = Timestamp::now();
        let _order = self.order.lock().await;
        let Some(token) = self.book().token(id).cloned() else { return Ok(false) };
        if token.revoked_at.is_some() {
            return Ok(true);
        }
        let token = JoinToken { revoked_at: Some(at), ..token };
        let detail = format!("{} of {} uses were left", token.uses - token.used, token.uses);
        let entry = by.did(at, "revokeJoinToken", id.to_owned(), detail);
        self.store.commit(vec![token_row(&token)], vec![entry]).await?;
        self.book().tokens.insert(token.hash, token);
        Ok(true)
    }
}

fn is_long_over(token: &JoinToken, at: Timestamp) -> bool {
    token.state(at) != TokenState::Active && at.ms_since(token.over_since()) > OVER_KEPT_MS
}

fn host_of(key: &AgentKey) -> &str {
    key.host_id.as_ref().map_or("no host yet", |host_id| host_id.as_str())
}

fn no_key(fingerprint: Fingerprint) -> Row {
    Row { kind: RowKind::AgentKey, id: fingerprint.to_string(), doc: None }
}

fn no_token(id: &str) -> Row {
    Row { kind: RowKind::JoinToken, id: id.to_owned(), doc: None }
}
