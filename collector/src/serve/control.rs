//! The control socket: whoever can open it is the collector's own user, or root. It lies in the
//! data directory while the collector runs.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The name of the socket in the data directory.
pub const CONTROL_FILE: &str = "control.sock";
/// The Host of every request over it.
pub const CONTROL_HOST: &str = "control";
const DRAFT: &str = "control.new";
const OWNER_ONLY: u32 = 0o600;
/// Longest path of a socket, bytes.
const PATH_BYTES_MAX: usize = 107;

/// The socket of a running collector; it is removed with it.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Opens it in the data directory, whose lock the caller has: what lies there is of a
    /// collector that is dead, and is replaced.
    ///
    /// # Errors
    ///
    /// Where the system refuses.
    pub fn bind(dir: &Path) -> io::Result<Self> {
        let (draft, path) = (dir.join(DRAFT), dir.join(CONTROL_FILE));
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        let listener = StdListener::bind(Reachable::of(dir, DRAFT)?.path)?;
        listener.set_nonblocking(true)?;
        // Under its own name nobody else can ever open it, not even before this line.
        std::fs::set_permissions(&draft, Permissions::from_mode(OWNER_ONLY))?;
        std::fs::rename(&draft, &path)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, path })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The next collector replaces what stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Connects to the collector that runs on a data directory.
///
/// # Errors
///
/// Where none runs there, or this user may not open its socket.
pub async fn connect_control(dir: &Path) -> io::Result<UnixStream> {
    let reachable = Reachable::of(dir, CONTROL_FILE)?;
    UnixStream::connect(&reachable.path).await
}

/// A name in a directory, by a path that is short enough for a socket.
struct Reachable {
    path: PathBuf,
    /// Keeps the path alive that leads over its descriptor.
    _dir: Option<File>,
}

impl Reachable {
    fn of(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path, _dir: None });
        }
        let dir = File::open(dir)?;
        let path = format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()).into();
        Ok(Self { path, _dir: Some(dir) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_its_owners_alone_replaces_a_dead_one_and_goes_with_the_collector() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CONTROL_FILE);
        drop(StdListener::bind(&path).unwrap());
        assert!(connect_control(dir.path()).await.is_err(), "nobody is there");
        let socket = ControlSocket::bind(dir.path()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        connect_control(dir.path()).await.unwrap();
        socket.listener.accept().await.unwrap();
        drop(socket);
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }

    #[tokio::test]
    async fn a_long_path_is_no_hindrance() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(90)).join("e".repeat(90));
        std::fs::create_dir_all(&long).unwrap();
        let socket = ControlSocket::bind(&long).unwrap();
        connect_control(&long).await.unwrap();
        socket.listener.accept().await.unwrap();
    }
}
