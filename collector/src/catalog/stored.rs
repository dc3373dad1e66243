//! Skills that were registered at run time, as the store keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::registry::encode::json;
use crate::store::{Row, RowKind};

use super::load::{Entry, Index};
use super::skill::Skill;

/// A skill as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct StoredSkill {
    catalog: String,
    name: String,
    description: String,
    body: String,
}

/// The row that keeps a skill.
pub(super) fn row(catalog: &str, entry: &Entry<Skill>) -> Row {
    let doc = json(&StoredSkill {
        catalog: catalog.to_owned(),
        name: entry.name.to_string(),
        description: entry.value.description.clone(),
        body: entry.value.body.clone(),
    });
    Row { doc: Some(doc), ..gone(catalog, &entry.name) }
}

/// The row that forgets one.
pub(super) fn gone(catalog: &str, name: &str) -> Row {
    Row { kind: RowKind::CatalogEntry, id: format!("{catalog}/{name}"), doc: None }
}

/// What was kept, by catalog. What cannot be read stays in the store as it is.
pub(super) fn read(docs: &[String]) -> BTreeMap<String, Index<Skill>> {
    let mut all: BTreeMap<String, Index<Skill>> = BTreeMap::new();
    for doc in docs {
        match serde_json::from_str::<StoredSkill>(doc) {
            Ok(stored) => take(stored, &mut all),
            Err(error) => tracing::error!(%error, "a stored skill cannot be read"),
        }
    }
    all
}

fn take(stored: StoredSkill, all: &mut BTreeMap<String, Index<Skill>>) {
    match Skill::registered(&stored.name, &stored.description, &stored.body) {
        Ok(entry) => {
            let skills = all.entry(stored.catalog).or_default();
            skills.insert(Arc::clone(&entry.name), Arc::new(entry));
        }
        Err((field, why, _)) => {
            tracing::error!(skill = stored.name, field, why, "a stored skill cannot be used");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_what_was_registered() {
        let entry = Skill::registered("a", "does it", "# A").unwrap();
        let row = row("skills", &entry);
        assert_eq!((row.kind, row.id.as_str()), (RowKind::CatalogEntry, "skills/a"));
        let docs = [row.doc.unwrap(), "{}".to_owned(), "no JSON".to_owned()];
        let read = read(&docs);
        assert_eq!(*read["skills"]["a"], entry);
        assert_eq!(read.len(), 1);
    }

    #[test]
    fn a_document_of_the_first_version_is_read_for_ever() {
        let doc = r##"{"catalog":"skills","name":"a","description":"does it","body":"# A"}"##;
        let expected = Skill::registered("a", "does it", "# A").unwrap();
        assert_eq!(*read(&[doc.to_owned()])["skills"]["a"], expected);
    }
}
