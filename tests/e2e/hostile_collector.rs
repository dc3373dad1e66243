//! A real agent that has joined a collector that means harm: it goes on trying, within its backoff,
//! and costs its host no more than it did before. It writes nothing but its own state, and runs
//! nothing. strace watches what it asks of the kernel.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{Program, eventually, throughout};
use herdbook_tests::hostile::collector::HostileCollector;
use herdbook_tests::hostile::manner::Manner;
use herdbook_tests::swarm::usage::{children, cpu_time, memory, n_open, n_threads};
use tempfile::TempDir;

use crate::soak::say;

const SOON: Duration = Duration::from_secs(60);
/// How long each agent is exposed.
const EXPOSED: Duration = Duration::from_secs(40);
/// Beside one with a good collector: of a development build, on a busy machine.
const MEMORY_KIB: u64 = 6 * 1024;
const FILES: usize = 4;
const THREADS: usize = 1;
const CPU: Duration = Duration::from_secs(3);
/// A redial is never later than 20 s, and on average a second passes before one.
const DIALS: std::ops::RangeInclusive<u64> = 2..=100;
/// What would be written, run or sent elsewhere.
const WATCHED: &str = "execve,execveat,fork,vfork,creat,open,openat,openat2,rename,renameat,\
                       renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,symlink,symlinkat,chmod,\
                       fchmodat,kill,ptrace";

/// An agent under strace, and the collector that it joined.
struct Exposed {
    manner: Manner,
    collector: HostileCollector,
    strace: Program,
    state_dir: PathBuf,
    calls: PathBuf,
}

/// What it costs.
#[derive(Clone, Debug)]
struct Cost {
    rss_kib: u64,
    n_open: usize,
    n_threads: usize,
    n_children: usize,
    cpu: Duration,
    files: BTreeSet<String>,
}

impl Exposed {
    async fn start(manner: Manner, dir: &Path) -> Self {
        let collector = HostileCollector::start(manner).await;
        let name = format!("{manner:?}");
        let state_dir = dir.join(format!("state-{name}"));
        let line = dir.join(format!("line-{name}"));
        std::fs::write(&line, collector.line()).expect("a join line");
        let mut join = command(&built("herdbook-agent"), dir);
        join.arg("join").arg("--file").arg(line).arg("--state-dir").arg(&state_dir);
        let mut join = Program::start(&format!("join-{name}"), join, dir);
        assert!(join.exit(SOON).await.success(), "{}", join.log());

        let calls = dir.join(format!("calls-{name}"));
        let mut strace = command(Path::new("strace"), dir);
        strace.args(["-f", "--seccomp-bpf", "-qq", "-e", &format!("trace={WATCHED}"), "-o"]);
        strace.arg(&calls).arg(built("herdbook-agent")).arg("--state-dir").arg(&state_dir);
        let strace = Program::start(&format!("agent-{name}"), strace, dir);
        Self { manner, collector, strace, state_dir, calls }
    }

    fn pid(&self) -> Result<u32, String> {
        let children = children(self.strace.pid()).map_err(|error| error.to_string())?;
        children.first().copied().ok_or_else(|| self.strace.log_tail())
    }

    fn cost(&self) -> Result<Cost, String> {
        let pid = self.pid()?;
        let look = || -> std::io::Result<Cost> {
            let entries = std::fs::read_dir(&self.state_dir)?.collect::<Result<Vec<_>, _>>()?;
            let name = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            Ok(Cost {
                rss_kib: memory(pid)?.rss_kib,
                n_open: n_open(pid)?,
                n_threads: n_threads(pid)?,
                n_children: children(pid)?.len(),
                cpu: cpu_time(pid)?,
                files: entries.iter().map(name).collect(),
            })
        };
        look().map_err(|error| format!("{:?}: {error}", self.manner))
    }

    /// It ran nothing after itself, and wrote nowhere but in its state directory.
    fn did_nothing_else(&self) {
        let calls = std::fs::read_to_string(&self.calls).expect("what strace saw");
        let own = self.state_dir.to_string_lossy().into_owned();
        let runs = calls.lines().filter(|call| asked(call).starts_with("exec")).count();
        assert_eq!(runs, 1, "{:?}: {calls}", self.manner);
        let changes = calls.lines().filter(|call| match asked(call) {
            // What strace itself says of a thread or a signal.
            "" | "+++" | "---" | "<..." => false,
            name if name.starts_with("exec") => false,
            name if name.starts_with("open") => {
                ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag))
            }
            _ => true,
        });
        for call in changes {
            let is_own = call.contains(&own) || call.contains("\"/dev/null\"");
            assert!(is_own, "{:?}: {call}", self.manner);
        }
    }
}

/// The name of the call in a line of strace, `18003 openat(AT_FDCWD, …`.
fn asked(line: &str) -> &str {
    let word = line.split_whitespace().nth(1).unwrap_or_default();
    word.split('(').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_collector_moves_no_agent() {
    let dir = TempDir::new().expect("a temporary directory");
    let mut all = Vec::new();
    for manner in [Manner::Good].into_iter().chain(Manner::HOSTILE) {
        all.push(Exposed::start(manner, dir.path()).await);
    }
    eventually("all agents run and have dialled", SOON, async || {
        let late = all.iter().find(|one| one.cost().is_err() || one.collector.n_dials() == 0);
        late.map_or(Ok(()), |one| Err(format!("{:?}", one.manner)))
    })
    .await;
    throughout("all agents run", EXPOSED, async || {
        all.iter().try_for_each(|one| one.cost().map(drop))
    })
    .await;
    let good = all[0].cost().expect("the agent with a good collector");
    for one in &all {
        let (cost, n_dials) = (one.cost().expect("an agent"), one.collector.n_dials());
        let words = format!("{:?}: {n_dials} dials, {cost:?}, beside {good:?}", one.manner);
        say(&words);
        assert!(cost.rss_kib < good.rss_kib + MEMORY_KIB, "{words}");
        assert!(cost.n_open <= good.n_open + FILES, "{words}");
        assert!(cost.n_threads <= good.n_threads + THREADS, "{words}");
        assert!(cost.n_children <= good.n_children, "{words}");
        assert!(cost.cpu < good.cpu + CPU, "{words}");
        // While a key is changed, its successor is there.
        let others: Vec<_> = cost.files.difference(&good.files).collect();
        let may_change = one.manner == Manner::RotatesForEver && others == ["key.next"];
        assert!(others.is_empty() || may_change, "{words}");
        let goes_on = match one.manner {
            Manner::Good => n_dials == 1,
            // It is believed, for ten minutes at most.
            Manner::RefusesForEver => n_dials == 1,
            // A session that goes on in spite of what was said.
            Manner::ManyPins | Manner::RotatesForEver | Manner::Hasty => n_dials <= 2,
            _ => DIALS.contains(&n_dials),
        };
        assert!(goes_on, "{words}");
        one.did_nothing_else();
    }
}
