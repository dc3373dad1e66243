//! Services declared in files: `services.d/*.toml`, each with tables `[[service]]` of the same
//! fields as a registration by API, read by the same form and held to the same bounds.

mod tree;

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::registry::declare::Whole;
use crate::registry::declare::bounds::OutOfBounds;
use crate::registry::declare::form::{CredentialForm, Form};
use crate::registry::service::Source;
use crate::registry::service::record::Declared;
use crate::strict;

use super::digest::sha256;
use super::fault::Fault;
use super::folder::{Allowance, Is, Root, line_of};
use super::load::{Definition, Entry, Loaded, Origin};

/// Largest file of services, bytes.
const FILE_BYTES: usize = 1024 * 1024;
/// The only table of such a file.
const TABLE: &str = "service";

/// A service as a file declares it.
#[derive(Clone, Debug)]
pub struct FileService {
    /// The record that it makes, whole and within its bounds, but for its credential.
    pub declared: Declared,
    /// Its URL, in the one spelling that tells services apart.
    pub url: String,
    /// What its checks send, not sealed yet: the file holds it in the clear.
    pub credential: Option<CredentialForm>,
}

impl Definition for FileService {
    fn read(
        root: &Root,
        allowance: &mut Allowance,
        loaded: &mut Loaded<Self>,
    ) -> Result<(), Fault> {
        for found in root.list(root.path(), |name| name.ends_with(".toml"))? {
            if found.is == Is::Folder {
                loaded.leave_out(&found.path, "it is a folder");
                continue;
            }
            let text = root.read_text(&found.path, FILE_BYTES, allowance)?;
            for entry in read_file(&found.path, &text)? {
                loaded.push(entry)?;
            }
        }
        Ok(())
    }
}

/// All services of one file.
fn read_file(path: &Path, text: &str) -> Result<Vec<Entry<FileService>>, Fault> {
    let file = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text.as_bytes(), span.start));
        let why = format!("it is no TOML: {}", error.message().replace('\n', " "));
        Fault::of(path, why).at(line)
    })?;
    let mut entries = Vec::new();
    for (key, value) in file.get_ref() {
        let line = line_of(text.as_bytes(), key.span().start);
        let wrong = |why: &'static str| {
            let fault = Fault::of(path, why).at(line).about(key.get_ref().to_string());
            fault.expecting("tables [[service]] and nothing else")
        };
        if key.get_ref() != TABLE {
            return Err(wrong("there is no such key"));
        }
        let tables = value.get_ref().as_array().ok_or_else(|| wrong("it is no list of tables"))?;
        for table in tables.iter() {
            entries.push(read_service(path, text, table)?);
        }
    }
    Ok(entries)
}

fn read_service(
    path: &Path,
    text: &str,
    table: &Spanned<DeValue<'_>>,
) -> Result<Entry<FileService>, Fault> {
    let line = |at: usize| line_of(text.as_bytes(), at);
    let first = line(table.span().start);
    let told = |refused: OutOfBounds| {
        let at = tree::place(table, &refused.field).map_or(first, &line);
        let fault = Fault::of(path, refused.why).at(at).about(refused.field.into_owned());
        fault.expecting(refused.expected)
    };
    if table.get_ref().as_table().is_none() {
        let fault = Fault::of(path, "it is no table").at(first).about(TABLE);
        return Err(fault.expecting("tables [[service]]"));
    }
    let value = tree::json(table).map_err(&told)?;
    let digest = sha256(value.to_string().as_bytes());
    let mut form: Form = strict::read(value).map_err(&told)?;
    let credential = form.credential.take().flatten();
    if let Some(credential) = &credential {
        credential.checked().map_err(&told)?;
    }
    let whole = Whole::of(Source::File, form.declared()).map_err(&told)?;
    let (declared, url) = (whole.declared().clone(), whole.url().as_str().to_owned());
    let name: Arc<str> = declared.name.as_deref().unwrap_or_default().into();
    let origin = Origin::File { path: path.to_owned(), line: first };
    let value = FileService { declared, url, credential };
    Ok(Entry { name, origin, digest, value })
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
