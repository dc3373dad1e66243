//! The whole search: over files that stand for a host, and over the real kernel.

mod left_out;

use std::fs;
use std::io::{BufRead, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::tests::{Fake, FakeProc};
use super::*;
use crate::discovery::lead::{Kind, Lead, Owner, Role};

/// Far beyond what any of these takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A search as discovery runs it, until the test ends.
struct Running {
    leads: watch::Receiver<Arc<Leads>>,
    resume: watch::Sender<u64>,
    _task: tokio::task::JoinSet<()>,
}

impl Running {
    fn start(roots: Roots, urls: &[&str], env: Option<&str>) -> Self {
        let (resume, resumed) = watch::channel(0);
        let settings = SearchSettings {
            ollama_urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
            ollama_host_env: env.map(str::to_owned),
            roots,
            resumed,
        };
        let (sender, leads) = watch::channel(Arc::default());
        let mut task = tokio::task::JoinSet::new();
        task.spawn(watch(settings, sender));
        Self { leads, resume, _task: task }
    }

    /// Waits for leads of which this holds. Time stands still for whoever computes, so what is
    /// told here of the clock is what the search waited.
    async fn until(&mut self, holds: impl Fn(&[Lead]) -> bool) -> Vec<Lead> {
        let waiting = self.leads.wait_for(|leads| holds(&leads.leads));
        let found = tokio::time::timeout(PATIENCE, waiting).await.expect("never came");
        found.expect("the search ended").leads.clone()
    }

    async fn first(&mut self) -> Vec<Lead> {
        tokio::time::timeout(PATIENCE, self.leads.changed()).await.unwrap().unwrap();
        self.leads.borrow().leads.clone()
    }
}

fn at(port: u16) -> impl Fn(&[Lead]) -> bool {
    move |leads| leads.iter().any(|lead| lead.target.port() == port)
}

fn targets(leads: &[Lead]) -> Vec<String> {
    leads.iter().map(|lead| lead.target.to_string()).collect()
}

/// A host of files.
struct FakeHost {
    proc: FakeProc,
    root: tempfile::TempDir,
}

impl FakeHost {
    fn new(processes: &[Fake<'_>], sockets: &[(u16, u32, u64)]) -> Self {
        let host = Self { proc: FakeProc::new(processes), root: tempfile::tempdir().unwrap() };
        host.listen(sockets);
        host
    }

    /// Port, user and inode of all that listens from now on, on 127.0.0.1.
    fn listen(&self, sockets: &[(u16, u32, u64)]) {
        let folder = self.proc.path().join("1/net");
        fs::create_dir_all(&folder).unwrap();
        let lines = sockets.iter().map(|(port, uid, inode)| {
            format!("0: 0100007F:{port:04X} 00000000:0000 0A 0:0 00:0 0 {uid} 0 {inode} 1\n")
        });
        let text = format!("  sl  local_address\n{}", lines.collect::<String>());
        fs::write(folder.join("tcp"), text).unwrap();
    }

    fn roots(&self) -> Roots {
        let proc = self.proc.path().to_owned();
        Roots { proc, root: self.root.path().to_owned(), ..Roots::default() }
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
const USUAL: [&str; 2] = ["127.0.0.1:11434", "[::1]:11434"];

#[tokio::test(start_paused = true)]
async fn the_first_look_has_the_usual_places_and_what_people_named() {
    let host = FakeHost::new(&[], &[]);
    let urls = ["http://127.0.0.1:9", "http://127.0.0.1:11434"];
    let mut running = Running::start(host.roots(), &urls, Some("192.0.2.1"));
    let first = running.first().await;
    assert_eq!(targets(&first), ["127.0.0.1:9", "127.0.0.1:11434", "[::1]:11434"]);
    assert_eq!(first[1].origin, Origin::Flag);
}

#[tokio::test(start_paused = true)]
async fn a_host_without_any_file_has_the_usual_places() {
    let nowhere = Roots { proc: "/nowhere".into(), root: "/nowhere".into(), ..Roots::default() };
    let mut running = Running::start(nowhere, &[], None);
    assert_eq!(targets(&running.first().await), USUAL);
}

#[tokio::test(start_paused = true)]
async fn servers_that_start_move_and_stop_are_seen_within_five_seconds() {
    let host = FakeHost::new(&[], &[]);
    let mut running = Running::start(host.roots(), &[], None);
    running.first().await;
    let since = Instant::now();
    host.proc.add(&OLLAMA);
    host.listen(&[(5000, 998, 7)]);
    let found = running.until(at(5000)).await;
    assert!(since.elapsed() <= TICK);
    let lead = found.iter().find(|lead| lead.target.port() == 5000).unwrap();
    let Owner::Known(process) = &lead.owner else { panic!("{lead:?}") };
    assert_eq!((process.pid, process.role), (100, Role::Server(Kind::Ollama)));
    assert_eq!(process.unit.as_deref(), Some("ollama.service"));
    let since = Instant::now();
    host.listen(&[(5001, 998, 8)]);
    let moved = running.until(at(5001)).await;
    assert!(since.elapsed() <= TICK);
    assert!(!at(5000)(&moved));
    host.proc.remove(100);
    host.listen(&[]);
    running.until(|leads| targets(leads) == USUAL).await;
    assert!(since.elapsed() <= 2 * TICK);
}

#[tokio::test(start_paused = true)]
async fn a_new_runner_is_seen_with_its_listener() {
    let host = FakeHost::new(&[OLLAMA], &[(11434, 998, 7)]);
    let mut running = Running::start(host.roots(), &[], None);
    running.first().await;
    let child = "/usr/local/lib/ollama/llama-server --model /m --port 40000";
    host.proc.add(&Fake { pid: 101, parent: 100, command_line: child, ..OLLAMA });
    host.listen(&[(11434, 998, 7), (40000, 998, 9)]);
    let runners = |lead: &Lead| match &lead.owner {
        Owner::Known(process) => process.runners.len(),
        _ => 0,
    };
    let found = running.until(|leads| leads.iter().any(|lead| runners(lead) == 1)).await;
    assert_eq!(targets(&found), USUAL);
}

#[tokio::test(start_paused = true)]
async fn after_sleep_all_is_looked_at_again_at_once() {
    let host = FakeHost::new(&[], &[]);
    let mut running = Running::start(host.roots(), &[], None);
    running.first().await;
    host.proc.add(&OLLAMA);
    host.listen(&[(5000, 998, 7)]);
    let since = Instant::now();
    running.resume.send_replace(1);
    running.until(at(5000)).await;
    assert!(since.elapsed() < TICK);
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_appears_is_read_within_a_minute() {
    let host = FakeHost::new(&[], &[]);
    let mut running = Running::start(host.roots(), &[], None);
    running.first().await;
    let folder = host.root.path().join("etc/systemd/system");
    fs::create_dir_all(&folder).unwrap();
    let unit = "[Service]\nEnvironment=OLLAMA_HOST=:11500\nExecStart=/usr/bin/ollama serve\n";
    fs::write(folder.join("ollama.service"), unit).unwrap();
    let since = Instant::now();
    // Patience is shorter than a minute; the clock of this test is not.
    tokio::time::sleep(LOOK_AT_ALL - PATIENCE / 2).await;
    let found = running.until(at(11500)).await;
    assert!(since.elapsed() <= LOOK_AT_ALL + TICK);
    assert_eq!(found[1].origin, Origin::Unit);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_where_nothing_changes() {
    let host = FakeHost::new(&[OLLAMA], &[(11434, 998, 7)]);
    let mut running = Running::start(host.roots(), &[], None);
    running.first().await;
    assert!(tokio::time::timeout(5 * LOOK_AT_ALL, running.leads.changed()).await.is_err());
}

#[tokio::test]
async fn a_name_of_another_machine_is_no_lead() {
    let host = FakeHost::new(&[], &[]);
    let mut search = search(&host.roots(), &["http://gpu-7.test:1"]);
    let here = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 8])];
    search.names.tell("gpu-7.test", &here);
    assert_eq!(targets(&search.look(Instant::now()).await.unwrap().leads), USUAL);
    search.names.tell("gpu-7.test", &here[..1]);
    search.look_at_all_next();
    let found = search.look(Instant::now()).await.unwrap();
    assert_eq!(targets(&found.leads), ["127.0.0.1:1", USUAL[0], USUAL[1]]);
}

#[tokio::test]
async fn what_people_name_on_another_machine_is_warned_of_once() {
    let host = FakeHost::new(&[], &[]);
    let urls = ["http://198.51.100.7:11434", "http://127.0.0.1:5", "http://gpu-7.test:1"];
    let mut search = search(&host.roots(), &urls);
    let named = search.named(Instant::now());
    assert_eq!(search.newly_elsewhere(&named), [search.said[0].place.clone()]);
    search.warn_of_other_machines(&named);
    assert_eq!(search.newly_elsewhere(&named), []);
    search.names.tell("gpu-7.test", &[IpAddr::from([198, 51, 100, 8])]);
    let named = search.named(Instant::now());
    assert_eq!(search.newly_elsewhere(&named), [search.said[2].place.clone()]);
}

#[tokio::test(start_paused = true)]
async fn a_server_on_an_address_that_the_host_only_now_has_is_seen_within_five_seconds() {
    let host = FakeHost::new(&[OLLAMA], &[]);
    let has = |addresses: &[&str]| {
        let lines =
            addresses.iter().map(|a| format!("           |-- {a}\n              /32 host LOCAL\n"));
        let folder = host.proc.path().join("1/net");
        fs::write(folder.join("fib_trie"), format!("Main:\nLocal:\n{}", lines.collect::<String>()))
            .unwrap();
    };
    has(&["10.0.0.7"]);
    let mut running = Running::start(host.roots(), &[], None);
    running.first().await;
    // First it listens, and the address comes later; then both come at once.
    let listens = |address: &str| {
        let line = format!("0: {address}:1388 00000000:0000 0A 0:0 00:0 0 998 0 7 1\n");
        fs::write(host.proc.path().join("1/net/tcp"), format!("  sl\n{line}")).unwrap();
    };
    listens("0800000A");
    tokio::time::sleep(3 * TICK).await;
    has(&["10.0.0.7", "10.0.0.8"]);
    let since = Instant::now();
    running.until(|leads| targets(leads).contains(&"10.0.0.8:5000".to_owned())).await;
    assert!(since.elapsed() <= TICK);
    has(&["10.0.0.7", "10.0.0.9"]);
    listens("0900000A");
    let since = Instant::now();
    running.until(|leads| targets(leads).contains(&"10.0.0.9:5000".to_owned())).await;
    assert!(since.elapsed() <= TICK);
}

fn search(roots: &Roots, urls: &[&str]) -> Search {
    let (_resume, resumed) = watch::channel(0);
    Search::new(&SearchSettings {
        ollama_urls: urls.iter().map(|url| url.parse().unwrap()).collect(),
        ollama_host_env: None,
        roots: roots.clone(),
        resumed,
    })
}

#[tokio::test]
async fn the_real_kernel_is_understood() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut search = search(&Roots::default(), &[&format!("http://127.0.0.1:{port}")]);
    let found = search.look(Instant::now()).await.unwrap();
    let lead = found.leads.iter().find(|lead| lead.target.port() == port).unwrap();
    assert_eq!(lead.listens_on, Some("0.0.0.0".parse().unwrap()));
    let Owner::Known(process) = &lead.owner else { panic!("{lead:?}") };
    assert_eq!((process.pid, process.role), (std::process::id(), Role::Unclear));
}

/// Users that no host has.
const SERVES: u32 = 54_321;
const SEARCHES: u32 = 54_322;
const PORT: &str = "HERDBOOK_TEST_PORT";

/// This program once more, as another user, to run one test.
fn again(program: &Path, name: &str, uid: u32, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", "--ignored", "--nocapture", "--exact"]);
    command.arg(format!("discovery::search::tests::{name}"));
    command.uid(uid).gid(uid).env(PORT, port.to_string()).current_dir("/");
    command
}

/// `None` where nobody tells: no other test runs this one.
fn port() -> Option<u16> {
    Some(std::env::var(PORT).ok()?.parse().unwrap())
}

#[test]
#[ignore = "a part of another test"]
fn listens_as_another_user() {
    let Some(port) = port() else { return };
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    println!("\nlistening");
    let _ = std::io::stdin().read(&mut [0]);
}

#[tokio::test]
#[ignore = "a part of another test"]
async fn searches_as_another_user() {
    let Some(port) = port() else { return };
    let found = search(&Roots::default(), &[]).look(Instant::now()).await.unwrap();
    let lead = found.leads.iter().find(|lead| lead.target.port() == port).unwrap();
    assert_eq!((&lead.owner, lead.origin), (&Owner::Unknown, Origin::Process));
}

/// As it is packaged, the agent may read the files of nobody. Only root can try that.
#[test]
fn a_server_of_a_user_who_does_other_things_is_found_without_any_privilege() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("ollama");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    // Below the ports that other tests are given.
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (21_000..22_000).find(free).unwrap();
    let mut other = Command::new("sleep").arg("60").uid(SERVES).spawn().unwrap();
    let mut server = again(&program, "listens_as_another_user", SERVES, port)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::io::BufReader::new(server.stdout.take().unwrap());
    assert!(said.lines().any(|line| line.unwrap() == "listening"));
    let run = again(&program, "searches_as_another_user", SEARCHES, port).output().unwrap();
    for child in [&mut other, &mut server] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let said = [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(run.status.success() && said[0].contains("1 passed"), "{}", said.concat());
}

/// What a look costs; `cargo test --release -- --ignored --nocapture what_a_look_costs`.
#[tokio::test]
#[ignore = "measures, and holds nothing"]
async fn what_a_look_costs() {
    let processes: Vec<std::process::Child> =
        (0..100).map(|_| std::process::Command::new("sleep").arg("60").spawn().unwrap()).collect();
    let mut search = search(&Roots::default(), &[]);
    let now = Instant::now();
    search.look(now).await.unwrap();
    let per_look = |since: Instant, n: u32| since.elapsed().as_secs_f64() * 1e6 / f64::from(n);
    let since = Instant::now();
    for _ in 0..1000 {
        assert_eq!(search.look(now).await, None);
    }
    println!("nothing changed: {:.1} µs", per_look(since, 1000));
    for (name, due) in [("sockets changed", Some(now + LOOK_AT_ALL)), ("all", None)] {
        let since = Instant::now();
        for _ in 0..50 {
            search.listening = None;
            search.all_due_at = due;
            search.look(now).await.unwrap();
        }
        println!("{name}: {:.0} µs", per_look(since, 50));
    }
    let n_processes = fs::read_dir(Path::new("/proc")).unwrap().count();
    println!("{n_processes} files in /proc, {} sockets", search.listening.unwrap().len());
    for mut child in processes {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
