//! Signing in and out, the first admin, and one's own password.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use tokio::time::Instant;

use super::people::{checked_name, gone};
use super::{Access, AccessError};
use crate::auth::book::{Book, Person, SignIn, WHOLE_MS, text_of};
use crate::auth::recognise::cookie_name;
use crate::auth::secret::Digest;
use crate::auth::{Caller, Lapse, Principal, Role, Who, digest, made};
use crate::limits::{SIGN_INS_EACH_MAX, SIGN_INS_MAX};
use crate::secret::Secret;

/// Somebody who has just signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who they are from now on.
    pub caller: Caller,
    /// What their browser is to keep: the value of `Set-Cookie`.
    pub cookie: Secret,
}

impl Access {
    /// Lets a person in by their password, under an id that nobody had before.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: they are not.
    pub async fn sign_in(
        &self,
        caller: &Caller,
        name: &str,
        password: Secret,
    ) -> Result<SignedIn, AccessError> {
        // A name that nobody can have is limited and checked like any other.
        let name = checked_name(name).unwrap_or_else(|_| "?".into());
        if let Err(wait) = self.rates.try_sign_in(caller.address, &name) {
            self.tell_failure(caller, &name, "too many tries").await;
            return Err(AccessError::Limited(wait));
        }
        let kept = self.person(&name).ok().map(|person| person.password);
        if !self.hasher.matches(password, kept.clone()).await {
            self.tell_failure(caller, &name, "wrong name or password").await;
            return Err(AccessError::Refused);
        }
        let _changing = self.changing.lock().await;
        // The password may have been changed while it was looked at.
        let person =
            self.person(&name).ok().filter(|person| Some(&person.password) == kept.as_ref());
        let person = person.ok_or(AccessError::Refused)?;
        let signed_in = self.begin(caller, person, "signIn").await?;
        self.rates.signed_in(caller.address, &name);
        Ok(signed_in)
    }

