//! Bodies of webhooks in the user's own words: JSON with `{{field}}` in it. What is filled in is
//! escaped for JSON, so that no text of an alert can break out of its place; there are no
//! conditions, loops or calls.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde_json::Value;

use super::format::WebhookBody;
use super::message::{kind_word, severity_word};

/// Longest template, bytes.
const BYTES_MAX: usize = 16 * 1024;

/// A template that gives JSON whatever is filled in.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Arc<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

macro_rules! fields {
    ($($field:ident = $word:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Field { $($field),* }

        impl Field {
            const ALL: &[Self] = &[$(Self::$field),*];

            fn word(self) -> &'static str {
                match self { $(Self::$field => $word),* }
            }
        }
    };
}

fields! {
    State = "state",
    Rule = "rule",
    Severity = "severity",
    Count = "count",
    Title = "title",
    Text = "text",
    Link = "link",
    Message = "message",
    Cause = "cause",
    Subject = "subject",
    SubjectKind = "subject_kind",
    SubjectId = "subject_id",
    RaisedAt = "raised_at",
    ResolvedAt = "resolved_at",
    Alerts = "alerts",
}

/// Why a text is no template, as what was expected instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It is too long.
    TooLong,
    /// A field that there is not, or that is not closed.
    Field,
    /// What comes of it is no JSON.
    NotJson,
}

impl TemplateError {
    /// What was expected.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::TooLong => "a template of at most 16384 bytes",
            Self::Field => {
                "a template whose {{fields}} are among state, rule, severity, count, title, text, \
                 link, message, cause, subject, subject_kind, subject_id, raised_at, resolved_at \
                 and alerts"
            }
            Self::NotJson => {
                "a template that is JSON with its {{fields}} filled in: texts stand between \
                 quotes, as in {\"text\": \"{{title}}\"}, count and alerts without"
            }
        }
    }
}

impl Template {
    /// Reads a template, and tries it.
    ///
    /// # Errors
    ///
    /// [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > BYTES_MAX {
            return Err(TemplateError::TooLong);
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let (word, after) = after.split_once("}}").ok_or(TemplateError::Field)?;
            let named = |field: &&Field| field.word() == word.trim();
            let field = Field::ALL.iter().find(named).ok_or(TemplateError::Field)?;
            parts.extend([Part::Text(before.to_owned()), Part::Field(*field)]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        let template = Self(parts.into());
        // Where a text stands without quotes, or a list within them, this gives no JSON.
        let tried = template.fill(|field| match field {
            Field::Count => "1".to_owned(),
            Field::Alerts => "[{\"a\": \"b\"}]".to_owned(),
            _ => escaped("a \"quoted\" text"),
        });
        let is_json = serde_json::from_str::<Value>(&tried).is_ok();
        is_json.then_some(template).ok_or(TemplateError::NotJson)
    }

    pub(super) fn render(&self, body: &WebhookBody) -> String {
        self.fill(|field| value(field, body))
    }

    fn fill(&self, value: impl Fn(Field) -> String) -> String {
        let mut text = String::new();
        for part in self.0.iter() {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Field(field) => text.push_str(&value(*field)),
            }
        }
        text
    }
}

impl fmt::Debug for Template {
    /// It may hold the key of an account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What is filled in for a field; of several alerts, that of the first one.
fn value(field: Field, body: &WebhookBody) -> String {
    let first = body.alerts.first();
    let of_first = |text: fn(&crate::registry::alert::Alert) -> Option<String>| {
        escaped(&first.and_then(text).unwrap_or_default())
    };
    match field {
        Field::State => escaped(&body.state),
        Field::Rule => escaped(&body.rule),
        Field::Severity => escaped(severity_word(body.severity)),
        Field::Count => body.count.to_string(),
        Field::Title => escaped(&body.title),
        Field::Text => escaped(&body.text),
        Field::Link => escaped(&body.link),
        Field::Message => of_first(|alert| Some(alert.message.clone())),
        Field::Cause => of_first(|alert| alert.cause.clone()),
        Field::Subject => of_first(|alert| Some(alert.subject.name.to_string())),
        Field::SubjectKind => of_first(|alert| Some(kind_word(alert.subject.kind).to_owned())),
        Field::SubjectId => of_first(|alert| Some(alert.subject.id.to_string())),
        Field::RaisedAt => of_first(|alert| Some(alert.raised_at.to_string())),
        Field::ResolvedAt => of_first(|alert| Some(alert.resolved_at?.to_string())),
        Field::Alerts => serde_json::to_string(&body.alerts).unwrap_or_else(|_| "[]".to_owned()),
    }
}

/// A text as it stands between the quotes of JSON.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::message::Message;
    use super::*;
    use crate::notices::What;
    use crate::notify::testing::alert;
    use crate::registry::alert::{Alert, AlertSubject};

