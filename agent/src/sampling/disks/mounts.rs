//! What is mounted where, from `/proc/<pid>/mountinfo`
//! (<https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>), and which of it a look at a
//! path really meets. Pure: nothing is asked of any file system here.

use std::collections::HashMap;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    id: u32,
    parent: u32,
    /// Major and minor number; major 0 where no one block device is behind it.
    pub(super) device: (u32, u32),
    /// What of the file system is mounted: `/`, or a part of it.
    pub(super) root: String,
    /// Where.
    pub(super) point: String,
    /// `ext4`
    pub(super) kind: String,
    /// `/dev/sda1`, `tank/data`, `overlay`
    pub(super) source: String,
}

/// How a look at a mount point ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// At this mount, without touching what may hang.
    Open,
    /// At another mount, which lies over it.
    Covered,
    /// On the way there, something may hang, or be woken.
    Risky,
}

/// All that can be read of the text; `None` where that is nothing.
pub(super) fn parse(text: &str) -> Option<Vec<Mount>> {
    let mounts: Vec<Mount> = text.lines().filter_map(mount).collect();
    (!mounts.is_empty()).then_some(mounts)
}

/// `36 35 98:0 /part /point rw,noatime shared:1 - ext3 /dev/root rw`
fn mount(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ');
    let id = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
    let mut fields = fields.skip_while(|field| *field != "-").skip(1);
    let kind = fields.next()?.to_owned();
    let source = unescape(fields.next()?);
    Some(Mount { id, parent, device, root, point, kind, source })
}

/// Space, tab, line end and backslash are written as three octal digits.
fn unescape(field: &str) -> String {
    let mut pieces = field.split('\\');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        match (code.filter(u8::is_ascii), piece.get(3..)) {
            (Some(code), Some(rest)) => {
                plain.push(char::from(code));
                plain.push_str(rest);
            }
            _ => {
                plain.push('\\');
                plain.push_str(piece);
            }
        }
    }
    plain
}

/// The mounts as a tree: which lies on which.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    children: HashMap<u32, Vec<&'a Mount>>,
    root: Option<&'a Mount>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(mounts: &'a [Mount]) -> Self {
        let known: HashMap<u32, &Mount> = mounts.iter().map(|mount| (mount.id, mount)).collect();
        let mut children: HashMap<u32, Vec<&Mount>> = HashMap::new();
        let mut root = None;
        for mount in mounts {
            if known.contains_key(&mount.parent) && mount.parent != mount.id {
                children.entry(mount.parent).or_default().push(mount);
            } else if mount.point == "/" {
                root = Some(mount);
            }
        }
        Self { children, root }
    }

    /// Follows the path of the mount as the kernel would.
    pub(super) fn way(&self, mount: &Mount) -> Way {
        match self.walk(&mount.point) {
            Ok(end) if end.id == mount.id => Way::Open,
            Ok(_) => Way::Covered,
            Err(way) => way,
        }
    }

    /// Whether the root answers by itself.
    pub(super) fn root_answers(&self) -> bool {
        self.walk("/").is_ok()
    }

    /// Where a look at the path ends.
    fn walk(&self, path: &str) -> Result<&'a Mount, Way> {
        let mut here = self.root.ok_or(Way::Covered)?;
        let mut at = "";
        // A text that makes a ring of mounts is walked no further than any real one.
        for _ in 0..64 {
            if may_hang(&here.kind) {
                return Err(Way::Risky);
            }
            let Some(next) = self.next(here, at, path) else { break };
            at = &next.point;
            here = next;
        }
        Ok(here)
    }

    /// The mount that is met first on the way from `at`, which lies on `here`, to `to`.
    fn next(&self, here: &Mount, at: &str, to: &str) -> Option<&'a Mount> {
        let on_the_way = |mount: &&&Mount| {
            contains(&mount.point, to) && contains(at, &mount.point) && mount.id != here.id
        };
        let children = self.children.get(&here.id)?;
        children.iter().filter(on_the_way).min_by_key(|mount| mount.point.len()).copied()
    }
}

