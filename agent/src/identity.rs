//! Who the agent is: the host's id, kept in the state directory, and this run of the process.
//!
//! The id is made once and never overwritten: whatever is wrong with the file is said, and left
//! for a person to decide, since a new id is a new host to everybody who looks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use herdbook_shared::ids::{HostId, InstanceId};

use crate::durable;
use crate::key::{KeyError, KeyRing};

const HOST_ID: &str = "host_id";
const HOST_ID_OLD: &str = "host_id.old";
const LOCK: &str = "lock";

/// A host id is 36 bytes; what is longer than this is something else.
const HOST_ID_BYTES_MAX: u64 = 256;

/// Who this agent is. While it lives, no other agent can have the same state directory.
#[derive(Debug)]
pub struct Identity {
    /// The host, for ever.
    pub host_id: HostId,
    /// This run of the process.
    pub instance_id: InstanceId,
    _lock: Lock,
}

/// The lock of the state directory. It is the kernel's and goes with the process, however that
/// ends.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// A child that was forked and has not yet become its program still holds the descriptor, so
    /// closing ours alone would let go later than whoever comes next may expect.
    fn drop(&mut self) {
        // Closing it follows, which says the same.
        let _ = self.0.unlock();
    }
}

/// Why the identity cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The directory or a file in it refuses.
    #[error(
        "cannot {action} {path}; give another --state-dir, or make it writable for this user and \
         its disk not full", path = .path.display()
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The keys cannot be set aside.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another agent has this state directory.
    #[error(
        "another agent runs on the state directory {dir}; stop it, or give this one another \
         --state-dir", dir = .dir.display()
    )]
    Taken {
        /// The directory.
        dir: PathBuf,
    },
    /// The file is there, and is no id.
    #[error(
        "{path} {problem}, expected a UUID; put the right one back, or delete the file to list \
         this machine as a new host", path = .path.display()
    )]
    Garbage {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        problem: String,
    },
}

impl Identity {
    /// Opens the state directory, making it and the id at the first start.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be used, belongs to another agent, or holds no id but garbage.
    pub fn open(dir: &Path) -> Result<Self, IdentityError> {
        durable::make_dir(dir).map_err(|source| failed("make", dir, source))?;
        let _lock = take(dir)?;
        Self::held(dir, _lock)
    }

    /// As [`Identity::open`], as a host of its own: what identified it before is kept aside.
    ///
    /// # Errors
    ///
    /// As there, and where the old files cannot be renamed.
    pub fn open_anew(dir: &Path) -> Result<Self, IdentityError> {
        durable::make_dir(dir).map_err(|source| failed("make", dir, source))?;
        let _lock = take(dir)?;
        let path = dir.join(HOST_ID);
        if path.exists() {
            durable::rename(dir, HOST_ID, HOST_ID_OLD)
                .map_err(|source| failed("set aside", &path, source))?;
        }
        KeyRing::set_aside(dir)?;
        Self::held(dir, _lock)
    }

    fn held(dir: &Path, _lock: Lock) -> Result<Self, IdentityError> {
        let host_id = match read(&dir.join(HOST_ID))? {
            Some(host_id) => host_id,
            None => make(dir)?,
        };
        Ok(Self { host_id, instance_id: InstanceId::random(), _lock })
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::Io { action, path: path.to_owned(), source }
}

fn take(dir: &Path) -> Result<Lock, IdentityError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .and_then(|file| durable::give_to_owner(dir, &file).map(|()| file))
        .map_err(|source| failed("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(IdentityError::Taken { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed("lock", &path, source)),
    }
}

fn read(path: &Path) -> Result<Option<HostId>, IdentityError> {
    let bytes = durable::read(path, HOST_ID_BYTES_MAX);
    let Some(bytes) = bytes.map_err(|source| failed("read", path, source))? else {
        return Ok(None);
    };
    let garbage = |problem: String| IdentityError::Garbage { path: path.to_owned(), problem };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(garbage("is empty".to_owned()));
    }
    let text = String::from_utf8_lossy(&bytes);
    let shown: String = text.chars().take(40).collect();
    HostId::parse(&text).map(Some).map_err(|_| garbage(format!("holds {shown:?}")))
}

