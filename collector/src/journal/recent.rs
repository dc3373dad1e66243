//! The last alerts of services that beat, as `GET /alerts` tells them. A restart finds them in
//! the files.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::FOLDER;
use super::files::Files;
use super::line::{HeartbeatAlert, Log};

/// How many are told.
pub(super) const RECENT_MAX: usize = 1_000;
/// How much of the files is read for them, bytes.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// See the module's words.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatAlerts(Arc<Mutex<VecDeque<HeartbeatAlert>>>);

impl HeartbeatAlerts {
    /// Those that the files of a data directory hold.
    #[must_use]
    pub fn of_data_dir(data_dir: &Path) -> Self {
        Self::of_files(&Files::new(data_dir.join(FOLDER)))
    }

    /// Those that the files hold; a line that is broken is passed over.
    fn of_files(files: &Files) -> Self {
        let lines = files.last(Log::Heartbeats, RECENT_MAX, READ_BYTES_MAX);
        let alerts = lines.iter().filter_map(|line| serde_json::from_slice(line).ok());
        Self(Arc::new(Mutex::new(alerts.collect())))
    }

    pub(super) fn push(&self, alert: HeartbeatAlert) {
        let mut recent = self.recent();
        recent.push_back(alert);
        while recent.len() > RECENT_MAX {
            recent.pop_front();
        }
    }

    /// All of them, the newest last.
    #[must_use]
    pub fn all(&self) -> Vec<HeartbeatAlert> {
        self.recent().iter().cloned().collect()
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<HeartbeatAlert>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
