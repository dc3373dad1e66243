//! People who may sign in: added, changed and removed by admins.

use std::sync::Arc;

use herdbook_shared::time::Timestamp;

use super::{Access, AccessError};
use crate::auth::book::{Book, Person, PersonView, row, text_of};
use crate::auth::password::{EXPECTED, is_allowed};
use crate::auth::secret::Digest;
use crate::auth::{Caller, Role};
use crate::limits::PEOPLE_MAX;
use crate::secret::Secret;
use crate::store::{Row, RowKind};

const NAME_CHARACTERS: usize = 64;
const NAME_EXPECTED: &str =
    "1 to 64 letters a to z, digits, dots, dashes, underscores or @, a letter or digit first";

impl Access {
    /// All people, in the order of their names.
    #[must_use]
    pub fn people(&self) -> Vec<PersonView> {
        self.book().people.values().map(Person::view).collect()
    }

    /// Lets somebody sign in from now on.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: nobody was added.
    pub async fn add_person(
        &self,
        caller: &Caller,
        name: &str,
        password: Secret,
        role: Role,
    ) -> Result<PersonView, AccessError> {
        let name = checked_name(name)?;
        let hash = self.hashed("password", password).await?;
        let _changing = self.changing.lock().await;
        self.has_room_for(&name)?;
        let person = Person {
            name: Arc::clone(&name),
            role,
            password: hash,
            created_at: Timestamp::now(),
            created_by: caller.principal.to_string(),
            last_seen_at: None,
        };
        let told = caller.audit("addPerson", Some(&name), format!("role {}", role.word()));
        let view = person.view();
        let add = |book: &mut Book| drop(book.people.insert(name, person.clone()));
        self.change(vec![person.row()], told, add).await?;
        Ok(view)
    }

    /// Gives somebody another role, or another password, which ends their sign-ins.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: nothing was changed.
    pub async fn change_person(
        &self,
        caller: &Caller,
        name: &str,
        role: Option<Role>,
        password: Option<Secret>,
    ) -> Result<PersonView, AccessError> {
        let name = checked_name(name).map_err(|_| AccessError::NoPerson)?;
        let mut changed = Vec::new();
        let hash = match password {
            Some(password) => {
                changed.push("password".to_owned());
                Some(self.hashed("password", password).await?)
            }
            None => None,
        };
        let _changing = self.changing.lock().await;
        let mut person = self.person(&name)?;
        if let Some(role) = role.filter(|role| *role != person.role) {
            if role != Role::Admin && self.book().is_last_admin(&name) {
                return Err(AccessError::LastAdmin);
            }
            changed.push(format!("role {} instead of {}", role.word(), person.role.word()));
            person.role = role;
        }
        let mut ended = Vec::new();
        if let Some(hash) = hash {
            person.password = hash;
            ended = self.book().sign_ins_of(&name);
        }
        let told = caller.audit("changePerson", Some(&name), changed.join(", "));
        let rows = [vec![person.row()], gone(&ended)].concat();
        let view = person.view();
        let apply = |book: &mut Book| {
            book.people.insert(Arc::clone(&name), person.clone());
            book.end_sign_ins(&ended);
            book.renew_sign_ins_of(&name);
        };
        self.change(rows, told, apply).await?;
        Ok(view)
    }

    /// Removes somebody, and ends their sign-ins.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: they stay.
    pub async fn remove_person(&self, caller: &Caller, name: &str) -> Result<(), AccessError> {
        let name = checked_name(name).map_err(|_| AccessError::NoPerson)?;
        let _changing = self.changing.lock().await;
        self.person(&name)?;
        if self.book().is_last_admin(&name) {
            return Err(AccessError::LastAdmin);
        }
        let ended = self.book().sign_ins_of(&name);
        let rows = [vec![row(RowKind::Person, &name, None)], gone(&ended)].concat();
        let told = caller.audit("removePerson", Some(&name), "");
        self.change(rows, told, |book| book.remove_person(&name)).await
    }

    pub(super) fn person(&self, name: &str) -> Result<Person, AccessError> {
        self.book().people.get(name).cloned().ok_or(AccessError::NoPerson)
    }

    pub(super) fn has_room_for(&self, name: &str) -> Result<(), AccessError> {
        let book = self.book();
        if book.people.contains_key(name) {
            Err(AccessError::Exists)
        } else if book.people.len() >= PEOPLE_MAX {
            Err(AccessError::Full)
        } else {
            Ok(())
        }
    }

    pub(super) async fn hashed(
        &self,
        field: &'static str,
        password: Secret,
    ) -> Result<crate::auth::password::Hashed, AccessError> {
        if !is_allowed(password.expose()) {
            return Err(AccessError::Wrong { field, expected: EXPECTED });
        }
        self.hasher.hash(password).await.ok_or(AccessError::NoRandomness)
    }
}

/// The rows of sign-ins that end.
pub(super) fn gone(sign_ins: &[Digest]) -> Vec<Row> {
    sign_ins.iter().map(|digest| row(RowKind::SignIn, &text_of(digest), None)).collect()
}

/// A name as it is kept: capital letters make no other person.
pub(super) fn checked_name(name: &str) -> Result<Arc<str>, AccessError> {
    let name = name.trim().to_ascii_lowercase();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_name = name.len() <= NAME_CHARACTERS
        && name.starts_with(is_plain)
        && name.chars().all(|c| is_plain(c) || "._-@".contains(c));
    if is_name {
        return Ok(name.into());
    }
    Err(AccessError::Wrong { field: "name", expected: NAME_EXPECTED })
}
