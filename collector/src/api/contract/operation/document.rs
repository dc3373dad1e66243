//! An operation as the document has it.

use serde_json::{Map, Value, json};

use crate::api::contract::answers;
use crate::api::contract::components::Components;

use super::{Answer, Operation};

impl Operation {
    /// The path as the document has it.
    pub(in crate::api::contract) fn document_path(&self) -> String {
        self.path.replace("{*", "{")
    }

    /// The operation as the document has it.
    pub(in crate::api::contract) fn document(
        &self,
        tag: &str,
        components: &mut Components,
    ) -> Value {
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), self.id.into());
        operation.insert("tags".to_owned(), json!([tag]));
        operation.insert("summary".to_owned(), self.summary.into());
        if !self.about.is_empty() {
            operation.insert("description".to_owned(), self.about.into());
        }
        let parameters = self.parameters(components);
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = &self.body {
            let schema = body.shape.schema(components);
            let content = json!({ "schema": schema, "example": body.example });
            let content = json!({ body.shape.media_type: content });
            let body = json!({ "required": body.is_required, "content": content });
            operation.insert("requestBody".to_owned(), body);
        }
        operation.insert("responses".to_owned(), self.responses(components).into());
        for (name, shape) in &self.extensions {
            operation.insert((*name).to_owned(), shape.schema(components));
        }
        operation.into()
    }

    fn parameters(&self, components: &mut Components) -> Vec<Value> {
        let all = self.parameters.iter().flat_map(|parameters| parameters(components));
        let mut all: Vec<Value> = all.collect();
        for (name, value) in &self.examples {
            for parameter in all.iter_mut().filter(|parameter| parameter["name"] == *name) {
                parameter["example"] = (*value).into();
            }
        }
        all
    }

    fn responses(&self, components: &mut Components) -> Map<String, Value> {
        let refusals = self.refusals.iter();
        let mut responses: Map<String, Value> = refusals
            .map(|kind| (answers::status(*kind).to_string(), answers::common(*kind)))
            .collect();
        for (status, answer) in &self.answers {
            responses.insert(status.to_string(), answer.document(components));
        }
        responses
    }
}

impl Answer {
    fn document(&self, components: &mut Components) -> Value {
        let mut response = Map::new();
        response.insert("description".to_owned(), self.about.into());
        let content = self.shapes.iter().map(|shape| {
            let schema = shape.schema(components);
            (shape.media_type.to_owned(), json!({ "schema": schema }))
        });
        let content: Map<String, Value> = content.collect();
        if !content.is_empty() {
            response.insert("content".to_owned(), content.into());
        }
        let headers = self.headers.iter().map(|(name, about)| {
            let header = json!({ "description": about, "schema": { "type": "string" } });
            ((*name).to_owned(), header)
        });
        let headers: Map<String, Value> = headers.collect();
        if !headers.is_empty() {
            response.insert("headers".to_owned(), headers.into());
        }
        response.into()
    }
}

/// A parameter that is absent is what `null` is in a body, so it is never that word.
pub(super) fn in_query(name: &str, mut schema: Value) -> Value {
    let about = schema.as_object_mut().and_then(|fields| fields.remove("description"));
    let mut parameter = json!({ "name": name, "in": "query", "schema": not_null(schema) });
    if let Some(about) = about {
        parameter["description"] = about;
    }
    parameter
}

fn not_null(mut schema: Value) -> Value {
    let Some(fields) = schema.as_object_mut() else { return schema };
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(any)) = fields.get_mut("anyOf") {
        any.retain(|schema| schema["type"] != "null");
        if let [only] = any.as_slice() {
            return only.clone();
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::contract::components::OF_OPENAPI;

    #[test]
    fn a_parameter_is_never_null() {
        let of = |schema| in_query("a", schema)["schema"].clone();
        assert_eq!(of(json!({ "type": ["string", "null"] })), json!({ "type": "string" }));
        let reference = json!({ "anyOf": [{ "$ref": "#/x" }, { "type": "null" }] });
        assert_eq!(of(reference), json!({ "$ref": "#/x" }));
    }

    #[test]
    fn what_stands_in_the_path_is_a_parameter_and_may_not_be_there() {
        let operation = Operation::get("/a/{id}/b/{*rest}", "get", "Get");
        assert_eq!(operation.document_path(), "/a/{id}/b/{rest}");
        let document = operation.document("A", &mut Components::at(OF_OPENAPI));
        let names: Vec<&Value> =
            document["parameters"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
        assert_eq!(names, ["id", "rest"]);
        assert!(document["responses"]["404"].is_object());
    }
}
