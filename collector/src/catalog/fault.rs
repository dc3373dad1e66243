//! Why a catalog is not loaded: which file, which line, which key, and what was expected there.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// What stands in the way. One is enough to keep a catalog as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "CatalogFault")]
pub struct Fault {
    /// The file or folder.
    #[schemars(with = "String")]
    #[serde(serialize_with = "shown")]
    pub file: Box<Path>,
    /// The line, from 1, where it is about one.
    pub line: Option<usize>,
    /// The key, where it is about one.
    pub key: Option<String>,
    /// What is wrong, in words. Never the value itself, which may be a secret.
    pub why: Cow<'static, str>,
    /// What is expected.
    pub expected: Option<Cow<'static, str>>,
    /// The other file, where two say the same.
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "shown_if")]
    pub other_file: Option<Box<Path>>,
}

/// What lies in a folder and makes no entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct LeftOut {
    /// Which.
    #[schemars(with = "String")]
    #[serde(serialize_with = "shown")]
    pub path: PathBuf,
    /// Why not.
    pub why: Cow<'static, str>,
}

impl Fault {
    /// About a file or folder as a whole.
    pub fn of(file: &Path, why: impl Into<Cow<'static, str>>) -> Self {
        let (line, key, expected, other_file) = (None, None, None, None);
        Self { file: file.into(), line, key, why: why.into(), expected, other_file }
    }

    /// About a file that the system does not let us use.
    #[must_use]
    pub fn of_io(file: &Path, error: &std::io::Error) -> Self {
        Self::of(file, format!("it cannot be read: {error}"))
    }

    /// The same, at this line.
    #[must_use]
    pub fn at(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }

    /// The same, about this key.
    #[must_use]
    pub fn about(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The same, with what would have been right.
    #[must_use]
    pub fn expecting(self, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { expected: Some(expected.into()), ..self }
    }

    /// The same, said by another file too.
    #[must_use]
    pub fn like(self, other: &Path) -> Self {
        Self { other_file: Some(other.into()), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.why)?;
        if let Some(other) = &self.other_file {
            write!(f, ", as in {}", other.display())?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// A path may be no text, and is told all the same.
fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn shown_if<S: Serializer>(path: &Option<Box<Path>>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.display().to_string()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_fault_is_told_as_file_line_and_key() {
        let path = Path::new("/etc/herdbook/services.d/a.toml");
        let fault = Fault::of(path, "it is no URL").at(3).about("url").expecting("http://…");
        let told = "/etc/herdbook/services.d/a.toml:3: url: it is no URL; expected http://…";
        assert_eq!(fault.to_string(), told);
        let twice = Fault::of(path, "its name stands there already").like(Path::new("/b"));
        assert!(twice.to_string().ends_with("already, as in /b"), "{twice}");
        let odd = Path::new(OsStr::from_bytes(b"/odd-\xff"));
        let told = serde_json::to_value(Fault::of(odd, "it is odd").like(odd)).unwrap();
        assert_eq!(
            (&told["file"], &told["other_file"]),
            (&"/odd-\u{fffd}".into(), &"/odd-\u{fffd}".into())
        );
    }
}
