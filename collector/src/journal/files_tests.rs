//! The files of both logs on a real disk, and on one that is full.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const DAY: &str = "20261120";

fn line(log: Log, day: &str, text: &str) -> Line {
    Line { log, day: Day::parse(day).unwrap(), text: text.into() }
}

fn alerts(texts: &[&str]) -> Vec<Line> {
    texts.iter().map(|text| line(Log::Alerts, DAY, text)).collect()
}

struct Folder {
    dir: tempfile::TempDir,
    files: Files,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().join("events"));
        Self { dir, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("events").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn append(&self, lines: &[Line]) {
        let (n, done) = self.files.append(lines);
        done.unwrap();
        assert_eq!(n, lines.len());
    }

    fn names(&self) -> Vec<String> {
        self.files.names().iter().map(ToString::to_string).collect()
    }
}

#[test]
fn lines_go_to_the_file_of_their_log_and_day() {
    let folder = Folder::new();
    folder.append(&[
        line(Log::Alerts, "20261120", "a"),
        line(Log::Heartbeats, "20261120", "b"),
        line(Log::Alerts, "20261121", "c"),
        line(Log::Alerts, "20261121", "d"),
    ]);
    assert_eq!(folder.text("alerts_20261120.jsonl"), "a\n");
    assert_eq!(folder.text("heartbeat_alerts_20261120.jsonl"), "b\n");
    assert_eq!(folder.text("alerts_20261121.jsonl"), "c\nd\n");
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path("alerts_20261120.jsonl")), 0o600);
    assert_eq!(mode(folder.path("")), 0o700);
}

#[test]
fn what_was_renamed_or_removed_is_made_anew() {
    let folder = Folder::new();
    folder.append(&alerts(&["a"]));
    fs::rename(folder.path("alerts_20261120.jsonl"), folder.path("kept")).unwrap();
    folder.append(&alerts(&["b"]));
    assert_eq!(folder.text("alerts_20261120.jsonl"), "b\n");
    assert_eq!(folder.text("kept"), "a\n");
    fs::remove_dir_all(folder.path("")).unwrap();
    folder.append(&alerts(&["c"]));
    assert_eq!(folder.text("alerts_20261120.jsonl"), "c\n");
}

#[test]
fn a_line_that_broke_off_stays_alone() {
    let folder = Folder::new();
    folder.append(&alerts(&["a"]));
    fs::write(folder.path("alerts_20261120.jsonl"), "a\n{\"hal").unwrap();
    folder.append(&alerts(&["b"]));
    assert_eq!(folder.text("alerts_20261120.jsonl"), "a\n{\"hal\nb\n");
}

#[test]
fn on_a_full_disk_it_says_how_far_it_came() {
    let folder = Folder::new();
    let today = line(Log::Alerts, "20261120", "a");
    folder.append(std::slice::from_ref(&today));
    symlink("/dev/full", folder.path("alerts_20261121.jsonl")).unwrap();
    let lines = [today.clone(), line(Log::Alerts, "20261121", "b"), today];
    let (n_written, done) = folder.files.append(&lines);
    assert_eq!(n_written, 1);
    assert_eq!(done.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(folder.text("alerts_20261120.jsonl"), "a\na\n");
    fs::remove_file(folder.path("alerts_20261121.jsonl")).unwrap();
    folder.append(&lines[1..]);
    assert_eq!(folder.text("alerts_20261121.jsonl"), "b\n");
}

#[test]
fn a_file_that_grows_large_is_put_aside_in_order() {
    let mut folder = Folder::new();
    folder.files = Files::with_bounds(folder.path(""), 8, 1000);
    for n in 0..12 {
        folder.append(&alerts(&[&format!("{n:03}")]));
    }
    let expected: Vec<String> = (1..=5).map(|n| format!("alerts_20261120.{n}.jsonl")).collect();
    assert_eq!(folder.names()[..5], expected);
    assert_eq!(folder.names()[5..], ["alerts_20261120.jsonl"]);
    assert_eq!(folder.text("alerts_20261120.1.jsonl"), "000\n001\n");
    let last = folder.files.last(Log::Alerts, 5, 1000);
    assert_eq!(last, [b"007", b"008", b"009", b"010", b"011"]);
    // A line that is larger than a file may be is not refused.
    folder.append(&alerts(&["longer than eight"]));
    assert_eq!(folder.text("alerts_20261120.jsonl"), "longer than eight\n");
}

#[test]
fn what_is_too_old_or_too_much_goes_and_nothing_of_others() {
    let mut folder = Folder::new();
    folder.files = Files::with_bounds(folder.path(""), 1000, 8);
    for day in ["20260101", "20261117", "20261118", "20261119", "20261120"] {
        folder.append(&[line(Log::Heartbeats, day, "abc")]);
    }
    let strange = ["heartbeat_alerts_20200101.jsonl.gz", "alerts_20200101.01.jsonl", "notes"];
    for name in strange {
        fs::write(folder.path(name), "of somebody else").unwrap();
    }
    folder.files.prune("2026-11-20T12:00:00Z".parse().unwrap());
    let left = ["heartbeat_alerts_20261119.jsonl", "heartbeat_alerts_20261120.jsonl"];
    assert_eq!(folder.names(), left);
    assert!(strange.iter().all(|name| folder.path(name).exists()));
    // Age alone: 90 days.
    folder.files = Files::new(folder.path(""));
    folder.files.prune("2027-02-17T23:59:59Z".parse().unwrap());
    assert_eq!(folder.names(), left);
    folder.files.prune("2027-02-18T00:00:00Z".parse().unwrap());
    assert_eq!(folder.names(), left[1..]);
}

#[test]
fn the_last_lines_are_read_within_bounds() {
    let folder = Folder::new();
    assert_eq!(folder.files.last(Log::Alerts, 5, 1000), Vec::<Vec<u8>>::new());
    folder.append(&[line(Log::Alerts, "20261119", "a"), line(Log::Heartbeats, "20261119", "x")]);
    folder.append(&alerts(&["b", "c"]));
    assert_eq!(folder.files.last(Log::Alerts, 5, 1000), [b"a", b"b", b"c"]);
    assert_eq!(folder.files.last(Log::Alerts, 2, 1000), [b"b", b"c"]);
    // Three bytes are half of the line before.
    assert_eq!(folder.files.last(Log::Alerts, 5, 2), [b"c"]);
}
