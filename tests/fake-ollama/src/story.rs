//! What the fake has and how it behaves, as plain data.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the fake has and does when it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Story {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// What `/api/version` tells.
    pub version: String,
    /// Installed models.
    pub models: Vec<Model>,
    /// Loaded models.
    pub loaded: Vec<LoadedModel>,
    /// Names of models on their way into memory. Versions before 0.30 list them as loaded; later
    /// ones tell nobody.
    pub loading: Vec<String>,
    /// How long the first list of installed models takes, milliseconds.
    pub first_tags_ms: u64,
    /// The program that runs models: `llama-server`, with a process for each [`Step::Run`].
    pub runner: Option<PathBuf>,
    /// What goes wrong, by route; `*` is every route.
    pub faults: BTreeMap<String, Fault>,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            version: "0.33.0".to_owned(),
            models: Vec::new(),
            loaded: Vec::new(),
            loading: Vec::new(),
            first_tags_ms: 0,
            runner: None,
            faults: BTreeMap::new(),
        }
    }
}

impl Story {
    /// A story with so many invented models, none of them loaded.
    #[must_use]
    pub fn with_models(n_models: usize) -> Self {
        Self { models: (0..n_models).map(Model::invented).collect(), ..Self::default() }
    }

    /// The same at another address.
    #[must_use]
    pub fn at(self, bind: SocketAddr) -> Self {
        Self { bind, ..self }
    }

    /// The same in another version, and in its shapes.
    #[must_use]
    pub fn in_version(self, version: &str) -> Self {
        Self { version: version.to_owned(), ..self }
    }

    /// Whether its version is `0.{minor}` or later.
    #[must_use]
    pub fn is_since(&self, minor: u64) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse::<u64>().unwrap_or_default());
        let (major, own) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        major > 0 || own >= minor
    }

    /// The same with a fault on a route.
    #[must_use]
    pub fn with_fault(mut self, route: &str, fault: Fault) -> Self {
        self.faults.insert(route.to_owned(), fault);
        self
    }
}

/// An installed model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// With its tag, `llama3.1:8b`.
    pub name: String,
    /// Hex; empty takes one made from the name.
    pub digest: String,
    /// On disk.
    pub size: u64,
    /// `8.0B`.
    pub parameter_size: String,
    /// `Q4_K_M`.
    pub quantization_level: String,
    /// `llama`.
    pub family: String,
    /// Told by `/api/show`, and in the list unless `lists_little`.
    pub context_length: u64,
    /// Told by `/api/show`, and in the list unless `lists_little`.
    pub capabilities: Vec<String>,
    /// The list lacks context length and capabilities, as with older versions.
    pub lists_little: bool,
    /// It runs elsewhere.
    pub remote: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            name: "llama3.1:8b".to_owned(),
            digest: String::new(),
            size: 4_920_753_328,
            parameter_size: "8.0B".to_owned(),
            quantization_level: "Q4_K_M".to_owned(),
            family: "llama".to_owned(),
            context_length: 131_072,
            capabilities: vec!["completion".to_owned(), "tools".to_owned()],
            lists_little: false,
            remote: false,
        }
    }
}

const NAMES: [(&str, &str, &str); 6] = [
    ("llama3.1:8b", "8.0B", "llama"),
    ("gemma4:12b", "12.2B", "gemma4"),
    ("qwen3:30b", "30.5B", "qwen3moe"),
    ("mistral:7b", "7.2B", "llama"),
    ("nomic-embed-text:latest", "137M", "nomic-bert"),
    ("deepseek-r1:14b", "14.8B", "qwen2"),
];

impl Model {
    /// An ordinary model of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The nth of an endless row of plausible models.
    #[must_use]
    pub fn invented(n: usize) -> Self {
        let (name, parameter_size, family) = NAMES[n % NAMES.len()];
        let name = if n < NAMES.len() { name.to_owned() } else { format!("invented-{n}:latest") };
        Self {
            parameter_size: parameter_size.to_owned(),
            family: family.to_owned(),
            size: 1_000_000_000 + 700_000_000 * (n as u64 % 20),
            ..Self::named(&name)
        }
    }

