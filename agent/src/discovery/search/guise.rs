//! What a process is to us, told from its command line alone. Deployments differ in paths,
//! wrappers and versions, so only the program's or module's own name and a few words count.
//!
//! The names stand in `names`; who is whose child, `process` knows.

mod names;
mod words;

use std::net::SocketAddr;

use self::words::{basename, value_of};
use crate::discovery::lead::{Engine, Kind, Runner};

pub(super) use self::words::{digest, named_ports};

/// What a command line looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Guise {
    /// A model server.
    Server(Serving),
    /// Runs one model for an Ollama. Its `pid` is filled in by who knows it.
    Runner(Runner),
    /// A part of a server (an engine, a worker), whose sockets are its own affair.
    Part,
    /// Hands requests on to other servers.
    Aggregator,
    /// Forwards ports into containers.
    Forwarder(Forwards),
    /// An interpreter that may run anything.
    Unclear(Hint),
    /// Nothing that concerns us.
    #[default]
    Other,
}

impl Guise {
    /// A model server, or what belongs to one.
    pub(super) fn is_of_servers(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Runner(_) | Self::Part)
    }
}

/// A model server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) kind: Kind,
    /// The port that it was told to listen on.
    pub(super) port: Option<u16>,
    /// Where it was told none: it may have been, by a file or an environment that nobody reads.
    pub(super) told_elsewhere: bool,
    /// The digest in the name of its model's file.
    pub(super) digest: Option<String>,
}

/// What an interpreter's command line says of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    Models,
    Nothing,
}

/// What a forwarder's command line says of its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Forwards {
    /// From this port of the host to there.
    To(u16, SocketAddr),
    /// From these ports to those.
    Ports(Vec<(u16, u16)>),
    Untold,
}

impl Forwards {
    /// Where a connection to this port of the host ends.
    pub(super) fn container_port(&self, port: u16) -> Option<u16> {
        match self {
            Self::To(from, container) => (*from == port).then(|| container.port()),
            Self::Ports(ports) => ports.iter().find(|(from, _)| *from == port).map(|(_, to)| *to),
            Self::Untold => None,
        }
    }
}

/// The port of a kind of server where nobody tells it another.
pub(super) fn usual_port(kind: Kind) -> Option<u16> {
    match kind {
        Kind::Ollama => Some(11434),
        Kind::Vllm => Some(8000),
        Kind::LlamaCpp => Some(8080),
        Kind::LmStudio => Some(1234),
        Kind::Sglang => Some(30000),
        Kind::OpenAi => None,
    }
}

/// Whether model servers use this port unless told otherwise. llama.cpp has two.
pub(super) fn is_usual_port(port: u16) -> bool {
    matches!(port, 11434 | 8000 | 8080 | 9931 | 1234 | 30000)
}

/// Whether the parts of training jobs and of servers on several GPUs meet on this port: PyTorch's
/// own, and the next few. Whoever speaks HTTP there disturbs them.
pub(super) fn is_meeting_port(port: u16) -> bool {
    (29500..30000).contains(&port)
}

/// Reads a process's name and command line.
pub(super) fn guise(name: &str, args: &[String]) -> Guise {
    let Some((program, rest)) = args.split_first() else { return Guise::Other };
    if let Some(guise) = names::title(program) {
        return guise;
    }
    let program = words::program(program);
    if let Some(guise) = forwarder(&program, rest) {
        return guise;
    }
    // It brings its own interpreter.
    if args[0].contains("/.lmstudio/") {
        return serving(Kind::LmStudio, rest);
    }
    if words::is_interpreter(&program) {
        return interpreted(rest);
    }
    // What llama.cpp called its server once says too little without its model.
    if program == "server" && rest.iter().any(|arg| arg.ends_with(".gguf")) {
        return serving(Kind::LlamaCpp, rest);
    }
    if names::is_ollama(&program, first_word(rest)) {
        return ollama(first_word(rest), rest);
    }
    let by_program = by_name(&program, rest);
    match by_program {
        Guise::Other => by_name(&words::program(name), rest),
        guise => guise,
    }
}

