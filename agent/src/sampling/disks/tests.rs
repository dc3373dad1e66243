//! The disks of a host as a whole, on folders that stand in for its files.

use super::*;

const MOUNTS: &str =
    "20 1 8:2 / / rw - ext4 /dev/sda2 rw\n21 20 8:17 / /data rw - xfs /dev/sdb1 rw\n";
const STATS: &str = "8 2 sda2 1 0 1000 1 1 0 2000 1 0 100 1\n8 17 sdb1 1 0 0 1 1 0 0 1 0 0 1\n";

fn host(mountinfo: &str, diskstats: &str) -> (tempfile::TempDir, Disks) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("proc/1")).unwrap();
    write(&folder, "1/mountinfo", mountinfo);
    write(&folder, "diskstats", diskstats);
    let disks = Disks::new(&Roots::under(folder.path()));
    (folder, disks)
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join("proc").join(name), text).unwrap();
}

#[tokio::test(start_paused = true)]
async fn rates_are_over_the_time_since_the_last_detail() {
    let (folder, mut disks) = host(MOUNTS, STATS);
    let first = disks.read(&mut Vec::new(), Instant::now()).unwrap();
    assert_eq!(first[0].missing["read_bytes_per_second"], MissingReason::CannotTell);
    tokio::time::advance(Duration::from_secs(10)).await;
    write(
        &folder,
        "diskstats",
        &STATS.replace("1000 1 1 0 2000 1 0 100", "1200 1 1 0 2000 1 0 5100"),
    );
    let second = disks.read(&mut Vec::new(), Instant::now()).unwrap();
    let root = &second[0];
    assert_eq!((root.device.as_str(), root.mount.as_deref()), ("sda2", Some("/")));
    assert_eq!(root.read_bytes_per_second, Some(200 * 512 / 10));
    assert_eq!((root.write_bytes_per_second, root.busy_percent), (Some(0), Some(50.0)));
    assert_eq!(
        (second[1].device.as_str(), second[1].file_system.as_deref()),
        ("sdb1", Some("xfs"))
    );
    // The folder that stands for the mount is on another device.
    assert_eq!(second[1].missing["used_bytes"], MissingReason::CannotTell);
}

#[tokio::test(start_paused = true)]
async fn what_is_mounted_later_is_told_then() {
    let (folder, mut disks) = host(MOUNTS, STATS);
    assert_eq!(disks.read(&mut Vec::new(), Instant::now()).unwrap().len(), 2);
    write(&folder, "1/mountinfo", MOUNTS.lines().next().unwrap());
    assert_eq!(disks.read(&mut Vec::new(), Instant::now()).unwrap().len(), 1);
    write(&folder, "1/mountinfo", MOUNTS);
    assert_eq!(disks.read(&mut Vec::new(), Instant::now()).unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_dims_its_own_values() {
    let (folder, mut disks) = host(MOUNTS, "garbage\n");
    let told = disks.read(&mut Vec::new(), Instant::now()).unwrap();
    assert_eq!((told[0].device.as_str(), told[0].mount.as_deref()), ("sda2", Some("/")));
    assert_eq!(told[0].missing["busy_percent"], MissingReason::CannotTell);

    write(&folder, "diskstats", STATS);
    write(&folder, "1/mountinfo", "garbage\n");
    std::fs::create_dir_all(folder.path().join("sys/block/sda2/device")).unwrap();
    disks.read(&mut Vec::new(), Instant::now()).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let told = disks.read(&mut Vec::new(), Instant::now()).unwrap();
    assert_eq!((told.len(), told[0].mount.as_deref()), (1, None));
    assert_eq!(told[0].missing["mount"], MissingReason::CannotTell);
    assert_eq!(told[0].read_bytes_per_second, Some(0));

    std::fs::remove_file(folder.path().join("proc/1/mountinfo")).unwrap();
    std::fs::remove_file(folder.path().join("proc/diskstats")).unwrap();
    let (_folder, mut disks) = host("x", "x");
    assert_eq!(disks.read(&mut Vec::new(), Instant::now()), Err(MissingReason::CannotTell));
}

#[tokio::test]
async fn the_disks_of_this_machine_are_told_and_nothing_is_negative() {
    let mut disks = Disks::new(&Roots::default());
    for _ in 0..2 {
        for disk in disks.read(&mut Vec::new(), Instant::now()).unwrap_or_default() {
            assert!(disk.used_bytes <= disk.total_bytes, "{disk:?}");
            assert!(disk.busy_percent.is_none_or(|busy| (0.0..=100.0).contains(&busy)));
        }
    }
}

#[test]
fn data_sets_share_what_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let place = || layout::Place { point: "/".to_owned(), device: None };
    let one = Entry { places: vec![place()], ..Entry::default() };
    let two = Entry { places: vec![place(), place()], ..Entry::default() };
    let (one, two) = (space(&one, folder.path()).unwrap(), space(&two, folder.path()).unwrap());
    let near = |a: u64, b: u64| a.abs_diff(b) < 1 << 30;
    assert!(near(two.used_bytes, 2 * one.used_bytes));
    assert!(near(two.total_bytes - two.used_bytes, one.total_bytes - one.used_bytes));
    assert_eq!(space(&Entry::default(), folder.path()), Err(MissingReason::CannotTell));
}
