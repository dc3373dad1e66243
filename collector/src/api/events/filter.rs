//! Which changes somebody wants to know of. A filter looks at what stands around the entity of a
//! change: its type, `host_id`, `service_id` and `model`, so that what passes can be told from the
//! change alone.

use std::collections::HashSet;

use crate::api::problem::Problem;
use crate::registry::Registry;
use crate::registry::change::{Change, ChangeKind, Subject};
use crate::registry::service::latest_of;

/// Most types that one filter names.
const TYPES_MAX: usize = 64;

/// A filter as a query says it; what is empty is not said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'a> {
    /// Types, or beginnings of types such as `service.` or `service.*`, with commas between.
    pub types: Option<&'a str>,
    /// The id of a host: of itself, its sessions, services and GPUs, and models on them.
    pub host: Option<&'a str>,
    /// The id of a service, or another name that it has now.
    pub service: Option<&'a str>,
    /// The name of a model.
    pub model: Option<&'a str>,
}

/// See the module's words.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    kinds: Option<HashSet<ChangeKind>>,
    host: Option<String>,
    /// The name as it was given, and the id that it led to.
    service: Option<(String, Option<String>)>,
    model: Option<ModelName>,
}

#[derive(Clone, Debug)]
struct ModelName {
    exact: String,
    /// What it means where a name without a tag means the newest.
    latest: Option<String>,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    ///
    /// Where a type is none.
    pub fn read(words: Words<'_>, registry: &Registry) -> Result<Self, Problem> {
        let service = |name: &str| {
            let id = registry.resolve(name).map(|service| service.id.to_string());
            (name.to_owned(), id)
        };
        let model = |name: &str| ModelName { exact: name.to_owned(), latest: latest_of(name) };
        Ok(Self {
            kinds: words.types.map(kinds).transpose()?,
            host: words.host.map(str::to_owned),
            service: words.service.map(service),
            model: words.model.map(model),
        })
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let Self { kinds, host, service, model } = self;
        kinds.is_none() && host.is_none() && service.is_none() && model.is_none()
    }

    /// Whether it lets a change through.
    #[must_use]
    pub fn lets_through(&self, change: &Change) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&change.kind))
            && self.host.as_ref().is_none_or(|host| is_of_host(change, host))
            && self.service.as_ref().is_none_or(|(name, id)| {
                let is = |service: &str| service == name || Some(service) == id.as_deref();
                change.service_id().is_some_and(|service| is(service.as_str()))
            })
            && self.model.as_ref().is_none_or(|model| model.is_of(change))
    }
}

fn is_of_host(change: &Change, host: &str) -> bool {
    change.host_id().is_some_and(|id| id.as_str() == host)
}

impl ModelName {
    fn is_of(&self, change: &Change) -> bool {
        let Subject::Model(service, name) = &change.subject else { return false };
        let is_latest = self.latest.as_deref() == Some(&**name) && service.implies_latest();
        **name == *self.exact || is_latest
    }
}

/// The types that a list names.
fn kinds(list: &str) -> Result<HashSet<ChangeKind>, Problem> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.take(TYPES_MAX + 1).collect();
    if words.len() > TYPES_MAX {
        let expected = format!("at most {TYPES_MAX}");
        return Err(Problem::bad_field("types", "the list is too long", expected));
    }
    let meant_by = |word| ChangeKind::ALL.iter().copied().filter(move |k| is_meant(word, k.word()));
    let unknown_word = words.iter().find(|word| meant_by(word).next().is_none());
    match unknown_word {
        Some(word) => Err(unknown(word)),
        None if words.is_empty() => Err(unknown(list)),
        None => Ok(words.into_iter().flat_map(meant_by).collect()),
    }
}

/// A type is meant by its own word, and by its entity with a dot after it, or a dot and a star.
fn is_meant(word: &str, kind: &str) -> bool {
    let beginning = word.strip_suffix('*').unwrap_or(word);
    word == kind
        || beginning.strip_suffix('.').is_some_and(|entity| {
            kind.strip_prefix(entity).is_some_and(|rest| rest.starts_with('.'))
        })
}

