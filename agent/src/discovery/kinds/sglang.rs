//! SGLang (<https://docs.sglang.io/references/production_metrics.html>). It serves one model, which
//! it holds as long as it runs.
//!
//! Its `/health` is never asked: it makes the model produce a token. Its gauges are there only where
//! it was started with `--enable-metrics`.

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{Answer, Asked, Dialect, Marks, vllm};
use crate::discovery::answer::{Alive, NotTheAnswer, Told};
use crate::discovery::ask::{
    Ask, IN_A_MOMENT, PROPERTIES_BYTES_MAX, ProbeError, Question, Unanswered,
};
use crate::discovery::lead::Kind;
use crate::discovery::list::word;

/// The newer name, then the older one.
const MODEL: [&str; 2] = ["/model_info", "/get_model_info"];
const SERVER: [&str; 2] = ["/server_info", "/get_server_info"];
const RUNNING: [&str; 1] = ["sglang:num_running_reqs"];
const WAITING: [&str; 1] = ["sglang:num_queue_reqs"];

#[derive(Debug)]
pub(super) struct Sglang;

impl Dialect for Sglang {
    fn kind(&self) -> Kind {
        Kind::Sglang
    }

    fn marks(&self) -> Marks {
        Marks {
            owner: Some("sglang"),
            gauges: Some("sglang:"),
            port: Some(30000),
            ..Marks::default()
        }
    }

    fn alive<'a>(&'a self, server: &'a dyn Ask, known: &'a Alive) -> Answer<'a, Alive> {
        alive(server, known).boxed()
    }

    fn doing<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Told> {
        vllm::doing(server, &RUNNING, &WAITING).boxed()
    }

    fn installed<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive, _: Asked) -> Answer<'a, Told> {
        vllm::installed(server).boxed()
    }
}

async fn alive(server: &dyn Ask, known: &Alive) -> Result<Alive, Unanswered> {
    either(server, MODEL, read_model).await?;
    if known.version.is_some() {
        return Ok(known.clone());
    }
    // Asked once: its scheduler has to answer it.
    let version = either(server, SERVER, |body| Ok(read_version(body))).await.unwrap_or_default();
    Ok(Alive { version, ..Alive::default() })
}

/// Asks by the newer name, and by the older one where that is unknown.
async fn either<T>(
    server: &dyn Ask,
    names: [&'static str; 2],
    read: fn(&[u8]) -> Result<T, NotTheAnswer>,
) -> Result<T, Unanswered> {
    let [newer, older] = names;
    match ask(server, newer, read).await {
        Err(Unanswered { error: ProbeError::Status(status), .. }) if status.as_u16() == 404 => {
            ask(server, older, read).await
        }
        answer => answer,
    }
}

async fn ask<T>(
    server: &dyn Ask,
    path: &'static str,
    read: fn(&[u8]) -> Result<T, NotTheAnswer>,
) -> Result<T, Unanswered> {
    let question = Question::get(path).up_to(PROPERTIES_BYTES_MAX).within(IN_A_MOMENT);
    crate::discovery::ask::read(server, path, question, read).await
}

fn read_model(body: &[u8]) -> Result<(), NotTheAnswer> {
    let refusal =
        NotTheAnswer { expected: r#"JSON such as {"model_path":"…","is_generation":true}"# };
    let answer: Value = serde_json::from_slice(body).map_err(|_| refusal)?;
    word(&answer, "model_path").map(drop).ok_or(refusal)
}

/// Of all that it tells of its settings only the version is looked at.
fn read_version(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Server {
        version: Option<String>,
    }
    let server: Server = serde_json::from_slice(body).ok()?;
    crate::discovery::text::word(&server.version?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_all_that_is_read_of_its_settings() {
        let body = br#"{"api_key":"secret","version":"0.5.9","internal_states":[{"x":1}]}"#;
        assert_eq!(read_version(body).as_deref(), Some("0.5.9"));
        assert_eq!(read_version(b"[]"), None);
        assert_eq!(read_version(br#"{"version":7}"#), None);
    }
}
