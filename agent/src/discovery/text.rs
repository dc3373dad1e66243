//! Makes what a server said fit for the wire: bounded, and without control characters.

use herdbook_shared::limits;

/// A name or other short word; `None` where nothing is left of it.
pub(super) fn word(text: &str) -> Option<String> {
    let clean = bounded(text, limits::WORD_BYTES);
    (!clean.is_empty()).then_some(clean)
}

/// A line for a person.
pub(super) fn message(text: &str) -> String {
    bounded(text, limits::MESSAGE_BYTES)
}

fn bounded(text: &str, max_bytes: usize) -> String {
    let mut clean = String::new();
    for c in text.trim().chars().filter(|c| !c.is_control()) {
        if clean.len() + c.len_utf8() > max_bytes {
            break;
        }
        clean.push(c);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go() {
        assert_eq!(word(" a\u{1b}[31mb\n\u{85}c ").as_deref(), Some("a[31mbc"));
        assert_eq!(word(" \n\t"), None);
    }

    #[test]
    fn is_cut_on_a_character_boundary() {
        let cut = word(&"é".repeat(1000)).unwrap();
        assert_eq!(cut.len(), limits::WORD_BYTES);
        let cut = word(&format!("a{}", "é".repeat(1000))).unwrap();
        assert_eq!(cut.len(), limits::WORD_BYTES - 1);
        assert_eq!(message(&"x".repeat(5000)).len(), limits::MESSAGE_BYTES);
    }
}
