//! Versions of model servers that have known holes: what is wrong, and the version that has it no
//! more. A version that cannot be read is not taken for a bad one.

/// A hole that whoever reaches a server can use.
#[derive(Debug, PartialEq, Eq)]
pub struct Hole {
    /// The kind of the server.
    kind: &'static str,
    /// The first version without it.
    fixed_in: [u64; 3],
    /// What it is known by.
    pub id: &'static str,
    /// What whoever reaches the server can do, as the end of "anybody who reaches it can …".
    pub what: &'static str,
}

/// The gravest first; of several the first is told.
const HOLES: [Hole; 4] = [
    Hole {
        kind: "ollama",
        fixed_in: [0, 1, 34],
        id: "CVE-2024-37032",
        what: "write files on its host, and run programs there",
    },
    Hole {
        kind: "ollama",
        fixed_in: [0, 1, 47],
        id: "CVE-2024-45436",
        what: "write files on its host",
    },
    Hole {
        kind: "ollama",
        fixed_in: [0, 17, 1],
        id: "CVE-2026-7482",
        what: "read its memory, with the prompts of others and the secrets of its environment",
    },
    Hole {
        kind: "ollama",
        fixed_in: [0, 1, 29],
        id: "CVE-2024-28224",
        what: "use it through the browser of somebody on its host",
    },
];

/// The holes that a server of this version has, in words of the version without any.
#[derive(Debug, PartialEq, Eq)]
pub struct Holes {
    /// The gravest.
    pub worst: &'static Hole,
    /// How many more there are.
    pub n_more: usize,
    /// The first version that has none of them.
    pub fixed_in: String,
}

/// The holes of a server; `None`: none that is known, or its version cannot be told.
#[must_use]
pub fn of(kind: &str, version: &str) -> Option<Holes> {
    let version = read(version)?;
    let all: Vec<_> =
        HOLES.iter().filter(|hole| hole.kind == kind && version < hole.fixed_in).collect();
    let (worst, more) = all.split_first()?;
    let [major, minor, patch] = all.iter().map(|hole| hole.fixed_in).max()?;
    Some(Holes { worst, n_more: more.len(), fixed_in: format!("{major}.{minor}.{patch}") })
}

/// `v0.17.1-rc2+cuda` as its three numbers. What was built from a working tree calls itself 0.0.0,
/// and may be anything.
fn read(version: &str) -> Option<[u64; 3]> {
    let version = version.trim();
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    let (numbers, suffix) = match version.find(['-', '+', ' ']) {
        Some(end) => version.split_at(end),
        None => (version, ""),
    };
    let mut parts = numbers.split('.').map(|part| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse::<u64>().ok() } else { None }
    });
    let mut next = || parts.next().unwrap_or(Some(0));
    let (major, minor, patch) = (next()?, next()?, next()?);
    let is_whole = numbers.contains('.') && parts.all(|part| part.is_some());
    let read = [major, minor, patch];
    // A candidate of the version that is fixed may be from before the fix.
    let is_candidate = suffix.starts_with("-rc");
    let read = if is_candidate { before(read) } else { read };
    (is_whole && read != [0, 0, 0]).then_some(read)
}

/// The last version before this one, as far as comparing goes.
fn before([major, minor, patch]: [u64; 3]) -> [u64; 3] {
    match (minor, patch) {
        (_, 1..) => [major, minor, patch - 1],
        (1.., 0) => [major, minor - 1, u64::MAX],
        (0, 0) => [major.saturating_sub(1), u64::MAX, u64::MAX],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(version: &str) -> Option<(&'static str, usize)> {
        of("ollama", version).map(|holes| (holes.worst.id, holes.n_more))
    }

    #[test]
    fn versions_before_a_fix_have_the_hole_and_those_after_have_not() {
        assert_eq!(ids("0.1.28"), Some(("CVE-2024-37032", 3)));
        assert_eq!(ids("0.1.33"), Some(("CVE-2024-37032", 2)));
        assert_eq!(ids("0.1.46"), Some(("CVE-2024-45436", 1)));
        for old in
            ["0.1.47", "0.9.9", "v0.17.0", " V0.17.0 ", "0.17.0-rc1", "0.17.0+cuda.12", "0.17"]
        {
            assert_eq!(ids(old), Some(("CVE-2026-7482", 0)), "{old}");
        }
        for fixed in
            ["0.17.1", "v0.17.1", "0.17.1-0-gabcdef", "0.17.1+x", "0.17.10", "0.18", "1.0.0"]
        {
            assert_eq!(ids(fixed), None, "{fixed}");
        }
        assert_eq!(ids("0.17.1-rc2"), Some(("CVE-2026-7482", 0)), "before the fix, perhaps");
        assert_eq!(of("ollama", "0.1.28").unwrap().fixed_in, "0.17.1");
        assert_eq!(of("vllm", "0.1.0"), None);
    }

    #[test]
    fn what_is_no_version_is_no_finding() {
        for garbage in [
            "",
            "0.0.0",
            "v0.0.0",
            "unknown",
            "main",
            "0",
            "17",
            "b4567",
            "0.x.1",
            "0..1",
            "-1.2.3",
            "0.1.2.x",
            "99999999999999999999.1.1",
            "0.1.1٣",
            "0.17.0\u{0}",
            "..",
            "v",
            "0.+1.1",
        ] {
            assert_eq!(ids(garbage), None, "{garbage:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_newer_never_has_more(text in ".{0,40}", new in 0u64..40, old in 0u64..40) {
            let _ = ids(&text);
            let (new, old) = (new.max(old), new.min(old));
            let n = |minor| of("ollama", &format!("0.{minor}.5")).map_or(0, |holes| holes.n_more + 1);
            prop_assert!(n(new) <= n(old));
        }
    }
}
