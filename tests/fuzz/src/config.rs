//! Configuration files of both programs: what is wrong is said, not a reason to fall over.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use herdbook_agent::config::{Flags, Settings};

/// The first byte says whose file it is: `a`, the agent's, else the collector's.
pub fn run(input: &[u8]) {
    let Some((whose, text)) = input.split_first() else { return };
    let path = file();
    if std::fs::write(&path, text).is_err() {
        return;
    }
    let nothing = |_: &str| None;
    let told = match whose {
        b'a' => {
            let flags = Flags { config: Some(path.into()), ..Flags::default() };
            Settings::load(&flags, &nothing).map(|_| ()).map_err(|error| error.to_string())
        }
        _ => {
            let args: [OsString; 3] = ["herdbook-collector".into(), "--config".into(), path.into()];
            let home = |name: &str| (name == "HOME").then(|| "/nowhere".into());
            let loaded = herdbook_collector::config::load(args, &home);
            loaded.map(|_| ()).map_err(|error| error.to_string())
        }
    };
    assert!(told.err().is_none_or(|words| !words.is_empty()), "an error without a word");
}

/// One file for a process, in memory where there is a folder for that.
fn file() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    crate::folder(&FOLDER).join("config.toml")
}
