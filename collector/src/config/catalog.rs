//! Which catalogs there are, and which folders hold their entries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::given::{Given, Source};
use super::table::Table;

/// Most catalogs.
const CATALOGS_MAX: usize = 16;
/// Most folders of one.
const FOLDERS_MAX: usize = 16;
/// Longest name of one, bytes.
const NAME_BYTES: usize = 64;

/// The catalog that `/api/v1/skills` is about.
pub const SKILLS: &str = "skills";
/// The catalog of services that is there without a word.
pub const SERVICES: &str = "services";

/// The catalogs of `[catalog.<name>]` in the file, by name. Without a word there are two, `skills`
/// and `services`: folders `skills` and `services.d` beside the file and in the data directory,
/// which need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogs(pub BTreeMap<String, CatalogRules>);

/// One catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogRules {
    /// `kind`: what its entries are.
    pub kind: CatalogKind,
    /// `paths`: the folders that hold them, relative to the folder of the file.
    pub folders: Vec<CatalogFolder>,
}

/// A folder of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogFolder {
    /// Where.
    pub path: PathBuf,
    /// It is empty where it is missing; one that was configured has to be there.
    pub may_be_missing: bool,
}

/// What the entries of a catalog are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum CatalogKind {
    /// `skills`: folders with a `SKILL.md`.
    Skills,
    /// `services`: files with tables `[[service]]`.
    Services,
}

impl CatalogKind {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Skills => SKILLS,
            Self::Services => SERVICES,
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Skills, Self::Services].into_iter().find(|kind| kind.word() == word)
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Skills => "skills",
            Self::Services => "services.d",
        }
    }
}

impl Catalogs {
    /// The same, with those that are there without a word.
    #[must_use]
    pub fn with_defaults(mut self, file: Option<&Path>, data_dir: &Path) -> Self {
        for kind in [CatalogKind::Skills, CatalogKind::Services] {
            self.0.entry(kind.word().to_owned()).or_insert_with(|| {
                let beside = file.map(|file| beside(file, kind.folder().as_ref()));
                let inside = data_dir.join(kind.folder());
                let mut paths: Vec<PathBuf> = beside.into_iter().chain([inside]).collect();
                paths.dedup();
                let folder = |path| CatalogFolder { path, may_be_missing: true };
                CatalogRules { kind, folders: paths.into_iter().map(folder).collect() }
            });
        }
        self
    }
}

impl Table for Catalogs {
    const NAME: &'static str = "catalog";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        const EXPECTED: &str = "a table [catalog.<name>] with kind and paths";
        let name = named(given)?;
        let toml::Value::Table(table) = &given.value else {
            return Err(of(given, "").bad(EXPECTED));
        };
        let inner = |key: &str, value: &toml::Value| Given {
            value: value.clone(),
            ..of(given, &format!(".{key}"))
        };
        let (mut kind, mut folders) = (CatalogKind::of(&name), Vec::new());
        for (key, value) in table {
            match key.as_str() {
                "kind" => kind = Some(kind_of(&inner(key, value), &name)?),
                "paths" => folders = paths(inner(key, value))?,
                _ => return Err(unknown_key(&inner(key, value))),
            }
        }
        if folders.is_empty() {
            return Err(of(given, ".paths").bad("a list of folders"));
        }
        let kind = kind.ok_or_else(|| of(given, ".kind").bad(KIND))?;
        self.0.insert(name, CatalogRules { kind, folders });
        Ok(())
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.0.len() > CATALOGS_MAX {
            let words = "there are more than 16 catalogs";
            return Err(ConfigError::Contradiction { table: Self::NAME, words });
        }
        Ok(())
    }
}

const KIND: &str = "skills or services";

/// A key under this table, under its whole name.
fn of(given: &Given, more: &str) -> Given {
    let key = format!("catalog.{}{more}", given.key);
    Given { key, value: given.value.clone(), source: given.source.clone() }
}

fn named(given: &Given) -> Result<String, ConfigError> {
    let name = &given.key;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(is_plain) {
        let expected = "a name of letters, digits, - and _, at most 64";
        return Err(of(given, "").bad(expected));
    }
    Ok(name.clone())
}

fn kind_of(given: &Given, catalog: &str) -> Result<CatalogKind, ConfigError> {
    let kind = CatalogKind::of(given.as_text(KIND)?).ok_or_else(|| given.bad(KIND))?;
    if catalog == SKILLS && kind != CatalogKind::Skills {
        return Err(given.bad("skills, since /api/v1/skills is this catalog"));
    }
    Ok(kind)
}