    /// The digest of the file that holds its weights, by which its runner names it.
    #[must_use]
    pub fn file_digest(&self) -> String {
        digest_of(&format!("the weights of {}", self.name))
    }

    /// Its digest: the one given, or 64 hex digits made from its name.
    #[must_use]
    pub fn digest(&self) -> String {
        if self.digest.is_empty() { digest_of(&self.name) } else { self.digest.clone() }
    }
}

/// 64 hex digits that differ where names differ (FNV-1a, four times over).
fn digest_of(name: &str) -> String {
    let word = |salt: u64| {
        name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ salt, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    (0..4).map(|salt| format!("{:016x}", word(salt))).collect()
}

/// A loaded model. It need not be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadedModel {
    /// The installed model's name.
    pub name: String,
    /// Another digest than the installed model's.
    pub digest: Option<String>,
    /// In memory of both kinds.
    pub size: u64,
    /// In VRAM.
    pub size_vram: u64,
    /// What it was loaded with.
    pub context_length: u64,
    /// How long it stays.
    pub keep: Keep,
}

impl Default for LoadedModel {
    fn default() -> Self {
        Self {
            name: "llama3.1:8b".to_owned(),
            digest: None,
            size: 6_654_289_920,
            size_vram: 6_654_289_920,
            context_length: 8_192,
            keep: Keep::FirstUse,
        }
    }
}

impl LoadedModel {
    /// An ordinary model of this name, wholly in VRAM.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// How long a loaded model stays, as the list tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Five minutes from now, whenever one asks: its first request still runs.
    #[default]
    FirstUse,
    /// Until this instant, milliseconds since the Unix epoch.
    Until(i64),
    /// A year in three centuries.
    Forever,
}

/// What goes wrong on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Half a JSON document.
    WrongJson,
    /// JSON of another shape: a list of numbers.
    OtherJson,
    /// Every list is `null`.
    NullLists,
    /// Every field is there, with nonsense in it: negative, huge, of another type.
    Nonsense,
    /// A body that never ends.
    EndlessBody,
    /// One byte a second.
    SlowBody,
    /// The request is read, and that is all.
    NeverAnswer,
    /// 10,000 models.
    ManyModels,
    /// 100,000 models.
    Flood,
    /// A little gzip that unpacks to a hundred megabytes.
    GzipBomb,
    /// Bytes that are no text.
    Garbage,
    /// To an address that hands out a cloud machine's credentials.
    Redirect,
    /// 401, as a proxy answers who has no key.
    Unauthorized,
    /// 403 without a body.
    Forbidden,
    /// 500 with an error in JSON.
    ServerError,
    /// 503, as when too many requests wait.
    Overloaded,
    /// The connection is reset instead of an answer.
    Reset,
}

/// A change of the story while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Loads a model, or loads it anew.
    Load {
        /// Which.
        model: LoadedModel,
    },
    /// A model is on its way into memory.
    Loading {
        /// Which.
        name: String,
    },
    /// Starts a process that runs a model.
    Run {
        /// Which.
        name: String,
        /// Its port on 127.0.0.1.
        port: u16,
    },
    /// Ends the process that runs a model.
    Kill {
        /// Which.
        name: String,
    },
    /// Unloads a model.
    Unload {
        /// Which.
        name: String,
    },
    /// Installs a model, or installs it anew.
    Pull {
        /// Which.
        model: Model,
    },
    /// Removes a model.
    Remove {
        /// Which.
        name: String,
    },
    /// Something goes wrong on a route from now on; `*` is every route.
    Fault {
        /// `/api/ps`, say.
        route: String,
        /// What.
        fault: Fault,
    },
    /// Every route is well again.
    Heal,
    /// Another version answers.
    Version {
        /// Which.
        version: String,
    },
}
