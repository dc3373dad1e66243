//! The front matter of a `SKILL.md`: YAML between two lines of `---`, then the body.

use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Error, Options};

use crate::catalog::fault::Fault;

/// What stands before the body. Keys that other programs read are passed over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Front<'a> {
    pub(super) name: String,
    pub(super) description: String,
    /// What follows.
    pub(super) body: &'a str,
    yaml: &'a str,
}

#[derive(Deserialize)]
struct Keys {
    name: String,
    description: String,
}

/// What is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    line: usize,
    key: Option<String>,
    why: String,
    expected: &'static str,
}

const EXPECTED: &str = "YAML between two lines of ---, with name and description";

impl<'a> Front<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, Wrong> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (yaml, body) = parted(text)?;
        match serde_saphyr::from_str_with_options::<Keys>(yaml, options()) {
            Ok(Keys { name, description }) => Ok(Self { name, description, body, yaml }),
            Err(error) => Err(wrong(yaml, error.without_snippet())),
        }
    }

    /// The line of a key in the file.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let is_it = |line: &str| key_of(line) == Some(key);
        2 + self.yaml.lines().position(is_it).unwrap_or(0)
    }
}

impl Wrong {
    pub(super) fn fault(self, path: &Path) -> Fault {
        let fault = Fault::of(path, self.why).at(self.line).expecting(self.expected);
        Fault { key: self.key, ..fault }
    }
}

/// The YAML and the body.
fn parted(text: &str) -> Result<(&str, &str), Wrong> {
    let wrong =
        |line, why: &str| Err(Wrong { line, key: None, why: why.to_owned(), expected: EXPECTED });
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else {
        return wrong(1, "it does not begin with a line of ---");
    };
    let (mut end, mut n_lines) = (first.len(), 1);
    for line in lines {
        n_lines += 1;
        if line.trim_end() == "---" {
            let yaml = text.get(first.len()..end).unwrap_or_default();
            return Ok((yaml, text.get(end + line.len()..).unwrap_or_default()));
        }
        end += line.len();
    }
    wrong(n_lines, "its front matter has no end")
}

/// Nobody needs more than this to say two words.
fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_events: 10_000,
        max_aliases: 100,
        max_anchors: 100,
        max_depth: 16,
        max_documents: 1,
    };
    serde_saphyr::options! { budget: budget, with_snippet: false }
}

fn wrong(yaml: &str, error: &Error) -> Wrong {
    let at = error.location().map_or(1, |location| location.line());
    let at = usize::try_from(at).unwrap_or(1).max(1);
    let (key, why, expected) = match error {
        Error::SerdeMissingField { field, .. } => {
            (Some((*field).to_owned()), "it is missing".to_owned(), "a text")
        }
        Error::DuplicateMappingKey { key, .. } => {
            (key.clone(), "it stands twice".to_owned(), "each key once")
        }
        Error::Unexpected { .. }
        | Error::NullIntoString { .. }
        | Error::SerdeInvalidType { .. } => {
            (key_at(yaml, at), "it is no text".to_owned(), "a text")
        }
        _ => (key_at(yaml, at), format!("it is no YAML: {}", in_words(error)), EXPECTED),
    };
    let line = match error {
        Error::SerdeMissingField { .. } => 1,
        _ => at + 1,
    };
    Wrong { line, key, why, expected }
}

/// What the parser says, without its own counting of lines, which begins after ours.
fn in_words(error: &Error) -> String {
    let words = error.to_string();
    let words = words.lines().next().unwrap_or_default();
    let end = words.find(" at line ").or_else(|| words.find(": line ")).unwrap_or(words.len());
    words.chars().take(words.get(..end).unwrap_or(words).chars().count()).take(200).collect()
}

/// The key that a line belongs to.
fn key_at(yaml: &str, line: usize) -> Option<String> {
    let above: Vec<&str> = yaml.lines().take(line).collect();
    above.iter().rev().find_map(|line| key_of(line)).map(str::to_owned)
}

/// The key that begins on a line.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    let is_key = !key.is_empty() && !key.starts_with([' ', '\t', '#', '-']);
    is_key.then(|| key.trim_end().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        Front::of(text).unwrap_err().fault(Path::new("S")).to_string()
    }

    #[test]
    fn the_body_follows_the_front_matter() {
        let text = "---\nname: a\ndescription: >\n  Does\n  it.\nlicense: MIT\n---\n# A\n---\nend";
        let front = Front::of(text).unwrap();
        assert_eq!((front.name.as_str(), front.description.trim()), ("a", "Does it."));
        assert_eq!(front.body, "# A\n---\nend");
        assert_eq!((front.line_of("name"), front.line_of("license")), (2, 6));
        let windows = "\u{feff}---\r\nname: a\r\ndescription: b\r\n---\r\nbody\r\n";
        assert_eq!(Front::of(windows).unwrap().body, "body\r\n");
        assert_eq!(Front::of("---\nname: a\ndescription: b\n---").unwrap().body, "");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_key() {
        let cases = [
            ("", "S:1: it does not begin"),
            ("# A skill\n", "S:1: it does not begin"),
            ("---\nname: a\n", "S:2: its front matter has no end"),
            ("---\nname: a\n---\n", "S:1: description: it is missing"),
            ("---\ndescription: a\n---\n", "S:1: name: it is missing"),
            ("---\nname: a\ndescription: [b]\n---\n", "S:3: description: it is no text"),
            ("---\nname:\n  a: b\ndescription: c\n---\n", "S:3: name: it is no text"),
            ("---\nname: null\ndescription: c\n---\n", "S:2: name: it is no text"),
            ("---\nname: a\nname: b\ndescription: c\n---\n", "S:3: name: it stands twice"),
            ("---\nname: a\ndescription: \"b\n---\n", "S:"),
            ("---\n- a\n---\n", "S:2: "),
            ("---\n---\n", "S:"),
        ];
        for (text, expected) in cases {
            let told = told(text);
            assert!(told.starts_with(expected), "{text:?}: {told}");
            assert!(!told.contains('\n') && !told.contains("expected expected"), "{told}");
        }
    }

    #[test]
    fn a_small_text_that_grows_is_refused() {
        let mut text = "---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..40 {
            let all = format!("*a{}, ", n - 1).repeat(10);
            text.push_str(&format!("a{n}: &a{n} [{all}]\n"));
        }
        text.push_str("name: a\ndescription: b\n---\n");
        assert!(told(&text).contains("it is no YAML"));
    }
}
