//! Where the state is kept when nobody says: where the system keeps such things.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::ConfigError;
use super::layers::Layers;
use super::values;

/// The state directory: told, else systemd's, else the user's, else the system's.
pub(super) fn resolve(layers: &Layers<'_>) -> Result<PathBuf, ConfigError> {
    match layers.one("state-dir", |flags| &flags.state_dir, |file| &file.state_dir)? {
        Some(given) => given.check(values::path),
        None => usual(
            layers.env,
            rustix::process::geteuid().is_root().then(|| PathBuf::from("/var/lib/herdbook/agent")),
        )
        .ok_or(ConfigError::NoStateDir),
    }
}

/// `of_root` is where root keeps it when it has no home, as in a bare container.
fn usual(env: &dyn Fn(&str) -> Option<OsString>, of_root: Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |variable: &str| {
        let value = env(variable)?;
        // systemd separates several directories by colons; the first is ours.
        let first = value.to_str().and_then(|text| text.split(':').next()).map(PathBuf::from);
        first.or_else(|| Some(value.into())).filter(|path| path.is_absolute())
    };
    absolute("STATE_DIRECTORY")
        .or_else(|| absolute("XDG_STATE_HOME").map(|home| home.join("herdbook/agent")))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state/herdbook/agent")))
        .or(of_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let env = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| OsString::from(value))
        };
        usual(&env, None)
    }

    #[test]
    fn systemd_comes_first_then_xdg_then_home() {
        let home = ("HOME", "/home/ada");
        let xdg = ("XDG_STATE_HOME", "/x");
        let systemd = ("STATE_DIRECTORY", "/var/lib/private/herdbook:/var/lib/other");
        assert_eq!(of(&[home, xdg, systemd]).unwrap(), PathBuf::from("/var/lib/private/herdbook"));
        assert_eq!(of(&[home, xdg]).unwrap(), PathBuf::from("/x/herdbook/agent"));
        assert_eq!(of(&[home]).unwrap(), PathBuf::from("/home/ada/.local/state/herdbook/agent"));
    }

    #[test]
    fn a_relative_or_empty_variable_is_none() {
        assert_eq!(of(&[("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "state")]), None);
    }

    #[test]
    fn root_without_a_home_has_a_place() {
        let path = PathBuf::from("/var/lib/herdbook/agent");
        assert_eq!(usual(&|_| None, Some(path.clone())), Some(path));
    }
}
