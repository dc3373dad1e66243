use std::fs;

use proptest::prelude::*;

use super::files::*;
use super::*;

/// A made-up `/proc`, process by process.
pub(in crate::discovery::search) struct FakeProc(
    pub(in crate::discovery::search) tempfile::TempDir,
);

/// One process of it.
#[derive(Clone, Copy)]
pub(in crate::discovery::search) struct Fake<'a> {
    pub(in crate::discovery::search) pid: u32,
    pub(in crate::discovery::search) parent: u32,
    pub(in crate::discovery::search) uid: u32,
    pub(in crate::discovery::search) command_line: &'a str,
    /// The inodes of its sockets; `None`: its files may not be read.
    pub(in crate::discovery::search) sockets: Option<&'a [u64]>,
    pub(in crate::discovery::search) cgroup: &'a str,
}

impl Default for Fake<'_> {
    fn default() -> Self {
        Self {
            pid: 2000,
            parent: 1,
            uid: 0,
            command_line: "",
            sockets: Some(&[]),
            cgroup: "0::/\n",
        }
    }
}

impl FakeProc {
    pub(in crate::discovery::search) fn new(processes: &[Fake<'_>]) -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for process in processes {
            root.add(process);
        }
        root
    }

    pub(in crate::discovery::search) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(in crate::discovery::search) fn add(&self, fake: &Fake<'_>) {
        let folder = self.path().join(fake.pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let program = fake.command_line.split(' ').next().unwrap();
        let name: String = program.rsplit('/').next().unwrap().chars().take(15).collect();
        let Fake { pid, parent, uid, .. } = fake;
        let start = 1000 + u64::from(*pid);
        let stat = format!(
            "{pid} ({name}) S {parent} 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {start} 9\n"
        );
        let status = format!("Name:\t{name}\nPPid:\t{parent}\nUid:\t0\t{uid}\t{uid}\t{uid}\n");
        let command_line = fake.command_line.replace(' ', "\0") + "\0";
        for (file, text) in [
            ("stat", stat.as_str()),
            ("status", status.as_str()),
            ("cmdline", command_line.as_str()),
            ("cgroup", fake.cgroup),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        let Some(sockets) = fake.sockets else { return };
        fs::create_dir_all(folder.join("fd")).unwrap();
        for (n, inode) in sockets.iter().enumerate() {
            let link = folder.join("fd").join((n + 3).to_string());
            std::os::unix::fs::symlink(format!("socket:[{inode}]"), link).unwrap();
        }
    }

    pub(in crate::discovery::search) fn remove(&self, pid: u32) {
        fs::remove_dir_all(self.path().join(pid.to_string())).unwrap();
    }

    pub(in crate::discovery::search) async fn processes(&self) -> Processes {
        let mut processes = Processes::new(self.path());
        processes.scan(Depth::News).await;
        processes
    }
}

const OLLAMA: Fake<'static> = Fake {
    pid: 100,
    parent: 1,
    uid: 998,
    command_line: "/usr/local/bin/ollama serve",
    sockets: None,
    cgroup: "0::/system.slice/ollama.service\n",
};

#[tokio::test]
async fn a_server_is_told_with_its_unit_and_its_runners() {
    let digest = "ab".repeat(32);
    let model = format!("/m/blobs/sha256-{digest}");
    let llama =
        format!("/usr/local/lib/ollama/llama-server --model {model} --port 40001 --no-webui");
    let older = format!("/usr/local/bin/ollama runner --model {model} --port 40002");
    let root = FakeProc::new(&[
        OLLAMA,
        Fake { pid: 102, parent: 100, command_line: &llama, ..OLLAMA },
        Fake { pid: 101, parent: 100, command_line: &older, ..OLLAMA },
        Fake { pid: 103, parent: 1, command_line: "llama-server -m m.gguf", ..OLLAMA },
    ]);
    let processes = root.processes().await;
    let ollama = processes.process(processes.get(100).unwrap());
    assert_eq!((ollama.name.as_str(), ollama.role), ("ollama", Role::Server(Kind::Ollama)));
    assert_eq!(ollama.unit.as_deref(), Some("ollama.service"));
    let digest = Some(digest);
    let expected = [
        Runner {
            pid: 101,
            port: Some(40002),
            digest: digest.clone(),
            engine: Engine::OllamaRunner,
        },
        Runner { pid: 102, port: Some(40001), digest, engine: Engine::LlamaServer },
    ];
    assert_eq!(ollama.runners, expected);
    let own = processes.process(processes.get(103).unwrap());
    assert_eq!((own.role, own.runners), (Role::Server(Kind::LlamaCpp), Vec::new()));
}

#[tokio::test]
async fn a_number_that_is_used_again_is_another_process() {
    let root = FakeProc::new(&[OLLAMA]);
    let mut processes = root.processes().await;
    root.remove(100);
    processes.scan(Depth::News).await;
    assert_eq!(processes.get(100), None);
    root.add(&OLLAMA);
    processes.scan(Depth::News).await;
    root.add(&Fake { pid: 100, command_line: "sleep 1", ..OLLAMA });
    processes.scan(Depth::News).await;
    assert_eq!(processes.get(100).unwrap().guise, Guise::Other);
}

#[tokio::test]
async fn what_a_process_calls_itself_later_is_seen_at_the_next_whole_look() {
    let root = FakeProc::new(&[OLLAMA]);
    let mut processes = root.processes().await;
    fs::write(root.path().join("100/cmdline"), "nginx: master process\0").unwrap();
    processes.scan(Depth::News).await;
    assert!(matches!(processes.get(100).unwrap().guise, Guise::Server(_)));
    processes.scan(Depth::All).await;
    assert_eq!(processes.get(100).unwrap().guise, Guise::Aggregator);
}

#[tokio::test]
async fn files_that_vanish_or_hold_garbage_leave_the_process_out_or_unknown() {
    let root = FakeProc::new(&[OLLAMA, Fake { pid: 7, ..OLLAMA }, Fake { pid: 8, ..OLLAMA }]);
    fs::write(root.path().join("7/stat"), "7 (oll").unwrap();
    fs::remove_file(root.path().join("8/cmdline")).unwrap();
    fs::write(root.path().join("100/status"), b"\xff\xfe").unwrap();
    let processes = root.processes().await;
    assert_eq!(processes.get(7), None);
    assert_eq!(processes.get(8).unwrap().guise, Guise::Other);
    assert!(matches!(processes.get(100).unwrap().guise, Guise::Server(_)));
}

#[tokio::test]
async fn a_port_is_told_by_the_environment_or_else_by_the_unit() {
    let root = FakeProc::new(&[OLLAMA, Fake { pid: 101, ..OLLAMA }]);
    fs::write(root.path().join("101/environ"), "A=1\0OLLAMA_HOST=127.0.0.1:11500\0").unwrap();
    let mut processes = root.processes().await;
    processes.tell_ports(|unit| (unit == "ollama.service").then_some(11600));
    let port = |pid| match processes.guise(processes.get(pid).unwrap()) {
        Guise::Server(serving) => serving.port,
        _ => None,
    };
    assert_eq!((port(100), port(101)), (Some(11600), Some(11500)));
}

#[test]
fn names_may_hold_anything() {
    let tail = "S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0";
    let table =
        [("ollama", "ollama"), ("a) (b", "a) (b"), ("tmux: server", "tmux: server"), ("", "")];
    for (name, expected) in table {
        let stat = parse_stat(&format!("12 ({name}) {tail}")).unwrap();
        assert_eq!(stat, Stat { name: expected.to_owned(), parent: 1, started_at: 77 });
    }
}

#[test]
fn a_variable_is_found_by_its_whole_name() {
    let bytes = b"XOLLAMA_HOST=a\0OLLAMA_HOSTS=b\0OLLAMA_HOST=c=d\0";
    assert_eq!(variable(bytes, "OLLAMA_HOST").as_deref(), Some("c=d"));
    assert_eq!(variable(bytes, "HOST"), None);
}

proptest! {
    #[test]
    fn nothing_panics(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (parse_stat(&text), parse_uid(&text));
        let _ = (variable(&bytes, "A"), parse_command_line(&bytes));
    }

    #[test]
    fn arguments_come_back(args in proptest::collection::vec("[^\0]{1,20}", 0..20)) {
        let mut bytes: Vec<u8> = Vec::new();
        for arg in &args {
            bytes.extend(arg.as_bytes());
            bytes.push(0);
        }
        prop_assert_eq!(parse_command_line(&bytes), args);
    }

    #[test]
    fn stats_come_back(name in "[^\\pC]{0,15}", parent: u32, started_at: u64) {
        let text = format!("1 ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {started_at} 0");
        prop_assert_eq!(parse_stat(&text), Some(Stat { name, parent, started_at }));
    }
}
