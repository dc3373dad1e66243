//! Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>): the words of a family once, then
//! its samples. No sample has a time: each holds now.

use std::io::Write as _;

use super::family::{About, Family, Number, Read};

/// What it is called in a Content-Type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Text that is being written.
#[derive(Debug, Default)]
pub struct Text {
    bytes: Vec<u8>,
    /// The family whose words were written last.
    family: Option<&'static str>,
    /// The labels of a subject, written once for all samples of it in a family.
    labels: Vec<u8>,
}

impl Text {
    /// How much was written and not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written, or all of it was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes what was written; the text goes on behind it.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Writes what a family tells of one subject, which has these labels.
    pub fn write<T>(&mut self, family: &Family<T>, subject: &T, labels: &[(&str, &str)]) {
        let about = &family.about;
        self.labels.clear();
        for (name, value) in labels {
            push_label(&mut self.labels, name, value);
        }
        match family.read {
            Read::One(read) => {
                if let Some(number) = read(subject) {
                    self.sample(about, &[], number);
                }
            }
            Read::By(label, read) => {
                for (value, number) in read(subject) {
                    self.sample(about, &[(label, value)], number);
                }
            }
            Read::Info(labels, read) => {
                if let Some(values) = read(subject) {
                    let told: Vec<_> = labels.iter().copied().zip(values).collect();
                    self.sample(about, &told, Number::Whole(1));
                }
            }
        }
    }

    fn sample(&mut self, about: &About, more: &[(&str, &str)], number: Number) {
        if matches!(number, Number::Real(real) if !real.is_finite()) {
            return;
        }
        self.begin(about);
        self.bytes.extend_from_slice(about.name.as_bytes());
        if !self.labels.is_empty() || !more.is_empty() {
            self.bytes.push(b'{');
            self.bytes.extend_from_slice(&self.labels);
            let start = self.bytes.len() - self.labels.len();
            push_labels(&mut self.bytes, start, more);
            self.bytes.push(b'}');
        }
        // Writing to a vector cannot fail.
        let _ = match number {
            Number::Whole(whole) => writeln!(self.bytes, " {whole}"),
            Number::Real(real) => writeln!(self.bytes, " {real}"),
        };
    }

    /// Writes the words of a family, if this is its first sample.
    fn begin(&mut self, about: &About) {
        if self.family.replace(about.name) != Some(about.name) {
            let (name, kind, help) = (about.name, about.kind.word(), about.help);
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = write!(self.bytes, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
    }
}

/// Adds labels to those that stand from `start` on.
fn push_labels(bytes: &mut Vec<u8>, start: usize, labels: &[(&str, &str)]) {
    for (name, value) in labels {
        let needs_comma = bytes.len() > start;
        if needs_comma {
            bytes.push(b',');
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b"=\"");
        push_escaped(bytes, value);
        bytes.push(b'"');
    }
}

fn push_label(bytes: &mut Vec<u8>, name: &str, value: &str) {
    push_labels(bytes, 0, &[(name, value)]);
}

/// Escapes what ends a value or a line. A NUL, which ends the text for Prometheus' own reader, is
/// replaced.
fn push_escaped(bytes: &mut Vec<u8>, value: &str) {
    // Nearly none has any of them, and bytes are looked through much faster than letters.
    if !value.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n' | b'\0')) {
        bytes.extend_from_slice(value.as_bytes());
        return;
    }
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '\n', '\0']) {
        let (plain, special) = rest.split_at(at);
        bytes.extend_from_slice(plain.as_bytes());
        bytes.extend_from_slice(match special.as_bytes().first() {
            Some(b'\\') => b"\\\\",
            Some(b'"') => b"\\\"",
            Some(b'\n') => b"\\n",
            _ => "\u{fffd}".as_bytes(),
        });
        rest = special.get(1..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
