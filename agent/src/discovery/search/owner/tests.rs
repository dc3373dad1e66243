use std::net::IpAddr;

use super::super::process::tests::{Fake, FakeProc};
use super::super::sockets::Sockets;
use super::*;

fn socket(port: u16, uid: u32, inode: u64) -> Listening {
    let address = IpAddr::from([127, 0, 0, 1]);
    Listening { port, address, hears_v4: true, uid, inode }
}

async fn holders(root: &FakeProc, sockets: &[Listening]) -> Vec<Holder> {
    let processes = root.processes().await;
    Owners::new(root.path()).holders(sockets, &[], &processes, Depth::News).await
}

const OLLAMA: Fake<'static> = Fake {
    pid: 100,
    parent: 1,
    uid: 998,
    command_line: "ollama serve",
    sockets: None,
    cgroup: "0::/\n",
};

#[tokio::test]
async fn where_files_may_be_read_they_tell() {
    let root = FakeProc::new(&[
        Fake { sockets: Some(&[7, 8]), ..OLLAMA },
        Fake { pid: 101, sockets: Some(&[9]), ..OLLAMA },
        Fake { pid: 102, command_line: "postgres", sockets: Some(&[10, 11]), ..OLLAMA },
    ]);
    let sockets =
        [socket(5000, 998, 7), socket(5001, 998, 9), socket(5432, 998, 10), socket(8000, 0, 11)];
    let expected = [
        Holder::Process(100),
        Holder::Process(101),
        // Nobody asks whose this is.
        Holder::Unknown,
        Holder::Process(102),
    ];
    assert_eq!(holders(&root, &sockets).await, expected);
}

#[tokio::test]
async fn a_socket_that_was_handed_down_is_the_oldest_ones() {
    let root = FakeProc::new(&[
        Fake { pid: 101, parent: 100, sockets: Some(&[7]), ..OLLAMA },
        Fake { sockets: Some(&[7]), ..OLLAMA },
    ]);
    assert_eq!(holders(&root, &[socket(5000, 998, 7)]).await, [Holder::Process(100)]);
}

/// One case: what a user runs, and who holds which of the ports then.
type Case<'a> = (&'a str, &'a [(u32, u32, &'a str)], &'a [(u16, Holder)]);

