//! What makes a skill, with its files, and what does not.

use std::fs;
use std::os::unix::fs::symlink;

use crate::catalog::load::load;
use crate::config::CatalogFolder;

use super::*;

fn put(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn skills(dir: &Path) -> Result<Vec<Arc<Entry<Skill>>>, String> {
    let folder = CatalogFolder { path: dir.to_owned(), may_be_missing: false };
    load::<Skill>(&[folder]).map(|loaded| loaded.entries).map_err(|fault| fault.to_string())
}

const GOOD: &str = "---\nname: review\ndescription: Reviews a change\n---\n# How\n";

#[test]
fn a_skill_has_a_body_and_files_with_their_digests() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("r/SKILL.md"), GOOD);
    put(&dir.path().join("r/scripts/run.sh"), "#!/bin/sh\n");
    put(&dir.path().join("r/data.bin"), [0, 159, 146, 150]);
    let entries = skills(dir.path()).unwrap();
    let [review] = &entries[..] else { panic!("{entries:?}") };
    let skill = &review.value;
    assert_eq!((&*review.name, skill.body.as_str()), ("review", "# How\n"));
    assert_eq!(skill.sha256, sha256(GOOD.as_bytes()));
    let paths: Vec<&str> = skill.files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["SKILL.md", "data.bin", "scripts/run.sh"]);
    assert!(skill.files["scripts/run.sh"].is_text() && !skill.files["data.bin"].is_text());
    assert_eq!(skill.files["data.bin"].sha256, sha256(&[0, 159, 146, 150]));
    put(&dir.path().join("r/scripts/run.sh"), "#!/bin/bash\n");
    assert_ne!(skills(dir.path()).unwrap()[0].digest, review.digest);
}

#[test]
fn bounds_hold_and_name_what_broke_them() {
    let cases: [(&str, &str, String); 6] = [
        ("SKILL.md", "SKILL.md: it is too large", "x".repeat(SKILL_FILE_BYTES + 1)),
        ("SKILL.md", "SKILL.md:2: name: it is no name", GOOD.replace("review", "'..'")),
        ("SKILL.md", "SKILL.md:2: name: it is too long", GOOD.replace("review", "a/b")),
        (
            "SKILL.md",
            "SKILL.md:3: description: it is empty",
            GOOD.replace("Reviews a change", "''"),
        ),
        (
            "big.bin",
            "big.bin: it is too large; expected at most 1024 KiB",
            "x".repeat(FILE_BYTES + 1),
        ),
        ("a/b/c/d/e/f/g/h/i/j", "too deep", String::new()),
    ];
    for (path, expected, text) in cases {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("r/SKILL.md"), GOOD);
        put(&dir.path().join("r").join(path), text);
        let told = skills(dir.path()).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("r/SKILL.md"), GOOD);
    for n in 0..=FILES_MAX {
        put(&dir.path().join(format!("r/{n}")), "");
    }
    assert!(skills(dir.path()).unwrap_err().contains("256 files at most"));
}

#[test]
fn a_circle_of_links_and_a_link_out_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("in/r/SKILL.md"), GOOD);
    symlink("..", dir.path().join("in/r/up")).unwrap();
    assert!(skills(&dir.path().join("in")).unwrap_err().contains("too deep"));
    fs::remove_file(dir.path().join("in/r/up")).unwrap();
    symlink("/etc/passwd", dir.path().join("in/r/passwd")).unwrap();
    assert!(skills(&dir.path().join("in")).unwrap_err().contains("passwd: it leads out"));
}

#[test]
fn what_is_registered_is_what_would_be_read() {
    let entry = Skill::registered("say \"hi\"", "with: a\ncolon", "# Body\n---\n").unwrap();
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("x/SKILL.md"), &entry.value.files[SKILL_FILE].bytes);
    let read = skills(dir.path()).unwrap().remove(0);
    assert_eq!((&read.name, &read.value, &read.digest), (&entry.name, &entry.value, &entry.digest));
    for (name, description, field) in [
        ("", "b", "name"),
        (" a", "b", "name"),
        ("..", "b", "name"),
        ("a\u{7}", "b", "name"),
        ("a", " ", "description"),
        ("a", &"b".repeat(DESCRIPTION_BYTES + 1), "description"),
    ] {
        assert_eq!(Skill::registered(name, description, "").unwrap_err().0, field);
    }
    let large = "x".repeat(SKILL_FILE_BYTES);
    assert_eq!(Skill::registered("a", "b", &large).unwrap_err().0, "body");
}
