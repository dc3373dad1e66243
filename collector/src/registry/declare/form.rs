//! What a request or a file says of a service, as it is written there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::inventory;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::registry::service::record::Declared;
use crate::registry::service::words::read_word;
use crate::registry::service::{Check, Model, Role, ServiceType, Source, Word};
use crate::secret::Secret;

use super::bounds::{self, OutOfBounds};
use super::patch::given;

/// A service as it is declared.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ServiceForm")]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields of the record, documented there")]
pub struct Form {
    pub name: String,
    pub r#type: ServiceType,
    pub url: String,
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    pub check: Option<OwnOrProbe>,
    #[serde(default)]
    pub role: Option<Role>,
    #[serde(default)]
    pub caps: Option<Vec<String>>,
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub priority: Option<i32>,
    #[serde(default)]
    pub ctx_limit: Option<u64>,
    #[serde(default)]
    pub cost_hint_usd_per_1k: Option<f64>,
    #[serde(default)]
    pub heartbeat_interval_s: Option<u64>,
    #[serde(default)]
    pub ttl_s: Option<u64>,
    #[serde(default)]
    pub models: Option<Vec<ModelForm>>,
    /// `Some(None)`: the one that is kept is taken away.
    #[serde(default, deserialize_with = "given")]
    pub credential: Option<Option<CredentialForm>>,
}

/// The checks that can be asked for; an agent's is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "CheckForm", rename_all = "snake_case")]
pub enum OwnOrProbe {
    /// The collector asks it.
    Probe,
    /// It beats by itself.
    Heartbeat,
}

impl Word for OwnOrProbe {
    const ALL: &'static [Self] = &[Self::Probe, Self::Heartbeat];

    fn word(self) -> &'static str {
        match self {
            Self::Probe => Check::Probe.word(),
            Self::Heartbeat => Check::Heartbeat.word(),
        }
    }
}

impl<'de> Deserialize<'de> for OwnOrProbe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_word(deserializer)
    }
}

/// A header that the checks of a service shall send.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(rename = "Credential", deny_unknown_fields)]
pub struct CredentialForm {
    /// Its name.
    pub header: String,
    /// Its value, which is told to nobody.
    #[schemars(with = "String")]
    pub value: Secret,
}

/// A model: its name alone, or what the views tell of it.
#[derive(Clone, Debug)]
pub struct ModelForm(inventory::Model);

impl Form {
    /// How its life shall be judged: by its beats where it says how often they come.
    #[must_use]
    pub fn check(&self) -> Check {
        let beats = self.heartbeat_interval_s.is_some() || self.ttl_s.is_some();
        match self.check {
            Some(OwnOrProbe::Heartbeat) => Check::Heartbeat,
            None if beats => Check::Heartbeat,
            Some(OwnOrProbe::Probe) | None => Check::Probe,
        }
    }

    /// The source that a request of this form stands for: who beats speaks for itself.
    #[must_use]
    pub fn source(&self) -> Source {
        match self.check() {
            Check::Heartbeat => Source::Own,
            Check::Agent | Check::Probe => Source::Manual,
        }
    }

    /// The record that it makes, but for its credential, which has to be sealed.
    #[must_use]
    pub fn declared(self) -> Declared {
        let check = self.check();
        let models = self.models.map(|models| models.into_iter().map(Model::from).collect());
        Declared {
            name: Some(self.name),
            r#type: Some(self.r#type),
            kind: self.kind,
            url: Some(self.url),
            check: Some(check),
            role: self.role,
            caps: self.caps,
            labels: self.labels,
            label_edits: None,
            priority: self.priority,
            ctx_limit: self.ctx_limit,
            cost_hint_usd_per_1k: self.cost_hint_usd_per_1k,
            heartbeat_interval_s: self.heartbeat_interval_s,
            ttl_s: self.ttl_s,
            models,
            drain: None,
            credential: None,
            owner: None,
        }
    }
}

