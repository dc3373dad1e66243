//! Serves the fake Ollama on a port, for demonstrations and for tests with real processes. Under
//! the name of a real program it takes the arguments of that: as `ollama` it serves where
//! `OLLAMA_HOST` says, as `llama-server` it runs one model.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use fake_ollama::{FakeKin, FakeOllama, Kin, KinStory, LoadedModel, Story};

/// An Ollama that runs no model. It prints `listening on http://…` and serves until it is stopped;
/// `POST /_story` changes what it tells, and `GET /_story` says what it was asked.
#[derive(Debug, Parser)]
#[command(name = "fake-ollama")]
struct Options {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 11434)]
    port: u16,
    /// How many models are installed.
    #[arg(long, default_value_t = 3)]
    models: usize,
    /// How many of them are loaded.
    #[arg(long, default_value_t = 0)]
    loaded: usize,
    /// A story as a JSON file, instead of invented models.
    #[arg(long, conflicts_with_all = ["models", "loaded"])]
    story: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let program = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    let ended = match program.file_name().and_then(|name| name.to_str()) {
        Some("ollama") => as_ollama(&program).await,
        Some("llama-server") => as_llama_server().await,
        _ => serve(Options::parse()).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if even this fails.
            drop(writeln!(io::stderr(), "fake-ollama failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> io::Result<()> {
    let bind = SocketAddr::new(options.bind, options.port);
    let fake = FakeOllama::start(story(&options)?.at(bind)).await?;
    writeln!(io::stdout(), "listening on {}", fake.url())?;
    fake.run().await;
    Ok(())
}

fn story(options: &Options) -> io::Result<Story> {
    if let Some(path) = &options.story {
        return Ok(serde_json::from_slice(&std::fs::read(path)?)?);
    }
    let story = Story::with_models(options.models);
    let named = story.models.iter().take(options.loaded);
    let loaded = named.map(|model| LoadedModel::named(&model.name)).collect();
    Ok(Story { loaded, ..story })
}

/// `OLLAMA_HOST=127.0.0.1:PORT ollama serve`; its runners are the `llama-server` beside it.
async fn as_ollama(program: &Path) -> io::Result<()> {
    let at = std::env::var("OLLAMA_HOST").unwrap_or_else(|_| "127.0.0.1:11434".to_owned());
    let bind: SocketAddr = at.parse().map_err(io::Error::other)?;
    let runner = Some(program.with_file_name("llama-server"));
    let fake = FakeOllama::start(Story { runner, ..Story::with_models(3) }.at(bind)).await?;
    writeln!(io::stdout(), "listening on {}", fake.url())?;
    fake.run().await;
    Ok(())
}

/// `llama-server --model PATH --port PORT …`; it loads until its story says otherwise.
async fn as_llama_server() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        arguments.iter().position(|word| word == flag).and_then(|n| arguments.get(n + 1))
    };
    let port = after("--port").and_then(|port| port.parse().ok()).unwrap_or(8080);
    let models = after("--model").cloned().into_iter().collect();
    let story = KinStory { models, loading: true, ..KinStory::of(Kin::LlamaCpp) };
    let fake = FakeKin::start_at((Ipv4Addr::LOCALHOST, port).into(), story).await?;
    writeln!(io::stdout(), "listening on {}", fake.url())?;
    fake.run().await;
    Ok(())
}
