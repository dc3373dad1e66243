//! `herdbook-agent join` as a process, against a collector of this test that speaks real TLS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::process::{Output, Stdio};

use herdbook_shared::wire::CollectorMessage;
use herdbook_shared::wire::hello::RefusalCode;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use door::{Door, PATIENCE, TOKEN, welcome};

#[path = "support/door.rs"]
mod door;

fn agent(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herdbook-agent"));
    command.env_clear().arg0("herdbook-agent").args(arguments);
    // A machine with a service of its own has a place of its own for root.
    command.env("STATE_DIRECTORY", home.join("state"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts to join with what is pasted.
async fn join(home: &Path, pasted: &str, arguments: &[&str]) -> Child {
    let mut child = agent(home, &[&["join"], arguments].concat()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(pasted.as_bytes()).await.unwrap();
    child
}

async fn ended(child: Child) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let [out, err] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!out.contains(TOKEN) && !err.contains(TOKEN), "{out}{err}");
    (status.code(), out, err)
}

#[tokio::test]
async fn a_host_joins_and_its_agent_starts_as_that_host() {
    let home = tempfile::tempdir().unwrap();
    let door = Door::open().await;
    let pasted = format!("echo '{}' | sudo herdbook-agent join\n", door.line());
    let child = join(home.path(), &pasted, &["--name", "gpu-1"]).await;
    let (mut guest, first) = door.welcome().await;
    assert!(matches!(
        guest.hear().await,
        Some(herdbook_shared::wire::AgentMessage::Goodbye(goodbye))
            if goodbye.reason == herdbook_shared::wire::hello::GoodbyeReason::Upgrade
    ));
    drop(guest);
    let (code, out, err) = ended(child).await;
    assert_eq!(code, Some(0), "{err}");
    let joined = format!("joined {} as gpu-1, key sha256:", door.url());
    assert!(out.starts_with(&joined) && out.contains("start the agent"), "{out}");
    assert!(!home.path().join("state/join").exists());

    let started = agent(home.path(), &[]).spawn().unwrap();
    let (_guest, second) = door.welcome().await;
    assert_eq!(second.host_id, first.host_id);
    let key = |hello: &herdbook_shared::wire::hello::Hello| hello.proof.clone().unwrap().public_key;
    assert_eq!(key(&second), key(&first));
    assert_eq!(second.proof.unwrap().token, None);
    drop(started);

    // A machine that was cloned: another host with another key.
    let child = join(home.path(), &door.line(), &["--new-identity"]).await;
    let (guest, third) = door.welcome().await;
    drop(guest);
    assert_eq!(ended(child).await.0, Some(0));
    assert!(third.host_id != first.host_id && key(&third) != key(&first));
    assert!(home.path().join("state/host_id.old").exists());
    assert!(home.path().join("state/key.old").exists());
}

#[tokio::test]
async fn an_agent_that_runs_takes_the_line_and_tells_how_it_went() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (Door::open().await, Door::open().await);
    let file = home.path().join("line");
    std::fs::write(&file, first.line()).unwrap();
    let _agent = agent(home.path(), &["--join-file", file.to_str().unwrap()]).spawn().unwrap();
    let (mut before, hello) = first.welcome().await;

    let child = join(home.path(), &second.line(), &[]).await;
    let mut guest = second.accept().await;
    guest.knock().await;
    guest.refuse(RefusalCode::TokenRefused, None).await;
    let (code, _, err) = ended(child).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("not joined: refused as token_refused"), "{err}");
    // It has said goodbye, and gone back.
    while before.hear().await.is_some() {}
    let (_before, again) = first.welcome().await;
    assert_eq!(again.host_id, hello.host_id);

    let child = join(home.path(), &second.line(), &[]).await;
    let (_guest, moved) = second.welcome().await;
    assert_eq!(moved.proof.unwrap().token.as_deref(), Some(TOKEN));
    let (code, out, err) = ended(child).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("the agent that runs here is connected"), "{out}");

    let child = join(home.path(), &second.line(), &["--new-identity"]).await;
    let (code, _, err) = ended(child).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("stop it before it gets a new identity"), "{err}");
}

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

