//! Every text by which the programs say that something is wrong is explained in
//! docs/troubleshooting.md.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Texts that no user meets: others stand for them, or tests alone see them.
const INTERNAL: [&str; 6] = [
    "a step failed",
    "another session of the host took over",
    "not one of ours",
    "the change does not follow",
    "the ring does not reach back to the cursor",
    "written by a newer version",
];
/// Shorter pieces of text say nothing that can be searched for.
const PIECE_CHARS_MIN: usize = 9;
/// Of a long text the page needs no more than this to be found by it.
const PIECE_CHARS_MAX: usize = 40;

#[test]
fn every_error_text_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let page = joined(&page);
    let mut sources = Vec::new();
    for folder in ["agent/src", "collector/src", "shared/src"] {
        sources_below(&root.join(folder), &mut sources);
    }
    let texts: BTreeSet<String> = sources.iter().flat_map(|path| texts_of(path)).collect();
    assert!(texts.len() > 150, "only {} texts were found", texts.len());
    let is_told = |text: &String| {
        let mut said =
            pieces(text).filter(|piece| piece.chars().count() >= PIECE_CHARS_MIN).peekable();
        INTERNAL.contains(&text.as_str())
            || said.peek().is_none()
            || said.any(|piece| page.contains(piece))
    };
    let untold: Vec<String> = texts.into_iter().filter(|text| !is_told(text)).collect();
    assert!(untold.is_empty(), "docs/troubleshooting.md does not explain:\n{}", untold.join("\n"));
}

fn sources_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("one that can be read").path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if path.is_dir() {
            if name != "testing" && name != "tests" {
                sources_below(&path, found);
            }
        } else if name.ends_with(".rs") && !name.contains("tests") && !name.contains("testing") {
            found.push(path);
        }
    }
}

/// The texts of `#[error(…)]`, and of warnings and errors in the log, but for those of tests.
fn texts_of(path: &Path) -> Vec<String> {
    let source = std::fs::read_to_string(path).expect("a source");
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let errors = after(code, "#[error(").into_iter().filter_map(first_literal);
    let logged = ["warn!(", "error!("].into_iter().flat_map(|opening| after(code, opening));
    let lines = logged.filter_map(|rest| last_literal(statement(rest)));
    errors.chain(lines).collect()
}

fn after<'a>(code: &'a str, opening: &str) -> Vec<&'a str> {
    code.match_indices(opening).map(|(at, _)| &code[at + opening.len()..]).collect()
}

/// Up to the end of the statement.
fn statement(rest: &str) -> &str {
    rest.split_once(");").map_or(rest, |(statement, _)| statement)
}

fn first_literal(rest: &str) -> Option<String> {
    // `#[error(transparent)]` has none.
    rest.trim_start().starts_with('"').then(|| literals(rest).next())?
}

fn last_literal(statement: &str) -> Option<String> {
    literals(statement).last()
}

/// The string literals of a piece of code, as the compiler reads them, blanks joined.
fn literals(code: &str) -> impl Iterator<Item = String> {
    let mut chars = code.chars();
    std::iter::from_fn(move || {
        chars.by_ref().find(|c| *c == '"')?;
        let mut text = String::new();
        while let Some(c) = chars.next().filter(|c| *c != '"') {
            match (c, c == '\\') {
                (_, true) => match chars.next()? {
                    'n' | '\n' => text.push(' '),
                    escaped => text.push(escaped),
                },
                (c, false) => text.push(c),
            }
        }
        Some(joined(&text))
    })
}

/// The pieces between what is filled in: the begin of each, up to a whole word.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let pieces = text.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
    let trimmed = pieces.map(|piece| piece.trim_matches(|c: char| !c.is_alphanumeric()));
    trimmed.map(|piece| match piece.char_indices().nth(PIECE_CHARS_MAX) {
        None => piece,
        Some((end, _)) => piece[..end].rsplit_once(' ').map_or(piece, |(words, _)| words),
    })
}

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
