//! Tokens of programs: made, listed and revoked by admins.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;

use super::{Access, AccessError};
use crate::auth::book::{Token, TokenView, text_of};
use crate::auth::{API_TOKEN, Caller, Lapse, Role, digest, made, random_id};
use crate::limits::API_TOKENS_MAX;
use crate::secret::Secret;

const NAME_CHARACTERS: usize = 64;
const NAME_EXPECTED: &str = "1 to 64 characters, without control characters";
/// The longest time for which a token is made: ten years.
const LONGEST_S: u64 = 10 * 365 * 86_400;
const EXPIRES_EXPECTED: &str = "a whole number of seconds from 1 to ten years";

impl Access {
    /// All tokens, in the order of their ids.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenView> {
        let now = Timestamp::now();
        self.book().tokens.values().map(|token| token.view(now)).collect()
    }

    /// Makes a token, whose text is told this once.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: there is none.
    pub async fn make_token(
        &self,
        caller: &Caller,
        name: &str,
        role: Role,
        expires_in_s: Option<u64>,
    ) -> Result<(TokenView, Secret), AccessError> {
        let name = name.trim();
        let n_characters = name.chars().count();
        if !(1..=NAME_CHARACTERS).contains(&n_characters) || name.contains(char::is_control) {
            return Err(AccessError::Wrong { field: "name", expected: NAME_EXPECTED });
        }
        if expires_in_s.is_some_and(|seconds| !(1..=LONGEST_S).contains(&seconds)) {
            return Err(AccessError::Wrong { field: "expires_in_s", expected: EXPIRES_EXPECTED });
        }
        let text = made(API_TOKEN).ok_or(AccessError::NoRandomness)?;
        let id: Arc<str> = random_id().ok_or(AccessError::NoRandomness)?.into();
        let now = Timestamp::now();
        let until = |seconds: u64| {
            let ms = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
            Timestamp::from_unix_ms(now.unix_ms().saturating_add(ms))
        };
        let token = Token {
            id,
            name: name.into(),
            role,
            digest: text_of(&digest(text.expose())),
            created_at: now,
            created_by: caller.principal.to_string(),
            expires_at: expires_in_s.map(until),
            last_used_at: None,
            revoked_at: None,
            lapse: Lapse::default(),
        };
        let _changing = self.changing.lock().await;
        if self.book().tokens.len() >= API_TOKENS_MAX {
            return Err(AccessError::Full);
        }
        let detail = format!("{name}, role {}", role.word());
        let told = caller.audit("makeToken", Some(&token.id), detail);
        let view = token.view(now);
        self.change(vec![token.row()], told, |book| book.put_token(token.clone())).await?;
        Ok((view, text))
    }

    /// Takes a token back, and ends whatever uses it. `false`: there is none that holds.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: it goes on to hold.
    pub async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<bool, AccessError> {
        let _changing = self.changing.lock().await;
        let token = self.book().tokens.get(id).filter(|one| one.revoked_at.is_none()).cloned();
        let Some(mut token) = token else { return Ok(false) };
        token.revoked_at = Some(Timestamp::now());
        let told = caller.audit("revokeToken", Some(id), token.name.to_string());
        let revoke = |book: &mut crate::auth::book::Book| {
            token.lapse.end();
            book.put_token(token.clone());
        };
        self.change(vec![token.row()], told, revoke).await?;
        Ok(true)
    }
}
