//! What is told of a model on a service, while it can be told what is in memory there. There may be
//! as many as a person pulls, so they are bounded: of each service, and in all.

use crate::registry::service::{Model, ServiceEntry};

use super::family::{Family, gauge};
use super::services::ServiceAt;

/// Most models of one service that have series, those in memory before the others.
pub const MODELS_A_SERVICE: usize = 64;
/// Most models over all services that have series; where there are more, only those in memory do.
pub const MODELS_MAX: usize = 200_000;

/// Which models have series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Those in memory, and others.
    All,
    /// Those in memory.
    Warm,
}

impl Told {
    /// Which ones can be told, given all services.
    pub fn over<'a>(services: impl Iterator<Item = &'a ServiceEntry>) -> Self {
        let n = services.map(|service| Self::All.of(service).count()).sum::<usize>();
        if n <= MODELS_MAX { Self::All } else { Self::Warm }
    }

    /// The places of the models of a service that are told.
    fn of(self, service: &ServiceEntry) -> impl Iterator<Item = usize> {
        let models = if service.tells_warmth() { &service.facts.models[..] } else { &[] };
        let are = |warm: bool| {
            let places = models.iter().enumerate();
            places.filter(move |(_, model)| model.warm == warm).map(|(place, _)| place)
        };
        let n_cold = if self == Self::All { models.len() } else { 0 };
        are(true).chain(are(false).take(n_cold)).take(MODELS_A_SERVICE)
    }

    /// How many of a service's models are not told though it could be told how they do.
    #[must_use]
    pub fn n_left_out(self, service: &ServiceEntry) -> usize {
        let n = if service.tells_warmth() { service.facts.models.len() } else { 0 };
        n - self.of(service).count()
    }
}

/// A model on a service, by its place there.
#[derive(Clone, Debug)]
pub struct ModelAt {
    at: ServiceAt,
    place: usize,
}

impl ModelAt {
    /// Those models of a service that are told.
    pub fn of(at: &ServiceAt, told: Told) -> impl Iterator<Item = Self> {
        told.of(&at.service).map(|place| Self { at: at.clone(), place })
    }

    /// What its series are told apart by.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, &str); 2] {
        let model = self.model().map_or("", |model| &*model.name);
        [("service", self.at.service.id.as_str()), ("model", model)]
    }

    fn model(&self) -> Option<&Model> {
        self.at.service.facts.models.get(self.place)
    }
}

/// By what its series are told apart.
pub const LABELS: [&str; 2] = ["service", "model"];

/// All of them, in the order in which they are written.
pub const FAMILIES: &[Family<ModelAt>] = &[
    gauge("herdbook_model_loaded", "1 for a model in memory, 0 for one on disk.", |at| {
        at.model().map(|model| model.warm.into())
    }),
    gauge("herdbook_model_vram_bytes", "VRAM that it takes, as its server says.", |at| {
        let model = at.model().filter(|model| model.warm)?;
        model.vram_bytes.map(Into::into)
    }),
];
