//! What is kept of the collector that the agent has joined: where it is, and by what it is known.

use std::io;
use std::path::{Path, PathBuf};

use herdbook_shared::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};

use super::{PINS_MAX, Target, Trust};
use crate::config::CollectorUrl;
use crate::durable;

const COLLECTOR: &str = "collector";
/// What is longer than this is something else.
const FILE_BYTES_MAX: u64 = 4096;

/// The collector that the agent has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Where it is.
    pub url: CollectorUrl,
    /// By what it is known; by the system's roots, where there are none.
    pub pins: Vec<Fingerprint>,
    /// How the agent came to it.
    pub origin: Origin,
}

/// How the agent came to a collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person said which, and where.
    #[default]
    Told,
    /// It was found on the network, and may be found elsewhere there.
    Found,
    /// It is this machine's own, spoken to without TLS.
    Local,
}

/// What is in the file.
#[derive(Deserialize, Serialize)]
struct CollectorFile {
    url: String,
    pins: Vec<Fingerprint>,
    #[serde(default)]
    origin: Origin,
}

/// Why a file of the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It refuses.
    #[error("cannot {action} {path}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is there, and says no collector.
    #[error(
        "{path} names no collector; put the right one back, or delete the file and join again",
        path = .path.display()
    )]
    Garbage {
        /// The file.
        path: PathBuf,
    },
}

impl Remembered {
    /// What is remembered, if anything.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or says something else. It is left alone.
    pub fn read(dir: &Path) -> Result<Option<Self>, StateError> {
        let path = dir.join(COLLECTOR);
        let bytes = durable::read(&path, FILE_BYTES_MAX);
        let Some(bytes) = bytes.map_err(|source| StateError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?
        else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&bytes).ok().and_then(Self::from_file);
        read.map(Some).ok_or(StateError::Garbage { path })
    }

    fn from_file(file: CollectorFile) -> Option<Self> {
        let CollectorFile { url, pins, origin } = file;
        let url = CollectorUrl::read(&url).ok()?;
        let is_one = match origin {
            // Without TLS nothing shows a key. Such a URL is of this machine, or is none.
            Origin::Local => !url.is_tls() && pins.is_empty(),
            Origin::Told | Origin::Found => url.is_tls() && pins.len() <= PINS_MAX,
        };
        is_one.then_some(Self { url, pins, origin })
    }

    /// Keeps it, whole or not.
    ///
    /// # Errors
    ///
    /// Where it cannot be written; what was kept before still is.
    pub fn write(&self, dir: &Path) -> Result<(), StateError> {
        let (url, pins) = (self.url.to_string(), self.pins.clone());
        let file = CollectorFile { url, pins, origin: self.origin };
        let failed = |source| StateError::Io { action: "write", path: dir.join(COLLECTOR), source };
        let text = serde_json::to_vec(&file).map_err(|error| failed(error.into()))?;
        durable::write(dir, COLLECTOR, &text).map_err(failed)
    }

    /// The collector of this machine.
    #[must_use]
    pub fn local() -> Self {
        Self { url: CollectorUrl::local(), pins: Vec::new(), origin: Origin::Local }
    }

    /// Where to dial, and whom to expect.
    #[must_use]
    pub fn target(&self) -> Target {
        Target { url: self.url.clone(), trust: Trust::by(self.pins.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_remembered_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Remembered::read(dir.path()).unwrap(), None);
        for pins in [vec![], vec![Fingerprint::of_digest([1; 32]); 2]] {
            let url = CollectorUrl::parse_for_tests("https://gpu-0:6121/herd");
            let remembered = Remembered { url, pins, origin: Origin::Found };
            remembered.write(dir.path()).unwrap();
            assert_eq!(Remembered::read(dir.path()).unwrap(), Some(remembered));
        }
        let local = Remembered::local();
        local.write(dir.path()).unwrap();
        assert_eq!(Remembered::read(dir.path()).unwrap(), Some(local));
    }

    #[test]
    fn a_file_from_before_origins_were_kept_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let before = br#"{"url":"https://gpu-0:1","pins":[]}"#;
        durable::write(dir.path(), COLLECTOR, before).unwrap();
        assert_eq!(Remembered::read(dir.path()).unwrap().unwrap().origin, Origin::Told);
    }

    #[test]
    fn garbage_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let plain = r#"{"url":"http://127.0.0.1:1","pins":[]}"#;
        let pins = vec![Fingerprint::of_digest([1; 32]); 5];
        let many = format!(
            r#"{{"url":"https://gpu-0:1","pins":{}}}"#,
            serde_json::to_string(&pins).unwrap()
        );
        let local = r#"{"url":"https://127.0.0.1:1","pins":[],"origin":"local"}"#;
        let distant = r#"{"url":"http://gpu-0:1","pins":[],"origin":"local"}"#;
        for garbage in ["", "https://gpu-0:6121", "{}", plain, local, distant, &many] {
            durable::write(dir.path(), COLLECTOR, garbage.as_bytes()).unwrap();
            let error = Remembered::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("names no collector"), "{error}");
            assert_eq!(std::fs::read(dir.path().join(COLLECTOR)).unwrap(), garbage.as_bytes());
        }
    }
}
