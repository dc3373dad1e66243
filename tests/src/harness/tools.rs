//! Programs of others that stories run: where `tests/tools.sh` put them, or the machine's own.

use std::path::{Path, PathBuf};

/// Prometheus, the server.
#[must_use]
pub fn prometheus() -> PathBuf {
    tool("prometheus")
}

/// Prometheus' own checker.
#[must_use]
pub fn promtool() -> PathBuf {
    tool("promtool")
}

/// Alertmanager, the server.
#[must_use]
pub fn alertmanager() -> PathBuf {
    tool("prometheus-alertmanager")
}

/// Alertmanager's command line.
#[must_use]
pub fn amtool() -> PathBuf {
    tool("amtool")
}

/// The program `name`.
///
/// # Panics
///
/// Where it is missing.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let fetched = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/debian/usr/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all =
        std::iter::once(Path::new(fetched).to_owned()).chain(std::env::split_paths(&path));
    let found = all.find_map(|directory| Some(directory.join(name)).filter(|path| path.exists()));
    found.unwrap_or_else(|| panic!("{name} is missing: run `make test-tools`"))
}
