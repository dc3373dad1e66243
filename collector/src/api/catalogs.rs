//! Catalogs: what there is, what is in them, and loading one anew.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use herdbook_shared::time::Timestamp;
use serde::Serialize;

use crate::auth::Action;
use crate::catalog::catalogs::{Held, Named, NotLoaded, Status, Trigger};
use crate::catalog::digest::sha256;
use crate::catalog::fault::{Fault, LeftOut};
use crate::catalog::load::{Entry, Origin};
use crate::catalog::service::FileService;
use crate::config::CatalogKind;
use crate::registry::encode;
use crate::registry::service::record::Declared;
use crate::registry::service::{ServiceType, Source, Word};
use crate::registry::url::ServiceUrl;

use super::guard::Routes;
use super::list::Page;
use super::problem::{Checked, Kind, Problem};
use super::query::NoParameters;
use super::skills::{SkillView, tagged};
use super::{Api, beside, json};

/// A catalog.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Catalog")]
pub struct CatalogView {
    name: String,
    #[schemars(with = "CatalogKind")]
    kind: &'static str,
    paths: Vec<String>,
    n_entries: usize,
    /// When it was loaded last; `null`: it never was.
    loaded_at: Option<Timestamp>,
    /// Why it was not loaded since.
    error: Option<Fault>,
    left_out: Vec<LeftOut>,
}

/// All catalogs.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CatalogList {
    catalogs: Vec<CatalogView>,
    next_cursor: Option<String>,
}

/// A catalog with its entries.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CatalogEntries {
    #[serde(flatten)]
    catalog: CatalogView,
    entries: Vec<EntryView>,
    next_cursor: Option<String>,
}

/// An entry of either kind.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "CatalogEntry")]
#[serde(untagged)]
pub enum EntryView {
    /// A skill.
    Skill(SkillView),
    /// A service.
    Service(ServiceDeclaration),
}

/// A service as a file declares it. What it is by now is told by `/services/{service_id}`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ServiceDeclaration {
    name: String,
    #[schemars(with = "Source")]
    source: &'static str,
    path: Option<String>,
    line: Option<usize>,
    #[schemars(with = "Option<ServiceType>")]
    r#type: Option<&'static str>,
    kind: Option<String>,
    url: String,
    service_id: Option<String>,
}

/// The routes of catalogs.
#[must_use]
pub fn routes() -> Routes<Api> {
    const RELOAD: &str = "/api/v1/catalogs/{name}/reload";
    Routes::new()
        .on(Action::ReadFleet, "/api/v1/catalogs", get(list))
        .on(Action::ReadFleet, "/api/v1/catalogs/{name}", get(one))
        .on(Action::ReadFleet, "/api/v1/catalogs/{name}/{entry}", get(entry))
        .on(Action::Change, RELOAD, post(reload))
        .on(Action::ReadFleet, RELOAD, get(entry_called_reload))
}

/// `GET /api/v1/catalogs`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let catalogs: Vec<_> = api.catalogs.all().collect();
    let (page, next_cursor) = cut(&page, &catalogs, |catalog| &catalog.name)?;
    let catalogs = page.iter().map(|catalog| CatalogView::of(catalog)).collect();
    Ok(json(encode::json(&CatalogList { catalogs, next_cursor })))
}

/// `GET /api/v1/catalogs/{name}`
///
/// # Errors
///
/// Where there is no such catalog, or a parameter has a value that is not allowed.
pub async fn one(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    known(&api, &name)?;
    let text = beside(move || {
        let named = known(&api, &name)?;
        let (entries, next_cursor) = match &named.held {
            Held::Skills(skills) => {
                let entries: Vec<_> = skills.entries().values().cloned().collect();
                let (page, next) = cut(&page, &entries, |entry| &entry.name)?;
                let view = |entry: &_| EntryView::Skill(SkillView::of(entry));
                (page.iter().map(|entry| view(entry)).collect(), next)
            }
            Held::Services(services) => {
                let entries: Vec<_> = services.entries().values().cloned().collect();
                let (page, next) = cut(&page, &entries, |entry| &entry.name)?;
                let view = |entry: &_| EntryView::Service(ServiceDeclaration::of(&api, entry));
                (page.iter().map(|entry| view(entry)).collect(), next)
            }
        };
        let catalog = CatalogView::of(named);
        Ok(encode::json(&CatalogEntries { catalog, entries, next_cursor }))
    });
    text.await.map(json)
}

