//! What people do about the key by hand: `herdbook-collector tls`. Each works on files, whether the
//! collector runs or not; a running one looks at them when it gets a SIGHUP.

use std::path::Path;

use herdbook_shared::fingerprint::Fingerprint;

use super::own::{self, CURRENT_FILE, NEXT_FILE};
use super::{KeysError, Shown, names};
use crate::config::{Config, TlsTask};

/// What is asked for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The files are the owner's.
    #[error(
        "the certificate and key that [tls] names are their owner's to replace: write the new \
         files, and send the collector a SIGHUP"
    )]
    Given,
    /// No key was made yet.
    #[error(
        "there is no key yet: the collector makes it when it starts and listens off loopback, or \
         with [tls] loopback = true"
    )]
    NoKey,
    /// There is a next key.
    #[error(
        "there is a next key already, {0}: put it in its place with herdbook-collector tls \
         activate, or delete {NEXT_FILE} in the data directory and make another"
    )]
    NextIsThere(Fingerprint),
    /// There is no next key.
    #[error(
        "there is no next key: make it with herdbook-collector tls rotate, and let the agents \
         learn its pin"
    )]
    NoNext,
}

/// Does it, and returns what to say.
///
/// # Errors
///
/// [`TaskError`].
pub fn perform(config: &Config, task: TlsTask) -> Result<String, TaskError> {
    if let Some(files) = &config.tls.files {
        let shown = Shown::of_files(files)
            .map_err(|(path, source)| KeysError::Unusable { path, source })?;
        return match task {
            TlsTask::Show => Ok(line("current", &shown, &files.certificate)),
            TlsTask::Rotate | TlsTask::Activate => Err(TaskError::Given),
        };
    }
    let dir = &config.data_dir;
    if !own::exists(&dir.join(CURRENT_FILE)) {
        return Err(TaskError::NoKey);
    }
    match task {
        TlsTask::Show => show(dir),
        TlsTask::Rotate => rotate(config),
        TlsTask::Activate => activate(dir),
    }
}

fn show(dir: &Path) -> Result<String, TaskError> {
    let current = line("current", &own::current(dir)?, &dir.join(CURRENT_FILE));
    let next = own::next(dir)?.map(|shown| line("next", &shown, &dir.join(NEXT_FILE)));
    Ok(current + &next.unwrap_or_default())
}

fn rotate(config: &Config) -> Result<String, TaskError> {
    let dir = &config.data_dir;
    if let Some(next) = own::next(dir)? {
        return Err(TaskError::NextIsThere(next.pin));
    }
    own::make_next(dir, &names::of(config))?;
    Ok(format!(
        "{}send the collector a SIGHUP (or restart it): from then on agents are told both pins \
         when they connect. Once all of them did, herdbook-collector tls activate puts the next \
         key in its place\n",
        show(dir)?
    ))
}

fn activate(dir: &Path) -> Result<String, TaskError> {
    if own::next(dir)?.is_none() {
        return Err(TaskError::NoNext);
    }
    own::activate(dir)?;
    Ok(format!(
        "{}send the collector a SIGHUP (or restart it): from then on it shows this key. An agent \
         that was not connected since its pin was announced refuses it, and must join again\n",
        show(dir)?
    ))
}

fn line(which: &str, shown: &Shown, path: &Path) -> String {
    let Shown { pin, .. } = shown;
    let (day, path) = (shown.day_of_end(), path.display());
    format!("{which:<8} {pin} certificate valid until {day}, in {path}\n")
}
