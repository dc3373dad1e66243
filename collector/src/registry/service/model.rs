//! A model on a service. What it is stands apart from how it does there, since the former is the
//! same on hundreds of hosts and the latter moves.

use std::ops::Deref;
use std::sync::Arc;

use herdbook_shared::wire::inventory;
use serde::{Deserialize, Serialize};

use super::pool::{shared_facts, shared_word};

/// What a model is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelFacts {
    /// `llama3.1:8b`.
    pub name: Arc<str>,
    /// Hex, without `sha256:`.
    pub digest: Option<Arc<str>>,
    /// On disk.
    pub size_bytes: Option<u64>,
    /// `8.0B`.
    pub parameters: Option<Arc<str>>,
    /// `Q4_K_M`.
    pub quantization: Option<Arc<str>>,
    /// `llama`.
    pub family: Option<Arc<str>>,
    /// What it can take, tokens.
    pub context_length: Option<u64>,
    /// `completion`, `tools`, `vision`; open words.
    pub capabilities: Arc<[Arc<str>]>,
    /// It runs elsewhere; nothing of it is on this host.
    pub remote: bool,
}

/// A model, and how it does on its service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "inventory::Model", into = "inventory::Model")]
pub struct Model {
    /// What it is.
    pub facts: Arc<ModelFacts>,
    /// In VRAM or RAM.
    pub warm: bool,
    /// On its way there.
    pub loading: bool,
    /// The server means to keep it loaded for ever.
    pub is_kept: bool,
    /// In VRAM, as the server claims.
    pub vram_bytes: Option<u64>,
    /// What it was loaded with, tokens.
    pub loaded_context_length: Option<u64>,
}

impl Deref for Model {
    type Target = ModelFacts;

    fn deref(&self) -> &ModelFacts {
        &self.facts
    }
}

impl Model {
    /// The same model, not in memory.
    #[must_use]
    pub fn cold(&self) -> Self {
        Self { facts: Arc::clone(&self.facts), ..Self::default() }
    }

    /// Roughly what it takes in memory, bytes, its facts included.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let facts = &self.facts;
        let words = [&facts.digest, &facts.parameters, &facts.quantization, &facts.family];
        let words = words.into_iter().flatten().chain([&facts.name]).chain(&*facts.capabilities);
        let words = words.map(|word| size_of::<Arc<str>>() + 16 + word.len()).sum::<usize>();
        size_of::<Self>() + size_of::<ModelFacts>() + words
    }
}

impl From<&inventory::Model> for Model {
    fn from(told: &inventory::Model) -> Self {
        let word = |word: &Option<String>| word.as_deref().map(shared_word);
        let capabilities = told.capabilities.iter().map(|word| shared_word(word));
        let facts = ModelFacts {
            // Where name or digest are the same, so are the facts.
            name: told.name.as_str().into(),
            digest: told.digest.as_deref().map(Arc::from),
            size_bytes: told.size_bytes,
            parameters: word(&told.parameters),
            quantization: word(&told.quantization),
            family: word(&told.family),
            context_length: told.context_length,
            capabilities: capabilities.collect(),
            remote: told.remote,
        };
        Self {
            facts: shared_facts(facts),
            warm: told.warm,
            loading: told.loading,
            is_kept: told.keep.is_some(),
            vram_bytes: told.vram_bytes,
            loaded_context_length: told.loaded_context_length,
        }
    }
}

impl From<inventory::Model> for Model {
    fn from(told: inventory::Model) -> Self {
        Self::from(&told)
    }
}

impl From<Model> for inventory::Model {
    fn from(model: Model) -> Self {
        let word = |word: &Option<Arc<str>>| word.as_deref().map(str::to_owned);
        let facts = &model.facts;
        Self {
            name: facts.name.as_ref().to_owned(),
            digest: word(&facts.digest),
            size_bytes: facts.size_bytes,
            parameters: word(&facts.parameters),
            quantization: word(&facts.quantization),
            family: word(&facts.family),
            context_length: facts.context_length,
            capabilities: facts.capabilities.iter().map(|word| word.as_ref().to_owned()).collect(),
            warm: model.warm,
            loading: model.loading,
            vram_bytes: model.vram_bytes,
            loaded_context_length: model.loaded_context_length,
            expires_at: None,
            keep: model.is_kept.then(|| "forever".to_owned()),
            remote: facts.remote,
        }
    }
}
