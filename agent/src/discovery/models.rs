//! Joins what is installed and what is loaded into the models of the wire. Pure.

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory::Model;
use herdbook_shared::wire::sample::Expiry;

use super::answer::{Installed, Loaded};
use super::details::DetailsCache;

/// An expiry this far ahead means that the server was told to keep the model.
const CENTURY_MS: i64 = 100 * 365 * 24 * 3600 * 1000;

/// All models of a server: the installed ones, then loaded ones that are not installed. Those whose
/// name is in `loading` are on their way, and not there yet.
pub(super) fn models(
    installed: &[Installed],
    loaded: &[Loaded],
    loading: &[String],
    details: &DetailsCache,
    now: Timestamp,
) -> Vec<Model> {
    let mut models: Vec<Model> = installed
        .iter()
        .map(|model| {
            let cold = cold(model, details);
            match loaded.iter().find(|loaded| is_same(model, loaded)) {
                Some(loaded) if !model.remote => warm(cold, loaded, now),
                _ => cold,
            }
        })
        .collect();
    let elsewhere = loaded.iter().filter(|l| !installed.iter().any(|i| is_same(i, l)));
    models.extend(elsewhere.map(|loaded| warm(unlisted(loaded), loaded, now)));
    for model in models.iter_mut().filter(|model| loading.contains(&model.name)) {
        model.loading = true;
        model.warm = false;
    }
    models
}

/// When the loaded models expire.
pub(super) fn expiries(loaded: &[Loaded], now: Timestamp) -> Vec<Expiry> {
    let expiry = |loaded: &Loaded| {
        let Expires::At(at) = expires(loaded, now) else { return None };
        Some(Expiry { model: loaded.name.clone(), at })
    };
    loaded.iter().filter_map(expiry).collect()
}

/// A name alone is no key: a tag may have moved to another digest since it was loaded.
fn is_same(installed: &Installed, loaded: &Loaded) -> bool {
    let same_digest = match (&installed.digest, &loaded.digest) {
        (Some(installed), Some(loaded)) => installed == loaded,
        _ => true,
    };
    same_digest && with_tag(&installed.name) == with_tag(&loaded.name)
}

/// Name and tag; without one, `latest` is meant. A registry's port is no tag.
fn with_tag(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => (before, tag),
        _ => (name, "latest"),
    }
}

fn cold(model: &Installed, details: &DetailsCache) -> Model {
    let shown = details.get(model.digest.as_deref());
    let capabilities = match shown {
        Some(shown) if model.capabilities.is_empty() => &shown.capabilities,
        _ => &model.capabilities,
    };
    Model {
        name: model.name.clone(),
        digest: model.digest.clone(),
        // What stands on disk for a remote model is a pointer to it.
        size_bytes: model.size_bytes.filter(|_| !model.remote),
        parameters: model.details.parameters.clone(),
        quantization: model.details.quantization.clone(),
        family: model.details.family.clone(),
        context_length: model.context_length.or_else(|| shown?.context_length),
        capabilities: capabilities.clone(),
        remote: model.remote,
        ..Model::default()
    }
}

/// A loaded model that the list of installed ones lacks: what it takes on disk is not known.
fn unlisted(loaded: &Loaded) -> Model {
    Model {
        name: loaded.name.clone(),
        digest: loaded.digest.clone(),
        parameters: loaded.details.parameters.clone(),
        quantization: loaded.details.quantization.clone(),
        family: loaded.details.family.clone(),
        ..Model::default()
    }
}

fn warm(model: Model, loaded: &Loaded, now: Timestamp) -> Model {
    let (expires_at, keep) = match expires(loaded, now) {
        Expires::At(at) => (Some(at), None),
        Expires::Never => (None, Some("forever".to_owned())),
        Expires::Untold => (None, None),
    };
    Model {
        warm: true,
        vram_bytes: vram(loaded),
        loaded_context_length: loaded.context_length.filter(|n| *n > 0),
        expires_at,
        keep,
        ..model
    }
}

/// 0 is on the CPU, less than the whole is split; more than the whole, or of no whole, is nonsense.
fn vram(loaded: &Loaded) -> Option<u64> {
    let whole = loaded.memory_bytes.filter(|whole| *whole > 0)?;
    loaded.vram_bytes.filter(|vram| *vram <= whole)
}

enum Expires {
    At(Timestamp),
    Never,
    Untold,
}

fn expires(loaded: &Loaded, now: Timestamp) -> Expires {
    match loaded.expires_at {
        Some(at) if at.ms_since(now) > CENTURY_MS => Expires::Never,
        // Go writes the year 1 where it has no instant.
        Some(at) if at.unix_ms() > 0 => Expires::At(at),
        _ => Expires::Untold,
    }
}

#[cfg(test)]
mod tests;
