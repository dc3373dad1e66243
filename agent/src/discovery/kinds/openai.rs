//! Any server that lists models as OpenAI does, and no more. Which of them are in memory, and what
//! the server does, cannot be told.

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{Answer, Asked, Dialect, Marks};
use crate::discovery::answer::{Alive, Installed, NotTheAnswer, Told};
use crate::discovery::ask::{Ask, LIST_BYTES_MAX, Question, Unanswered, read};
use crate::discovery::lead::Kind;
use crate::discovery::list::{self, List, count, word};

pub(super) const MODELS: &str = "/v1/models";

#[derive(Debug)]
pub(super) struct OpenAi;

impl Dialect for OpenAi {
    fn kind(&self) -> Kind {
        Kind::OpenAi
    }

    fn marks(&self) -> Marks {
        Marks::default()
    }

    fn alive<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Alive> {
        async { models(server).await.map(|_| Alive::default()) }.boxed()
    }

    fn doing<'a>(&'a self, server: &'a dyn Ask, _: &'a Alive) -> Answer<'a, Told> {
        async {
            let installed = Some(models(server).await?);
            Ok(Told { installed, ..Told::default() })
        }
        .boxed()
    }

    fn installed<'a>(&'a self, _: &'a dyn Ask, _: &'a Alive, _: Asked) -> Answer<'a, Told> {
        async { Ok(Told::default()) }.boxed()
    }
}

/// What `/v1/models` lists.
pub(super) async fn models(server: &dyn Ask) -> Result<List<Installed>, Unanswered> {
    read(server, MODELS, Question::get(MODELS).up_to(LIST_BYTES_MAX), read_models).await
}

pub(super) const LIST: NotTheAnswer =
    NotTheAnswer { expected: r#"JSON such as {"object":"list","data":[{"id":"a-model",…}]}"# };

pub(in crate::discovery) fn read_models(body: &[u8]) -> Result<List<Installed>, NotTheAnswer> {
    list::under(body, "data", one, LIST)
}

/// vLLM and SGLang tell the longest context beside the name.
fn one(value: &Value) -> Option<Installed> {
    Some(Installed {
        name: word(value, "id")?,
        context_length: count(value, "max_model_len"),
        ..Installed::default()
    })
}