fn unknown(word: &str) -> Problem {
    let all: Vec<&str> = ChangeKind::ALL.iter().map(|kind| kind.word()).collect();
    let expected = format!("some of {}, or all of one entity, such as service.", all.join(", "));
    Problem::bad_field("types", format!("{word:?} is no type of a change"), expected)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::config::Liveness;
    use crate::registry::moment::Moment;
    use crate::registry::testing::*;

    use super::*;

    fn words(list: &str) -> Vec<&'static str> {
        let kinds = kinds(list).unwrap();
        ChangeKind::ALL.iter().filter(|kind| kinds.contains(kind)).map(|kind| kind.word()).collect()
    }

    #[test]
    fn a_type_is_meant_by_its_word_and_by_the_beginning_of_it() {
        assert_eq!(words("service.down"), ["service.down"]);
        assert_eq!(words(" gpu.lost , session.opened,"), ["session.opened", "gpu.lost"]);
        for word in ["gpu.", "gpu.*"] {
            assert_eq!(words(word), ["gpu.lost", "gpu.recovered"], "{word}");
        }
        assert_eq!(words("gpu.,gpu.lost").len(), 2);
        let entities = "host.,session.,service.,model.,gpu.,fleet.,alert.,catalog.";
        assert_eq!(words(entities).len(), ChangeKind::ALL.len());
    }

    #[test]
    fn what_is_no_type_is_named() {
        for word in
            ["service.dwon", "service", "*", ".", ".*", "service.d*", "servic.", "Host.", ","]
        {
            let problem = serde_json::to_value(kinds(word).unwrap_err()).unwrap();
            assert_eq!((&problem["status"], &problem["field"]), (&422.into(), &"types".into()));
            assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        }
        assert!(kinds(&vec!["gpu.lost"; TYPES_MAX + 1].join(",")).is_err());
    }

    struct Story(Registry);

    impl Story {
        /// A host with an Ollama that has two models, and another host.
        fn new() -> Self {
            let registry = Registry::new(Liveness::default());
            let opened = connect(&registry, 1, Moment::now());
            let models = vec![model("llama3:latest", false), model("qwen3:8b", true)];
            registry.take_inventory(&opened, vec![service("127.0.0.1", 1, models)], Moment::now());
            let fewer = vec![model("qwen3:8b", false)];
            registry.take_inventory(&opened, vec![service("127.0.0.1", 1, fewer)], Moment::now());
            connect(&registry, 2, Moment::now());
            Self(registry)
        }

        fn passing(&self, words: Words<'_>) -> Vec<Arc<Change>> {
            let filter = Filter::read(words, &self.0).unwrap();
            let changes = self.0.changes_since(0, usize::MAX).unwrap();
            changes.into_iter().filter(|change| filter.lets_through(change)).collect()
        }
    }

    #[test]
    fn each_filter_lets_through_what_names_its_entity_and_nothing_else() {
        let story = Story::new();
        let all = story.passing(Words::default());
        let (one, two) = (host_id(1), host_id(2));
        let of_one = story.passing(Words { host: Some(one.as_str()), ..Words::default() });
        let of_two = story.passing(Words { host: Some(two.as_str()), ..Words::default() });
        assert_eq!(of_one.len() + of_two.len(), all.len());
        assert!(of_one.iter().all(|change| change.host_id() == Some(&one)) && of_one.len() > 4);
        let of_service = story.passing(Words { service: Some("gpu-1:1"), ..Words::default() });
        assert!(of_service.len() >= 3);
        let is_of =
            |change: &Arc<Change>| change.service_id().is_some_and(|id| id.as_str() == "gpu-1:1");
        assert!(of_service.iter().all(is_of));
        let of_nobody = story.passing(Words { service: Some("gpu-2:1"), ..Words::default() });
        assert!(of_nobody.is_empty());
        let both = Words { service: Some("gpu-1:1"), types: Some("host."), ..Words::default() };
        assert!(story.passing(both).is_empty(), "all filters hold at once");
    }

    #[test]
    fn a_model_without_a_tag_is_the_newest_on_an_ollama() {
        let story = Story::new();
        for name in ["llama3", "llama3:latest"] {
            let passing = story.passing(Words { model: Some(name), ..Words::default() });
            let words: Vec<_> = passing.iter().map(|change| change.kind.word()).collect();
            assert_eq!(words, ["model.removed"], "{name}");
        }
        let passing = story.passing(Words { model: Some("qwen3:8b"), ..Words::default() });
        assert!(passing.iter().all(|change| change.model() == Some("qwen3:8b")));
        assert!(!passing.is_empty());
        let none = story.passing(Words { model: Some("qwen3"), ..Words::default() });
        assert!(none.is_empty());
    }

    #[test]
    fn another_name_of_a_service_leads_to_it() {
        let story = Story::new();
        let service = story.0.service("gpu-1:1").unwrap();
        let declared = declared("spare", "http://10.9.9.9:8000/");
        story.0.join("gpu-1:1", declared, Moment::now());
        let by_name = |name: &str| story.passing(Words { service: Some(name), ..Words::default() });
        assert!(service.names.iter().all(|name| !by_name(&name.text).is_empty()));
        assert_eq!(by_name("GPU-1:1").len(), by_name("gpu-1:1").len());
    }
}
