//! What a file holds that is named instead of a secret: `url_file`, `token_file`. Read without
//! waiting, and only so much; what is no file is refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::config::catalog::beside;
use crate::config::error::ConfigError;
use crate::config::given::{Given, Source};
use crate::secret::Secret;

use super::{hidden, text};

/// Largest file of a secret, bytes.
pub(super) const FILE_BYTES: u64 = 64 * 1024;

/// The text of the file that is named. A path is taken from where the configuration file lies.
pub(super) fn read(given: &Given) -> Result<Secret, ConfigError> {
    let named = Path::new(text(given, "the path of a file")?);
    let path = match &given.source {
        Source::File { path: file, .. } => beside(file, named),
        _ => named.to_owned(),
    };
    match contents(&path) {
        Ok(text) => Ok(Secret::new(text)),
        Err(source) if named.is_absolute() => Err(failed(given, path, source)),
        // Perhaps it is the secret itself, put where its file is named.
        Err(_) => Err(hidden(given, "the path of a file of text that can be read")),
    }
}

fn failed(given: &Given, path: PathBuf, source: io::Error) -> ConfigError {
    ConfigError::ReadFile { path, origin: given.source.clone(), source }
}

fn contents(path: &Path) -> io::Result<String> {
    let file = open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    let is_small = text.len() as u64 <= FILE_BYTES;
    is_small.then_some(text).ok_or_else(|| io::Error::other("it is larger than 64 KiB"))
}

/// Opens without waiting: where it is a pipe, nobody may ever write.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}
