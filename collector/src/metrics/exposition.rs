//! One answer, written piece by piece as its reader takes it: family after family, as the format
//! wants it, and within one the subjects in the order of their ids. Never is all of it in memory.

use super::family::{About, Family};
use super::fleet::Fleet;
use super::gpus::{self, GpuAt};
use super::hosts::{self, HostAt};
use super::models::{self, ModelAt};
use super::own::{self, Own};
use super::services::{self, ServiceAt};
use super::text::Text;

/// How large a piece becomes, about: the series of one host in one family may lie beyond it.
pub const PIECE_BYTES: usize = 64 * 1024;

/// A family over subjects of any type.
#[derive(Clone, Copy, Debug)]
enum Any {
    Own(&'static Family<Own>),
    Host(&'static Family<HostAt>),
    Gpu(&'static Family<GpuAt>),
    Service(&'static Family<ServiceAt>),
    Model(&'static Family<ModelAt>),
}

fn all() -> impl Iterator<Item = Any> {
    let own = own::FAMILIES.iter().map(Any::Own);
    let of_hosts = hosts::FAMILIES.iter().map(Any::Host);
    let of_gpus = gpus::FAMILIES.iter().map(Any::Gpu);
    let of_services = services::FAMILIES.iter().map(Any::Service);
    let of_models = models::FAMILIES.iter().map(Any::Model);
    own.chain(of_hosts).chain(of_gpus).chain(of_services).chain(of_models)
}

/// A family as it is documented.
#[derive(Clone, Debug)]
pub struct Documented {
    /// What it says of itself.
    pub about: &'static About,
    /// All labels of its series.
    pub labels: Vec<&'static str>,
}

/// All families, in the order in which they are written.
pub fn documented() -> impl Iterator<Item = Documented> {
    fn with<T>(family: &'static Family<T>, labels: &[&'static str]) -> Documented {
        let labels = labels.iter().chain(family.read.labels()).copied().collect();
        Documented { about: &family.about, labels }
    }
    all().map(|family| match family {
        Any::Own(family) => with(family, &[]),
        Any::Host(family) => with(family, &hosts::LABELS),
        Any::Gpu(family) => with(family, &gpus::LABELS),
        Any::Service(family) => with(family, &services::LABELS),
        Any::Model(family) => with(family, &models::LABELS),
    })
}

/// See the module's words.
#[derive(Debug)]
pub struct Exposition {
    fleet: Fleet,
    families: Vec<Any>,
    /// The family that is being written.
    family: usize,
    /// The subject of it that comes next.
    subject: usize,
    text: Text,
}

impl Exposition {
    /// An answer about this fleet.
    #[must_use]
    pub fn new(fleet: Fleet) -> Self {
        Self { fleet, families: all().collect(), family: 0, subject: 0, text: Text::default() }
    }

    /// The next piece; `None` after the last.
    pub fn piece(&mut self) -> Option<Vec<u8>> {
        while self.text.len() < PIECE_BYTES
            && let Some(family) = self.families.get(self.family).copied()
        {
            if self.write_next(family).is_some() {
                self.subject += 1;
            } else {
                (self.family, self.subject) = (self.family + 1, 0);
            }
        }
        (!self.text.is_empty()).then(|| self.text.take())
    }

    /// Writes what a family tells of the next subject; `None` where there is none.
    fn write_next(&mut self, family: Any) -> Option<()> {
        let Self { fleet, text, subject, .. } = self;
        match family {
            Any::Own(family) => {
                let own = fleet.own.as_ref().filter(|_| *subject == 0)?;
                text.write(family, own, &[]);
            }
            Any::Host(family) => {
                let at = HostAt::now(fleet.hosts.get(*subject)?);
                text.write(family, &at, &at.labels());
            }
            Any::Gpu(family) => {
                let at = HostAt::now(fleet.hosts.get(*subject)?);
                for gpu in GpuAt::of(&at) {
                    text.write(family, &gpu, &gpu.labels());
                }
            }
            Any::Service(family) => {
                let at = fleet.service_at(fleet.services.get(*subject)?);
                text.write(family, &at, &at.labels());
            }
            Any::Model(family) => {
                let service = fleet.services.get(*subject)?.clone();
                for model in ModelAt::of(&ServiceAt { service, host: None }, fleet.told) {
                    text.write(family, &model, &model.labels());
                }
            }
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