fn paths(given: Given) -> Result<Vec<CatalogFolder>, ConfigError> {
    const EXPECTED: &str = "a list of 1 to 16 different folders";
    let file = match &given.source {
        Source::File { path, .. } => Some(path.to_path_buf()),
        _ => None,
    };
    let (whole, mut folders) = (given.clone(), Vec::<CatalogFolder>::new());
    for given in given.elements() {
        let path = Path::new(given.as_text(EXPECTED)?);
        let path = file.as_deref().map_or_else(|| path.to_owned(), |file| beside(file, path));
        if folders.len() >= FOLDERS_MAX || folders.iter().any(|folder| folder.path == path) {
            return Err(whole.bad(EXPECTED));
        }
        folders.push(CatalogFolder { path, may_be_missing: false });
    }
    Ok(folders)
}

/// A path as the file that names it means it.
pub(super) fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

fn unknown_key(given: &Given) -> ConfigError {
    ConfigError::UnknownKey {
        key: given.key.clone(),
        origin: given.source.clone(),
        expected: "kind, paths".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn set(name: &str, value: &str) -> Result<Catalogs, String> {
        let source = Source::File { path: Arc::new("/etc/h/c.toml".into()), line: 7 };
        let value = toml::from_str::<toml::Table>(value).unwrap();
        let given = Given { key: name.to_owned(), value: toml::Value::Table(value), source };
        let mut catalogs = Catalogs::default();
        catalogs.set(&given).map_err(|error| error.to_string())?;
        catalogs.check().map_err(|error| error.to_string())?;
        Ok(catalogs)
    }

    fn paths(catalogs: &Catalogs, name: &str) -> Vec<String> {
        let folders = catalogs.0[name].folders.iter();
        folders.map(|folder| folder.path.display().to_string()).collect()
    }

    #[test]
    fn folders_are_meant_from_where_the_file_lies() {
        let catalogs =
            set("lab", "kind = \"services\"\npaths = [\"lab.d\", \"/srv/lab\"]").unwrap();
        assert_eq!(paths(&catalogs, "lab"), ["/etc/h/lab.d", "/srv/lab"]);
        assert_eq!(catalogs.0["lab"].kind, CatalogKind::Services);
        assert!(!catalogs.0["lab"].folders[0].may_be_missing);
        assert_eq!(set("skills", "paths = \"s\"").unwrap().0["skills"].kind, CatalogKind::Skills);
    }

    #[test]
    fn two_catalogs_are_there_without_a_word() {
        let data = Path::new("/var/lib/h");
        let catalogs = Catalogs::default().with_defaults(Some(Path::new("/etc/h/c.toml")), data);
        assert_eq!(paths(&catalogs, SKILLS), ["/etc/h/skills", "/var/lib/h/skills"]);
        assert_eq!(paths(&catalogs, SERVICES), ["/etc/h/services.d", "/var/lib/h/services.d"]);
        assert!(catalogs.0[SKILLS].folders.iter().all(|folder| folder.may_be_missing));
        let alone = Catalogs::default().with_defaults(None, data);
        assert_eq!(paths(&alone, SKILLS), ["/var/lib/h/skills"]);
        let given = set("skills", "paths = [\"/a\"]").unwrap().with_defaults(None, data);
        assert_eq!(paths(&given, SKILLS), ["/a"]);
    }

    #[test]
    fn a_mistake_names_file_line_and_key() {
        for (name, value, told) in [
            ("lab", "paths = [\"a\"]", "/etc/h/c.toml:7: catalog.lab.kind: expected skills or"),
            ("lab", "kind = \"x\"", "/etc/h/c.toml:7: catalog.lab.kind: expected skills or"),
            ("lab", "kind = 1", "/etc/h/c.toml:7: catalog.lab.kind: expected skills or"),
            (
                "skills",
                "kind = \"services\"",
                "/etc/h/c.toml:7: catalog.skills.kind: expected skills,",
            ),
            ("lab", "kind = \"skills\"", "/etc/h/c.toml:7: catalog.lab.paths: expected a list"),
            ("skills", "paths = []", "/etc/h/c.toml:7: catalog.skills.paths: expected a list"),
            ("skills", "paths = [1]", "/etc/h/c.toml:7: catalog.skills.paths: expected a list"),
            ("skills", "paths = [\"a\", \"a\"]", "/etc/h/c.toml:7: catalog.skills.paths: expected"),
            ("skills", "path = []", "/etc/h/c.toml:7: there is no key `catalog.skills.path`"),
            ("a b", "kind = \"skills\"", "/etc/h/c.toml:7: catalog.a b: expected a name"),
        ] {
            let mistake = set(name, value).unwrap_err();
            assert!(mistake.starts_with(told), "{mistake}");
        }
    }
}
