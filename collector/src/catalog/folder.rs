//! Reads folders that anybody may have put anything into: bounded in depth, number and size, never
//! out of the folder by a symlink, never from what is no file. Paths are resolved here, while a
//! catalog is loaded, and nowhere else.
//!
//! What begins with a dot is not looked at: version control, editors' leftovers, and the folders
//! into which Kubernetes puts what its links lead to.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::fault::Fault;

/// Most names in one folder.
const NAMES_MAX: usize = 4_096;
/// How deep folders lie in each other, at most.
pub const DEPTH_MAX: usize = 8;
/// Largest sum of what one load reads, bytes.
const TOTAL_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One folder of a catalog, during one load.
#[derive(Debug)]
pub struct Root {
    /// As it was configured: this is how it is told.
    told: PathBuf,
    /// As it is, without symlinks.
    real: PathBuf,
}

/// What lies in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its path, under the folder as it was configured.
    pub path: PathBuf,
    /// What it is.
    pub is: Is,
}

/// What something in a folder is, its symlinks followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A pipe, socket or device.
    Special,
}

/// How much may be read yet.
#[derive(Debug)]
pub struct Allowance(usize);

impl Default for Allowance {
    fn default() -> Self {
        Self(TOTAL_BYTES_MAX)
    }
}

impl Root {
    /// The folder at a path; `None` where there is nothing.
    ///
    /// # Errors
    ///
    /// Where it is no folder, or cannot be looked at.
    pub fn open(path: &Path) -> Result<Option<Self>, Fault> {
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::of_io(path, &error)),
        };
        if !real.is_dir() {
            return Err(Fault::of(path, "it is no folder"));
        }
        Ok(Some(Self { told: path.to_owned(), real }))
    }

    /// Its path as it was configured.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.told
    }

    /// Whether both are one folder, whatever they were called.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.real == other.real
    }

    /// What lies in a folder within it, by name, of the names that are wanted.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, holds too much, or something wanted leads out of it.
    pub fn list(
        &self,
        folder: &Path,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Found>, Fault> {
        let failed = |error: &std::io::Error| Fault::of_io(folder, error);
        let mut found = Vec::new();
        for (n, entry) in folder.read_dir().map_err(|e| failed(&e))?.enumerate() {
            if n >= NAMES_MAX {
                return Err(Fault::of(folder, format!("it holds more than {NAMES_MAX} names")));
            }
            let path = entry.map_err(|e| failed(&e))?.path();
            let name = path.file_name().unwrap_or_default();
            let lossy = name.to_string_lossy();
            if lossy.starts_with('.') || !is_wanted(&lossy) {
                continue;
            }
            let name = name.to_str().ok_or_else(|| Fault::of(&path, "its name is not UTF-8"))?;
            let (name, is) = (name.to_owned(), self.what_is(&path)?);
            found.push(Found { name, path, is });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn what_is(&self, path: &Path) -> Result<Is, Fault> {
        let real = self.within(path)?;
        let metadata = real.metadata().map_err(|error| Fault::of_io(path, &error))?;
        Ok(Is::of(&metadata))
    }

    /// Where a path leads, which is within this folder.
    fn within(&self, path: &Path) -> Result<PathBuf, Fault> {
        let real = path.canonicalize().map_err(|error| Fault::of_io(path, &error))?;
        if !real.starts_with(&self.real) {
            return Err(Fault::of(path, "it leads out of the folder of the catalog"));
        }
        Ok(real)
    }

    /// A whole file.
    ///
    /// # Errors
    ///
    /// Where it is none, cannot be read, or is larger than `max` bytes.
    pub fn read(
        &self,
        path: &Path,
        max: usize,
        allowance: &mut Allowance,
    ) -> Result<Vec<u8>, Fault> {
        let failed = |error: &std::io::Error| Fault::of_io(path, error);
        let file = open(&self.within(path)?).map_err(|error| failed(&error))?;
        if Is::of(&file.metadata().map_err(|error| failed(&error))?) != Is::File {
            return Err(Fault::of(path, "it is no file"));
        }
        let mut bytes = Vec::new();
        file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        if bytes.len() > max {
            let kib = max / 1024;
            return Err(Fault::of(path, "it is too large").expecting(format!("at most {kib} KiB")));
        }
        allowance.0 = allowance.0.checked_sub(bytes.len()).ok_or_else(|| {
            let mib = TOTAL_BYTES_MAX / 1024 / 1024;
            Fault::of(&self.told, format!("its files are more than {mib} MiB"))
        })?;
        Ok(bytes)
    }

    /// A whole file of text.
    ///
    /// # Errors
    ///
    /// As [`Root::read`], and where it is not UTF-8: with its line.
    pub fn read_text(
        &self,
        path: &Path,
        max: usize,
        allowance: &mut Allowance,
    ) -> Result<String, Fault> {
        let bytes = self.read(path, max, allowance)?;
        String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let line = line_of(error.as_bytes(), good);
            Fault::of(path, "it is no text").at(line).expecting("UTF-8")
        })
    }
}

