//! LM Studio (<https://lmstudio.ai/docs/developer/rest>): one list tells what lies on disk and what
//! is loaded. From 0.4.0 on there is a newer one; the older is asked where that is unknown. It tells
//! neither its version nor its work.

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{Answer, Asked, Dialect, Marks};
use crate::discovery::answer::{Alive, Details, Installed, Loaded, NotTheAnswer, Told};
use crate::discovery::ask::{Ask, LIST_BYTES_MAX, Question, Unanswered, read};
use crate::discovery::lead::Kind;
use crate::discovery::list::{self, List, count, word};

const NEWER: &str = "/api/v1/models";
const OLDER: &str = "/api/v0/models";

#[derive(Debug)]
pub(super) struct LmStudio;

impl Dialect for LmStudio {
    fn kind(&self) -> Kind {
        Kind::LmStudio
    }

    fn marks(&self) -> Marks {
        Marks { owner: Some("organization_owner"), port: Some(1234), ..Marks::default() }
    }

    fn alive<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Alive> {
        async {
            match newer(server).await {
                Ok(_) => Ok(Alive::default()),
                // It logs what it does not know as an error, so it is asked for it once a minute.
                Err(error) if error.error.is_of_another() => {
                    older(server).await?;
                    Ok(Alive { older: true, ..Alive::default() })
                }
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn doing<'a>(&'a self, server: &'a dyn Ask, known: &'a Alive) -> Answer<'a, Told> {
        async {
            let models = if known.older { older(server).await } else { newer(server).await };
            models.map(told)
        }
        .boxed()
    }

    fn installed<'a>(&'a self, _: &'a dyn Ask, _: &'a Alive, _: Asked) -> Answer<'a, Told> {
        async { Ok(Told::default()) }.boxed()
    }
}

/// A model on disk, and as it is loaded, if it is.
type Pair = (Installed, Option<Loaded>);

async fn newer(server: &dyn Ask) -> Result<List<Pair>, Unanswered> {
    read(server, NEWER, Question::get(NEWER).up_to(LIST_BYTES_MAX), read_newer).await
}

async fn older(server: &dyn Ask) -> Result<List<Pair>, Unanswered> {
    read(server, OLDER, Question::get(OLDER).up_to(LIST_BYTES_MAX), read_older).await
}

pub(super) fn read_newer(body: &[u8]) -> Result<List<Pair>, NotTheAnswer> {
    let refusal = NotTheAnswer {
        expected: r#"JSON such as {"models":[{"key":"a-model","loaded_instances":[]}]}"#,
    };
    list::under(body, "models", one_of_the_newer, refusal)
}

pub(super) fn read_older(body: &[u8]) -> Result<List<Pair>, NotTheAnswer> {
    let refusal = NotTheAnswer {
        expected: r#"JSON such as {"data":[{"id":"a-model","state":"not-loaded"}]}"#,
    };
    list::under(body, "data", one_of_the_older, refusal)
}

fn told(list: List<Pair>) -> Told {
    let loaded: Vec<Loaded> = list.items.iter().filter_map(|(_, loaded)| loaded.clone()).collect();
    let items = list.items.into_iter().map(|(installed, _)| installed).collect();
    Told {
        installed: Some(List { items, left_out: list.left_out }),
        loaded: Some(loaded.into()),
        knows_loaded: true,
        ..Told::default()
    }
}

fn one_of_the_newer(value: &Value) -> Option<Pair> {
    let name = word(value, "key")?;
    let instance = value["loaded_instances"].get(0);
    let installed = Installed {
        size_bytes: count(value, "size_bytes"),
        details: Details {
            parameters: word(value, "params_string"),
            quantization: word(&value["quantization"], "name"),
            family: word(value, "architecture"),
        },
        context_length: count(value, "max_context_length"),
        capabilities: capabilities(value),
        name,
        ..Installed::default()
    };
    let loaded = instance.map(|instance| Loaded {
        name: installed.name.clone(),
        context_length: count(&instance["config"], "context_length"),
        ..Loaded::default()
    });
    Some((installed, loaded))
}

/// In the words that Ollama uses.
fn capabilities(value: &Value) -> Vec<String> {
    let told = &value["capabilities"];
    let is_embedding = value["type"].as_str().is_some_and(|kind| kind.starts_with("embedding"));
    let table = [
        ("embedding", is_embedding),
        ("completion", value["type"].is_string() && !is_embedding),
        ("vision", told["vision"] == true || value["type"] == "vlm"),
        ("tools", told["trained_for_tool_use"] == true || has(told, "tool_use")),
        ("thinking", told["reasoning"].is_object()),
    ];
    table.iter().filter(|(_, has)| *has).map(|(word, _)| (*word).to_owned()).collect()
}

fn has(list: &Value, word: &str) -> bool {
    list.as_array().is_some_and(|words| words.iter().any(|other| other == word))
}

fn one_of_the_older(value: &Value) -> Option<Pair> {
    // Without a state it is a list of OpenAI's, which any server may have under any path.
    let state = value["state"].as_str()?;
    let installed = Installed {
        name: word(value, "id")?,
        details: Details {
            parameters: None,
            quantization: word(value, "quantization"),
            family: word(value, "arch"),
        },
        context_length: count(value, "max_context_length"),
        capabilities: capabilities(value),
        ..Installed::default()
    };
    let loaded = (state == "loaded").then(|| Loaded {
        name: installed.name.clone(),
        context_length: count(value, "loaded_context_length"),
        ..Loaded::default()
    });
    Some((installed, loaded))
}