/// A crash or a full disk leaves no id rather than half a one, and the next start tries again.
fn make(dir: &Path) -> Result<HostId, IdentityError> {
    let host_id = HostId::random();
    durable::write(dir, HOST_ID, format!("{host_id}\n").as_bytes())
        .map_err(|source| failed("write", &dir.join(HOST_ID), source))?;
    Ok(host_id)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const HOST_ID_NEW: &str = "host_id.new";

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn words(dir: &Path) -> String {
        Identity::open(dir).unwrap_err().to_string()
    }

    #[test]
    fn the_id_stays_and_the_instance_changes() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("herdbook/agent");
        let first = Identity::open(&dir).unwrap();
        let (host_id, instance_id) = (first.host_id.clone(), first.instance_id);
        drop(first);
        let second = Identity::open(&dir).unwrap();
        assert_eq!(second.host_id, host_id);
        assert_ne!(second.instance_id, instance_id);
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join(HOST_ID)), 0o600);
        assert!(!dir.join(HOST_ID_NEW).exists());
    }

    #[test]
    fn two_agents_cannot_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::open(dir.path()).unwrap();
        assert!(words(dir.path()).contains("another agent runs on the state directory"));
        drop(first);
        Identity::open(dir.path()).unwrap();
    }

    #[test]
    fn a_directory_is_let_go_though_a_fork_still_holds_the_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::open(dir.path()).unwrap();
        let _as_a_fork_has_it = first._lock.0.try_clone().unwrap();
        drop(first);
        Identity::open(dir.path()).unwrap();
    }

    #[test]
    fn a_machine_that_was_cloned_becomes_a_host_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::open(dir.path()).unwrap();
        assert!(matches!(Identity::open_anew(dir.path()), Err(IdentityError::Taken { .. })));
        let old = first.host_id.clone();
        drop(first);
        assert_ne!(Identity::open_anew(dir.path()).unwrap().host_id, old);
        let aside = fs::read_to_string(dir.path().join(HOST_ID_OLD)).unwrap();
        assert_eq!(aside.trim(), old.as_str());
    }

    #[test]
    fn garbage_is_named_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HOST_ID);
        for (garbage, problem) in [
            (&b""[..], "is empty"),
            (b" \n", "is empty"),
            (b"gpu-1\n", "holds \"gpu-1\\n\""),
            (b"\xff\xfe\x00", "holds"),
            (&[b'a'; 100_000], "holds"),
        ] {
            fs::write(&path, garbage).unwrap();
            let words = words(dir.path());
            assert!(words.contains(problem), "{words}");
            assert!(words.contains("host_id") && words.contains("delete the file"), "{words}");
            assert_eq!(fs::read(&path).unwrap(), garbage);
        }
    }

    #[test]
    fn what_a_crash_left_behind_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(HOST_ID_NEW), "half an i").unwrap();
        let identity = Identity::open(dir.path()).unwrap();
        let kept = fs::read_to_string(dir.path().join(HOST_ID)).unwrap();
        assert_eq!(kept.trim(), identity.host_id.as_str());
    }

    #[test]
    fn a_place_that_is_no_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(words(file.path()).starts_with("cannot make /"));
        assert!(words(&file.path().join("agent")).starts_with("cannot make /"));
        assert!(words(Path::new("/proc/herdbook")).contains("give another --state-dir"));
    }

    #[test]
    fn a_directory_in_place_of_the_id_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(HOST_ID)).unwrap();
        assert!(words(dir.path()).starts_with("cannot read /"));
        assert!(dir.path().join(HOST_ID).is_dir());
    }
}
