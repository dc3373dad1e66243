//! Where the files of the kernel and of the host lie.

use std::path::{Path, PathBuf};

/// Where the kernel's files are. Tests point these at fixtures, a container at the host's.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
    /// `/`, the file system whose space is told.
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), root: "/".into() }
    }
}

impl Roots {
    /// A host whose file system is mounted at `root`; `/` is the agent's own.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        Self { proc: root.join("proc"), sys: root.join("sys"), root: root.to_owned() }
    }

    /// Whether these are the agent's own, and its kernel's files tell of itself.
    pub(crate) fn is_own(&self) -> bool {
        self.root == Path::new("/") && self.proc == Path::new("/proc")
    }

    /// `/proc/net`. It is a link to what the reader sees, and leads nowhere in the `/proc` of another
    /// process namespace; and where it does lead, in a container, to the container's network. The
    /// host's is that of its first process.
    pub(crate) fn net(&self) -> PathBuf {
        let first = self.proc.join("1/net");
        if !self.is_own() && first.exists() { first } else { self.proc.join("net") }
    }

    /// The folder of a process that sees what the host sees: the agent itself, or on another root
    /// the first.
    pub(crate) fn process(&self) -> PathBuf {
        self.proc.join(if self.is_own() { "self" } else { "1" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_root_is_read_through_the_agent_itself() {
        let roots = Roots::under(Path::new("/"));
        assert!(roots.is_own());
        assert_eq!(roots.net(), Path::new("/proc/net"));
        assert_eq!(roots.process(), Path::new("/proc/self"));
        assert_eq!(roots.sys, Roots::default().sys);
    }

    #[test]
    fn another_root_is_read_through_its_first_process() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::under(folder.path());
        assert_eq!(roots.net(), folder.path().join("proc/net"));
        std::fs::create_dir_all(folder.path().join("proc/1/net")).unwrap();
        assert_eq!(roots.net(), folder.path().join("proc/1/net"));
        assert_eq!(roots.process(), folder.path().join("proc/1"));
    }
}
