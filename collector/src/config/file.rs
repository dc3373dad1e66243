//! The TOML file. Keys that do not exist are refused with their line, so that a typing error
//! cannot silently leave a default in place.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::error::ConfigError;
use super::given::{Given, Source};

/// Largest file that is read, bytes.
const FILE_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    listen: Option<Spanned<toml::Value>>,
    auth: Option<Spanned<toml::Value>>,
    data_dir: Option<Spanned<toml::Value>>,
    public_name: Option<Spanned<toml::Value>>,
    notice: Option<Spanned<toml::Value>>,
    log_level: Option<Spanned<toml::Value>>,
    log_format: Option<Spanned<toml::Value>>,
    #[serde(default)]
    tls: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    liveness: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    checks: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    history: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    alerts: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default, deserialize_with = "targets")]
    notify: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    catalog: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    proxy: BTreeMap<String, Spanned<toml::Value>>,
}

/// The tables of `[notify]`; what stands there instead may be a secret, and is not repeated.
fn targets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Spanned<toml::Value>>, D::Error> {
    let refused = |_| D::Error::custom("expected tables [notify.NAME] with kind and url");
    BTreeMap::deserialize(deserializer).map_err(refused)
}

/// What the file says, key by key.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Where it lies; `None` where there is none.
    pub(super) path: Option<PathBuf>,
    pub(super) listen: Option<Given>,
    pub(super) auth: Option<Given>,
    pub(super) data_dir: Option<Given>,
    pub(super) public_name: Option<Given>,
    pub(super) notice: Option<Given>,
    pub(super) log_level: Option<Given>,
    pub(super) log_format: Option<Given>,
    pub(super) tls: Vec<Given>,
    pub(super) liveness: Vec<Given>,
    pub(super) checks: Vec<Given>,
    pub(super) history: Vec<Given>,
    pub(super) alerts: Vec<Given>,
    pub(super) notify: Vec<Given>,
    pub(super) catalog: Vec<Given>,
    pub(super) proxy: Vec<Given>,
}

/// Reads the file that `origin` named.
pub(super) fn read(path: &Path, origin: &Source) -> Result<File, ConfigError> {
    let failed =
        |source| ConfigError::ReadFile { path: path.to_owned(), origin: origin.clone(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(failed(std::io::Error::other("larger than 1 MiB")));
    }
    parse(&text, path)
}

pub(super) fn parse(text: &str, path: &Path) -> Result<File, ConfigError> {
    let shape: Shape = toml::from_str(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line(text, span.start)),
        message: error.message().replace('\n', " "),
    })?;
    let reader = Reader { text, path: Arc::new(path.to_owned()) };
    Ok(File {
        path: Some(path.to_owned()),
        listen: reader.given("listen", shape.listen),
        auth: reader.given("auth", shape.auth),
        data_dir: reader.given("data_dir", shape.data_dir),
        public_name: reader.given("public_name", shape.public_name),
        notice: reader.given("notice", shape.notice),
        log_level: reader.given("log_level", shape.log_level),
        log_format: reader.given("log_format", shape.log_format),
        tls: reader.table(shape.tls),
        liveness: reader.table(shape.liveness),
        checks: reader.table(shape.checks),
        history: reader.table(shape.history),
        alerts: reader.table(shape.alerts),
        notify: reader.table(shape.notify),
        catalog: reader.table(shape.catalog),
        proxy: reader.table(shape.proxy),
    })
}

struct Reader<'a> {
    text: &'a str,
    path: Arc<PathBuf>,
}

impl Reader<'_> {
    fn table(&self, table: BTreeMap<String, Spanned<toml::Value>>) -> Vec<Given> {
        table.into_iter().filter_map(|(key, value)| self.given(&key, Some(value))).collect()
    }

    fn given(&self, key: &str, value: Option<Spanned<toml::Value>>) -> Option<Given> {
        let value = value?;
        let line = line(self.text, value.span().start);
        let source = Source::File { path: Arc::clone(&self.path), line };
        Some(Given { key: key.to_owned(), value: value.into_inner(), source })
    }
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}
