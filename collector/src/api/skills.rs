//! Skills: the catalog of that name, each skill with its files, and registering one.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::{Deserialize, Serialize};

use crate::auth::Action;
use crate::catalog::catalogs::Held;
use crate::catalog::held::Catalog;
use crate::catalog::load::{Entry, Origin};
use crate::catalog::register::{IfThere, RegisterError, Registered};
use crate::catalog::skill::{SKILL_FILE, Skill, SkillFile};
use crate::config::SKILLS;
use crate::registry::encode;
use crate::registry::service::{Source, Word};
use crate::store::WriteError;

use super::body::Body;
use super::catalogs::cut;
use super::guard::Routes;
use super::list::Page;
use super::precondition::IfNoneMatch;
use super::problem::{Checked, Kind, Problem};
use super::query::NoParameters;
use super::{Api, beside, json};

/// A skill as lists tell it; alone, with its body.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Skill")]
pub struct SkillView {
    name: String,
    description: String,
    /// `file`, or `manual` where it was registered.
    #[schemars(with = "Source")]
    source: &'static str,
    /// Its `SKILL.md`, where it is one.
    path: Option<String>,
    /// The SHA-256 of its `SKILL.md`.
    sha256: Arc<str>,
    files: Vec<FileView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// A file of a skill besides its `SKILL.md`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "SkillFile")]
pub struct FileView {
    path: String,
    size_bytes: usize,
    sha256: Arc<str>,
}

/// All skills.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SkillList {
    skills: Vec<SkillView>,
    next_cursor: Option<String>,
}

/// A skill to be registered.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkillForm {
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// What it is for, for whoever decides whether to read it.
    #[schemars(length(min = 1, max = 4096))]
    description: String,
    /// What follows the front matter of its `SKILL.md`.
    body: String,
}

/// The routes of skills.
#[must_use]
pub fn routes() -> Routes<Api> {
    Routes::new()
        .on(Action::ReadFleet, "/api/v1/skills", get(list))
        .on(Action::Change, "/api/v1/skills", post(register))
        .on(Action::ReadFleet, "/api/v1/skills/{name}", get(one))
        .on(Action::Change, "/api/v1/skills/{name}", delete(remove))
        .on(Action::ReadFleet, "/api/v1/skills/{name}/files/{*path}", get(file))
}

/// `GET /api/v1/skills`
///
/// # Errors
///
/// Where a parameter has a value that is not allowed.
pub async fn list(
    State(api): State<Api>,
    Checked(Query(page)): Checked<Query<Page>>,
) -> Result<Response, Problem> {
    let text = beside(move || {
        let entries: Vec<_> = skills(&api)?.entries().values().cloned().collect();
        let (page, next_cursor) = cut(&page, &entries, |entry| &entry.name)?;
        let skills = page.iter().map(|entry| SkillView::of(entry)).collect();
        Ok(encode::json(&SkillList { skills, next_cursor }))
    });
    text.await.map(json)
}

/// `GET /api/v1/skills/{name}`
///
/// # Errors
///
/// Where there is no such skill.
pub async fn one(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(whole(&headers, &*known(&api, &name)?))
}

/// `GET /api/v1/skills/{name}/files/{path}`. The path is looked up as it stands among those that
/// were found when the catalog was loaded; nothing is resolved here.
///
/// # Errors
///
/// Where there is no such skill or file.
pub async fn file(
    State(api): State<Api>,
    Checked(Path((name, path))): Checked<Path<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entry = known(&api, &name)?;
    let file = entry.value.files.get(&path);
    let file = file.ok_or_else(|| Problem::not_found(format!("the skill has no file {path:?}")))?;
    Ok(tagged(&headers, &file.sha256, || file_response(file)))
}

/// `POST /api/v1/skills`
///
/// # Errors
///
/// Where a field is not as it should be, a file has that skill, or it must not be there and is.
pub async fn register(
    State(api): State<Api>,
    if_none_match: IfNoneMatch,
    _: NoParameters,
    Body(form): Body<SkillForm>,
) -> Result<Response, Problem> {
    let entry = Skill::registered(&form.name, &form.description, &form.body);
    let entry = entry.map_err(|(field, why, expected)| Problem::bad_field(field, why, expected))?;
    let if_there = match if_none_match {
        IfNoneMatch::New => IfThere::Refuse,
        IfNoneMatch::Any => IfThere::Replace,
    };
    let (catalogs, store) = (Arc::clone(&api.catalogs), Arc::clone(&api.store));
    let registering = async move { catalogs.register(SKILLS, entry, if_there, &store).await };
    let Registered { entry, is_new } = whole_task(&api, registering).await??;
    let mut response = whole(&HeaderMap::new(), &entry);
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
    }
    let location = format!("/api/v1/skills/{}", segment(&entry.name));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `DELETE /api/v1/skills/{name}`, answered with the skill as it was.
