//! What is registered at run time is on the disk before anybody sees it.

use std::path::Path;

use crate::catalog::held::Difference;
use crate::config::{self, Liveness, SKILLS};
use crate::registry::Registry;
use crate::seal::Seal;

use super::*;

fn catalogs(dir: &Path, kept: &[String]) -> Catalogs {
    let rules = config::Catalogs::default().with_defaults(None, dir);
    let registry = Arc::new(Registry::new(Liveness::default()));
    Catalogs::new(&rules, kept, registry, Arc::new(Seal::of_dir(dir).unwrap()))
}

fn skill(name: &str, body: &str) -> Entry<Skill> {
    Skill::registered(name, "does it", body).unwrap()
}

fn n_skills(catalogs: &Catalogs) -> usize {
    catalogs.get(SKILLS).unwrap().held.n_entries()
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_bounded(dir.path(), 100).unwrap();
    let catalogs = catalogs(dir.path(), &[]);
    let (large, mut n_kept) = ("x".repeat(64 * 1024), 0);
    let refused = loop {
        let entry = skill(&format!("s{n_kept}"), &large);
        match catalogs.register(SKILLS, entry, IfThere::Replace, &store).await {
            Ok(registered) => assert!(registered.is_new),
            Err(refused) => break refused,
        }
        n_kept += 1;
        assert!(n_kept < 100, "a full disk is told");
    };
    assert!(matches!(refused, RegisterError::NotKept(WriteError::DiskFull)), "{refused:?}");
    assert_eq!(n_skills(&catalogs), n_kept);
    store.close().await;
    let (_store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(n_skills(&self::catalogs(dir.path(), &loaded.catalog_entries)), n_kept);
}

#[tokio::test]
async fn a_restart_knows_what_was_registered_and_not_what_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path()).unwrap();
    let catalogs = catalogs(dir.path(), &[]);
    for name in ["a", "b"] {
        catalogs.register(SKILLS, skill(name, ""), IfThere::Refuse, &store).await.unwrap();
    }
    let again = catalogs.register(SKILLS, skill("a", "x"), IfThere::Refuse, &store).await;
    assert!(matches!(again, Err(RegisterError::Exists(_))), "{again:?}");
    catalogs.register(SKILLS, skill("a", "x"), IfThere::Replace, &store).await.unwrap();
    catalogs.withdraw(SKILLS, "b", &store).await.unwrap();
    let unknown = catalogs.withdraw(SKILLS, "b", &store).await;
    assert!(matches!(unknown, Err(RegisterError::Unknown(_))), "{unknown:?}");
    let none = catalogs.withdraw("services", "a", &store).await;
    assert!(matches!(none, Err(RegisterError::NoCatalog(_))), "{none:?}");
    store.close().await;
    let (_store, loaded) = Store::open(dir.path()).unwrap();
    let catalogs = self::catalogs(dir.path(), &loaded.catalog_entries);
    let Held::Skills(skills) = &catalogs.get(SKILLS).unwrap().held else { panic!("skills") };
    assert_eq!((n_skills(&catalogs), skills.find("a").unwrap().value.body.as_str()), (1, "x"));
    assert_eq!(skills.take("none"), Difference::default());
}
