//! Where the database is kept.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::resolve::Environment;

/// The data directory cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to make the data directory {}; choose another with --data-dir", dir.display())]
pub struct DataDirError {
    dir: PathBuf,
    source: io::Error,
}

/// Makes the directory, readable for its owner alone, unless it is there.
///
/// # Errors
///
/// Where it cannot be made, or is no directory.
pub fn prepare(dir: &Path) -> Result<(), DataDirError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| DataDirError { dir: dir.to_owned(), source })
}

/// Where the database goes without being told: what systemd gives, else the user's own state.
pub(super) fn default(environment: &Environment<'_>) -> Option<PathBuf> {
    let set = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(given) = set("STATE_DIRECTORY") {
        // Several directories stand in one variable with colons between.
        let first = given.to_str().and_then(|text| text.split(':').next()).map(PathBuf::from);
        return Some(first.unwrap_or(given));
    }
    // The base directory specification says to ignore relative paths.
    let absolute = |path: &PathBuf| path.is_absolute();
    let state = set("XDG_STATE_HOME")
        .filter(absolute)
        .or_else(|| set("HOME").filter(absolute).map(|home| home.join(".local/state")))?;
    Some(state.join("herdbook/collector"))
}
