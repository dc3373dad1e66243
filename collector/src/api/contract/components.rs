//! The schemas of everything that is written or read, each under its name.
//!
//! A type is described as it is written (an answer) or as it is read (a body, parameters). Where
//! both are told of one name they have to be alike, which a test holds.

use std::collections::BTreeMap;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Where a document of OpenAPI has them.
pub(super) const OF_OPENAPI: &str = "/components/schemas";

/// See the module's words.
#[derive(Debug)]
pub(super) struct Components {
    told: SchemaGenerator,
    taken: SchemaGenerator,
    own: BTreeMap<String, Value>,
    path: &'static str,
}

impl Components {
    /// None yet; `path` is where they shall stand.
    pub(super) fn at(path: &'static str) -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = path.into();
                settings.meta_schema = None;
            })
        };
        let told = settings().for_serialize().into_generator();
        let taken = settings().for_deserialize().into_generator();
        Self { told, taken, own: BTreeMap::new(), path }
    }

    /// What is written as `T`.
    pub(super) fn told<T: ?Sized + JsonSchema>(&mut self) -> Value {
        tidied(self.told.subschema_for::<T>())
    }

    /// What is read as `T`.
    pub(super) fn taken<T: ?Sized + JsonSchema>(&mut self) -> Value {
        tidied(self.taken.subschema_for::<T>())
    }

    /// What is written as `T`, under no name: to be told as something else than that.
    pub(super) fn unnamed<T: JsonSchema>(&mut self) -> Value {
        tidied(T::json_schema(&mut self.told))
    }

    /// The fields that are read as `T`, which is an object.
    pub(super) fn fields<T: JsonSchema>(&mut self) -> Map<String, Value> {
        let schema = tidied(T::json_schema(&mut self.taken));
        schema["properties"].as_object().cloned().unwrap_or_default()
    }

    /// Puts a schema that no type has under a name of its own.
    pub(super) fn named(&mut self, name: &str, schema: Value) -> Value {
        self.own.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#{}/{name}", self.path) })
    }

    /// All of them by name, and the names that mean two things.
    pub(super) fn finish(mut self) -> (Map<String, Value>, Vec<String>) {
        let mut all = Map::new();
        let mut twice = Vec::new();
        let own = self.own.into_iter();
        let told = self.told.take_definitions(true).into_iter();
        let taken = self.taken.take_definitions(true).into_iter();
        for (name, mut schema) in own.chain(told).chain(taken) {
            tidy(&mut schema);
            match all.get(&name) {
                Some(known) if *known != schema => twice.push(name),
                _ => {
                    all.insert(name, schema);
                }
            }
        }
        (all, twice)
    }
}

fn tidied(schema: Schema) -> Value {
    let mut schema = schema.to_value();
    tidy(&mut schema);
    schema
}

/// Makes readable what was taken from the source: its comments are broken into lines and link to
/// one another, and `null` is what every absent field is anyway.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = words(text);
            }
            // No bound that a reader could use: it is that of the machine.
            if fields.get("format").is_some_and(|format| format == "uint") {
                fields.insert("format".to_owned(), "uint64".into());
            }
            fields.values_mut().for_each(tidy);
        }
        _ => (),
    }
}

fn words(comment: &str) -> String {
    let paragraphs = comment.split("\n\n").map(|text| text.split_whitespace());
    let text = paragraphs.map(|words| words.collect::<Vec<_>>().join(" "));
    text.collect::<Vec<_>>().join("\n\n").replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_becomes_words() {
        assert_eq!(words("As\n [`GpuView::of`],\nsay.\n\nMore"), "As `GpuView::of`, say.\n\nMore");
    }

    #[test]
    fn one_name_for_two_things_is_told() {
        let mut components = Components::at(OF_OPENAPI);
        components.named("A", json!({ "type": "string" }));
        assert_eq!(components.finish().1, Vec::<String>::new());

        #[derive(JsonSchema)]
        #[schemars(rename = "A")]
        struct Other {
            #[expect(dead_code, reason = "only described")]
            number: u64,
        }
        let mut components = Components::at(OF_OPENAPI);
        components.named("A", json!({ "type": "string" }));
        components.told::<Other>();
        assert_eq!(components.finish().1, ["A"]);
    }
}