#[tokio::test]
async fn a_line_is_not_left_behind_where_the_join_is_cut_short() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (Door::open().await, Door::open().await);
    let left = home.path().join("state/join");
    let mut child = join(home.path(), &first.line(), &[]).await;
    let mut guest = first.accept().await;
    guest.knock().await;
    assert!(!left.exists(), "even SIGKILL finds nothing to leave");
    child.kill().await.unwrap();

    let child = join(home.path(), &first.line(), &[]).await;
    let mut guest = first.accept().await;
    guest.knock().await;
    interrupt(&child);
    let (code, _, err) = ended(child).await;
    assert!(code == Some(1) && err.contains("interrupted"), "{err}");

    let file = home.path().join("line");
    std::fs::write(&file, first.line()).unwrap();
    let _agent = agent(home.path(), &["--join-file", file.to_str().unwrap()]).spawn().unwrap();
    let _before = first.welcome().await;
    let child = join(home.path(), &second.line(), &[]).await;
    let mut guest = second.accept().await;
    guest.knock().await;
    assert!(left.exists());
    interrupt(&child);
    let (code, _, err) = ended(child).await;
    assert!(code == Some(1) && err.contains("the line is not kept"), "{err}");
    assert!(!left.exists());
    // The agent lets go of it as well.
    guest.refuse(RefusalCode::Full, Some(10)).await;
    first.welcome().await;
}

/// A terminal of a test: the end that a person types at, and the one that a program has.
fn terminal() -> (std::fs::File, std::fs::File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
    let program = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    (std::fs::File::from(person), program)
}

#[tokio::test]
async fn a_terminal_shows_again_what_is_typed_where_the_join_is_interrupted() {
    let home = tempfile::tempdir().unwrap();
    let (_person, program) = terminal();
    let shows = || tcgetattr(&program).unwrap().local_modes.contains(LocalModes::ECHO);
    let mut command = agent(home.path(), &["join"]);
    command.stdin(program.try_clone().unwrap());
    assert!(shows());
    let child = command.spawn().unwrap();
    let silent = async {
        while shows() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, silent).await.unwrap();
    interrupt(&child);
    let (code, _, err) = ended(child).await;
    assert!(shows());
    assert!(code == Some(1) && err.contains("interrupted"), "{code:?} {err}");
}

#[tokio::test]
async fn another_key_than_the_one_of_the_line_is_told_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (door, other) = (Door::open().await, Door::open().await);
    let line = door.line().replace(&door.pin.to_string(), &other.pin.to_string());
    let child = join(home.path(), &line, &[]).await;
    assert!(door.handshake().await.is_none());
    let (code, _, err) = ended(child).await;
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("has the key {}, expected {}", door.pin, other.pin)), "{err}");
    assert!(!home.path().join("state/join").exists());
}

#[tokio::test]
async fn what_is_no_line_is_refused_before_anything_is_dialled() {
    let home = tempfile::tempdir().unwrap();
    for (pasted, words) in [
        ("", "no join line"),
        ("https://127.0.0.1:1 hbj_x", "has 2 parts"),
        ("https://127.0.0.1:1 hbj_x sha256:x", "the token of the join line is none"),
    ] {
        let (code, out, err) = ended(join(home.path(), pasted, &[]).await).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(words), "{err}");
    }
    let file = ["--file", "/nowhere/line"];
    let (code, _, err) = ended(join(home.path(), "", &file).await).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("cannot read the join line from /nowhere/line"), "{err}");
    assert!(!home.path().join("state").exists());
}

#[tokio::test]
async fn a_collector_without_a_known_key_is_trusted_by_the_systems_roots_alone() {
    let home = tempfile::tempdir().unwrap();
    let door = Door::open().await;
    let url = door.url();
    let roots = home.path().join("roots.pem");
    std::fs::write(&roots, &door.certificate).unwrap();
    let start = |roots: &Path| {
        let mut command = agent(home.path(), &["--collector", &url]);
        command.env("SSL_CERT_FILE", roots).spawn().unwrap()
    };
    let mut trusting = start(&roots);
    let mut guest = door.accept().await;
    assert!(!guest.knock().await.has_token);
    guest.challenge().await;
    guest.say(&CollectorMessage::Welcome(welcome())).await;
    // Not only told to end: the next one is on the same state directory.
    trusting.kill().await.unwrap();
    drop(guest);

    let other = Door::open().await;
    std::fs::write(&roots, &other.certificate).unwrap();
    let _distrusting = start(&roots);
    assert!(door.handshake().await.is_none());
}