/// `GET /api/v1/catalogs/{name}/{entry}`
///
/// # Errors
///
/// Where there is no such catalog or entry.
pub async fn entry(
    State(api): State<Api>,
    Checked(Path((name, entry))): Checked<Path<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found(format!("there is no entry {entry:?} in this catalog"));
    match &known(&api, &name)?.held {
        Held::Skills(skills) => {
            let skill = skills.find(&entry).ok_or_else(unknown)?;
            Ok(super::skills::whole(&headers, &skill))
        }
        Held::Services(services) => {
            let service = services.find(&entry).ok_or_else(unknown)?;
            // The tag is of what is shown, and not of what was read: that holds a credential, which
            // whoever has its digest can guess at leisure.
            let shown = encode::json(&ServiceDeclaration::of(&api, &service));
            let tag = sha256(shown.as_bytes());
            Ok(tagged(&headers, &tag, || json(shown)))
        }
    }
}

/// `GET /api/v1/catalogs/{name}/reload`: an entry may be called so.
///
/// # Errors
///
/// As [`entry`].
pub async fn entry_called_reload(
    api: State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    entry(api, Checked(Path((name, "reload".to_owned()))), headers).await
}

/// `POST /api/v1/catalogs/{name}/reload`, answered with what changed.
///
/// # Errors
///
/// Where there is no such catalog, or what is in its folders cannot be used, or what it changes of
/// services cannot be kept: it stays as it was.
pub async fn reload(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
    _: NoParameters,
) -> Result<Response, Problem> {
    // Skills are read from their files again at every start: nothing of them is to be kept.
    let is_kept = matches!(known(&api, &name)?.held, Held::Services(_));
    if is_kept {
        api.may_write()?;
    }
    let reloaded = api.catalogs.reload(&name, Trigger::Asked).await?;
    if is_kept && reloaded.n_added + reloaded.n_changed + reloaded.n_removed > 0 {
        api.kept().await?;
    }
    Ok(json(encode::json(&reloaded)))
}

fn known<'a>(api: &'a Api, name: &str) -> Result<&'a Named, Problem> {
    api.catalogs.get(name).ok_or_else(|| NotLoaded::Unknown(name.to_owned()).into())
}

/// The entries of a page, and where the next one begins.
pub(super) fn cut<'a, T>(
    page: &Page,
    entries: &'a [T],
    key: impl Fn(&T) -> &str,
) -> Result<(&'a [T], Option<String>), Problem> {
    let limit = page.limit()?;
    let start = page.cursor().map_or(0, |cursor| entries.partition_point(|e| key(e) <= cursor));
    let rest = entries.get(start..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = page.last().filter(|_| page.len() < rest.len()).map(|last| key(last).to_owned());
    Ok((page, next))
}

impl CatalogView {
    fn of(named: &Named) -> Self {
        let Status { loaded_at, fault, left_out } = named.status();
        let paths = named.held.folders().iter().map(|folder| folder.path.display().to_string());
        Self {
            name: named.name.clone(),
            kind: named.held.kind().word(),
            paths: paths.collect(),
            n_entries: named.held.n_entries(),
            loaded_at,
            error: fault,
            left_out,
        }
    }
}

impl ServiceDeclaration {
    fn of(api: &Api, entry: &Entry<FileService>) -> Self {
        let (path, line) = match &entry.origin {
            Origin::File { path, line } => (Some(path.display().to_string()), Some(*line)),
            Origin::Manual => (None, None),
        };
        let declared = &entry.value.declared;
        let listed = ServiceUrl::parse(&entry.value.url).ok();
        let listed = listed.and_then(|url| api.registry.resolve(&url.id()));
        let is_it = |record: &Declared| record.url.as_deref() == Some(&entry.value.url);
        let listed = listed.filter(|s| s.facts.records.file.as_deref().is_some_and(is_it));
        Self {
            name: entry.name.to_string(),
            source: Source::File.word(),
            path,
            line,
            r#type: declared.r#type.map(Word::word),
            kind: declared.kind.clone(),
            url: entry.value.url.clone(),
            service_id: listed.map(|service| service.id.to_string()),
        }
    }
}

impl From<NotLoaded> for Problem {
    fn from(error: NotLoaded) -> Self {
        let words = error.to_string();
        match error {
            NotLoaded::Unknown(_) => Self::not_found(words),
            NotLoaded::Busy => Self::new(Kind::Unavailable, words),
            NotLoaded::Broken => Self::new(Kind::Internal, words),
            NotLoaded::Rejected(fault) => {
                let Fault { file, line, key, why, expected, other_file } = fault;
                let place = line.map_or_else(String::new, |line| format!(":{line}"));
                let other = other_file.map(|other| format!(", as in {}", other.display()));
                let detail =
                    format!("{}{place}: {why}{}", file.display(), other.unwrap_or_default());
                let problem = Self::new(Kind::BadField, detail);
                match (key, expected) {
                    (None, None) => problem,
                    (key, expected) => {
                        let key = key.unwrap_or_else(|| "file".to_owned());
                        problem.about(key, expected.unwrap_or("another value".into()))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "catalogs_tests.rs"]
mod tests;
