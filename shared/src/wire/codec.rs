//! Messages to text and back. Decoding refuses what is no message, and holds every bound.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::limits;

use super::check::OutOfBounds;
use super::enrol::{Knock, Rekey};
use super::hello::{Goodbye, Hello};
use super::inventory::{Inventory, Service};
use super::sample::Sample;
use super::{AgentMessage, CollectorMessage};

/// Why a frame is no message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Larger than [`limits::FRAME_BYTES`].
    #[error("frame of {0} bytes, expected at most {max}", max = limits::FRAME_BYTES)]
    TooLarge(usize),
    /// No JSON object with a `type`.
    #[error("expected a JSON object with a \"type\"")]
    NotAMessage(#[source] serde_json::Error),
    /// A `type` that this version does not know; to be counted and ignored.
    #[error("unknown type {0:?}")]
    UnknownType(String),
    /// A field of the wrong shape.
    #[error("{kind}: field {path}")]
    BadField {
        /// The message's type.
        kind: &'static str,
        /// Path to the field, `gpus[0].name`.
        path: String,
        /// What was expected of it.
        #[source]
        source: serde_json::Error,
    },
    /// A value out of its bounds.
    #[error("{kind} out of bounds")]
    OutOfBounds {
        /// The message's type.
        kind: &'static str,
        /// Which field, and its bound.
        #[source]
        source: OutOfBounds,
    },
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

const SAMPLE_BEGINS: &str = "{\"type\":\"sample\",";

/// Reads what an agent says.
///
/// # Errors
///
/// Where the frame is no message of this protocol, or a value is out of bounds.
pub fn decode_agent(text: &str) -> Result<AgentMessage, DecodeError> {
    if text.len() > limits::FRAME_BYTES {
        return Err(DecodeError::TooLarge(text.len()));
    }
    // Nearly every frame is a sample that begins so; any other is read once more for its type.
    let kind = if text.starts_with(SAMPLE_BEGINS) {
        Cow::Borrowed("sample")
    } else {
        serde_json::from_str::<Tag<'_>>(text).map_err(DecodeError::NotAMessage)?.kind
    };
    match kind.as_ref() {
        "sample" => {
            let sample: Sample = body("sample", text)?;
            bounded("sample", sample.check())?;
            Ok(AgentMessage::Sample(Box::new(sample)))
        }
        "inventory" => {
            let inventory: Inventory = body("inventory", text)?;
            bounded("inventory", inventory.check())?;
            Ok(AgentMessage::Inventory(Box::new(inventory)))
        }
        "hello" => {
            let hello: Hello = body("hello", text)?;
            bounded("hello", hello.check())?;
            Ok(AgentMessage::Hello(Box::new(hello)))
        }
        "knock" => {
            let knock: Knock = body("knock", text)?;
            bounded("knock", knock.check())?;
            Ok(AgentMessage::Knock(knock))
        }
        "rekey" => body::<Rekey>("rekey", text).map(AgentMessage::Rekey),
        "goodbye" => body::<Goodbye>("goodbye", text).map(AgentMessage::Goodbye),
        other => Err(DecodeError::UnknownType(other.chars().take(64).collect())),
    }
}

/// Reads what a collector says.
///
/// # Errors
///
/// Where the frame is no message of this protocol.
pub fn decode_collector(text: &str) -> Result<CollectorMessage, DecodeError> {
    if text.len() > limits::FRAME_BYTES {
        return Err(DecodeError::TooLarge(text.len()));
    }
    serde_json::from_str(text).map_err(DecodeError::NotAMessage)
}

/// The message as one frame.
#[must_use]
pub fn encode<M: serde::Serialize>(message: &M) -> String {
    // Nothing on the wire can fail to be written: no maps with keys that are no strings, and
    // serde_json writes NaN as null.
    serde_json::to_string(message).unwrap_or_default()
}

fn body<T: DeserializeOwned>(kind: &'static str, text: &str) -> Result<T, DecodeError> {
    // Paths cost time, so they are worked out only for a frame that is known to be bad.
    serde_json::from_str(text).or_else(|_| {
        let mut json = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let (path, source) = (error.path().to_string(), error.into_inner());
            // Not told by the error's category: a number where a word of a fixed set is expected
            // counts as broken syntax there.
            match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => DecodeError::BadField { kind, path, source },
                Err(_) => DecodeError::NotAMessage(source),
            }
        })
    })
}

fn bounded(kind: &'static str, checked: Result<(), OutOfBounds>) -> Result<(), DecodeError> {
    checked.map_err(|source| DecodeError::OutOfBounds { kind, source })
}

/// Cuts an inventory so that each part fits a frame. A small one stays whole.
#[must_use]
pub fn split(inventory: Inventory) -> Vec<Inventory> {
    let services = inventory.services;
    let head = Inventory { services: Vec::new(), ..inventory };
    let mut room = limits::INVENTORY_PART_BYTES.saturating_sub(encode(&head).len());
    let mut parts = vec![head];
    for service in services {
        for piece in cut(service) {
            let size = encode(&piece).len();
            if size > room && parts.len() < limits::INVENTORY_PARTS as usize {
                parts.push(Inventory { missing: Default::default(), ..Inventory::empty() });
                room = limits::INVENTORY_PART_BYTES;
            }
            room = room.saturating_sub(size);
            if let Some(part) = parts.last_mut() {
                part.services.push(piece);
            }
        }
    }
    let n_parts = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    for (part, number) in parts.iter_mut().zip(1..) {
        (part.part, part.parts) = (number, n_parts);
    }
    parts
}

/// One service, its models spread over as many pieces as they need.
fn cut(service: Service) -> Vec<Service> {
    const MODELS_A_PIECE: usize = 64;
    if service.models.len() <= MODELS_A_PIECE {
        return vec![service];
    }
    let pieces = service.models.chunks(MODELS_A_PIECE);
    pieces.map(|models| Service { models: models.to_vec(), ..service.clone() }).collect()
}

/// Joins the parts of one inventory, in order.
#[must_use]
pub fn join(parts: Vec<Inventory>) -> Option<Inventory> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next()?;
    merge(&mut whole.services, Vec::new());
    for part in parts {
        merge(&mut whole.services, part.services);
    }
    (whole.part, whole.parts) = (1, 1);
    Some(whole)
}

fn merge(services: &mut Vec<Service>, more: Vec<Service>) {
    for service in std::mem::take(services).into_iter().chain(more) {
        let same = |s: &&mut Service| s.address == service.address && s.port == service.port;
        match services.iter_mut().find(same) {
            Some(known) => known.models.extend(service.models),
            None => services.push(service),
        }
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
