//! Files beside the database that are none of its own: what copies that were cut short left.

use std::path::Path;

use super::DATABASE;

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
