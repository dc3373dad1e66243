//! What any operation may answer besides what it says: the refusals that the guard, the reading of
//! bodies and parameters, and a full disk have in common. Each stands once in the document.

use serde_json::{Map, Value, json};

use crate::api::problem::{Kind, Problem};

use super::components::Components;

/// The refusals that stand once, and when they are told.
const COMMON: [(Kind, &str); 16] = [
    (Kind::BadRequest, "The body is no JSON, or a header is missing or twice there."),
    (Kind::Unauthorized, "Credentials are demanded, and there are none that hold."),
    (
        Kind::Forbidden,
        "The role of whoever asks is too low; where no credentials are demanded: another machine \
         asks, or a proxy is in between; or a page of another site asks.",
    ),
    (Kind::NotFound, "There is no such thing."),
    (Kind::Timeout, "The body did not arrive within 10 s."),
    (Kind::Conflict, "What is asked for contradicts what is there."),
    (Kind::PreconditionFailed, "`If-Match` is not the present revision, which `expected` tells."),
    (Kind::Gone, "The cursor is of the past: begin anew."),
    (Kind::TooLarge, "The body is larger than 256 KiB."),
    (Kind::UnsupportedMediaType, "The body does not say that it is JSON."),
    (Kind::Misdirected, "The Host header is none of the collector's names."),
    (Kind::BadField, "`field` has a value that is not allowed; `expected` says what is."),
    (Kind::TooManyRequests, "Too often: `Retry-After` says when again."),
    (Kind::Internal, "A fault of the collector."),
    (Kind::Unavailable, "Not now, or there is no room for one more."),
    (Kind::StorageFull, "The disk is full: nothing was changed."),
];

/// All of them, for `components`.
pub(super) fn responses(components: &mut Components) -> Map<String, Value> {
    let schema = components.told::<Problem>();
    let response = |(kind, when): &(Kind, &str)| {
        let content = json!({ "application/problem+json": { "schema": schema } });
        (name(*kind), json!({ "description": when, "content": content }))
    };
    COMMON.iter().map(response).collect()
}

/// A reference to one of them.
pub(super) fn common(kind: Kind) -> Value {
    json!({ "$ref": format!("#/components/responses/{}", name(kind)) })
}

/// The status of a refusal.
pub(super) fn status(kind: Kind) -> u16 {
    kind.words().0.as_u16()
}

fn name(kind: Kind) -> String {
    format!("{kind:?}")
}

#[cfg(test)]
mod tests {
    use super::super::components::OF_OPENAPI;
    use super::*;

    #[test]
    fn every_sort_of_refusal_can_be_referred_to() {
        let mut components = Components::at(OF_OPENAPI);
        let all = responses(&mut components);
        for kind in [Kind::BadField, Kind::Gone, Kind::StorageFull, Kind::Misdirected] {
            assert!(all.contains_key(&name(kind)), "{kind:?}");
        }
    }
}
