//! A join line that waits to be used, and where it came from.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::wire::hello::RefusalCode;
use tokio::time::{Instant, sleep};

use super::MembershipError;
use crate::durable;
use crate::enrol::join_line::LINE_BYTES_MAX;
use crate::enrol::{JoinLine, JoinLineError, StateError};

/// The line that somebody pasted while the agent runs.
pub(in crate::enrol) const JOIN: &str = "join";

/// How often a pasted line is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A join that takes longer is given up, where there is another collector to go back to.
const PATIENCE: Duration = Duration::from_secs(30);

/// A join line that waits to be used.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) line: JoinLine,
    pub(super) source: Source,
    since: Instant,
}

/// Where a join line came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// Somebody pasted it, and it is removed when it was used.
    Asked(Stamp),
    /// It lies where somebody else put it and stays there, or is in memory alone.
    Given,
}

/// Which file it was: each is written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        let (changed_s, changed_ns) = (found.ctime(), found.ctime_nsec());
        Some(Self { inode: found.ino(), changed_s, changed_ns })
    }
}

impl Joining {
    /// The line that somebody pasted, if any.
    pub(super) fn asked(dir: &Path) -> Result<Option<Self>, MembershipError> {
        let path = dir.join(JOIN);
        let Some(stamp) = Stamp::of(&path) else { return Ok(None) };
        Self::read(&path, Source::Asked(stamp))
    }

    /// The line in a file that was named.
    pub(super) fn given(path: &Path) -> Result<Self, MembershipError> {
        let empty =
            || MembershipError::JoinFile { path: path.to_owned(), source: JoinLineError::Empty };
        // A link to it is the rule where systemd or Kubernetes hands it over.
        let real = fs::canonicalize(path).map_err(|_| empty())?;
        Self::read(&real, Source::Given)?.ok_or_else(empty)
    }

    /// A line that this process was given.
    pub(super) fn pasted(line: JoinLine) -> Self {
        Self { line, source: Source::Given, since: Instant::now() }
    }

    /// Whether whoever pasted it does not want it used any more.
    pub(super) fn is_taken_back(&self, dir: &Path) -> bool {
        matches!(self.source, Source::Asked(_)) && Stamp::of(&dir.join(JOIN)).is_none()
    }

    fn read(path: &Path, source: Source) -> Result<Option<Self>, MembershipError> {
        let failed = |source| StateError::Io { action: "read", path: path.to_owned(), source };
        let Some(bytes) = durable::read(path, LINE_BYTES_MAX).map_err(failed)? else {
            return Ok(None);
        };
        let line = JoinLine::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|source| MembershipError::JoinFile { path: path.to_owned(), source })?;
        Ok(Some(Self { line, source, since: Instant::now() }))
    }

    /// Whether another try would be of no use to whoever waits.
    pub(super) fn is_over(&self, refused: Option<RefusalCode>, now: Instant) -> bool {
        let is_final = matches!(
            refused,
            Some(
                RefusalCode::TokenRefused
                    | RefusalCode::NotYours
                    | RefusalCode::Revoked
                    | RefusalCode::BadProof
                    | RefusalCode::ProtocolOutOfRange
            )
        );
        is_final || now >= self.since + PATIENCE
    }
}

/// Waits for another line than the one that is `known`.
pub(super) async fn asked_since(dir: PathBuf, known: Option<Stamp>) {
    let path = dir.join(JOIN);
    loop {
        sleep(LOOK_EVERY).await;
        if Stamp::of(&path).is_some_and(|stamp| known != Some(stamp)) {
            return;
        }
    }
}