/// A script or module in an interpreter.
fn interpreted(args: &[String]) -> Guise {
    let Some(script) = words::script(args) else { return Guise::Unclear(Hint::Nothing) };
    if script.is_spawned_part() {
        return Guise::Part;
    }
    if names::is_left_alone(&script.name) {
        return Guise::Other;
    }
    if let Some(application) = script.application() {
        let guise = by_name(&application, script.rest);
        if guise != Guise::Other {
            return guise;
        }
    }
    match by_name(&script.name, script.rest) {
        Guise::Other if names::trains(args) => Guise::Other,
        Guise::Other => Guise::Unclear(names::hint(args)),
        guise => guise,
    }
}

fn by_name(name: &str, rest: &[String]) -> Guise {
    let command = first_word(rest);
    match name {
        "ollama" => ollama(command, rest),
        "ollama_llama_server" => Guise::Runner(runner(Engine::OllamaRunner, rest)),
        _ if names::is_aggregator(name) => Guise::Aggregator,
        _ if names::is_part(name) => Guise::Part,
        _ => names::kind(name, command).map_or(Guise::Other, |kind| serving(kind, rest)),
    }
}

fn first_word(args: &[String]) -> &str {
    args.iter().find(|arg| !arg.starts_with('-')).map_or("", String::as_str)
}

fn ollama(command: &str, rest: &[String]) -> Guise {
    match command {
        "serve" | "start" => serving(Kind::Ollama, rest),
        "runner" => Guise::Runner(runner(Engine::OllamaRunner, rest)),
        _ => Guise::Other,
    }
}

fn serving(kind: Kind, args: &[String]) -> Guise {
    let port = value_of(args, &["--port", "--http-port", "--api-port"]);
    let model = value_of(args, &["--model", "-m"]);
    // Its Ollama may have died, and left it behind. A person who serves a file of Ollama's store
    // has no reason for these flags.
    let is_ollamas = args.iter().any(|arg| matches!(arg.as_str(), "--offline" | "--no-webui"))
        && model.and_then(words::digest_in_store).is_some();
    if kind == Kind::LlamaCpp && is_ollamas {
        return Guise::Runner(runner(Engine::LlamaServer, args));
    }
    let port = port.and_then(|port| port.parse().ok());
    // These take their port from nowhere else, and have sockets that are nobody's affair.
    let is_strict = matches!(kind, Kind::Vllm | Kind::Sglang);
    let told_elsewhere = !is_strict || args.iter().any(is_of_a_file);
    Guise::Server(Serving { kind, port, told_elsewhere, digest: model.and_then(digest) })
}

fn is_of_a_file(arg: &String) -> bool {
    let is_named = arg == "--config" || arg.starts_with("--config=");
    is_named || arg.ends_with(".yaml") || arg.ends_with(".yml")
}

/// What a command line tells of a runner.
fn runner(engine: Engine, args: &[String]) -> Runner {
    let port = value_of(args, &["--port"]).and_then(|port| port.parse().ok());
    let digest = value_of(args, &["--model", "-m"]).and_then(digest);
    Runner { pid: 0, port, digest, engine }
}

fn forwarder(program: &str, args: &[String]) -> Option<Guise> {
    let forwards = match program {
        "docker-proxy" | "docker-proxy-current" => docker_proxy(args).unwrap_or(Forwards::Untold),
        "pasta" | "pasta.avx2" | "passt" | "passt.avx2" => {
            Forwards::Ports(words::pasta_ports(args))
        }
        "rootlessport" | "rootlessport-child" | "rootlesskit" | "slirp4netns" | "conmon"
        | "gvproxy" => Forwards::Untold,
        "exe" if args.iter().any(|arg| basename(arg) == "rootlessport") => Forwards::Untold,
        _ => return None,
    };
    Some(Guise::Forwarder(forwards))
}

fn docker_proxy(args: &[String]) -> Option<Forwards> {
    let from = value_of(args, &["-host-port"])?.parse().ok()?;
    let ip = value_of(args, &["-container-ip"])?.parse().ok()?;
    let port = value_of(args, &["-container-port"])?.parse().ok()?;
    Some(Forwards::To(from, SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests;
