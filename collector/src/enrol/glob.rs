//! Patterns for names of hosts: `*` stands for any characters, `?` for one. Case does not count,
//! as in names of hosts.

/// Longest pattern, bytes.
pub const PATTERN_BYTES: usize = 256;

/// Whether the whole name is as the pattern says.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut at_pattern, mut at_name) = (0, 0);
    // Where the last star stands, and how much of the name it was tried with.
    let mut star: Option<(usize, usize)> = None;
    while at_name < name.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                star = Some((at_pattern, at_name));
                at_pattern += 1;
            }
            Some(&c) if c == '?' || c == name[at_name] => {
                at_pattern += 1;
                at_name += 1;
            }
            _ => {
                let Some((stands, tried)) = star else { return false };
                star = Some((stands, tried + 1));
                (at_pattern, at_name) = (stands + 1, tried + 1);
            }
        }
    }
    pattern[at_pattern..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_is_the_whole_name() {
        for (pattern, name, expected) in [
            ("gpu-*", "gpu-7", true),
            ("gpu-*", "GPU-", true),
            ("gpu-*", "xgpu-7", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("gpu-?", "gpu-7", true),
            ("gpu-?", "gpu-77", false),
            ("*-b*-?", "a-bb-b-c", true),
            ("*-b*-?", "a-bb-b-cc", false),
            ("gpu-1", "gpu-1.evil", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&"*a".repeat(128), &"a".repeat(127)));
    }

    /// As it is defined, without a care for time.
    fn slowly(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, rest) => rest.is_none(),
            (Some(('*', rest)), _) => {
                slowly(rest, name) || (!name.is_empty() && slowly(pattern, &name[1..]))
            }
            (Some((c, pattern)), Some((d, name))) => (*c == '?' || c == d) && slowly(pattern, name),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn it_is_what_is_defined(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), slowly(&chars(&pattern), &chars(&name)));
        }
    }
}
