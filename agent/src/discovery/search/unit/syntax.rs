//! The text of unit files and files of variables (`systemd.unit(5)`, `systemd.exec(5)`), as far as
//! an address is concerned.

use super::super::guise::{Guise, guise};
use crate::discovery::lead::Kind;

/// No more words or variables than these of one unit.
const WORDS_MAX: usize = 1024;

/// `ollama@.service` of `ollama@1.service`.
pub(super) fn template(unit: &str) -> Option<String> {
    let (prefix, instance) = unit.strip_suffix(".service")?.split_once('@')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.service"))
}

pub(super) fn is_template(unit: &str) -> bool {
    unit.ends_with("@.service")
}

/// What `%i` and the like stand for in a unit.
#[derive(Debug)]
pub(super) struct Specifiers<'a> {
    name: &'a str,
    prefix: &'a str,
    instance: &'a str,
}

impl<'a> Specifiers<'a> {
    pub(super) fn of(unit: &'a str) -> Self {
        let name = unit.strip_suffix(".service").unwrap_or(unit);
        let (prefix, instance) = name.split_once('@').unwrap_or((name, ""));
        Self { name, prefix, instance }
    }

    /// Those that depend on more than the name stay as they are.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            expanded.push_str(before);
            let Some(letter) = after.chars().next() else {
                expanded.push('%');
                return expanded;
            };
            match letter {
                '%' => expanded.push('%'),
                'i' | 'I' => expanded.push_str(self.instance),
                'p' | 'P' => expanded.push_str(self.prefix),
                'n' => expanded.extend([self.name, ".service"]),
                'N' => expanded.push_str(self.name),
                other => expanded.extend(['%', other]),
            }
            rest = &after[letter.len_utf8()..];
        }
        expanded.push_str(rest);
        expanded
    }
}

/// What a unit and its drop-ins say together.
#[derive(Clone, Debug, Default)]
pub(super) struct UnitText {
    commands: Vec<Vec<String>>,
    environment: Vec<(String, String)>,
    environment_files: Vec<String>,
}

impl UnitText {
    /// Adds one file's settings, as they come: an empty one forgets those before it.
    pub(super) fn apply(&mut self, text: &str) {
        let mut section = String::new();
        for line in logical_lines(text) {
            if line.starts_with('[') {
                section = line;
            } else if section == "[Service]"
                && let Some((key, value)) = line.split_once('=')
            {
                self.set(key.trim(), value.trim());
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let is_reset = value.is_empty();
        match key {
            "ExecStart" if is_reset => self.commands.clear(),
            "ExecStart" => self.commands.push(words(value)),
            "Environment" if is_reset => self.environment.clear(),
            "Environment" => self
                .environment
                .extend(words(value).iter().filter_map(|word| assignment(word)).take(WORDS_MAX)),
            "UnsetEnvironment" => {
                let unset = words(value);
                self.environment.retain(|(name, _)| !unset.contains(name));
            }
            "EnvironmentFile" if is_reset => self.environment_files.clear(),
            "EnvironmentFile" if self.environment_files.len() < WORDS_MAX => {
                self.environment_files.push(value.to_owned());
            }
            _ => {}
        }
    }

    /// The last value of a variable.
    pub(super) fn environment(&self, name: &str) -> Option<String> {
        let mut all = self.environment.iter().rev();
        all.find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    pub(super) fn environment_files(&self) -> &[String] {
        &self.environment_files
    }

    /// A variable that a command sets for itself: `env OLLAMA_HOST=… ollama serve`.
    pub(super) fn on_command_line(&self, name: &str) -> Option<String> {
        let words = self.commands.iter().flatten().flat_map(|word| word.split_ascii_whitespace());
        let mut set = words.filter_map(assignment).filter(|(known, _)| known == name);
        set.next().map(|(_, value)| value)
    }

    /// Whether one of its commands is `ollama serve`, behind whatever wrapper.
    pub(super) fn runs_ollama(&self) -> bool {
        self.commands.iter().any(|command| {
            let words: Vec<String> = command
                .iter()
                .flat_map(|word| word.split_ascii_whitespace())
                .map(|word| word.trim_start_matches(['@', '-', ':', '+', '!']).to_owned())
                .collect();
            (0..words.len()).any(|at| is_ollama(&words[at..]))
        })
    }
}

fn is_ollama(command: &[String]) -> bool {
    matches!(guise("", command), Guise::Server(serving) if serving.kind == Kind::Ollama)
}

/// A variable in a file of variables: `NAME=value` lines, with quotes; the last one counts.
pub(super) fn variable(text: &str, name: &str) -> Option<String> {
    let lines = logical_lines(text).filter_map(|line| {
        let (known, value) = line.split_once('=')?;
        let known = known.trim().trim_start_matches("export ").trim();
        (known == name).then(|| unquoted(value.trim()))
    });
    lines.last()
}

fn unquoted(value: &str) -> String {
    words(value).join(" ")
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

/// Lines without comments, with those joined that end in a backslash.
fn logical_lines(text: &str) -> impl Iterator<Item = String> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut whole = String::new();
        loop {
            let Some(line) = lines.next() else {
                return (!whole.is_empty()).then_some(whole);
            };
            let line = line.trim();
            // A comment between joined lines is passed over.
            if line.is_empty() && whole.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            match line.strip_suffix('\\') {
                Some(part) => {
                    whole.push_str(part);
                    whole.push(' ');
                }
                None => {
                    whole.push_str(line);
                    return Some(whole.trim_end().to_owned());
                }
            }
        }
    })
}

/// Splits at white space, as far as it is not quoted; quotes go.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                word.get_or_insert_default().extend(chars.next());
            }
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
        if words.len() >= WORDS_MAX {
            return words;
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests;
