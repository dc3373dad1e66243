//! What was found once stays understood: the kept inputs of the targets that every build has.

use std::fs;
use std::path::Path;

fn kept(what: &str, target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(what).join(target);
    let files = fs::read_dir(&folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    let kept: Vec<_> = files.collect();
    assert!(!kept.is_empty(), "{} is empty", folder.display());
    kept
}

#[test]
fn every_kept_input_is_survived() {
    type Target = (&'static str, fn(&[u8]));
    let targets: [Target; 3] = [
        ("frame", crate::frame::run),
        ("hello", crate::hello::run),
        ("config", crate::config::run),
    ];
    for (name, target) in targets {
        for what in ["seeds", "corpus"] {
            kept(what, name).iter().for_each(|input| target(input));
        }
    }
}
