//! Which disks are real, on layouts that hosts have.

use super::super::{diskstats, mounts};
use super::*;

/// `number name`, as in `/proc/diskstats`.
fn devices(lines: &[&str]) -> Devices {
    let text: String = lines.iter().map(|line| format!("{line} 1 0 8 1 1 0 8 1 0 1 1\n")).collect();
    diskstats::parse(&text).unwrap()
}

/// `number root point kind source`, each below the first.
fn layout_of(lines: &[&str], devices: &Devices, block: &Path) -> Vec<Entry> {
    let line = |(n, line): (usize, &&str)| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [number, root, point, kind, source] = fields[..] else { panic!("{line}") };
        format!(
            "{} {} {number} {root} {point} rw - {kind} {source} rw\n",
            n + 2,
            u8::from(n > 0) * 2
        )
    };
    let text: String = lines.iter().enumerate().map(line).collect();
    layout(&mounts::parse(&text).unwrap(), devices, block)
}

fn shown(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let mount = entry.mount.as_deref().unwrap_or("-");
        format!("{} {mount} {}", entry.shown, entry.places.len())
    };
    entries.iter().map(line).collect()
}

#[test]
fn only_what_has_a_device_of_its_own_is_real() {
    let block = tempfile::tempdir().unwrap();
    let devices = devices(&["8 0 sda", "8 1 sda1", "8 2 sda2", "7 0 loop0"]);
    let entries = layout_of(
        &[
            "8:2 / / ext4 /dev/sda2",
            "0:22 / /proc proc proc",
            "0:5 / /dev devtmpfs udev",
            "0:23 / /run tmpfs tmpfs",
            "8:1 / /boot/efi vfat /dev/sda1",
            "7:0 / /snap/core squashfs /dev/loop0",
            "8:2 /srv/www /var/www ext4 /dev/sda2",
            "0:40 / /var/lib/docker/overlay2/x/merged overlay overlay",
            "0:50 / /far nfs4 server:/export",
            "0:51 / /cloud fuse.rclone remote:",
        ],
        &devices,
        block.path(),
    );
    assert_eq!(shown(&entries), ["sda2 / 1", "sda1 /boot/efi 1"]);
}

#[test]
fn volumes_have_their_names_and_what_they_lie_on_is_in_use() {
    let block = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = block.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    file("dm-0/dm/name", "vg-root\n");
    file("dm-0/slaves/md0/x", "");
    file("md0/slaves/sda2/x", "");
    file("md0/slaves/sdb2/x", "");
    for disk in ["sda", "sdb", "sdc", "sdd"] {
        file(&format!("{disk}/device/model"), "DISK\n");
    }
    file("sda/sda2/size", "1\n");
    file("sdb/sdb2/size", "1\n");
    // A card reader without a card.
    file("sdd/size", "0\n");
    let devices = devices(&[
        "253 0 dm-0",
        "9 0 md0",
        "8 0 sda",
        "8 2 sda2",
        "8 16 sdb",
        "8 18 sdb2",
        "8 32 sdc",
        "8 48 sdd",
    ]);
    let mounts = ["253:0 / / xfs /dev/mapper/vg-root"];
    let entries = layout_of(&mounts, &devices, block.path());
    assert_eq!(shown(&entries), ["vg-root / 1", "sdc - 0"]);
    assert_eq!(entries[0].device.as_deref(), Some("dm-0"));
}

#[test]
fn subvolumes_are_one_and_so_are_the_data_sets_of_a_pool() {
    let block = tempfile::tempdir().unwrap();
    let devices = devices(&["259 0 nvme0n1", "259 2 nvme0n1p2", "8 0 sda"]);
    let entries = layout_of(
        &[
            "0:30 /@ / btrfs /dev/nvme0n1p2",
            "0:30 /@home /home btrfs /dev/nvme0n1p2",
            "0:60 / /tank zfs tank",
            "0:61 / /tank/models zfs tank/models",
            "0:61 / /srv/models zfs tank/models",
        ],
        &devices,
        block.path(),
    );
    assert_eq!(shown(&entries), ["nvme0n1p2 / 1", "tank /tank 2"]);
    assert_eq!((entries[0].places[0].device, entries[1].device.as_deref()), (None, None));
}

#[test]
fn in_a_container_files_of_the_host_are_no_disks() {
    let block = tempfile::tempdir().unwrap();
    let devices = devices(&["8 1 sda1", "8 16 sdb"]);
    let entries = layout_of(
        &[
            "0:50 / / overlay overlay",
            "8:1 /var/lib/docker/containers/x/hosts /etc/hosts ext4 /dev/sda1",
            "8:1 /var/lib/docker/containers/x/hostname /etc/hostname ext4 /dev/sda1",
            "8:16 / /models ext4 /dev/sdb",
        ],
        &devices,
        block.path(),
    );
    assert_eq!(shown(&entries), ["sdb /models 1"]);
    // A container whose root is a folder of a disk has that.
    let entries = layout_of(&["8:1 /lxc/web / ext4 /dev/sda1"], &devices, block.path());
    assert_eq!(shown(&entries), ["sda1 / 1"]);
}

#[test]
fn without_the_list_of_devices_the_mounts_own_word_has_to_do() {
    let block = tempfile::tempdir().unwrap();
    let mounts = ["8:2 / / ext4 /dev/sda2", "7:0 / /snap/a ext4 /dev/loop0"];
    let entries = layout_of(&mounts, &Devices::new(), block.path());
    assert_eq!(shown(&entries), ["sda2 / 1"]);
}

#[test]
fn more_disks_than_are_told_are_left_out() {
    let block = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..100).map(|n| format!("8 {n} sd{n}")).collect();
    let devices = devices(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mounts: Vec<String> = (0..100)
        .map(|n| {
            if n == 0 {
                "8:0 / / ext4 /dev/sd0".to_owned()
            } else {
                format!("8:{n} / /m{n} ext4 /dev/sd{n}")
            }
        })
        .collect();
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    assert_eq!(layout_of(&mounts, &devices, block.path()).len(), limits::DISKS);
}

proptest::proptest! {
    #[test]
    fn no_mounts_panic_and_no_device_is_told_twice(
        lines in proptest::collection::vec(
            "(8:[0-3]|0:4) /[ab]? /[ab]?(/[ab])? (ext4|btrfs|zfs|nfs4|squashfs) (/dev/sda[0-3]?|/dev/mapper/x|tank/[ab]|far:/x)",
            1..12,
        ),
        names in proptest::collection::vec("8 [0-3] (sda[0-3]?|dm-[01]|loop0)", 0..4),
    ) {
        let block = tempfile::tempdir().unwrap();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let entries = layout_of(&lines, &devices(&names), block.path());
        proptest::prop_assert!(entries.len() <= limits::DISKS);
        for entry in &entries {
            proptest::prop_assert!(!entry.shown.is_empty());
            proptest::prop_assert!(entry.kind.as_deref() != Some("nfs4") || entry.places.is_empty());
        }
        let mut devices: Vec<_> = entries.iter().filter_map(|entry| entry.device.clone()).collect();
        let n_devices = devices.len();
        devices.sort_unstable();
        devices.dedup();
        proptest::prop_assert_eq!(devices.len(), n_devices);
    }
}