/// Whether `path` is `folder` or lies in it.
fn contains(folder: &str, path: &str) -> bool {
    match path.strip_prefix(folder.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Kinds whose answers come from other machines, from programs, or from both: asking one that does
/// not answer blocks whoever asks for as long as it likes. A look at `autofs` can mount what it
/// guards, or keep it mounted.
fn may_hang(kind: &str) -> bool {
    const KINDS: [&str; 23] = [
        "9p",
        "afs",
        "autofs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "pvfs2",
        "smb3",
        "smbfs",
        "virtiofs",
        "wekafs",
    ];
    kind.starts_with("fuse") || KINDS.contains(&kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::*;

    const TEXT: &str = "\
        30 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n\
        31 30 8:17 / /data rw shared:2 master:3 - xfs /dev/sdb1 rw\n\
        32 31 0:50 / /data/far rw - nfs4 server:/x rw\n\
        33 32 8:33 / /data/far/near rw - ext4 /dev/sdc1 rw\n\
        34 30 8:49 / /my\\040disk rw - ext4 /dev/sdd1 rw\n\
        35 30 8:65 / /home rw - ext4 /dev/sde1 rw\n\
        36 35 0:25 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw\n\
        37 30 0:60 / /auto rw - autofs systemd-1 rw\n\
        38 37 8:81 / /auto rw - vfat /dev/sdf1 rw\n\
        39 30 8:97 / /database rw - ext4 /dev/sdg1 rw\n";

    fn way(point: &str, kind: &str) -> Way {
        let mounts = parse(TEXT).unwrap();
        let mount = mounts.iter().find(|mount| mount.point == point && mount.kind == kind);
        Tree::new(&mounts).way(mount.unwrap())
    }

    #[test]
    fn a_line_is_read_with_its_optional_fields_and_escapes() {
        let mounts = parse(TEXT).unwrap();
        assert_eq!(mounts.len(), 10);
        assert_eq!((mounts[1].device, mounts[1].kind.as_str()), ((8, 17), "xfs"));
        assert_eq!(mounts[4].point, "/my disk");
    }

    #[test]
    fn a_look_goes_neither_to_what_may_hang_nor_through_it() {
        for (point, kind, expected) in [
            ("/", "ext4", Way::Open),
            ("/data", "xfs", Way::Open),
            ("/database", "ext4", Way::Open),
            ("/data/far", "nfs4", Way::Risky),
            ("/data/far/near", "ext4", Way::Risky),
            ("/auto", "vfat", Way::Risky),
            ("/home", "ext4", Way::Covered),
            ("/my disk", "ext4", Way::Open),
        ] {
            assert_eq!(way(point, kind), expected, "{point} {kind}");
        }
    }

    #[test]
    fn a_root_that_may_hang_is_told_from_one_that_answers() {
        let root = |text: &str| Tree::new(&parse(text).unwrap()).root_answers();
        assert!(root(TEXT));
        assert!(root("1 1 0:1 / / rw - rootfs rootfs rw\n30 1 8:2 / / rw - ext4 /dev/sda2 rw\n"));
        for kind in ["nfs4", "virtiofs", "panfs", "fuse.sshfs", "9p"] {
            assert!(!root(&format!("30 1 0:50 / / rw - {kind} far rw\n")), "{kind}");
            let stacked =
                format!("1 1 0:1 / / rw - rootfs rootfs rw\n30 1 0:50 / / rw - {kind} far rw\n");
            assert!(!root(&stacked), "{kind}");
        }
        // Nothing that is mounted is the root.
        assert!(!root("31 30 8:17 / /data rw - xfs /dev/sdb1 rw\n"));
    }

    #[test]
    fn the_order_of_the_lines_does_not_matter() {
        let text: String = TEXT.lines().rev().flat_map(|line| [line, "\n"]).collect();
        let mounts = parse(&text).unwrap();
        let tree = Tree::new(&mounts);
        let open = mounts.iter().filter(|mount| tree.way(mount) == Way::Open).count();
        assert_eq!(open, 5, "root, data, database, my disk, and what covers home");
    }

    #[test]
    fn lines_that_say_nothing_are_left_out_alone() {
        assert_eq!(parse("x\n\n1 2\n"), None);
        assert_eq!(parse(&format!("garbage\n{TEXT}1 2 3:4 / /cut")).unwrap().len(), 10);
    }

    proptest! {
        #[test]
        fn no_text_panics_or_goes_round_for_ever(
            lines in proptest::collection::vec("[0-3] [0-3] [0-9]:[0-9] / /?[ab]?(/[ab])? rw - [a-z]{1,5} /dev/[a-z\\\\0-9]{1,5}", 0..12),
        ) {
            let Some(mounts) = parse(&lines.join("\n")) else { return Ok(()) };
            let tree = Tree::new(&mounts);
            for mount in &mounts {
                let way = tree.way(mount);
                prop_assert!(way != Way::Open || !may_hang(&mount.kind));
            }
        }
    }
}
