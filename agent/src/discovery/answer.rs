//! What servers tell, whatever their kind. The kinds read it from bytes.

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::ToldBy;

use super::list::List;

/// The body is not what the route answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub(super) struct NotTheAnswer {
    pub(super) expected: &'static str,
}

/// What a server tells of itself: it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Alive {
    pub(super) version: Option<String>,
    /// It is not ready yet: the one model that it serves is being loaded.
    pub(super) starting: bool,
    /// It unloaded its model until somebody wants it.
    pub(super) asleep: bool,
    /// It starts a server of its own kind for each of its models.
    pub(super) routes: bool,
    /// Some of it is behind a credential.
    pub(super) credential: bool,
    /// Counting its requests would count as use, which keeps its model from falling asleep.
    pub(super) light_sleeper: bool,
    /// It speaks an older version of its kind's language.
    pub(super) older: bool,
    /// What its model was loaded with, tokens.
    pub(super) context_length: Option<u64>,
}

/// What a server tells about its models and its work, as far as the question was about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// `None`: not by this answer.
    pub(super) installed: Option<List<Installed>>,
    /// `None`: not by this answer.
    pub(super) loaded: Option<List<Loaded>>,
    /// Names of models on their way into memory.
    pub(super) loading: Vec<String>,
    /// It holds a model, whether it lists it or not.
    pub(super) holds: bool,
    /// It is not ready yet.
    pub(super) starting: bool,
    /// Whether it is known what is loaded.
    pub(super) knows_loaded: bool,
    pub(super) requests: Requests,
}

/// Requests that a server counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    pub(super) running: Option<u64>,
    pub(super) waiting: Option<u64>,
    /// `None` where nothing was counted.
    pub(super) told_by: Option<ToldBy>,
}

impl Requests {
    /// As a server's own counters tell.
    pub(super) fn counted(running: Option<u64>, waiting: Option<u64>) -> Self {
        let told_by = running.map(|_| ToldBy::Metrics);
        Self { running, waiting, told_by }
    }
}

/// One model that a server can serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    pub(super) name: String,
    pub(super) digest: Option<String>,
    pub(super) size_bytes: Option<u64>,
    pub(super) details: Details,
    pub(super) context_length: Option<u64>,
    pub(super) capabilities: Vec<String>,
    /// It runs on another machine; asking about it would leave the host.
    pub(super) remote: bool,
}

/// One model in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) digest: Option<String>,
    pub(super) details: Details,
    /// In memory of both kinds, as the server reckons; not the size on disk.
    pub(super) memory_bytes: Option<u64>,
    pub(super) vram_bytes: Option<u64>,
    pub(super) context_length: Option<u64>,
    pub(super) expires_at: Option<Timestamp>,
}

/// What lists tell of a model's make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) parameters: Option<String>,
    pub(super) quantization: Option<String>,
    pub(super) family: Option<String>,
}

/// What a server tells of one model beyond its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) context_length: Option<u64>,
    pub(super) capabilities: Vec<String>,
    /// The digests of the files that it is made of, by which its processes name it.
    pub(super) files: Vec<String>,
}
