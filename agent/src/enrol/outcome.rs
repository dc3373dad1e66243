//! How a join goes, told by the agent that runs to whoever pasted the line: a file beside it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StateError;
use crate::durable;

const OUTCOME: &str = "join.outcome";
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// How a join goes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The collector took the host in.
    Joined {
        /// Where it is.
        collector: String,
        /// The host's name for people.
        name: String,
        /// The agent's key.
        fingerprint: String,
    },
    /// Not yet; the agent goes on trying.
    Trying {
        /// What the last try ended in.
        why: String,
    },
    /// Not, and the agent has gone back to what it did before.
    GivenUp {
        /// Why.
        why: String,
    },
}

impl Outcome {
    pub(crate) fn write(&self, dir: &Path) -> Result<(), StateError> {
        let failed = |source| StateError::Io { action: "write", path: dir.join(OUTCOME), source };
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        durable::write(dir, OUTCOME, &text).map_err(failed)
    }

    /// What is there now; what cannot be read is not there yet.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let bytes = durable::read(&dir.join(OUTCOME), FILE_BYTES_MAX).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    pub(crate) fn forget(dir: &Path) -> Result<(), StateError> {
        let failed = |source| StateError::Io { action: "remove", path: dir.join(OUTCOME), source };
        durable::remove(dir, OUTCOME).map_err(failed)
    }
}
