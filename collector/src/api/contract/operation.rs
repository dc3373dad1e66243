//! One operation: a method at a path, what it takes and what it may answer. What all of its kind
//! answer too (a refusal of the guard, of a body that is none) is added here and not repeated in
//! the table.

mod document;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::api::problem::{Kind, Problem};

use super::answers;
use super::components::Components;
use super::shape::{Shape, told};

use document::in_query;

/// Operations that belong together.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) operations: Vec<Operation>,
}

/// See the module's words.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    summary: &'static str,
    about: &'static str,
    parameters: Vec<Parameters>,
    body: Option<Body>,
    answers: BTreeMap<u16, Answer>,
    refusals: Vec<Kind>,
    extensions: Vec<(&'static str, Shape)>,
    examples: Vec<(&'static str, &'static str)>,
}

type Parameters = Box<dyn Fn(&mut Components) -> Vec<Value>>;

struct Body {
    shape: Shape,
    is_required: bool,
    example: Value,
}

struct Answer {
    about: &'static str,
    /// One for each media type.
    shapes: Vec<Shape>,
    headers: Vec<(&'static str, &'static str)>,
}

/// What the guard answers on every path, and what any handler may.
const ALWAYS: [Kind; 7] = [
    Kind::BadRequest,
    Kind::Unauthorized,
    Kind::Forbidden,
    Kind::Misdirected,
    Kind::TooManyRequests,
    Kind::Internal,
    Kind::Unavailable,
];
/// What reading a body may end in.
const WITH_BODY: [Kind; 4] =
    [Kind::Timeout, Kind::TooLarge, Kind::UnsupportedMediaType, Kind::BadField];

impl Operation {
    fn new(
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            about: "",
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: ALWAYS.to_vec(),
            extensions: Vec::new(),
            examples: Vec::new(),
        }
        .with_path_parameters()
    }

    pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, id, summary)
    }

    pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("post", path, id, summary)
    }

    pub(super) fn put(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("put", path, id, summary)
    }

    pub(super) fn patch(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("patch", path, id, summary)
    }

    pub(super) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("delete", path, id, summary)
    }

    /// More than the summary says.
    pub(super) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// It takes the fields of `T` as parameters of its query, none of which must be there.
    pub(super) fn query<T: JsonSchema + 'static>(self) -> Self {
        self.query_of::<T>(&[])
    }

    /// The same without some of them.
    pub(super) fn query_of<T: JsonSchema + 'static>(mut self, without: &'static [&str]) -> Self {
        self.parameters.push(Box::new(|components| {
            let fields = components.fields::<T>().into_iter();
            let fields = fields.filter(|(name, _)| !without.contains(&name.as_str()));
            fields.map(|(name, schema)| in_query(&name, schema)).collect()
        }));
        self.refuses(Kind::BadField)
    }

    /// It takes one more parameter.
    pub(super) fn parameter(mut self, name: &'static str, schema: Value) -> Self {
        self.parameters.push(Box::new(move |_| vec![in_query(name, schema.clone())]));
        self.refuses(Kind::BadField)
    }

    /// What one of its parameters may be.
    pub(super) fn example(mut self, parameter: &'static str, value: &'static str) -> Self {
        self.examples.push((parameter, value));
        self
    }

    /// It takes a header.
    pub(super) fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.parameters.push(Box::new(move |_| {
            let schema = json!({ "type": "string" });
            vec![json!({ "name": name, "in": "header", "description": about, "schema": schema })]
        }));
        self
    }

    /// It is refused where the entity has another revision than `If-Match` says.
    pub(super) fn if_match(self) -> Self {
        let about = "The `ETag` that was read: refused with 412 if somebody was faster.";
        let me = self.header("If-Match", about);
        me.refuses(Kind::PreconditionFailed).refuses(Kind::BadField)
    }

    /// It takes a body of this shape.
    pub(super) fn takes(mut self, shape: Shape, example: Value) -> Self {
        self.body = Some(Body { shape, is_required: true, example });
        self.refusals.extend(WITH_BODY);
        self
    }

    /// The same, where the body may be left out.
    pub(super) fn may_take(self, shape: Shape, example: Value) -> Self {
        let mut me = self.takes(shape, example);
        if let Some(body) = &mut me.body {
            body.is_required = false;
        }
        me
    }

    /// It answers with a body.
    pub(super) fn answers(mut self, status: u16, about: &'static str, shape: Shape) -> Self {
        self.answers.insert(status, Answer { about, shapes: vec![shape], headers: Vec::new() });
        self
    }

    /// The body of that answer may be of another media type too.
    pub(super) fn or_answers(mut self, status: u16, shape: Shape) -> Self {
        if let Some(answer) = self.answers.get_mut(&status) {
            answer.shapes.push(shape);
        }
        self
    }

    /// It answers without a body.
    pub(super) fn answers_empty(mut self, status: u16, about: &'static str) -> Self {
        self.answers.insert(status, Answer { about, shapes: Vec::new(), headers: Vec::new() });
        self
    }

    /// Its good answers carry a header.
    pub(super) fn tells(mut self, header: &'static str, about: &'static str) -> Self {
        for (_, answer) in self.answers.range_mut(200..300) {
            answer.headers.push((header, about));
        }
        self
    }

    /// Its answer has a tag, and to whoever knows it there is only a 304.
    pub(super) fn tagged(self) -> Self {
        let known = "Tags that are known: an answer that still has one of them is a 304.";
        let me = self.header("If-None-Match", known);
        me.tells("ETag", "Its revision.").answers_empty(304, "As it is known.")
    }

    /// It may refuse in the common words.
    pub(super) fn refuses(mut self, kind: Kind) -> Self {
        self.refusals.push(kind);
        self
    }

    /// It may refuse in words of its own.
    pub(super) fn refuses_when(self, kind: Kind, when: &'static str) -> Self {
        self.answers(answers::status(kind), when, told::<Problem>().of_problem())
    }

    /// What it changes is on the disk before it answers, unless that is full.
    pub(super) fn kept(self) -> Self {
        self.refuses(Kind::StorageFull)
    }

    /// The shape of something that OpenAPI has no words for.
    pub(super) fn extension(mut self, name: &'static str, shape: Shape) -> Self {
        self.extensions.push((name, shape));
        self
    }

    fn with_path_parameters(mut self) -> Self {
        let names: Vec<&'static str> = self.path.split(['{', '}']).skip(1).step_by(2).collect();
        if names.is_empty() {
            return self;
        }
        let parameter = |name: &&str| {
            let about = match name.starts_with('*') {
                true => "The rest of the path; each `/` in it may stand as it is.",
                false => "One segment: what is reserved in it is percent-encoded.",
            };
            let schema = json!({ "type": "string", "minLength": 1 });
            let name = name.trim_start_matches('*');
            json!({
                "name": name, "in": "path", "required": true, "description": about,
                "schema": schema,
            })
        };
        self.parameters.push(Box::new(move |_| names.iter().map(parameter).collect()));
        self.refuses(Kind::NotFound)
    }
}
