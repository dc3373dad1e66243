//! A model as lists of models tell it: over the fleet, and what it is where. One name may mean
//! several builds; services that have the very same one are told together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use herdbook_shared::ids::ServiceId;
use serde::Serialize;

use super::{FleetModel, Gathered, place};
use crate::registry::service::{Model, ModelFacts, ServiceEntry};

/// One model over the fleet, with what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ListedModel {
    /// Where it is.
    #[serde(flatten)]
    pub model: FleetModel,
    /// What goes by this name, what most services have first.
    pub variants: Vec<ModelVariant>,
}

/// What services that have the same build of a model say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ModelVariant {
    /// Hex, without `sha256:`.
    pub digest: Option<String>,
    /// On disk.
    pub size_bytes: Option<u64>,
    /// `8.0B`.
    pub parameters: Option<String>,
    /// `Q4_K_M`.
    pub quantization: Option<String>,
    /// `llama`.
    pub family: Option<String>,
    /// What it can take, tokens.
    pub context_length: Option<u64>,
    /// `completion`, `tools`, `vision`; open words.
    pub capabilities: Vec<String>,
    /// It runs elsewhere; nothing of it is on these hosts.
    pub remote: bool,
    /// The services that have it, by id; left out where all services of the model do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<ServiceId>>,
}

#[derive(Default)]
struct Listed<'a> {
    gathered: Gathered<'a>,
    variants: HashMap<&'a ModelFacts, BTreeSet<&'a ServiceId>>,
}

/// The models of these services, by name.
#[must_use]
pub fn listed_models<'a>(services: impl IntoIterator<Item = &'a ServiceEntry>) -> Vec<ListedModel> {
    let mut by_name: BTreeMap<&str, Listed<'a>> = BTreeMap::new();
    for service in services {
        for model in service.facts.models.iter() {
            by_name.entry(&model.name).or_default().take(service, model);
        }
    }
    by_name.into_iter().map(|(name, listed)| listed.into_model(name)).collect()
}

/// The model of this very name on these services; `None` where none has it.
#[must_use]
pub fn listed_model<'a>(
    name: &str,
    services: impl IntoIterator<Item = &'a ServiceEntry>,
) -> Option<ListedModel> {
    let mut listed = Listed::default();
    for service in services {
        if let Some(model) = service.model(name) {
            listed.take(service, model);
        }
    }
    (!listed.variants.is_empty()).then(|| listed.into_model(name))
}

impl<'a> Listed<'a> {
    fn take(&mut self, service: &'a ServiceEntry, model: &'a Model) {
        self.gathered.take(service, place(service), model);
        self.variants.entry(&model.facts).or_default().insert(&service.id);
    }

    fn into_model(self, name: &str) -> ListedModel {
        let is_only = self.variants.len() == 1;
        let mut variants: Vec<_> = self.variants.into_iter().collect();
        variants.sort_by(|(_, one), (_, other)| {
            other.len().cmp(&one.len()).then_with(|| one.first().cmp(&other.first()))
        });
        let told = |(facts, services): (&ModelFacts, BTreeSet<&ServiceId>)| {
            let services = (!is_only).then(|| services.into_iter().cloned().collect());
            ModelVariant::of(facts, services)
        };
        ListedModel {
            model: self.gathered.into_model(name),
            variants: variants.into_iter().map(told).collect(),
        }
    }
}

impl ModelVariant {
    fn of(facts: &ModelFacts, services: Option<Vec<ServiceId>>) -> Self {
        let word = |word: &Option<std::sync::Arc<str>>| word.as_deref().map(str::to_owned);
        Self {
            digest: word(&facts.digest),
            size_bytes: facts.size_bytes,
            parameters: word(&facts.parameters),
            quantization: word(&facts.quantization),
            family: word(&facts.family),
            context_length: facts.context_length,
            capabilities: facts.capabilities.iter().map(|word| word.to_string()).collect(),
            remote: facts.remote,
            services,
        }
    }
}
