//! What the page says of itself above everything else, such as `staging`.

use super::error::ConfigError;
use super::given::Given;

/// Most characters of it: a line, not a text.
const CHARS_MAX: usize = 200;

/// Reads it. It is shown as it stands, so it holds nothing that is not shown.
pub(super) fn notice(given: &Given) -> Result<String, ConfigError> {
    const EXPECTED: &str = "one line of at most 200 characters, none of them a control character";
    let text = given.as_text(EXPECTED)?;
    let breaks_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if text.chars().count() > CHARS_MAX || text.chars().any(breaks_line) {
        return Err(given.bad(EXPECTED));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::given::Source;
    use super::*;

    fn read(text: &str) -> Option<String> {
        notice(&Given::text("notice", text.to_owned(), Source::Flag("--notice"))).ok()
    }

    #[test]
    fn a_line_is_taken_without_the_blanks_around_it() {
        assert_eq!(
            read(" A demo: nothing here is real \n").unwrap(),
            "A demo: nothing here is real"
        );
        assert_eq!(read(&"ü".repeat(200)).unwrap().chars().count(), 200);
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for bad in ["", " ", "two\nlines", "a\u{7}bell", "a\u{2028}b", "\u{1b}[31mred"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(read(&"x".repeat(201)), None);
    }
}
