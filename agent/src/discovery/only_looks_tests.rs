//! The agent only looks: whatever finds servers, samples or asks GPUs writes no file, and nothing
//! changes what a server is told. So no server is more open to the network for being found.

use std::path::{Path, PathBuf};

/// What would write, or start somebody who does.
const WRITES: [&str; 20] = [
    "fs::write",
    "fs::rename",
    "fs::copy",
    "fs::create_dir",
    "fs::remove_",
    "fs::hard_link",
    "fs::set_permissions",
    "fs::symlink",
    "fs::OpenOptions",
    "OpenOptions::new",
    "File::create",
    "File::options",
    "DirBuilder",
    "symlink(",
    ".set_len(",
    "rustix::fs::open",
    "rustix::fs::unlink",
    "rustix::fs::chmod",
    "process::Command",
    "tokio::process",
];
/// What would change the environment of anybody.
const TELLS: [&str; 4] = ["set_var", "remove_var", "env_clear", ".env(\"OLLAMA"];
/// These start the agent itself, as the child that asks the driver.
const CHILDREN: [&str; 2] = ["gpu/process.rs", "gpu/child.rs"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" && name != "fixtures" {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && !name.contains("tests") && name != "scripted.rs" {
            found.push(path);
        }
    }
}

/// What is built into the program of a source: all before its tests, without what is said of it.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let of_tests = text.match_indices("#[cfg(test)]\n").find(|(at, gate)| {
        let mut gated = text[at + gate.len()..].lines().skip_while(|line| line.starts_with('#'));
        gated.next().is_some_and(|line| line.ends_with('{') && line.contains("mod "))
    });
    let built = of_tests.map_or(&*text, |(at, _)| &text[..at]);
    built.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn breaches(root: &Path, folders: &[&str], words: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for folder in folders {
        sources(&root.join(folder), &mut all);
    }
    assert!(all.len() > 20, "{folders:?}: only {} files", all.len());
    let mut breaches = Vec::new();
    for path in all {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if CHILDREN.contains(&name.as_str()) || name.starts_with("gpu/child/") {
            continue;
        }
        let code = code(&path);
        let found = words.iter().filter(|word| code.contains(**word));
        breaches.extend(found.map(|word| format!("{name}: {word}")));
    }
    breaches
}

#[test]
fn nothing_that_looks_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let breaches = breaches(&root, &["discovery", "sampling", "gpu"], &WRITES);
    assert!(breaches.is_empty(), "what looks may not write:\n{}", breaches.join("\n"));
}

#[test]
fn nothing_tells_a_server_where_to_listen() {
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let collector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/src");
    for root in [agent, collector] {
        let breaches = breaches(&root, &["."], &TELLS);
        assert!(breaches.is_empty(), "a server's settings are its own:\n{}", breaches.join("\n"));
    }
}

#[test]
fn a_breach_would_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..21 {
        std::fs::write(folder.path().join(format!("{n}.rs")), "fn a() {}\n").unwrap();
    }
    let text = "fn a() {\n    std::fs::write(\"/etc/x\", \"\");\n}\n#[cfg(test)]\nmod t {\n    set_var\n}\n";
    std::fs::write(folder.path().join("7.rs"), text).unwrap();
    assert_eq!(breaches(folder.path(), &["."], &WRITES), ["7.rs: fs::write"]);
    assert!(breaches(folder.path(), &["."], &TELLS).is_empty());
}
