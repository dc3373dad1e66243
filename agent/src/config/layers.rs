//! One value out of the layers, with where it came from.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::path::PathBuf;

use super::error::{ConfigError, Origin};
use super::file::FileLayer;
use super::flags::Flags;

/// The layers above the defaults.
pub(super) struct Layers<'a> {
    pub(super) flags: &'a Flags,
    pub(super) env: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) file: FileLayer,
}

/// A value as it was given, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// A value that does not mean anything: the piece that is wrong, and what was expected.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) value: String,
    pub(super) problem: String,
}

impl Wrong {
    pub(super) fn new(value: &str, problem: impl Into<String>) -> Self {
        Self { value: value.chars().take(200).collect(), problem: problem.into() }
    }
}

impl<T: Deref> Given<T> {
    /// Reads the value, or says where the wrong one came from.
    pub(super) fn check<'a, V>(
        &'a self,
        read: impl FnOnce(&'a T::Target) -> Result<V, Wrong>,
    ) -> Result<V, ConfigError> {
        read(&self.value).map_err(|Wrong { value, problem }| ConfigError::BadValue {
            origin: self.origin.clone(),
            value,
            problem,
        })
    }
}

impl Layers<'_> {
    /// The file that is to be read, if any.
    pub(super) fn config_path(&self) -> Result<Option<Given<PathBuf>>, ConfigError> {
        let given = self.one("config", |flags| &flags.config, |file| &file.none)?;
        Ok(given.map(|Given { value, origin }| Given { value: value.into(), origin }))
    }

    /// A single value. `key` is spelled as the flag is.
    pub(super) fn one(
        &self,
        key: &'static str,
        flag: impl Fn(&Flags) -> &Option<OsString>,
        file: impl Fn(&FileLayer) -> &Option<String>,
    ) -> Result<Option<Given<String>>, ConfigError> {
        if let Some(value) = flag(self.flags) {
            return unicode(value, Origin::Flag(format!("--{key}"))).map(Some);
        }
        if let Some(given) = self.environment(key)? {
            return Ok(Some(given));
        }
        let in_file = file(&self.file).clone();
        Ok(in_file.map(|value| Given { value, origin: self.file.origin(key) }))
    }

    /// The labels as `key=value`, all of the highest layer that has any.
    pub(super) fn labels(&self) -> Result<Given<Vec<String>>, ConfigError> {
        let in_file = self.file.labels.iter().map(|(key, value)| format!("{key}={value}"));
        self.list("labels", "--label", &self.flags.labels, in_file.collect())
    }

    /// The Ollama addresses, all of the highest layer that has any.
    pub(super) fn ollama(&self) -> Result<Given<Vec<String>>, ConfigError> {
        self.list("ollama", "--ollama", &self.flags.ollama, self.file.ollama.clone())
    }

    fn list(
        &self,
        key: &'static str,
        flag: &str,
        flags: &[OsString],
        in_file: Vec<String>,
    ) -> Result<Given<Vec<String>>, ConfigError> {
        if !flags.is_empty() {
            let origin = Origin::Flag(flag.to_owned());
            let texts = flags.iter().map(|value| Ok(unicode(value, origin.clone())?.value));
            return Ok(Given { value: texts.collect::<Result<_, ConfigError>>()?, origin });
        }
        if let Some(Given { value, origin }) = self.environment(key)? {
            let value = value.split(',').map(|piece| piece.trim().to_owned()).collect();
            return Ok(Given { value, origin });
        }
        if in_file.is_empty() {
            return Ok(Given { value: in_file, origin: Origin::Default(key) });
        }
        Ok(Given { value: in_file, origin: self.file.origin(key) })
    }

    /// An empty variable counts as unset: unit files and shells leave such behind.
    fn environment(&self, key: &str) -> Result<Option<Given<String>>, ConfigError> {
        let variable = format!("HERDBOOK_{}", key.replace('-', "_").to_ascii_uppercase());
        match (self.env)(&variable) {
            Some(value) if !value.is_empty() => {
                unicode(&value, Origin::Environment(variable)).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn unicode(value: &OsStr, origin: Origin) -> Result<Given<String>, ConfigError> {
    match value.to_str() {
        Some(text) => Ok(Given { value: text.to_owned(), origin }),
        None => Err(ConfigError::BadValue {
            origin,
            value: value.to_string_lossy().into_owned(),
            problem: "is no UTF-8: expected plain text".to_owned(),
        }),
    }
}