impl Is {
    fn of(metadata: &Metadata) -> Self {
        match () {
            () if metadata.is_dir() => Self::Folder,
            () if metadata.is_file() => Self::File,
            () => Self::Special,
        }
    }
}

/// Opens without waiting: should a pipe have come in the place of a file, nobody may ever write.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

/// The line of a byte, from 1.
#[must_use]
pub fn line_of(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        let root = Root::open(&dir.path().join("in")).unwrap().unwrap();
        (dir, root)
    }

    fn read(root: &Root, name: &str, max: usize) -> Result<String, String> {
        let text = root.read_text(&root.path().join(name), max, &mut Allowance::default());
        text.map_err(|fault| fault.to_string())
    }

    #[test]
    fn what_is_no_folder_or_not_there_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Root::open(&dir.path().join("gone")).unwrap().is_none());
        std::fs::write(dir.path().join("file"), "").unwrap();
        let fault = Root::open(&dir.path().join("file")).unwrap_err().to_string();
        assert!(fault.ends_with("file: it is no folder"), "{fault}");
    }

    #[test]
    fn a_link_within_is_followed_and_one_that_leads_out_is_refused() {
        let (dir, root) = root();
        std::fs::create_dir(root.path().join("..2026")).unwrap();
        std::fs::write(root.path().join("..2026/a.txt"), "good").unwrap();
        symlink("..2026", root.path().join("..data")).unwrap();
        symlink("..data/a.txt", root.path().join("a.txt")).unwrap();
        assert_eq!(read(&root, "a.txt", 10), Ok("good".to_owned()));
        let names = root.list(root.path(), |_| true).unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        // Its beginning is the same, and it is another folder all the same.
        std::fs::create_dir(dir.path().join("inside")).unwrap();
        std::fs::write(dir.path().join("inside/secret"), "secret").unwrap();
        for (name, target) in [("b", "../inside/secret"), ("c", "/etc/passwd"), ("d", "..")] {
            symlink(target, root.path().join(name)).unwrap();
            let fault = root.list(root.path(), |found| found == name).unwrap_err().to_string();
            assert!(fault.contains(&format!("/{name}: it leads out")), "{fault}");
            assert!(read(&root, name, 100).is_err(), "{name}");
        }
        symlink("e", root.path().join("e")).unwrap();
        assert!(root.list(root.path(), |found| found == "e").is_err(), "a link to itself");
    }

    #[test]
    fn a_pipe_holds_nobody_up() {
        let (_dir, root) = root();
        let path = root.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        assert_eq!(root.list(root.path(), |_| true).unwrap()[0].is, Is::Special);
        let fault = read(&root, "pipe", 10).unwrap_err();
        assert!(fault.ends_with("pipe: it is no file"), "{fault}");
    }

    #[test]
    fn sizes_and_names_are_bounded() {
        let (_dir, root) = root();
        std::fs::write(root.path().join("large"), vec![b'x'; 2049]).unwrap();
        assert!(read(&root, "large", 2048).unwrap_err().ends_with("expected at most 2 KiB"));
        assert!(read(&root, "large", 2049).is_ok());
        let mut allowance = Allowance(3000);
        let large = root.path().join("large");
        assert!(root.read(&large, 4096, &mut allowance).is_ok());
        assert!(root.read(&large, 4096, &mut allowance).is_err(), "the sum is too large");
        let odd = root.path().join(OsStr::from_bytes(b"odd-\xff"));
        std::fs::write(odd, "").unwrap();
        assert!(root.list(root.path(), |_| true).is_err());
        assert!(
            root.list(root.path(), |name| name == "large").is_ok(),
            "not wanted, not looked at"
        );
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let (_dir, root) = root();
        std::fs::write(root.path().join("a"), b"one\ntwo\n\xff").unwrap();
        let fault = read(&root, "a", 100).unwrap_err();
        assert!(fault.ends_with("a:3: it is no text; expected UTF-8"), "{fault}");
    }
}
