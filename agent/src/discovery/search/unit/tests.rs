use std::fs;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/units").join(name)
}

fn told(units: &Units) -> Vec<String> {
    units.places().iter().map(|place| format!("{} {}", place.unit, place.place)).collect()
}

#[tokio::test]
async fn the_units_of_distributions_are_read_as_systemd_reads_them() {
    let table: [(&str, &[&str]); 4] = [
        ("ubuntu", &["ollama.service 127.0.0.1:11435"]),
        (
            "debian",
            &[
                "ollama@0.service 127.0.0.1:11430",
                "ollama@1.service 127.0.0.1:12345",
                "ollama@2.service 127.0.0.1:12000",
            ],
        ),
        ("fedora", &["ollama.service [::1]:11500", "llm.service 127.0.0.1:11600"]),
        ("nixos", &["ollama.service 10.0.0.7:11434"]),
    ];
    for (name, expected) in table {
        let mut units = Units::new(&fixture(name), Path::new("/nowhere"));
        units.refresh(Instant::now()).await;
        assert_eq!(told(&units), expected, "{name}");
    }
}

#[tokio::test]
async fn a_port_is_known_by_its_unit() {
    let mut units = Units::new(&fixture("debian"), Path::new("/nowhere"));
    units.refresh(Instant::now()).await;
    assert_eq!(units.port_of("ollama@1.service"), Some(12345));
    assert_eq!(units.port_of("ssh.service"), None);
}

#[tokio::test]
async fn what_changes_is_read_again_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let mut units = Units::new(root.path(), Path::new("/nowhere"));
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), [""; 0]);
    let folder = root.path().join("etc/systemd/system");
    fs::create_dir_all(&folder).unwrap();
    let unit = "[Service]\nExecStart=ollama serve\nEnvironment=OLLAMA_HOST=:1\n";
    fs::write(folder.join("a.service"), unit).unwrap();
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), ["a.service 127.0.0.1:1"]);
    fs::create_dir(folder.join("a.service.d")).unwrap();
    units.refresh(Instant::now()).await;
    let drop_in = folder.join("a.service.d/x.conf");
    fs::write(&drop_in, "[Service]\nEnvironmentFile=/e\n").unwrap();
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), ["a.service 127.0.0.1:1"]);
    fs::write(root.path().join("e"), "OLLAMA_HOST=:22\n").unwrap();
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), ["a.service 127.0.0.1:22"]);
    fs::remove_file(drop_in).unwrap();
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), ["a.service 127.0.0.1:1"]);
    units.places.clear();
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), [""; 0], "nothing has changed since");
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/systemd/system");
    fs::create_dir_all(folder.join("folder.service")).unwrap();
    std::os::unix::fs::symlink("loop.service", folder.join("loop.service")).unwrap();
    let pipe = folder.join("pipe.service");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let mut units = Units::new(root.path(), Path::new("/nowhere"));
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), [""; 0]);
}

#[tokio::test]
async fn homes_on_other_machines_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mountinfo = folder.path().join("mountinfo");
    let root = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n";
    let home = |kind: &str| format!("{root}23 22 0:9 / /home rw shared:2 - {kind} x:/home rw\n");
    let table = [
        (root.to_owned(), 2),
        (home("ext4"), 2),
        (home("nfs4"), 1),
        (home("fuse.sshfs"), 1),
        (home("autofs"), 1),
    ];
    for (text, expected) in table {
        fs::write(&mountinfo, &text).unwrap();
        let mut units = Units::new(&fixture("fedora"), &mountinfo);
        units.refresh(Instant::now()).await;
        assert_eq!(units.places().len(), expected, "{text}");
    }
}

#[tokio::test]
async fn homes_that_hang_keep_the_systems_units_from_nobody() {
    let mut units = Units::new(&fixture("fedora"), Path::new("/nowhere"));
    let (go_on, hang) = std::sync::mpsc::channel::<()>();
    units.homes.hanging = Some(tokio::task::spawn_blocking(move || {
        let _ = hang.recv();
        Default::default()
    }));
    units.refresh(Instant::now()).await;
    assert_eq!(told(&units), ["ollama.service [::1]:11500"]);
    drop(go_on);
}

#[tokio::test(start_paused = true)]
async fn homes_are_looked_at_once_a_minute() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), "u:x:1:1::/home/u:/bin/sh\n").unwrap();
    let folder = root.path().join("home/u/.config/systemd/user");
    let mut units = Units::new(root.path(), Path::new("/nowhere"));
    let now = Instant::now();
    units.refresh(now).await;
    fs::create_dir_all(&folder).unwrap();
    let unit = "[Service]\nExecStart=ollama serve\nEnvironment=OLLAMA_HOST=:1\n";
    fs::write(folder.join("a.service"), unit).unwrap();
    units.refresh(now + HOMES_AGAIN / 2).await;
    assert_eq!(told(&units), [""; 0]);
    units.refresh(now + HOMES_AGAIN).await;
    assert_eq!(told(&units), ["a.service 127.0.0.1:1"]);
}

#[test]
fn no_path_leads_out_of_the_root() {
    let folders = Folders::new(Path::new("/r"));
    for path in ["../../etc/x", "/../etc/x", "etc/./x"] {
        assert_eq!(folders.at(path), Path::new("/r/etc/x"), "{path}");
    }
}
