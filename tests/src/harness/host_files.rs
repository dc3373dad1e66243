//! A host that exists as files: what an agent reads under `--host-root`. Its processes run
//! nothing; where they listen, a fake of the test really does.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The first socket's inode.
const FIRST_INODE: u64 = 40_000;
const TABLE_HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when \
                          retrnsmt   uid  timeout inode\n";

/// A copy of a fixture, to which processes and listeners are added.
#[derive(Debug)]
pub struct HostFiles {
    root: PathBuf,
    n_sockets: u64,
}

/// A process that is no more than its files.
#[derive(Clone, Copy, Debug)]
pub struct FakeProcess<'a> {
    /// Its id.
    pub pid: u32,
    /// Its parent's; 1 is the init system.
    pub parent: u32,
    /// Its user.
    pub uid: u32,
    /// The name that the kernel has.
    pub comm: &'a str,
    /// Program and arguments.
    pub command_line: &'a [&'a str],
    /// Where it stands among the control groups.
    pub cgroup: &'a str,
}

impl HostFiles {
    /// The host of `agent/fixtures/hosts/{fixture}`, copied to `root`.
    ///
    /// # Panics
    ///
    /// Where it cannot be copied.
    #[must_use]
    pub fn of(fixture: &str, root: &Path) -> Self {
        let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/fixtures/hosts");
        copy(&hosts.join(fixture), root);
        Self { root: root.to_owned(), n_sockets: 0 }
    }

    /// Where its `/` is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes one more file.
    ///
    /// # Panics
    ///
    /// Where it cannot be written.
    pub fn write(&mut self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("a path below the root")).expect("a directory");
        fs::write(path, text).expect("a file of the fake host");
    }

    /// Adds a process.
    pub fn process(&mut self, process: FakeProcess<'_>) {
        let FakeProcess { pid, parent, uid, comm, command_line, cgroup } = process;
        let file = |name: &str| format!("proc/{pid}/{name}");
        self.write(&file("comm"), &format!("{comm}\n"));
        self.write(&file("cmdline"), &format!("{}\0", command_line.join("\0")));
        self.write(&file("cgroup"), &format!("0::{cgroup}\n"));
        let status = format!(
            "Name:\t{comm}\nState:\tS (sleeping)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{parent}\n\
             Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
        );
        self.write(&file("status"), &status);
        // Fields 3 to 22; the last is when it started.
        let stat = format!("{pid} ({comm}) S {parent} {pid} {pid}{} 5000\n", " 0".repeat(15));
        self.write(&file("stat"), &stat);
        let fds = self.root.join(file("fd"));
        fs::create_dir_all(fds).expect("a directory for descriptors");
        // The same inode is the same network namespace.
        let net = self.root.join(file("net"));
        fs::create_dir_all(&net).expect("a directory for the network");
        fs::hard_link(self.net().join("dev"), net.join("dev")).expect("the network's counters");
    }

    /// Where the fixture has its network; elsewhere `net` leads to the reader's own.
    fn net(&self) -> PathBuf {
        let net = self.root.join("proc/net");
        if net.is_symlink() { self.root.join("proc/1/net") } else { net }
    }

    /// Lets a process listen at `address`; whether anybody answers there is the test's to see to.
    ///
    /// # Panics
    ///
    /// Where its files cannot be written.
    pub fn listens(&mut self, pid: u32, address: SocketAddr) {
        self.n_sockets += 1;
        let inode = FIRST_INODE + self.n_sockets;
        let fd = self.root.join(format!("proc/{pid}/fd/{}", self.n_sockets + 2));
        symlink(format!("socket:[{inode}]"), fd).expect("a link to a socket");
        let uid = self.uid_of(pid);
        let path = self.net().join(if address.is_ipv4() { "tcp" } else { "tcp6" });
        let mut table = fs::read_to_string(&path).unwrap_or_else(|_| TABLE_HEAD.to_owned());
        let slot = table.lines().count() - 1;
        let nobody = if address.is_ipv4() { "00000000" } else { "0000000000000000" };
        let (local, port) = (hex(address.ip()), address.port());
        let remote = if address.is_ipv4() { nobody.to_owned() } else { nobody.repeat(2) };
        let _ = writeln!(
            table,
            "{slot:4}: {local}:{port:04X} {remote}:0000 0A 00000000:00000000 00:00000000 \
             00000000 {uid:5}        0 {inode} 1 0000000000000000 100 0 0 10 0"
        );
        fs::write(path, table).expect("a table of sockets");
    }

    fn uid_of(&self, pid: u32) -> u32 {
        let status = self.root.join(format!("proc/{pid}/status"));
        let status = fs::read_to_string(status).expect("the process was added");
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:\t"));
        line.and_then(|ids| ids.split('\t').next()?.parse().ok()).expect("its user")
    }
}

/// The kernel prints an address as 32-bit words as they lie in memory.
fn hex(address: IpAddr) -> String {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]]);
    words.map(|word| format!("{:08X}", u32::from_ne_bytes(word))).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory of the fake host");
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries.map(|entry| entry.expect("an entry of the fixture")) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("what an entry is");
        if kind.is_dir() {
            copy(&from, &to);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from).expect("a link"), to).expect("a copied link");
        } else {
            fs::copy(from, to).expect("a copied file");
        }
    }
}
