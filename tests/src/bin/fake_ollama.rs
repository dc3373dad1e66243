//! Serves the fake Ollama on a port, for demonstrations and for tests with real processes.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fake_ollama::{FakeOllama, LoadedModel, Story};

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
    match serve(Options::parse()).await {
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
