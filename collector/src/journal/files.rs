//! The files of both logs: one a day and log, a further one where it grows large, the oldest
//! removed. A file is opened for every batch, so that a folder or file that was removed or
//! renamed meanwhile is made anew. Blocks; whoever calls it stands beside the sockets.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_shared::time::Timestamp;

use super::line::{Day, Line, Log};

/// A file that would grow beyond this is put aside as `…_YYYYMMDD.1.jsonl` and so on.
pub(super) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Both logs together; beyond, the oldest files are removed.
const TOTAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a file is kept.
const KEEP: Duration = Duration::from_hours(90 * 24);
/// Most files of ours that are looked at.
const FILES_MAX: usize = 10_000;

/// The folder of both logs.
#[derive(Clone, Debug)]
pub(super) struct Files {
    dir: PathBuf,
    file_bytes_max: u64,
    total_bytes_max: u64,
}

/// One of our files, by its name. Older ones compare less.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    day: Day,
    /// Which of the day was put aside, from 1; the one that is written to comes last.
    aside: u32,
    log: Log,
}

const NOT_ASIDE: u32 = u32::MAX;

impl Files {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, file_bytes_max: FILE_BYTES_MAX, total_bytes_max: TOTAL_BYTES_MAX }
    }

    #[cfg(test)]
    pub(super) fn with_bounds(dir: PathBuf, file_bytes_max: u64, total_bytes_max: u64) -> Self {
        Self { dir, file_bytes_max, total_bytes_max }
    }

    /// Appends lines, and has them on the disk. Says how many were written before it failed.
    pub(super) fn append(&self, lines: &[Line]) -> (usize, io::Result<()>) {
        let mut n_written = 0;
        let same = |a: &Line, b: &Line| (a.log, &a.day) == (b.log, &b.day);
        for chunk in lines.chunk_by(same) {
            if let Err(error) = self.append_to_one(chunk, &mut n_written) {
                return (n_written, Err(error));
            }
        }
        (n_written, Ok(()))
    }

    fn append_to_one(&self, lines: &[Line], n_written: &mut usize) -> io::Result<()> {
        let Some(first) = lines.first() else { return Ok(()) };
        let name = Name { day: first.day.clone(), aside: NOT_ASIDE, log: first.log };
        let mut file = self.open(&name)?;
        for line in lines {
            let bytes = format!("{}\n", line.text);
            let len = file.metadata()?.len();
            if len > 0 && len + bytes.len() as u64 > self.file_bytes_max {
                file.sync_data()?;
                self.put_aside(&name)?;
                file = self.open(&name)?;
            }
            if let Err(error) = file.write_all(bytes.as_bytes()) {
                // What was written of the line is taken back, so that it does not stand twice.
                let _ = file.set_len(len);
                return Err(error);
            }
            *n_written += 1;
        }
        file.sync_data()
    }

    fn open(&self, name: &Name) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let path = self.dir.join(name.to_string());
        let is_new = !path.exists();
        let options = OpenOptions::new().create(true).append(true).read(true).mode(0o600).clone();
        let mut file = options.open(&path)?;
        if is_new {
            File::open(&self.dir)?.sync_all()?;
        }
        // The collector died in the middle of a line: that one stays alone.
        if !ends_with_line(&file)? {
            file.write_all(b"\n")?;
        }
        Ok(file)
    }

    fn put_aside(&self, name: &Name) -> io::Result<()> {
        let same = |other: &&Name| other.day == name.day && other.log == name.log;
        let names = self.names();
        let aside = names.iter().filter(same).map(|name| name.aside).filter(|n| *n != NOT_ASIDE);
        let next = Name { aside: aside.max().unwrap_or(0) + 1, ..name.clone() };
        fs::rename(self.dir.join(name.to_string()), self.dir.join(next.to_string()))
    }

    /// Removes what is too old and what is too much, the oldest first.
    pub(super) fn prune(&self, now: Timestamp) {
        let keep_ms = i64::try_from(KEEP.as_millis()).unwrap_or(i64::MAX);
        let first = Day::of(Timestamp::from_unix_ms(now.unix_ms().saturating_sub(keep_ms)));
        let names = self.names();
        let len =
            |name: &Name| fs::metadata(self.dir.join(name.to_string())).map_or(0, |m| m.len());
        let mut total: u64 = names.iter().map(len).sum();
        for name in names {
            if name.day >= first && total <= self.total_bytes_max {
                return;
            }
            total = total.saturating_sub(len(&name));
            if let Err(error) = fs::remove_file(self.dir.join(name.to_string())) {
                tracing::warn!(%error, file = %name, "an old log of alerts cannot be removed");
            }
        }
    }

    /// The last lines of a log, the oldest first: at most so many, and at most so many bytes read.
    pub(super) fn last(&self, log: Log, n_lines: usize, n_bytes: u64) -> Vec<Vec<u8>> {
        let (mut lines, mut left) = (Vec::new(), n_bytes);
        for name in self.names().into_iter().rev().filter(|name| name.log == log) {
            if lines.len() >= n_lines || left == 0 {
                break;
            }
            let Ok(tail) = tail(&self.dir.join(name.to_string()), left) else { continue };
            left = left.saturating_sub(tail.len() as u64);
            let of_file = tail.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty());
            lines.extend(of_file.take(n_lines - lines.len()).map(<[u8]>::to_vec));
        }
        lines.reverse();
        lines
    }

    /// Our files, the oldest first.
    fn names(&self) -> Vec<Name> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let names = entries.filter_map(|entry| Name::parse(entry.ok()?.file_name().to_str()?));
        let mut names: Vec<Name> = names.take(FILES_MAX).collect();
        names.sort();
        names
    }
}

fn ends_with_line(file: &File) -> io::Result<bool> {
    let len = file.metadata()?.len();
    let mut last = [b'\n'];
    if len > 0 {
        file.read_exact_at(&mut last, len - 1)?;
    }
    Ok(last == *b"\n")
}

/// The last bytes of a file.
fn tail(path: &Path, n_bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(n_bytes)))?;
    let mut bytes = Vec::new();
    file.take(n_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let (stem, log) = Log::ALL.iter().find_map(|log| {
            let rest = text.strip_prefix(log.word())?.strip_prefix('_')?;
            Some((rest.strip_suffix(".jsonl")?, *log))
        })?;
        let (day, aside) = match stem.split_once('.') {
            Some((day, aside)) => (day, aside.parse().ok().filter(|n| *n != NOT_ASIDE)?),
            None => (stem, NOT_ASIDE),
        };
        let name = Self { day: Day::parse(day)?, aside, log };
        // Not ours: a number that is written in another way.
        (name.to_string() == text).then_some(name)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.log.word(), self.day)?;
        if self.aside != NOT_ASIDE {
            write!(f, ".{}", self.aside)?;
        }
        f.write_str(".jsonl")
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
