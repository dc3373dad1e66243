//! A program that keeps what it is told, carelessly, for the tests to catch: it answers before it
//! writes, or writes one command in two steps. It takes the few commands of the kill stories.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use clap::{Parser, ValueEnum};
use herdbook_collector::store::{Loaded, Row, RowKind, Store};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

#[derive(Debug, Parser)]
#[command(name = "careless-store")]
struct Options {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long, value_enum)]
    fault: Fault,
}

/// In which way it is careless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// It answers, and writes later.
    AnswersFirst,
    /// It writes each row in a transaction of its own.
    WritesInSteps,
}

/// What it knows, as it was read and changed since.
#[derive(Clone, Debug)]
struct Careless {
    fault: Fault,
    store: Arc<Store>,
    docs: Arc<Mutex<BTreeMap<(RowKind, String), Value>>>,
    later: TaskTracker,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if even this fails.
            drop(writeln!(io::stderr(), "careless-store failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> io::Result<()> {
    let (store, loaded) = Store::open(&options.data_dir).map_err(io::Error::other)?;
    let careless = Careless {
        fault: options.fault,
        store: Arc::new(store),
        docs: Arc::new(Mutex::new(docs(&loaded))),
        later: TaskTracker::new(),
    };
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    axum::serve(listener, axum::Router::new().fallback(command).with_state(careless)).await
}

fn docs(loaded: &Loaded) -> BTreeMap<(RowKind, String), Value> {
    let hosts = loaded.hosts.iter().map(|doc| (RowKind::Host, doc));
    let all = hosts.chain(loaded.services.iter().map(|doc| (RowKind::Service, doc)));
    let parsed = all.filter_map(|(kind, doc)| Some((kind, serde_json::from_str(doc).ok()?)));
    parsed.map(|(kind, doc): (_, Value)| ((kind, word(&doc["id"])), doc)).collect()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

async fn command(
    State(careless): State<Careless>,
    method: Method,
    uri: Uri,
    body: String,
) -> (StatusCode, axum::Json<Value>) {
    let body = serde_json::from_str(&body).unwrap_or(Value::Null);
    let id = uri.path().rsplit('/').next().unwrap_or_default();
    let (rows, answer) = careless.apply(&method, uri.path(), id, &body);
    match careless.fault {
        Fault::AnswersFirst => {
            let store = Arc::clone(&careless.store);
            careless.later.spawn(async move { store.write(rows).await });
        }
        Fault::WritesInSteps => {
            for row in rows {
                if careless.store.write(vec![row]).await.is_err() {
                    return (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(Value::Null));
                }
            }
        }
    }
    (StatusCode::OK, axum::Json(answer))
}

impl Careless {
    /// What a command makes of what is known: the rows to write, and the answer.
    fn apply(&self, method: &Method, path: &str, id: &str, body: &Value) -> (Vec<Row>, Value) {
        let mut docs = self.docs.lock().unwrap_or_else(PoisonError::into_inner);
        let service = (RowKind::Service, id.to_owned());
        match *method {
            Method::PATCH if path.ends_with("/hosts") => {
                let hosts = docs.iter_mut().filter(|((kind, _), _)| *kind == RowKind::Host);
                let rows = hosts.map(|(key, doc)| {
                    doc["patch"]["notes"] = body["notes"].clone();
                    row(key, Some(doc))
                });
                (rows.collect(), Value::Null)
            }
            Method::POST => {
                let key = (RowKind::Service, "walker".to_owned());
                let doc = json!({"id": "walker", "records": {"own": body}});
                let rows = vec![row(&key, Some(&doc))];
                docs.insert(key, doc);
                (rows, json!({"id": "walker"}))
            }
            Method::PATCH => match docs.get_mut(&service) {
                Some(doc) => {
                    doc["records"]["patch"] = body.clone();
                    (vec![row(&service, Some(doc))], Value::Null)
                }
                None => (Vec::new(), Value::Null),
            },
            _ => {
                docs.remove(&service);
                (vec![row(&service, None)], Value::Null)
            }
        }
    }
}

fn row((kind, id): &(RowKind, String), doc: Option<&Value>) -> Row {
    Row { kind: *kind, id: id.clone(), doc: doc.map(Value::to_string) }
}
