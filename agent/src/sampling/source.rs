//! A file of the kernel that is read again and again: kept open, read from its beginning into a
//! buffer that all sources share, opened anew when that fails.
//!
//! A source logs once when it goes bad and once when it is well again, never once a tick. One whose
//! file is often not there, or often tells nothing, says so for debugging alone.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use herdbook_shared::missing::MissingReason;

/// What one read takes; enough for every file whose beginning is all we need.
const HEAD_BYTES: usize = 4096;
/// The most that is read of most files: about 2,000 network interfaces.
const WHOLE_BYTES: usize = 256 * 1024;
/// The most that is ever read of a file: about 1,000 containers, at 1 KiB for the mount of each.
const LONG_BYTES: usize = 1024 * 1024;

/// How much of the file matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The first page, taken in one read.
    Head,
    /// All of it, up to a bound.
    Whole,
    /// All of it, up to a higher bound: it grows with the containers of a host.
    Long,
}

/// Whether an unreadable file is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Aloud,
    Low,
}

/// One file of `/proc` or `/sys`.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    extent: Extent,
    voice: Voice,
    file: Option<File>,
    failing: Option<MissingReason>,
}

impl Source {
    pub(super) fn new(path: PathBuf, extent: Extent) -> Self {
        Self { path, extent, voice: Voice::Aloud, file: None, failing: None }
    }

    /// A short file that is often not there: one value of one device.
    pub(super) fn of_device(path: PathBuf) -> Self {
        Self { path, extent: Extent::Head, voice: Voice::Low, file: None, failing: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What `parse` makes of the file's text now; `None` from it means that the text is no text
    /// of this kind.
    pub(super) fn read<T>(
        &mut self,
        buffer: &mut Vec<u8>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, MissingReason> {
        let result = self.text(buffer).and_then(|text| match parse(&text) {
            Some(value) => Ok(value),
            None => Err(io::ErrorKind::InvalidData.into()),
        });
        match result {
            Ok(value) => {
                self.note_well();
                Ok(value)
            }
            Err(error) => Err(self.note_failing(&error)),
        }
    }

    /// A name that somebody gave a disk or a mount need not be UTF-8; it spoils no other.
    fn text<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<Cow<'b, str>> {
        let n = match self.fill(buffer) {
            Ok(n) => n,
            Err(error) if self.file.is_none() => return Err(error),
            Err(_) => {
                self.file = None;
                self.fill(buffer)?
            }
        };
        Ok(String::from_utf8_lossy(&buffer[..n]))
    }

    fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path)?),
        };
        if buffer.len() < HEAD_BYTES {
            buffer.resize(HEAD_BYTES, 0);
        }
        if self.extent == Extent::Head {
            return file.read_at(&mut buffer[..HEAD_BYTES], 0);
        }
        let most = if self.extent == Extent::Long { LONG_BYTES } else { WHOLE_BYTES };
        let mut n = 0;
        loop {
            if n >= most {
                return Ok(most);
            }
            if n == buffer.len() {
                buffer.resize(2 * n, 0);
            }
            match file.read_at(&mut buffer[n..], n as u64)? {
                0 => return Ok(n),
                more => n += more,
            }
        }
    }

    fn note_well(&mut self) {
        if self.failing.take().is_some() && self.voice == Voice::Aloud {
            tracing::info!(path = %self.path.display(), "readable again");
        }
    }

    fn note_failing(&mut self, error: &io::Error) -> MissingReason {
        let reason = reason(error);
        if self.failing != Some(reason) {
            let path = self.path.display();
            match (self.voice, reason) {
                (Voice::Low, _) => tracing::debug!(%path, %error, "cannot be read"),
                (_, MissingReason::NotSupported) => tracing::info!(%path, "not on this kernel"),
                _ => tracing::warn!(%path, %error, "cannot be read, its values are missing"),
            }
        }
        self.failing = Some(reason);
        reason
    }
}

/// The beginning of a file that is read seldom, at most `bytes` of it.
pub(super) fn beginning(path: &Path, bytes: u64) -> Result<String, MissingReason> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes).read_to_end(&mut text));
    read.map_err(|error| reason(&error))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The one word or number that a file of `/sys` holds.
pub(super) fn value(path: &Path) -> Option<String> {
    let text = beginning(path, HEAD_BYTES as u64).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn reason(error: &io::Error) -> MissingReason {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::Unsupported => MissingReason::NotSupported,
        io::ErrorKind::PermissionDenied => MissingReason::NoPermission,
        _ => MissingReason::CannotTell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<u32> {
        text.trim().parse().ok()
    }

    #[test]
    fn reads_the_present_text_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        std::fs::write(&path, "1\n").unwrap();
        let mut source = Source::new(path.clone(), Extent::Head);
        let mut buffer = Vec::new();
        assert_eq!(source.read(&mut buffer, number), Ok(1));
        std::fs::write(&path, "22\n").unwrap();
        assert_eq!(source.read(&mut buffer, number), Ok(22));
    }

    #[test]
    fn a_file_that_appears_later_is_read_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        let mut source = Source::new(path.clone(), Extent::Head);
        let mut buffer = Vec::new();
        assert_eq!(source.read(&mut buffer, number), Err(MissingReason::NotSupported));
        std::fs::write(&path, "3").unwrap();
        assert_eq!(source.read(&mut buffer, number), Ok(3));
    }

    #[test]
    fn words_and_bytes_that_are_no_text_cannot_be_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        let mut source = Source::new(path.clone(), Extent::Head);
        let mut buffer = Vec::new();
        for garbage in [&b"four"[..], b"", b"\xff\xfe"] {
            std::fs::write(&path, garbage).unwrap();
            assert_eq!(source.read(&mut buffer, number), Err(MissingReason::CannotTell));
        }
    }

    #[test]
    fn a_large_file_is_read_whole_up_to_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n");
        let mut buffer = Vec::new();
        for (extent, n, expected) in [
            (Extent::Whole, 10_000, 10_000),
            (Extent::Long, 2 * WHOLE_BYTES, 2 * WHOLE_BYTES),
            (Extent::Long, 2 * LONG_BYTES, LONG_BYTES),
            // What another source left in the buffer is no room.
            (Extent::Whole, 2 * WHOLE_BYTES, WHOLE_BYTES),
        ] {
            std::fs::write(&path, "x".repeat(n)).unwrap();
            let length =
                Source::new(path.clone(), extent).read(&mut buffer, |text| Some(text.len()));
            assert_eq!(length, Ok(expected));
        }
    }
}
