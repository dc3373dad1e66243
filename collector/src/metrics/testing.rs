//! A reader of the text format, strict in what writers promise, and meters of a collector that does
//! nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::history::Backlog;
use crate::store::StoreState;

use super::meters::Meters;

/// Of a collector that starts now, with a store that is well.
pub(crate) fn meters() -> Arc<Meters> {
    let (_, store) = watch::channel(StoreState::Ok);
    Arc::new(Meters::new(store, Backlog::default()))
}

/// The samples of a text: by name and labels.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
    /// Each family's name and type, in the order of the text.
    pub(crate) families: Vec<(String, String)>,
}

impl Parsed {
    /// Reads a text.
    ///
    /// # Panics
    ///
    /// Where the format does not hold: HELP and TYPE once, before the samples of a family, which
    /// stand together; each series once; numbers that are numbers, without a time.
    pub(crate) fn of(text: &str) -> Self {
        let mut parsed = Self::default();
        let mut seen = HashSet::new();
        let mut help = "";
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
        for line in text.split_terminator('\n') {
            if let Some(words) = line.strip_prefix("# HELP ") {
                help = words.split(' ').next().unwrap();
                assert!(seen.insert(help), "{help} comes twice");
            } else if let Some(words) = line.strip_prefix("# TYPE ") {
                let (name, kind) = words.split_once(' ').unwrap();
                assert_eq!(name, help, "TYPE without HELP");
                parsed.families.push((name.to_owned(), kind.to_owned()));
            } else {
                parsed.sample(line);
            }
        }
        parsed
    }

    fn sample(&mut self, line: &str) {
        let end = line.find(['{', ' ']).unwrap();
        let (name, mut rest) = line.split_at(end);
        assert_eq!(self.families.last().unwrap().0, name, "a sample outside its family");
        let mut labels = BTreeMap::new();
        if let Some(mut inner) = rest.strip_prefix('{') {
            while !inner.starts_with('}') {
                let (label, value) = inner.split_once("=\"").unwrap();
                let (value, after) = unescaped(value);
                assert!(labels.insert(label.to_owned(), value).is_none(), "{label} twice: {line}");
                inner = after.strip_prefix(',').unwrap_or(after);
            }
            rest = &inner[1..];
        }
        let value: f64 = rest.strip_prefix(' ').unwrap().parse().unwrap();
        assert!(value.is_finite(), "{line}");
        let before = self.samples.insert((name.to_owned(), labels), value);
        assert!(before.is_none(), "twice: {line}");
    }

    /// The value of the series of this name that has these labels, and perhaps others.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.all(name, labels);
        assert!(all.len() < 2, "{name} {labels:?}: {all:?}");
        all.first().copied()
    }

    /// The values of all series of this name that have these labels.
    pub(crate) fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let has = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| of.get(*label).is_some_and(|own| own == value))
        };
        let found = self.samples.iter().filter(|((own, of), _)| own == name && has(of));
        found.map(|(_, value)| *value).collect()
    }

    /// Names of all families in which a series has this label.
    pub(crate) fn families_with(&self, label: &str, value: &str) -> Vec<&str> {
        let found = self.samples.keys();
        let found = found.filter(|(_, labels)| labels.get(label).is_some_and(|own| own == value));
        let mut names: Vec<&str> = found.map(|(name, _)| name.as_str()).collect();
        names.dedup();
        names
    }
}

/// A value up to its closing quote, and what follows that.
fn unescaped(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    loop {
        match chars.next().unwrap() {
            (at, '"') => return (value, &text[at + 1..]),
            (_, '\\') => match chars.next().unwrap().1 {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                c => panic!("an escape that is none: {c:?}"),
            },
            (_, c) => value.push(c),
        }
    }
}
