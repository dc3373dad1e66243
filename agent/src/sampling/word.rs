//! Short words from the outside (a host name, a GPU's name) made fit for the wire.

use herdbook_shared::limits;

/// The text without control characters, trimmed, cut to what the wire takes.
pub(crate) fn word(text: &str) -> String {
    let mut word: String = text.chars().filter(|char| !char.is_control()).collect();
    word.truncate(word.floor_char_boundary(limits::WORD_BYTES));
    word.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_the_length_is_held() {
        assert_eq!(word(" NVIDIA\u{7} H200\n"), "NVIDIA H200");
        let long = word(&"é".repeat(1000));
        assert_eq!(long.len(), limits::WORD_BYTES);
        assert_eq!(word("\u{0}\n"), "");
    }
}
