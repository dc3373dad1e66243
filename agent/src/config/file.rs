//! The TOML file. An unknown key is refused, since it is most often a mistyped one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{ConfigError, Origin};
use super::layers::Given;

/// A configuration longer than this is none.
const FILE_BYTES: u64 = 64 * 1024;

/// What the file says, unchecked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileLayer {
    pub(super) collector: Option<String>,
    pub(super) discovery: Option<String>,
    pub(super) join_file: Option<String>,
    pub(super) state_dir: Option<String>,
    pub(super) interval: Option<String>,
    pub(super) name: Option<String>,
    pub(super) role: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) host_root: Option<String>,
    pub(super) nvml_lib: Option<String>,
    pub(super) ollama: Vec<String>,
    pub(super) log_level: Option<String>,
    pub(super) log_format: Option<String>,
    /// Stands for a key that no file can have.
    #[serde(skip)]
    pub(super) none: Option<String>,
    #[serde(skip)]
    path: PathBuf,
}

impl FileLayer {
    /// Reads and parses the file.
    pub(super) fn read(given: &Given<PathBuf>) -> Result<Self, ConfigError> {
        let path = &given.value;
        let text = read_bounded(path).map_err(|source| ConfigError::Unreadable {
            origin: given.origin.clone(),
            path: path.clone(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Where a value of this file came from; `key` is spelled as the flag is.
    pub(super) fn origin(&self, key: &str) -> Origin {
        Origin::File(self.path.clone(), key.replace('-', "_"))
    }

    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let bad = |error: &toml::de::Error, key: Option<String>| ConfigError::BadFile {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            problem: match key {
                Some(key) => format!("key {key}: {}", one_line(error.message())),
                None => one_line(error.message()),
            },
        };
        let document = toml::Deserializer::parse(text).map_err(|error| bad(&error, None))?;
        let mut layer: Self = serde_path_to_error::deserialize(document).map_err(|error| {
            let key = error.path().to_string();
            bad(error.inner(), Some(key).filter(|key| key != "." && !key.contains('?')))
        })?;
        path.clone_into(&mut layer.path);
        Ok(layer)
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(io::Error::other(format!("longer than {FILE_BYTES} bytes")));
    }
    Ok(text)
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
