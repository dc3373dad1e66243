//! Skills: what an LLM agent reads before it does something, from the place where it finds its
//! model. A skill is a folder with a `SKILL.md`; its other files are told with their digests and
//! served as they lie there. The collector never runs any of it.

mod front;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::digest::sha256;
use super::fault::Fault;
use super::folder::{Allowance, DEPTH_MAX, Found, Is, Root};
use super::load::{Definition, Entry, Loaded, Origin};

use front::Front;

/// The file that makes a folder a skill.
pub const SKILL_FILE: &str = "SKILL.md";
/// Largest `SKILL.md`, bytes.
pub const SKILL_FILE_BYTES: usize = 256 * 1024;
/// Largest other file of a skill, bytes.
const FILE_BYTES: usize = 1024 * 1024;
/// Most other files of a skill, and most folders that they lie in.
const FILES_MAX: usize = 256;
/// Longest name of a skill, bytes.
pub const NAME_BYTES: usize = 128;
/// Longest description, bytes.
pub const DESCRIPTION_BYTES: usize = 4 * 1024;

/// One skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// What it is for, for whoever decides whether to read it.
    pub description: String,
    /// What follows the front matter.
    pub body: String,
    /// The SHA-256 of the `SKILL.md`.
    pub sha256: Arc<str>,
    /// Its files by path, the `SKILL.md` among them. Whoever asks for one gets it from here.
    pub files: BTreeMap<String, SkillFile>,
}

/// A file of a skill, as it was when it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillFile {
    /// What is in it.
    pub bytes: Bytes,
    /// Its SHA-256.
    pub sha256: Arc<str>,
}

/// Why something cannot be a skill: which field, why, and what is expected.
pub type WrongField = (&'static str, &'static str, &'static str);

impl SkillFile {
    fn of(bytes: Vec<u8>) -> Self {
        Self { sha256: sha256(&bytes), bytes: bytes.into() }
    }

    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        Self::of(text.as_bytes().to_vec())
    }

    /// Whether it is text; anything else is bytes to be saved.
    #[must_use]
    pub fn is_text(&self) -> bool {
        !self.bytes.contains(&0) && std::str::from_utf8(&self.bytes).is_ok()
    }
}

impl Skill {
    /// A skill that somebody registers: its `SKILL.md` is written from its parts.
    ///
    /// # Errors
    ///
    /// Where a part is not as it should be.
    pub fn registered(
        name: &str,
        description: &str,
        body: &str,
    ) -> Result<Entry<Self>, WrongField> {
        checked(name, description)?;
        // A text of JSON is one of YAML too.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let head =
            format!("---\nname: {}\ndescription: {}\n---\n", quoted(name), quoted(description));
        let text = head + body;
        if text.len() > SKILL_FILE_BYTES {
            return Err(("body", "it is too large", "a skill of at most 256 KiB"));
        }
        let files = [(SKILL_FILE.to_owned(), SkillFile::of(text.into_bytes()))].into();
        let skill = Self::of(description, body, files);
        Ok(skill.entry(name, Origin::Manual))
    }

    fn of(description: &str, body: &str, files: BTreeMap<String, SkillFile>) -> Self {
        let sha256 = files.get(SKILL_FILE).map_or_else(|| sha256(b""), |f| Arc::clone(&f.sha256));
        Self { description: description.to_owned(), body: body.to_owned(), sha256, files }
    }

    fn entry(self, name: &str, origin: Origin) -> Entry<Self> {
        let mut all = format!("{name}\n");
        for (path, file) in &self.files {
            all.push_str(&format!("{} {path}\n", file.sha256));
        }
        Entry { name: name.into(), origin, digest: sha256(all.as_bytes()), value: self }
    }
}

impl Definition for Skill {
    fn read(
        root: &Root,
        allowance: &mut Allowance,
        loaded: &mut Loaded<Self>,
    ) -> Result<(), Fault> {
        for found in root.list(root.path(), |_| true)? {
            if found.is != Is::Folder {
                continue;
            }
            match read_skill(root, &found, allowance)? {
                Some(entry) => loaded.push(entry)?,
                None => loaded.leave_out(&found.path, "it holds no SKILL.md"),
            }
        }
        Ok(())
    }
}

/// The skill in a folder, if there is one.
fn read_skill(
    root: &Root,
    folder: &Found,
    allowance: &mut Allowance,
) -> Result<Option<Entry<Skill>>, Fault> {
    let path = folder.path.join(SKILL_FILE);
    if root.list(&folder.path, |name| name == SKILL_FILE)?.is_empty() {
        return Ok(None);
    }
    let text = root.read_text(&path, SKILL_FILE_BYTES, allowance)?;
    let front = Front::of(&text).map_err(|wrong| wrong.fault(&path))?;
    checked(&front.name, &front.description).map_err(|(key, why, expected)| {
        let line = front.line_of(key);
        Fault::of(&path, why).at(line).about(key).expecting(expected)
    })?;
    let mut walk = Walk { root, allowance, n_folders: 0, files: BTreeMap::new() };
    walk.folder(&folder.path, "", 0)?;
    let mut files = walk.files;
    let skill_file = SkillFile::of(text.clone().into_bytes());
    files.insert(SKILL_FILE.to_owned(), skill_file);
    let skill = Skill::of(&front.description, front.body, files);
    Ok(Some(skill.entry(&front.name, Origin::File { path, line: 1 })))
}

/// Gathers the files of a skill.
struct Walk<'a> {
    root: &'a Root,
    allowance: &'a mut Allowance,
    n_folders: usize,
    files: BTreeMap<String, SkillFile>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, inside: &str, depth: usize) -> Result<(), Fault> {
        self.n_folders += 1;
        if depth > DEPTH_MAX || self.n_folders > FILES_MAX {
            let why = "it lies too deep, or in too many folders";
            return Err(Fault::of(folder, why).expecting(format!("at most {DEPTH_MAX} deep")));
        }
        for found in self.root.list(folder, |_| true)? {
            let path = format!("{inside}{}", found.name);
            match found.is {
                Is::Folder => self.folder(&found.path, &format!("{path}/"), depth + 1)?,
                Is::File if path == SKILL_FILE => (),
                Is::File => self.file(path, &found.path)?,
                Is::Special => return Err(Fault::of(&found.path, "it is no file")),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, at: &Path) -> Result<(), Fault> {
        if self.files.len() >= FILES_MAX {
            return Err(Fault::of(at, format!("a skill has {FILES_MAX} files at most")));
        }
        let bytes = self.root.read(at, FILE_BYTES, self.allowance)?;
        self.files.insert(path, SkillFile::of(bytes));
        Ok(())
    }
}

/// Holds the bounds of what a skill says of itself.
fn checked(name: &str, description: &str) -> Result<(), WrongField> {
    const NAME: &str = "a name of at most 128 bytes, without / and control characters";
    const DESCRIPTION: &str = "at most 4 KiB of text that says what the skill is for";
    let is_bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | '\u{2028}' | '\u{2029}');
    if name.trim() != name || name.is_empty() || matches!(name, "." | "..") {
        return Err(("name", "it is no name", NAME));
    }
    if name.len() > NAME_BYTES || name.contains(is_bad) {
        return Err(("name", "it is too long, or holds what a name does not", NAME));
    }
    if description.trim().is_empty() {
        return Err(("description", "it is empty", DESCRIPTION));
    }
    if description.len() > DESCRIPTION_BYTES {
        return Err(("description", "it is too long", DESCRIPTION));
    }
    Ok(())
}

#[cfg(test)]
#[path = "skill_tests.rs"]
mod tests;
