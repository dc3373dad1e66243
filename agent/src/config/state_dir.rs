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
        None => usual(layers.env, rustix::process::geteuid().is_root().then(OfRoot::here))
            .ok_or(ConfigError::NoStateDir),
    }
}

/// Where root has it.
struct OfRoot {
    /// That of the service on this machine, where there is one: who joins as root means it.
    service: Option<PathBuf>,
    /// Where there is no home, as in a bare container.
    homeless: PathBuf,
}

impl OfRoot {
    fn here() -> Self {
        let service = PathBuf::from("/var/lib/herdbook-agent");
        Self {
            service: service.is_dir().then_some(service),
            homeless: PathBuf::from("/var/lib/herdbook/agent"),
        }
    }
}

fn usual(env: &dyn Fn(&str) -> Option<OsString>, of_root: Option<OfRoot>) -> Option<PathBuf> {
    let (service, homeless) =
        of_root.map_or((None, None), |root| (root.service, Some(root.homeless)));
    let absolute = |variable: &str| {
        let value = env(variable)?;
        // systemd separates several directories by colons; the first is ours.
        let first = value.to_str().and_then(|text| text.split(':').next()).map(PathBuf::from);
        first.or_else(|| Some(value.into())).filter(|path| path.is_absolute())
    };
    absolute("STATE_DIRECTORY")
        .or(service)
        .or_else(|| absolute("XDG_STATE_HOME").map(|home| home.join("herdbook/agent")))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state/herdbook/agent")))
        .or(homeless)
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
        let homeless = PathBuf::from("/var/lib/herdbook/agent");
        let root = OfRoot { service: None, homeless: homeless.clone() };
        assert_eq!(usual(&|_| None, Some(root)), Some(homeless));
    }

    #[test]
    fn root_means_the_service_where_there_is_one() {
        let service = PathBuf::from("/var/lib/herdbook-agent");
        let root = OfRoot { service: Some(service.clone()), homeless: PathBuf::from("/x") };
        let env = |name: &str| (name == "HOME").then(|| OsString::from("/root"));
        assert_eq!(usual(&env, Some(root)), Some(service));
    }
}
