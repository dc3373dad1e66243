//! What is taken back stays so after a restart, however it was used before.

use std::path::Path;

use super::*;
use crate::auth::Role;
use crate::auth::book::TokenState;

const PASSWORD: &str = "correct horse battery";

fn operator() -> Caller {
    Caller::of(Principal::Known { role: Role::Admin, who: Who::Control })
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn open(dir: &Path) -> Access {
    let (store, loaded) = Store::open(dir).unwrap();
    let rules = (true, Proxy::default());
    Access::with_rules(rules, &loaded, Arc::new(store), TaskTracker::new())
}

/// As at the stop of the collector, and its start.
async fn restarted(access: Access, dir: &Path) -> Access {
    access.keep_used().await;
    drop(access);
    open(dir)
}

/// Two admins, of whom `otto` has signed in, and used that a while ago.
async fn used(dir: &Path) -> (Access, Caller) {
    let access = open(dir);
    for name in ["anna", "otto"] {
        access.add_person(&operator(), name, secret(PASSWORD), Role::Admin).await.unwrap();
    }
    let nobody = Caller::nobody(crate::auth::Unknown::NoCredentials);
    let signed_in = access.sign_in(&nobody, "otto", secret(PASSWORD)).await.unwrap().caller;
    let later = Timestamp::from_unix_ms(Timestamp::now().unix_ms() + 61_000);
    access.book().use_sign_in(&signed_in.sign_in.unwrap(), later).unwrap();
    (access, signed_in)
}

#[tokio::test]
async fn a_revoked_token_stays_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let access = open(dir.path());
    let made = access.make_token(&operator(), "ci", Role::Admin, None).await.unwrap();
    let digest = crate::auth::digest(made.1.expose());
    assert!(access.by_token(&digest).is_some());
    assert!(access.revoke_token(&operator(), &made.0.id).await.unwrap());
    let access = restarted(access, dir.path()).await;
    assert!(access.by_token(&digest).is_none());
    assert_eq!(access.tokens()[0].state, TokenState::Revoked);
}

#[tokio::test]
async fn a_demoted_admin_stays_demoted_and_is_kept_with_the_last_use() {
    let dir = tempfile::tempdir().unwrap();
    let (access, otto) = used(dir.path()).await;
    access.change_person(&operator(), "otto", Some(Role::Viewer), None).await.unwrap();
    let access = restarted(access, dir.path()).await;
    assert_eq!(access.person("otto").unwrap().role, Role::Viewer);
    let again = access.by_sign_in(&otto.sign_in.unwrap()).unwrap();
    assert_eq!(again.principal.role(), Some(Role::Viewer));
    assert!(again.expires_at > otto.expires_at, "when it was used is kept");
}

#[tokio::test]
async fn an_old_password_stays_old_whoever_changed_it() {
    let dir = tempfile::tempdir().unwrap();
    let (access, otto) = used(dir.path()).await;
    let new = || secret("another password");
    access.change_password(&otto, secret(PASSWORD), new()).await.unwrap();
    let kept = access.person("otto").unwrap().password;
    let access = restarted(access, dir.path()).await;
    assert_eq!(access.person("otto").unwrap().password, kept);

    let later = Timestamp::from_unix_ms(Timestamp::now().unix_ms() + 200_000);
    access.book().use_sign_in(&otto.sign_in.unwrap(), later).unwrap();
    access.change_person(&operator(), "otto", None, Some(secret(PASSWORD))).await.unwrap();
    let kept = access.person("otto").unwrap().password;
    let access = restarted(access, dir.path()).await;
    assert_eq!(access.person("otto").unwrap().password, kept);
    assert!(access.by_sign_in(&otto.sign_in.unwrap()).is_none(), "it ended with the password");
}

#[tokio::test]
async fn a_removed_person_and_an_ended_sign_in_stay_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (access, otto) = used(dir.path()).await;
    access.sign_out(&otto).await.unwrap();
    let access = restarted(access, dir.path()).await;
    assert!(access.by_sign_in(&otto.sign_in.unwrap()).is_none());
    access.remove_person(&operator(), "otto").await.unwrap();
    drop(access);

    let dir = tempfile::tempdir().unwrap();
    let (access, otto) = used(dir.path()).await;
    access.remove_person(&operator(), "otto").await.unwrap();
    let access = restarted(access, dir.path()).await;
    assert!(access.person("otto").is_err());
    assert!(access.by_sign_in(&otto.sign_in.unwrap()).is_none());
}