    /// Ends the sign-in by which this caller is known.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: it goes on to hold.
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), AccessError> {
        let Some(digest) = caller.sign_in else { return Ok(()) };
        let _changing = self.changing.lock().await;
        let told = caller.audit("signOut", None, "");
        self.change(gone(&[digest]), told, |book| book.end_sign_ins(&[digest])).await
    }

    /// Makes the first admin by the code that was printed, and signs them in.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: there is none.
    pub async fn make_first_admin(
        &self,
        caller: &Caller,
        code: &Secret,
        name: &str,
        password: Secret,
    ) -> Result<SignedIn, AccessError> {
        if self.book().has_admin() {
            return Err(AccessError::HasAdmin);
        }
        if let Err(wait) = self.rates.try_first_admin(caller.address) {
            return Err(AccessError::Limited(wait));
        }
        let now = Instant::now();
        if !self.first_admin().as_ref().is_some_and(|first| first.is(code.expose(), now)) {
            self.tell_failure(caller, "?", "wrong code of the first admin").await;
            return Err(AccessError::BadCode);
        }
        let name = checked_name(name)?;
        let hash = self.hashed("password", password).await?;
        let _changing = self.changing.lock().await;
        if self.book().has_admin() {
            return Err(AccessError::HasAdmin);
        }
        self.has_room_for(&name)?;
        let person = Person {
            name,
            role: Role::Admin,
            password: hash,
            created_at: Timestamp::now(),
            created_by: "first admin".to_owned(),
            last_seen_at: None,
        };
        let signed_in = self.begin(caller, person, "makeFirstAdmin").await?;
        *self.first_admin() = None;
        Ok(signed_in)
    }

    /// Gives whoever signed in another password, and ends their other sign-ins.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: it is as it was.
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: Secret,
        new: Secret,
    ) -> Result<(), AccessError> {
        let Principal::Known { who: Who::Person(name), .. } = &caller.principal else {
            return Err(AccessError::NotAPerson);
        };
        if let Err(wait) = self.rates.try_sign_in(caller.address, name) {
            return Err(AccessError::Limited(wait));
        }
        let kept = self.person(name)?.password;
        if !self.hasher.matches(current, Some(kept.clone())).await {
            self.tell_failure(caller, name, "wrong present password").await;
            return Err(AccessError::Refused);
        }
        let hash = self.hashed("new", new).await?;
        let _changing = self.changing.lock().await;
        let mut person = self.person(name)?;
        if person.password != kept {
            return Err(AccessError::Refused);
        }
        person.password = hash;
        let mut ended = self.book().sign_ins_of(name);
        ended.retain(|digest| Some(*digest) != caller.sign_in);
        let told = caller.audit("changePassword", Some(name), "");
        let rows = [vec![person.row()], gone(&ended)].concat();
        let apply = |book: &mut Book| {
            book.people.insert(Arc::clone(&person.name), person.clone());
            book.end_sign_ins(&ended);
        };
        self.change(rows, told, apply).await
    }

    /// Begins a sign-in of a person, who is kept with it. The one that the browser had ends.
    pub(super) async fn begin(
        &self,
        caller: &Caller,
        mut person: Person,
        action: &str,
    ) -> Result<SignedIn, AccessError> {
        let text = made("").ok_or(AccessError::NoRandomness)?;
        let (id, now) = (digest(text.expose()), Timestamp::now());
        person.last_seen_at = Some(now);
        let sign_in = SignIn {
            digest: text_of(&id),
            person: Arc::clone(&person.name),
            created_at: now,
            last_used_at: now,
            lapse: Lapse::default(),
        };
        let ended = self.in_the_way(&person.name, caller.sign_in);
        let who =
            Principal::Known { role: person.role, who: Who::Person(Arc::clone(&person.name)) };
        let signed_in = Caller {
            principal: who,
            lapse: sign_in.lapse.clone(),
            expires_at: Some(sign_in.expires_at()),
            sign_in: Some(id),
            ..caller.clone()
        };
        let told = signed_in.audit(action, Some(&person.name), "");
        let rows = [vec![person.row(), sign_in.row()], gone(&ended)].concat();
        let apply = |book: &mut Book| {
            book.people.insert(Arc::clone(&person.name), person.clone());
            book.end_sign_ins(&ended);
            book.put_sign_in(sign_in.clone());
        };
        self.change(rows, told, apply).await?;
        let cookie = set_cookie(text.expose(), caller.is_secure, WHOLE_MS / 1_000);
        Ok(SignedIn { caller: signed_in, cookie: Secret::new(cookie) })
    }

    /// Sign-ins that end for another of this person to begin.
    fn in_the_way(&self, name: &str, present: Option<Digest>) -> Vec<Digest> {
        let book = self.book();
        let own = book.sign_ins_of(name);
        let n_over = (own.len() + 1).saturating_sub(SIGN_INS_EACH_MAX);
        let mut ended = own.get(..n_over).unwrap_or_default().to_vec();
        if ended.is_empty() && book.sign_ins.len() >= SIGN_INS_MAX {
            ended.extend(book.oldest_sign_in());
        }
        ended.extend(present.filter(|digest| !ended.contains(digest)));
        ended
    }

    /// A failed try stands in the audit log; of many only some, with how many were left out. A name
    /// that nobody has is not told: it may be a password in the wrong field, and the log is for ever.
    async fn tell_failure(&self, caller: &Caller, name: &str, why: &str) {
        let Some(n_untold) = self.rates.tell_failure() else { return };
        let more = match n_untold {
            0 => String::new(),
            n => format!("; {n} more failed before, which are not told one by one"),
        };
        let name = if self.person(name).is_ok() { name } else { "?" };
        let row = caller.audit("signInFailed", Some(name), format!("{why}{more}"));
        if let Err(error) = self.note(row).await {
            tracing::warn!(%error, "a failed sign-in is not in the audit log");
        }
    }
}

/// The value of `Set-Cookie` that keeps a sign-in, or with `max_age_s` 0 ends it.
fn set_cookie(value: &str, is_secure: bool, max_age_s: i64) -> String {
    let (name, secure) = (cookie_name(is_secure), if is_secure { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}")
}

impl Caller {
    /// The value of `Set-Cookie` by which the browser forgets its sign-in.
    #[must_use]
    pub fn no_cookie(&self) -> String {
        set_cookie("", self.is_secure, 0)
    }
}
