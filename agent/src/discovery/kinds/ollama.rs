//! Ollama. The names are those of its own types
//! (<https://github.com/ollama/ollama/blob/main/api/types.go>); older versions tell less.

use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{Answer, Asked, Dialect, Marks};
use crate::discovery::answer::{Alive, Details, Installed, Loaded, NotTheAnswer, Shown, Told};
use crate::discovery::ask::{
    Ask, IN_A_MOMENT, LIST_BYTES_MAX, PROPERTIES_BYTES_MAX, Question, Unanswered, read,
};
use crate::discovery::lead::Kind;
use crate::discovery::list::{self, List, count, word, words};

/// A server that just started reads the head of every model first.
const FIRST_LIST: Duration = Duration::from_secs(30);
/// A model is made of few files.
const FILES_MAX: usize = 4;

#[derive(Debug)]
pub(in crate::discovery) struct Ollama;

impl Dialect for Ollama {
    fn kind(&self) -> Kind {
        Kind::Ollama
    }

    fn marks(&self) -> Marks {
        Marks { port: Some(11434), ..Marks::default() }
    }

    fn alive<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Alive> {
        alive(server).boxed()
    }

    fn doing<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Told> {
        doing(server).boxed()
    }

    fn installed<'a>(
        &'a self,
        server: &'a dyn Ask,
        _: &'a Alive,
        asked: Asked,
    ) -> Answer<'a, Told> {
        installed(server, asked).boxed()
    }

    fn show<'a>(&'a self, server: &'a dyn Ask, model: &'a str) -> Option<Answer<'a, Shown>> {
        Some(show(server, model).boxed())
    }
}

const VERSION: &str = "/api/version";
const LOADED: &str = "/api/ps";
const INSTALLED: &str = "/api/tags";
const SHOW: &str = "/api/show";

async fn alive(server: &dyn Ask) -> Result<Alive, Unanswered> {
    let version = read(server, VERSION, Question::get(VERSION), read_version).await?;
    Ok(Alive { version: Some(version), ..Alive::default() })
}

async fn doing(server: &dyn Ask) -> Result<Told, Unanswered> {
    let question = Question::get(LOADED).up_to(LIST_BYTES_MAX);
    let loaded = read(server, LOADED, question, read_loaded).await?;
    Ok(Told { loaded: Some(loaded), knows_loaded: true, ..Told::default() })
}

async fn installed(server: &dyn Ask, asked: Asked) -> Result<Told, Unanswered> {
    let deadline = match asked {
        Asked::First => FIRST_LIST,
        Asked::Again => IN_A_MOMENT,
    };
    let question = Question::get(INSTALLED).up_to(LIST_BYTES_MAX).within(deadline);
    let installed = read(server, INSTALLED, question, read_installed).await?;
    Ok(Told { installed: Some(installed), ..Told::default() })
}

async fn show(server: &dyn Ask, model: &str) -> Result<Shown, Unanswered> {
    let body = serde_json::json!({"model": model, "verbose": false}).to_string();
    let question = Question::post(SHOW, body).up_to(PROPERTIES_BYTES_MAX).within(IN_A_MOMENT);
    read(server, SHOW, question, read_shown).await
}

/// The version; its absence means that this is no Ollama.
pub(in crate::discovery) fn read_version(body: &[u8]) -> Result<String, NotTheAnswer> {
    let refusal = NotTheAnswer { expected: r#"JSON such as {"version":"0.33.0"}"# };
    let answer: Value = serde_json::from_slice(body).map_err(|_| refusal)?;
    word(&answer, "version").ok_or(refusal)
}

const LIST: NotTheAnswer =
    NotTheAnswer { expected: r#"JSON such as {"models":[{"name":"llama3.1:8b",…}]}"# };

/// The installed models.
pub(in crate::discovery) fn read_installed(body: &[u8]) -> Result<List<Installed>, NotTheAnswer> {
    list::under(body, "models", one_installed, LIST)
}

/// The loaded models.
pub(in crate::discovery) fn read_loaded(body: &[u8]) -> Result<List<Loaded>, NotTheAnswer> {
    list::under(body, "models", one_loaded, LIST)
}

/// One model in detail.
fn read_shown(body: &[u8]) -> Result<Shown, NotTheAnswer> {
    let refusal =
        NotTheAnswer { expected: r#"JSON such as {"model_info":{…},"capabilities":[…]}"# };
    let answer: Value = serde_json::from_slice(body).map_err(|_| refusal)?;
    if !answer.is_object() {
        return Err(refusal);
    }
    let info = &answer["model_info"];
    let architecture = info["general.architecture"].as_str().unwrap_or_default();
    Ok(Shown {
        context_length: count(info, &format!("{architecture}.context_length")),
        capabilities: words(&answer, "capabilities"),
        files: answer["modelfile"].as_str().map(files).unwrap_or_default(),
    })
}

/// The digests in lines such as `FROM /usr/share/ollama/.ollama/models/blobs/sha256-6a0746…`.
fn files(modelfile: &str) -> Vec<String> {
    let from = modelfile.lines().filter_map(|line| line.strip_prefix("FROM "));
    let digests = from.filter_map(|path| path.trim().rsplit_once("sha256-"));
    let hex =
        |digest: &str| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    digests.map(|(_, digest)| digest.to_owned()).filter(|d| hex(d)).take(FILES_MAX).collect()
}

fn one_installed(value: &Value) -> Option<Installed> {
    let name = name(value)?;
    Some(Installed {
        digest: digest(value),
        size_bytes: count(value, "size"),
        details: details(value),
        context_length: count(&value["details"], "context_length"),
        capabilities: words(value, "capabilities"),
        remote: is_remote(value, &name),
        name,
    })
}

fn one_loaded(value: &Value) -> Option<Loaded> {
    Some(Loaded {
        name: name(value)?,
        digest: digest(value),
        details: details(value),
        memory_bytes: count(value, "size"),
        vram_bytes: count(value, "size_vram"),
        context_length: count(value, "context_length"),
        expires_at: value["expires_at"].as_str().and_then(|at| at.parse().ok()),
    })
}

fn name(value: &Value) -> Option<String> {
    word(value, "name").or_else(|| word(value, "model"))
}

fn digest(value: &Value) -> Option<String> {
    let digest = word(value, "digest")?;
    Some(digest.strip_prefix("sha256:").map_or(digest.clone(), str::to_owned))
}

fn details(value: &Value) -> Details {
    let details = &value["details"];
    Details {
        parameters: word(details, "parameter_size"),
        quantization: word(details, "quantization_level"),
        family: word(details, "family"),
    }
}

fn is_remote(value: &Value, name: &str) -> bool {
    let has_origin = ["remote_host", "remote_model"].iter().any(|key| word(value, key).is_some());
    has_origin || name.ends_with("-cloud") || name.ends_with(":cloud")
}

#[cfg(test)]
mod tests;
