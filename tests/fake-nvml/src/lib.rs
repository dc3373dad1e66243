//! A `libnvidia-ml.so.1` that a file scripts: GPUs with any values, and faults a real driver
//! shows (return codes, hangs, crashes, nonsense), without a GPU. The agent loads it through
//! `--nvml-lib`, as it would load the real one.
//!
//! Tests write the [`Script`] typed and [`Installed::tell`] it anew at any time: the library reads
//! the file again when it changes. It is named by `FAKE_NVML_SCRIPT`, else it lies beside the
//! library (`libnvidia-ml.so.1.json`), so that several copies can tell several stories at once.
//! What the library does not export is missing as in an old driver.
//!
//! This crate alone may use `unsafe` (`symbols` and `put` are a C interface), so it does not inherit
//! the workspace's lints.
#![warn(missing_docs, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod layout;
mod machine;
mod put;
mod script;
mod stories;
mod story;
mod symbols;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub use machine::Machine;
pub use script::{Fault, Gpu, MigInstance, Process, Script, code};

/// A copy of the library with a script of its own.
#[derive(Clone, Debug)]
pub struct Installed {
    /// For `--nvml-lib`.
    pub library: PathBuf,
}

impl Installed {
    /// Copies the library into `folder`, and tells it `script`.
    ///
    /// # Errors
    ///
    /// Where the library was not built, or `folder` cannot be written.
    pub fn new(folder: &Path, script: &Script) -> io::Result<Self> {
        let library = folder.join("libnvidia-ml.so.1");
        fs::copy(built()?, &library)?;
        let installed = Self { library };
        installed.tell(script)?;
        Ok(installed)
    }

    /// Puts the library in its place anew, as an upgrade does: the same path, another file.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be written.
    pub fn replace(&self) -> io::Result<()> {
        let unfinished = self.library.with_extension("unfinished");
        fs::copy(built()?, &unfinished)?;
        fs::rename(unfinished, &self.library)
    }

    /// Tells another story from the next call on.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn tell(&self, script: &Script) -> io::Result<()> {
        let path = story::beside(&self.library);
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, serde_json::to_vec_pretty(script)?)?;
        fs::rename(unfinished, path)
    }
}

/// The library as cargo built it: a test that depends on this crate has it beside itself.
fn built() -> io::Result<PathBuf> {
    const NAME: &str = "libfake_nvml.so";
    let program = std::env::current_exe()?;
    let folders = program.ancestors().skip(1).take(2);
    let places = folders.flat_map(|folder| [folder.join(NAME), folder.join("deps").join(NAME)]);
    let mut places = places.filter(|place| place.exists());
    places.next().ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("{NAME} is not beside {program:?}"))
    })
}
