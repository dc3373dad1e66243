//! Files beside the database that are none of its own: what copies that were cut short left, and
//! databases that were moved aside for whoever wants to look.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::DATABASE;

/// How many of a kind are kept.
const KEPT: usize = 2;

/// Removes the parts of copies that never got their name. Only for who holds the lock: no other
/// copy is being made then.
pub(super) fn remove_parts(database: &Path) {
    let Some(dir) = database.parent() else { return };
    remove_parts_in(dir, |name| name.starts_with(DATABASE));
    remove_parts_in(&dir.join("snapshots"), |name| name.starts_with("state-"));
}

fn remove_parts_in(dir: &Path, is_ours: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_ours(name) && is_part(name)) else {
            continue;
        };
        match std::fs::remove_file(entry.path()) {
            Ok(()) => tracing::info!(name, "removed what a copy that was cut short left"),
            Err(error) => {
                tracing::warn!(name, %error, "what a copy that was cut short left stays");
            }
        }
    }
}

fn is_part(name: &str) -> bool {
    [".part", ".part-journal", ".part-wal", ".part-shm"].iter().any(|end| name.ends_with(end))
}

/// Removes what was moved aside before, so that there are two of the kind with the one to come.
/// Done before it comes: by the clock it need not be the newest.
pub(super) fn make_room(path: &Path, kind: &str) {
    let mut old = moved_aside(path, kind);
    old.sort_unstable_by(|a, b| b.cmp(a));
    let mut stamps: Vec<u64> = old.iter().map(|(stamp, _)| *stamp).collect();
    stamps.dedup();
    let Some(oldest_kept) = stamps.get(KEPT - 2) else { return };
    for (_, old) in old.iter().filter(|(stamp, _)| stamp < oldest_kept) {
        let removed =
            if old.is_dir() { std::fs::remove_dir_all(old) } else { std::fs::remove_file(old) };
        let path = old.display();
        match removed {
            Ok(()) => tracing::info!(%path, "removed what was moved aside long ago"),
            Err(error) => tracing::warn!(%path, %error, "what was moved aside long ago stays"),
        }
    }
}

/// All of a kind, each with when it was moved: `state.db.corrupt-1763723000000-wal`, say.
fn moved_aside(path: &Path, kind: &str) -> Vec<(u64, PathBuf)> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
        return Vec::new();
    };
    let start = format!("{name}.{kind}-");
    let stamp = |path: &Path| {
        let rest = path.file_name()?.to_str()?.strip_prefix(&start)?;
        rest.split('-').next()?.parse().ok()
    };
    let paths = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter_map(|path| Some((stamp(&path)?, path))).collect()
}