///
/// # Errors
///
/// Where there is no such skill, or a file has it.
pub async fn remove(
    State(api): State<Api>,
    Checked(Path(name)): Checked<Path<String>>,
    _: NoParameters,
) -> Result<Response, Problem> {
    let (catalogs, store) = (Arc::clone(&api.catalogs), Arc::clone(&api.store));
    let removing = async move { catalogs.withdraw(SKILLS, &name, &store).await };
    let entry = whole_task(&api, removing).await??;
    Ok(json(encode::json(&SkillView::whole(&entry))))
}

/// Does something whole, also where whoever asked goes away in between.
async fn whole_task<T: Send + 'static>(
    api: &Api,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let done = api.tasks.spawn(work).await;
    done.map_err(|_| Problem::new(Kind::Internal, "the skill could not be changed"))
}

/// A skill with its body.
pub(super) fn whole(headers: &HeaderMap, entry: &Entry<Skill>) -> Response {
    tagged(headers, &entry.digest, || json(encode::json(&SkillView::whole(entry))))
}

/// An answer with its tag; to whoever knows that tag only the tag.
pub(super) fn tagged(
    headers: &HeaderMap,
    tag: &str,
    response: impl FnOnce() -> Response,
) -> Response {
    let tag = format!("\"{tag}\"");
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let mut known = known.map(|known| known.trim().trim_start_matches("W/"));
    let mut response = match known.any(|known| known == "*" || known == tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => response(),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Text or bytes to be saved, whatever its name says: nothing that a browser would run.
fn file_response(file: &SkillFile) -> Response {
    let kind =
        if file.is_text() { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let kind = HeaderValue::from_static(kind);
    ([(header::CONTENT_TYPE, kind)], file.bytes.clone()).into_response()
}

fn skills(api: &Api) -> Result<&Catalog<Skill>, Problem> {
    match api.catalogs.get(SKILLS).map(|named| &named.held) {
        Some(Held::Skills(skills)) => Ok(skills),
        _ => Err(RegisterError::NoCatalog(SKILLS.to_owned()).into()),
    }
}

fn known(api: &Api, name: &str) -> Result<Arc<Entry<Skill>>, Problem> {
    skills(api)?.find(name).ok_or_else(|| RegisterError::Unknown(name.to_owned()).into())
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let mut segment = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

impl SkillView {
    pub(super) fn of(entry: &Entry<Skill>) -> Self {
        let skill = &entry.value;
        let files = skill.files.iter().filter(|(path, _)| *path != SKILL_FILE);
        let view = |(path, file): (&String, &SkillFile)| FileView {
            path: path.clone(),
            size_bytes: file.bytes.len(),
            sha256: Arc::clone(&file.sha256),
        };
        let source = match &entry.origin {
            Origin::File { .. } => Source::File,
            Origin::Manual => Source::Manual,
        };
        Self {
            name: entry.name.to_string(),
            description: skill.description.clone(),
            source: source.word(),
            path: entry.origin.path().map(|path| path.display().to_string()),
            sha256: Arc::clone(&skill.sha256),
            files: files.map(view).collect(),
            body: None,
        }
    }

    fn whole(entry: &Entry<Skill>) -> Self {
        Self { body: Some(entry.value.body.clone()), ..Self::of(entry) }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        let words = error.to_string();
        match error {
            RegisterError::NoCatalog(_) | RegisterError::Unknown(_) => Self::not_found(words),
            RegisterError::Exists(_) => Self::new(Kind::Conflict, words)
                .about("If-None-Match", "a skill that is not there yet"),
            RegisterError::OfFile(_) => {
                let detail = format!("{words}: change or remove it there");
                Self::new(Kind::Conflict, detail).about("name", "a skill that no file has")
            }
            RegisterError::Full => {
                Self::new(Kind::Unavailable, format!("{words}; remove some that are not needed"))
            }
            RegisterError::Busy(error) => error.into(),
            RegisterError::NotKept(WriteError::DiskFull) => {
                Self::new(Kind::StorageFull, "the disk of the collector is full: nothing changed")
            }
            RegisterError::NotKept(error) => {
                tracing::error!(%error, "a skill could not be kept");
                Self::new(Kind::Unavailable, "it could not be kept: nothing changed")
            }
        }
    }
}

#[cfg(test)]
#[path = "skills_tests.rs"]
mod tests;