impl CredentialForm {
    /// Holds the bounds of a header. Returns its name as it is sealed with, and its value.
    ///
    /// # Errors
    ///
    /// Where either cannot stand in a request, or is not for a check to say.
    pub fn checked(&self) -> Result<(String, &Secret), OutOfBounds> {
        bounds::header(&self.header, self.value.expose())?;
        Ok((self.header.to_ascii_lowercase(), &self.value))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialFields {
    header: String,
    #[serde(deserialize_with = "secret")]
    value: Secret,
}

impl<'de> Deserialize<'de> for CredentialForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeaderAndValue)
    }
}

struct HeaderAndValue;

impl<'de> Visitor<'de> for HeaderAndValue {
    type Value = CredentialForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with header and value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CredentialForm, A::Error> {
        let fields = CredentialFields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(CredentialForm { header: fields.header, value: fields.value })
    }
}

/// What is wrong is not told by its value.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    match value {
        serde_json::Value::String(text) => Ok(Secret::new(text)),
        _ => Err(D::Error::custom("it is no text, expected a string")),
    }
}

impl JsonSchema for ModelForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NameOrModel".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, model) =
            (generator.subschema_for::<String>(), generator.subschema_for::<ModelFields>());
        json_schema!({ "anyOf": [name, model] })
    }
}

impl From<ModelForm> for Model {
    fn from(form: ModelForm) -> Self {
        form.0.into()
    }
}

/// The fields of a model as the views tell them, so that what was read can be declared. When it
/// expires moves, and is not taken over.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ModelForm")]
#[serde(deny_unknown_fields)]
struct ModelFields {
    name: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    size_bytes: Option<u64>,
    #[serde(default)]
    parameters: Option<String>,
    #[serde(default)]
    quantization: Option<String>,
    #[serde(default)]
    family: Option<String>,
    #[serde(default)]
    context_length: Option<u64>,
    #[serde(default)]
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    warm: Option<bool>,
    #[serde(default)]
    loading: Option<bool>,
    #[serde(default)]
    vram_bytes: Option<u64>,
    #[serde(default)]
    loaded_context_length: Option<u64>,
    /// Read, and not taken over.
    #[serde(default, rename = "expires_at")]
    _expires_at: Option<Timestamp>,
    #[serde(default)]
    keep: Option<Forever>,
    #[serde(default)]
    remote: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Forever {
    Forever,
}

impl Word for Forever {
    const ALL: &'static [Self] = &[Self::Forever];

    fn word(self) -> &'static str {
        "forever"
    }
}

impl<'de> Deserialize<'de> for Forever {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_word(deserializer)
    }
}

impl From<ModelFields> for ModelForm {
    fn from(fields: ModelFields) -> Self {
        Self(inventory::Model {
            name: fields.name,
            digest: fields.digest,
            size_bytes: fields.size_bytes,
            parameters: fields.parameters,
            quantization: fields.quantization,
            family: fields.family,
            context_length: fields.context_length,
            capabilities: fields.capabilities.unwrap_or_default(),
            warm: fields.warm.unwrap_or(false),
            loading: fields.loading.unwrap_or(false),
            vram_bytes: fields.vram_bytes,
            loaded_context_length: fields.loaded_context_length,
            expires_at: None,
            keep: fields.keep.map(|keep| keep.word().to_owned()),
            remote: fields.remote.unwrap_or(false),
        })
    }
}

impl<'de> Deserialize<'de> for ModelForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrFields)
    }
}

struct NameOrFields;

impl<'de> Visitor<'de> for NameOrFields {
    type Value = ModelForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a model, or an object with its name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ModelForm, E> {
        Ok(ModelForm(inventory::Model { name: name.to_owned(), ..inventory::Model::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ModelForm, A::Error> {
        ModelFields::deserialize(MapAccessDeserializer::new(map)).map(ModelForm::from)
    }
}
