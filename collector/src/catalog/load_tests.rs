//! Loading is all or nothing, and what was found is what was indexed: over any set of files.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use crate::catalog::service::FileService;
use crate::catalog::skill::Skill;

use super::*;

fn folder(path: &Path) -> CatalogFolder {
    CatalogFolder { path: path.to_owned(), may_be_missing: false }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn skill(name: &str) -> String {
    format!("---\nname: {name}\ndescription: does it\n---\nbody of {name}")
}

fn names<T>(loaded: &Loaded<T>) -> Vec<&str> {
    loaded.entries.iter().map(|entry| &*entry.name).collect()
}

#[test]
fn a_missing_folder_is_empty_or_a_fault_as_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut gone = folder(&dir.path().join("gone"));
    let fault = load::<Skill>(std::slice::from_ref(&gone)).unwrap_err().to_string();
    assert!(fault.ends_with("gone: there is no such folder"), "{fault}");
    gone.may_be_missing = true;
    assert!(load::<Skill>(&[gone]).unwrap().entries.is_empty());
}

#[test]
fn one_name_in_two_files_rejects_both_and_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    put(&one.join("a/SKILL.md"), &skill("same"));
    put(&two.join("b/SKILL.md"), &skill("same"));
    let fault = load::<Skill>(&[folder(&one), folder(&two)]).unwrap_err();
    assert_eq!(*fault.file, two.join("b/SKILL.md"));
    assert_eq!(fault.other_file, Some(one.join("a/SKILL.md").into()));
    assert_eq!(fault.key.as_deref(), Some("name"));
    assert!(load::<Skill>(&[folder(&one)]).is_ok());
}

#[test]
fn a_folder_under_two_names_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("in/a/SKILL.md"), &skill("a"));
    std::os::unix::fs::symlink("in", dir.path().join("link")).unwrap();
    let folders = ["in", "./in", "link"].map(|name| folder(&dir.path().join(name)));
    assert_eq!(names(&load::<Skill>(&folders).unwrap()), ["a"]);
}

#[test]
fn what_makes_no_entry_is_left_out_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("good/SKILL.md"), &skill("good"));
    put(&dir.path().join("README.md"), "how to");
    put(&dir.path().join(".git/config"), "");
    put(&dir.path().join("empty/skill.txt"), "");
    let loaded = load::<Skill>(&[folder(dir.path())]).unwrap();
    assert_eq!(names(&loaded), ["good"]);
    let [left_out] = &loaded.left_out[..] else { panic!("{:?}", loaded.left_out) };
    assert_eq!(left_out.path, dir.path().join("empty"));
}

#[test]
fn more_entries_than_are_taken_are_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let service = |n: usize| {
        format!("[[service]]\nname = \"s{n}\"\ntype = \"tool\"\nurl = \"http://h:{}\"\n", n + 1)
    };
    let all = |n: usize| (0..n).map(service).collect::<String>();
    put(&dir.path().join("a.toml"), &all(ENTRIES_MAX));
    assert_eq!(load::<FileService>(&[folder(dir.path())]).unwrap().entries.len(), ENTRIES_MAX);
    put(&dir.path().join("a.toml"), &all(ENTRIES_MAX + 1));
    assert!(load::<FileService>(&[folder(dir.path())]).is_err());
}

/// One file of services: the names in it, or a mistake.
#[derive(Clone, Debug)]
enum Text {
    Services(Vec<u8>),
    Mistake,
    Ignored,
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        8 => prop::collection::vec(0..40u8, 0..4).prop_map(Text::Services),
        1 => Just(Text::Mistake),
        1 => Just(Text::Ignored),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_set_of_files_is_loaded_whole_or_not_at_all(texts in prop::collection::vec(text(), 0..6)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut expected, mut n_said, mut has_mistake) = (BTreeSet::new(), 0, false);
        for (n, text) in texts.iter().enumerate() {
            let mut name = format!("{n}.toml");
            let content = match text {
                Text::Services(ids) => {
                    n_said += ids.len();
                    expected.extend(ids.iter().map(|id| format!("s{id}")));
                    let one = |id: &u8| format!(
                        "[[service]]\nname = \"s{id}\"\ntype = \"tool\"\nurl = \"http://h:{}\"\n",
                        u16::from(*id) + 1
                    );
                    ids.iter().map(one).collect()
                }
                Text::Mistake => { has_mistake = true; "[[service]]\nname = 1\n".to_owned() }
                Text::Ignored => { name.push('~'); "no TOML".to_owned() }
            };
            put(&dir.path().join(name), &content);
        }
        let is_good = !has_mistake && expected.len() == n_said;
        match load::<FileService>(&[folder(dir.path())]) {
            Ok(loaded) => {
                prop_assert!(is_good);
                let index = index(&loaded.entries).unwrap();
                prop_assert_eq!(index.len(), expected.len());
                for name in &expected {
                    let found = find(&index, name).unwrap();
                    prop_assert_eq!(&*found.name, name.as_str());
                    prop_assert!(loaded.entries.iter().any(|entry| Arc::ptr_eq(entry, found)));
                }
                prop_assert!(find(&index, "s99").is_none());
            }
            Err(fault) => {
                prop_assert!(!is_good, "{fault}");
                prop_assert!(fault.file.starts_with(dir.path()) && fault.line.is_some());
            }
        }
    }
}
