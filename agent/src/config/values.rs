//! What a text means: durations, words, labels, addresses. Pure.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use herdbook_shared::limits;

use super::CollectorDiscovery;
use super::layers::Wrong;
use crate::discovery::{NotAnOllamaUrl, OllamaUrl};

/// How often to sample unless told otherwise.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_millis(limits::SAMPLE_INTERVAL_MS_MIN);

/// `1s`, `1500ms`, `2m`.
pub(super) fn interval(text: &str) -> Result<Duration, Wrong> {
    let wrong = || Wrong::new(text, "is no interval: expected 1s to 10m, such as 1s, 1500ms or 2m");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms_a_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(wrong()),
    };
    let ms = number.checked_mul(ms_a_unit).ok_or_else(wrong)?;
    let allowed = limits::SAMPLE_INTERVAL_MS_MIN..=limits::SAMPLE_INTERVAL_MS_MAX;
    if allowed.contains(&ms) { Ok(Duration::from_millis(ms)) } else { Err(wrong()) }
}

/// A name or role.
pub(super) fn word(text: &str) -> Result<String, Wrong> {
    short(text, text)?;
    if text.trim().is_empty() {
        return Err(Wrong::new(text, "is empty: expected a word, or leave it out"));
    }
    Ok(text.trim().to_owned())
}

/// Whether to look for a collector.
pub(super) fn discovery(text: &str) -> Result<CollectorDiscovery, Wrong> {
    match text {
        "auto" => Ok(CollectorDiscovery::Auto),
        "off" => Ok(CollectorDiscovery::Off),
        _ => Err(Wrong::new(text, "is no way to find a collector: expected auto or off")),
    }
}

/// A path, which may be anything but empty.
pub(super) fn path(text: &str) -> Result<PathBuf, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new(text, "is empty: expected a path, or leave it out"));
    }
    Ok(PathBuf::from(text))
}

/// A folder that has the host's file system, its `/proc` included.
pub(super) fn host_root(text: &str) -> Result<PathBuf, Wrong> {
    let root = path(text)?;
    if !root.is_dir() {
        let problem = "is no folder: expected where the host's file system is mounted, such as \
                       /host, with docker run -v /:/host:ro,rslave";
        return Err(Wrong::new(text, problem));
    }
    let mut entries = std::fs::read_dir(root.join("proc")).into_iter().flatten();
    if entries.next().is_none() {
        let problem = "has no proc in it: expected the host's whole file system, mounted with what \
                       is mounted in it, such as docker run -v /:/host:ro,rslave";
        return Err(Wrong::new(text, problem));
    }
    Ok(root)
}

/// `key=value` pairs.
pub(super) fn labels(pairs: &[String]) -> Result<BTreeMap<String, String>, Wrong> {
    let mut labels = BTreeMap::new();
    for pair in pairs {
        let expected = "is no label: expected key=value, such as zone=a";
        let (key, value) = pair.split_once('=').ok_or_else(|| Wrong::new(pair, expected))?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(Wrong::new(pair, expected));
        }
        short(pair, key)?;
        short(pair, value)?;
        if labels.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Wrong::new(pair, "names a label for the second time: give each key once"));
        }
    }
    if labels.len() > limits::LABELS {
        let n_labels = format!("{} labels", labels.len());
        return Err(Wrong::new(&n_labels, format!("are too many: at most {}", limits::LABELS)));
    }
    Ok(labels)
}

/// Addresses of Ollama servers.
pub(super) fn ollama_urls(urls: &[String]) -> Result<Vec<OllamaUrl>, Wrong> {
    if urls.len() > limits::SERVICES {
        let n_urls = format!("{} addresses", urls.len());
        return Err(Wrong::new(&n_urls, format!("are too many: at most {}", limits::SERVICES)));
    }
    urls.iter().map(|url| ollama_url(url)).collect()
}

fn ollama_url(url: &str) -> Result<OllamaUrl, Wrong> {
    url.parse().map_err(|error: NotAnOllamaUrl| {
        let error = error.to_string();
        // It begins with what was given, and so does every message here.
        let problem = error.split_once("\" ").map_or(error.as_str(), |(_, problem)| problem);
        Wrong::new(url, problem)
    })
}

fn short(whole: &str, piece: &str) -> Result<(), Wrong> {
    if piece.len() > limits::WORD_BYTES {
        let problem = format!("is too long: expected at most {} bytes", limits::WORD_BYTES);
        return Err(Wrong::new(whole, problem));
    }
    if piece.chars().any(char::is_control) {
        return Err(Wrong::new(whole, "has a control character: expected plain text"));
    }
    Ok(())
}
