//! Where a join line may lie that nobody typed: told, or a credential that systemd hands over.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::ConfigError;
use super::layers::Layers;
use super::values;

/// What a credential with a join line is called (`LoadCredential=join:…`).
const CREDENTIAL: &str = "join";

pub(super) fn resolve(layers: &Layers<'_>) -> Result<Option<PathBuf>, ConfigError> {
    match layers.one("join-file", |flags| &flags.join_file, |file| &file.join_file)? {
        Some(given) => given.check(values::path).map(Some),
        None => Ok(credential(layers.env)),
    }
}

/// The folder is systemd's and only this unit's; a credential that is not there is none.
fn credential(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = PathBuf::from(env("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL);
    (path.is_absolute() && path.exists()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_one_where_it_is_there() {
        let home = tempfile::tempdir().unwrap();
        let env = |variable: &str| {
            (variable == "CREDENTIALS_DIRECTORY").then(|| home.path().as_os_str().to_owned())
        };
        assert_eq!(credential(&env), None);
        std::fs::write(home.path().join("join"), "").unwrap();
        assert_eq!(credential(&env), Some(home.path().join("join")));
        assert_eq!(credential(&|_| None), None);
    }
}
