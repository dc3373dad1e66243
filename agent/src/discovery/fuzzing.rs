//! Where the fuzz targets come in: model servers that answer anything, and a kernel that tells
//! anything. Not built into any program.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;

use super::answer::Alive;
use super::ask::{Ask, Connection, ProbeError, Question, Reply};
use super::kinds::{self, Asked};
use super::lead::{Kind, Lead, Origin, Owner};
use super::{recognise, search};

const KINDS: [Kind; 6] =
    [Kind::Ollama, Kind::LlamaCpp, Kind::Vllm, Kind::Sglang, Kind::LmStudio, Kind::OpenAi];
const STATUSES: [StatusCode; 6] = [
    StatusCode::OK,
    StatusCode::NOT_FOUND,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::FOUND,
];
/// Between two answers: no byte of UTF-8.
const BETWEEN: u8 = 0xff;

/// Asks a server that answers with these bytes, one piece after another: the first byte chooses its
/// kind, the first of each piece its status. Every question that there is is asked.
pub fn answers(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let dialect = kinds::dialect(KINDS[usize::from(*first) % KINDS.len()]);
    let server = Says::new(rest);
    let known = Alive { routes: first & 0x40 != 0, older: first & 0x80 != 0, ..Alive::default() };
    let alive = at_once(dialect.alive(&server, &known)).ok().unwrap_or(known);
    let told = at_once(dialect.doing(&server, &alive));
    let _ = at_once(dialect.installed(&server, &alive, Asked::First));
    let loaded = told.ok().and_then(|told| told.loaded);
    for model in loaded.iter().flat_map(|loaded| loaded.items.iter()).take(2) {
        let _ = dialect.show(&server, &model.name).map(at_once);
    }
    let anybody = Says::new(rest);
    let _ = at_once(recognise::recognise(&anybody, &lead()));
}

/// Looks at a host whose files lie under this folder.
pub async fn search(root: &Path) {
    search::fuzzing::look(root).await;
}

/// What answers without a socket is there at once.
fn at_once<T>(asked: impl Future<Output = T>) -> T {
    asked.now_or_never().expect("nothing waits for anything")
}

fn lead() -> Lead {
    Lead {
        target: ([127, 0, 0, 1], 8000).into(),
        listens_on: None,
        origin: Origin::Port,
        owner: Owner::Unknown,
    }
}

/// A server that says one piece after another, and then the last for ever.
struct Says(Mutex<Vec<Vec<u8>>>);

impl Says {
    fn new(input: &[u8]) -> Self {
        let mut pieces: Vec<_> = input.split(|byte| *byte == BETWEEN).map(<[u8]>::to_vec).collect();
        pieces.reverse();
        Self(Mutex::new(pieces))
    }

    fn next(&self) -> Vec<u8> {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.len() > 1 { pieces.pop() } else { pieces.last().cloned() }.unwrap_or_default()
    }
}

impl Ask for Says {
    fn hold(&mut self, _: Connection) {}

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ProbeError>> {
        let piece = self.next();
        let (status, body) = piece.split_first().unwrap_or((&0, &[]));
        let status = STATUSES[usize::from(*status) % STATUSES.len()];
        let answer = if body.len() > question.max_bytes {
            Err(ProbeError::TooLarge(question.max_bytes))
        } else {
            Ok(Reply { status, server: None, body: body.to_vec() })
        };
        async move { answer }.boxed()
    }
}