    fn body(text: &str) -> WebhookBody {
        let known = alert("a", "gpu_lost");
        let subject = AlertSubject { name: text.into(), id: text.into(), ..known.subject.clone() };
        let cause = Some(text.to_owned());
        let alert = Alert { message: text.to_owned(), cause, subject, ..(*known).clone() };
        WebhookBody::of(&Message::of(What::Raised, &Arc::new(alert)), text)
    }

    #[test]
    fn fields_are_filled_in() {
        let template = r#"{"t": "{{title}}: {{ rule }}", "n": {{count}}, "all": {{alerts}}}"#;
        let told = Template::parse(template).unwrap().render(&body("x \"y\" \\ z"));
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["t"], "[critical] x \"y\" \\ z: gpu_lost");
        assert_eq!((&told["n"], &told["all"][0]["rule"]), (&json!(1), &json!("gpu_lost")));
        let plain = Template::parse("{\"a\": \"b\"}").unwrap();
        assert_eq!(plain.render(&body("")), "{\"a\": \"b\"}");
    }

    #[test]
    fn what_cannot_always_give_json_is_refused() {
        for (text, why) in [
            ("", TemplateError::NotJson),
            ("{\"a\": {{title}}}", TemplateError::NotJson),
            ("{\"a\": \"{{alerts}}\", }", TemplateError::NotJson),
            ("{\"a\": \"{{title}\"}", TemplateError::Field),
            ("{\"a\": \"{{}}\"}", TemplateError::Field),
            ("{\"a\": \"{{password}}\"}", TemplateError::Field),
            ("{\"a\": \"{{#each alerts}}\"}", TemplateError::Field),
        ] {
            assert_eq!(Template::parse(text), Err(why), "{text}");
        }
        // Harmless when it is tried, but broken by the first alert.
        assert_eq!(Template::parse("{\"a\": \"{{alerts}}\"}"), Err(TemplateError::NotJson));
        let long = format!("\"{}\"", "x".repeat(BYTES_MAX));
        assert_eq!(Template::parse(&long), Err(TemplateError::TooLong));
    }

    #[test]
    fn the_words_of_the_refusal_name_every_field() {
        let words = TemplateError::Field.expected();
        let is_named = |field: &Field| words.contains(field.word());
        assert!(Field::ALL.iter().all(is_named), "{words}");
    }

    proptest! {
        #[test]
        fn any_text_gives_json_and_stands_in_it_as_it_is(text in ".{0,40}|[\\PC\\n\"\\\\{}]{0,40}") {
            let all = Field::ALL.iter().filter(|f| !matches!(f, Field::Count | Field::Alerts));
            let all: String = all.map(|f| format!("\"{0}\": \"{{{{{0}}}}}\",", f.word())).collect();
            let template = format!("{{{all} \"count\": {{{{count}}}}, \"alerts\": {{{{alerts}}}}}}");
            let told = Template::parse(&template).unwrap().render(&body(&text));
            let told: Value = serde_json::from_str(&told).unwrap();
            for field in ["message", "cause", "subject", "subject_id", "link"] {
                prop_assert_eq!(told[field].as_str(), Some(text.as_str()), "{}", field);
            }
            prop_assert_eq!(told["alerts"][0]["message"].as_str(), Some(text.as_str()));
        }
    }
}