async fn hold(table: &[Case<'_>]) {
    for (name, processes, expected) in table {
        let processes: Vec<Fake<'_>> = processes
            .iter()
            .map(|(pid, uid, command_line)| Fake { pid: *pid, uid: *uid, command_line, ..OLLAMA })
            .collect();
        let root = FakeProc::new(&processes);
        let uid = if name.starts_with("another") { 1 } else { processes[0].uid };
        let sockets: Vec<Listening> =
            expected.iter().map(|(port, _)| socket(*port, uid, u64::from(*port))).collect();
        let expected: Vec<Holder> = expected.iter().map(|(_, holder)| *holder).collect();
        assert_eq!(holders(&root, &sockets).await, expected, "{name}");
    }
}

#[tokio::test]
async fn where_files_may_not_be_read_user_and_port_tell() {
    use Holder::{Process, SomeServer, Unknown};
    hold(&[
        ("one server", &[(11, 998, "ollama serve")], &[(11434, Process(11)), (5000, Process(11))]),
        (
            "its runner",
            &[(11, 998, "ollama serve"), (12, 998, "ollama runner --port 5000")],
            &[(11434, Process(11)), (5000, Process(12))],
        ),
        (
            "two servers, told apart by nothing",
            &[(11, 998, "ollama serve"), (12, 998, "ollama serve")],
            &[(11434, SomeServer), (11435, SomeServer)],
        ),
        (
            "two servers, told apart by their ports",
            &[(11, 998, "vllm serve m --port 8001"), (12, 998, "vllm serve m --port 8002")],
            &[(8001, Process(11)), (8002, Process(12)), (8003, Unknown)],
        ),
        (
            "a server among other things",
            &[(11, 1000, "ollama serve"), (12, 1000, "postgres")],
            &[(11434, Process(11)), (5432, Unknown)],
        ),
        ("another user's server", &[(11, 998, "ollama serve")], &[(11434, Unknown)]),
    ])
    .await;
}

#[tokio::test]
async fn a_missing_server_is_sought_among_the_sockets_that_nobody_explains() {
    use Holder::{Process, SomeServer, Unknown};
    hold(&[
        (
            "a server among other things, on a port of its own",
            &[(11, 1000, "ollama serve"), (12, 1000, "sleep 1")],
            &[
                (80, Unknown),
                (5000, SomeServer),
                (5432, Unknown),
                (6379, Unknown),
                (11601, SomeServer),
                (29500, Unknown),
            ],
        ),
        (
            "what others name is theirs",
            &[
                (11, 1000, "ollama serve"),
                (12, 1000, "x --port 7777"),
                (13, 1000, "litellm --port 4000"),
                (14, 1000, "ollama runner --port 40000"),
                (15, 1000, "python3 qwen.py --port 9000"),
            ],
            &[
                (4000, Process(13)),
                (7777, Unknown),
                (9000, Process(15)),
                (11601, SomeServer),
                (40000, Process(14)),
            ],
        ),
        (
            "no server is missing",
            &[(11, 1000, "ollama serve"), (12, 1000, "sleep 1")],
            &[(11434, Process(11)), (11601, Unknown)],
        ),
        (
            "a server that was told its port, and is still starting",
            &[(11, 1000, "vllm serve m --port 8001"), (12, 1000, "sleep 1")],
            &[(11601, Unknown)],
        ),
        (
            "a server that is told no port unseen",
            &[(11, 1000, "vllm serve m"), (12, 1000, "sleep 1")],
            &[(41000, Unknown)],
        ),
        (
            "another user's sockets",
            &[(11, 1000, "ollama serve"), (12, 1000, "sleep 1")],
            &[(11601, Unknown)],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_missing_server_is_sought_among_few_sockets_and_named_ones_first() {
    let root = FakeProc::new(&[OLLAMA, Fake { pid: 101, command_line: "sleep 1", ..OLLAMA }]);
    let mut sockets: Vec<Listening> = (20000..20050).map(|port| socket(port, 998, 7)).collect();
    sockets.push(socket(8080, 998, 7));
    let processes = root.processes().await;
    let mut owners = Owners::new(root.path());
    let holders = owners.holders(&sockets, &[20049], &processes, Depth::News).await;
    let guessed = sockets.iter().zip(&holders).filter(|(_, h)| **h == Holder::SomeServer);
    let guessed: Vec<u16> = guessed.map(|(listening, _)| listening.port).collect();
    assert_eq!(guessed, [20000, 20001, 20002, 20003, 20004, 20005, 20049, 8080]);
}

#[tokio::test]
async fn who_runs_no_model_server_has_none_listen() {
    use Holder::{NoServer, Process, Unknown};
    hold(&[
        ("no server", &[(11, 998, "postgres")], &[(8080, NoServer)]),
        (
            "an aggregator",
            &[(11, 998, "litellm --port 8000"), (12, 998, "postgres")],
            &[(8000, Process(11))],
        ),
        (
            "an aggregator or not",
            &[(11, 998, "litellm"), (12, 998, "python3 x.py")],
            &[(8000, Unknown)],
        ),
        (
            "a forwarder that tells nothing",
            &[(11, 998, "conmon"), (12, 998, "sh")],
            &[(8000, Unknown)],
        ),
        (
            "a forwarder for each family",
            &[
                (
                    11,
                    998,
                    "docker-proxy -host-port 5000 -container-ip 172.17.0.2 -container-port 80",
                ),
                (
                    12,
                    998,
                    "docker-proxy -host-port 5000 -container-ip 172.17.0.2 -container-port 80",
                ),
            ],
            &[(5000, Process(11)), (5001, Unknown)],
        ),
    ])
    .await;
}

#[tokio::test]
async fn who_ends_holds_nothing_and_who_comes_next_does() {
    let root = FakeProc::new(&[Fake { sockets: Some(&[7]), ..OLLAMA }]);
    let mut owners = Owners::new(root.path());
    let sockets = [socket(5000, 998, 7)];
    let processes = root.processes().await;
    let before = owners.holders(&sockets, &[], &processes, Depth::News).await;
    assert_eq!(before, [Holder::Process(100)]);
    root.remove(100);
    root.add(&Fake { pid: 101, sockets: Some(&[7]), ..OLLAMA });
    let processes = root.processes().await;
    let after = owners.holders(&sockets, &[], &processes, Depth::News).await;
    assert_eq!(after, [Holder::Process(101)]);
}

#[tokio::test]
async fn what_was_sought_in_vain_is_sought_again_with_all() {
    let root = FakeProc::new(&[Fake { sockets: Some(&[]), ..OLLAMA }]);
    let mut owners = Owners::new(root.path());
    let sockets = [socket(5000, 998, 7)];
    let processes = root.processes().await;
    assert_eq!(owners.holders(&sockets, &[], &processes, Depth::News).await, [Holder::Unknown]);
    root.remove(100);
    root.add(&Fake { sockets: Some(&[7]), ..OLLAMA });
    assert_eq!(owners.holders(&sockets, &[], &processes, Depth::News).await, [Holder::Unknown]);
    let found = owners.holders(&sockets, &[], &processes, Depth::All).await;
    assert_eq!(found, [Holder::Process(100)]);
}

#[tokio::test]
async fn the_kernels_own_files_tell_who_listens_here() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let proc_root = Path::new("/proc");
    let all = Sockets::new(proc_root).look().unwrap();
    let inode = all.iter().find(|listening| listening.port == port).unwrap().inode;
    let mut processes = Processes::new(proc_root);
    processes.scan(Depth::All).await;
    let seen = processes.get(std::process::id()).unwrap();
    let mut owners = Owners::new(proc_root);
    let mut search = Search { wanted: [inode].into(), n_files_left: FILES_MAX };
    owners.seek_in(&mut search, seen).unwrap();
    assert_eq!(owners.by_inode.get(&inode).unwrap().pid, std::process::id());
}

#[test]
fn only_sockets_have_inodes() {
    assert_eq!(socket_inode("socket:[12]"), Some(12));
    for other in ["pipe:[12]", "socket:[]", "socket:[x]", "socket:[1", "/dev/null"] {
        assert_eq!(socket_inode(other), None);
    }
}
