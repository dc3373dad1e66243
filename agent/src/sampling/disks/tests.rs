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

fn read(disks: &mut Disks) -> DisksTold {
    disks.read(&mut Vec::new(), Span::Measured, Instant::now())
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join("proc").join(name), text).unwrap();
}

#[tokio::test(start_paused = true)]
async fn rates_are_over_the_time_since_the_last_detail() {
    let (folder, mut disks) = host(MOUNTS, STATS);
    let first = read(&mut disks).each.unwrap();
    assert_eq!(first[0].missing["read_bytes_per_second"], MissingReason::CannotTell);
    tokio::time::advance(Duration::from_secs(10)).await;
    write(
        &folder,
        "diskstats",
        &STATS.replace("1000 1 1 0 2000 1 0 100", "1200 1 1 0 2000 1 0 5100"),
    );
    let second = read(&mut disks).each.unwrap();
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
    assert_eq!(read(&mut disks).each.unwrap().len(), 2);
    write(&folder, "1/mountinfo", MOUNTS.lines().next().unwrap());
    assert_eq!(read(&mut disks).each.unwrap().len(), 1);
    write(&folder, "1/mountinfo", MOUNTS);
    assert_eq!(read(&mut disks).each.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_dims_its_own_values() {
    let (folder, mut disks) = host(MOUNTS, "garbage\n");
    let told = read(&mut disks).each.unwrap();
    assert_eq!((told[0].device.as_str(), told[0].mount.as_deref()), ("sda2", Some("/")));
    assert_eq!(told[0].missing["busy_percent"], MissingReason::CannotTell);

    write(&folder, "diskstats", STATS);
    write(&folder, "1/mountinfo", "garbage\n");
    std::fs::create_dir_all(folder.path().join("sys/block/sda2/device")).unwrap();
    read(&mut disks);
    tokio::time::advance(Duration::from_secs(1)).await;
    let told = read(&mut disks).each.unwrap();
    assert_eq!((told.len(), told[0].mount.as_deref()), (1, None));
    assert_eq!(told[0].missing["mount"], MissingReason::CannotTell);
    assert_eq!(told[0].read_bytes_per_second, Some(0));

    std::fs::remove_file(folder.path().join("proc/1/mountinfo")).unwrap();
    std::fs::remove_file(folder.path().join("proc/diskstats")).unwrap();
    let (_folder, mut disks) = host("x", "x");
    assert_eq!(read(&mut disks).each, Err(MissingReason::CannotTell));
}

#[tokio::test]
async fn the_disks_of_this_machine_are_told_and_nothing_is_negative() {
    let mut disks = Disks::new(&Roots::default());
    for _ in 0..2 {
        for disk in read(&mut disks).each.unwrap_or_default() {
            assert!(disk.used_bytes <= disk.total_bytes, "{disk:?}");
            assert!(disk.busy_percent.is_none_or(|busy| (0.0..=100.0).contains(&busy)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_root_is_asked_only_where_it_answers_by_itself() {
    let (folder, mut disks) = host(MOUNTS, STATS);
    assert!(read(&mut disks).root.is_ok());
    for (text, reason) in [
        ("20 1 0:50 / / rw - nfs4 server:/ rw\n", MissingReason::CannotTell),
        ("garbage\n", MissingReason::CannotTell),
    ] {
        write(&folder, "1/mountinfo", text);
        assert_eq!(read(&mut disks).root, Err(reason), "{text}");
    }
    write(&folder, "1/mountinfo", MOUNTS);
    assert!(read(&mut disks).root.is_ok());
    std::fs::remove_file(folder.path().join("proc/1/mountinfo")).unwrap();
    let mut disks = Disks::new(&Roots::under(folder.path()));
    let told = read(&mut disks);
    assert_eq!(told.root, Err(MissingReason::NotSupported));
}

#[tokio::test(start_paused = true)]
async fn no_disk_at_all_is_told_only_where_the_kernel_lists_none() {
    const MEMORY: &str = "20 1 0:30 / / rw - tmpfs tmpfs rw\n";
    for (stats, told) in [
        ("", Ok(Vec::new())),
        ("7 0 loop0 1 0 2 3 0 0 0 0 0 4 4\n", Ok(Vec::new())),
        ("garbage\n", Err(MissingReason::CannotTell)),
    ] {
        let (_folder, mut disks) = host(MEMORY, stats);
        assert_eq!(read(&mut disks).each, told, "{stats}");
    }
    let (folder, mut disks) = host(MEMORY, "");
    std::fs::remove_file(folder.path().join("proc/diskstats")).unwrap();
    let told = read(&mut disks).each;
    assert_eq!(told, Err(MissingReason::NotSupported));
}
