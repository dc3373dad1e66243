//! The shapes of bodies: of a type, of one of two, a page of a list, text.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::components::Components;

/// What a body is, with the schema of it where it is JSON.
pub(super) struct Shape {
    pub(super) media_type: &'static str,
    schema: Box<dyn Fn(&mut Components) -> Value>,
}

impl Shape {
    fn json(schema: impl Fn(&mut Components) -> Value + 'static) -> Self {
        Self { media_type: "application/json", schema: Box::new(schema) }
    }

    pub(super) fn schema(&self, components: &mut Components) -> Value {
        (self.schema)(components)
    }

    /// The same, as problem JSON.
    pub(super) fn of_problem(self) -> Self {
        Self { media_type: "application/problem+json", ..self }
    }
}

/// An answer that is written as `T`.
pub(super) fn told<T: JsonSchema + 'static>() -> Shape {
    Shape::json(Components::told::<T>)
}

/// A body that is read as `T`.
pub(super) fn taken<T: JsonSchema + 'static>() -> Shape {
    Shape::json(Components::taken::<T>)
}

/// One or the other: a full view or the summary.
pub(super) fn either<A: JsonSchema + 'static, B: JsonSchema + 'static>() -> Shape {
    Shape::json(|components| {
        let both = [components.told::<A>(), components.told::<B>()];
        json!({ "anyOf": both })
    })
}

/// A list that stands alone.
pub(super) fn list_of<T: JsonSchema + 'static>() -> Shape {
    Shape::json(|components| json!({ "type": "array", "items": components.told::<T>() }))
}

/// A page of a list, as `api::list` writes it.
pub(super) fn page(name: &'static str, list: &'static str, entry: Shape) -> Shape {
    Shape::json(move |components| {
        let entry = entry.schema(components);
        let schema = json!({
            "description": "A page of a list, with the moment that it shows.",
            "type": "object",
            "properties": {
                "epoch": { "type": "string", "description": "This run of the collector." },
                "seq": {
                    "type": "integer", "format": "uint64", "minimum": 0,
                    "description": "The number of the last change that it holds.",
                },
                (list): { "type": "array", "items": entry },
                "next_cursor": {
                    "type": ["string", "null"],
                    "description": "Ask for the next page with it as `cursor`; `null`: \
                        there is none.",
                },
            },
            "required": ["epoch", "seq", list, "next_cursor"],
        });
        components.named(name, schema)
    })
}

/// A shape that no type has, under a name.
pub(super) fn own(
    name: &'static str,
    schema: impl Fn(&mut Components) -> Value + 'static,
) -> Shape {
    Shape::json(move |components| {
        let schema = schema(components);
        components.named(name, schema)
    })
}

/// Text of a media type, of which no schema says more.
pub(super) fn text(media_type: &'static str) -> Shape {
    Shape { media_type, schema: Box::new(|_| json!({ "type": "string" })) }
}
