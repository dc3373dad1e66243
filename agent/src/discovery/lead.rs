//! What the search for servers hands to those who probe them: where one may be, and what is known
//! of who listens there. Plain values; nothing here looks or asks.

use std::net::{IpAddr, SocketAddr};

/// All leads at one instant. Each server that can be told apart is one lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leads {
    /// Ordered by `target`, each target once.
    pub(super) leads: Vec<Lead>,
    /// How many more there were than are followed.
    pub(super) left_out: u64,
}

/// Somewhere a server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lead {
    /// What to dial: loopback for who listens on all addresses, else the address itself. Always
    /// loopback or one of the host's own.
    pub(super) target: SocketAddr,
    /// The address that the listening socket is bound to, which may stand for all addresses.
    /// `None` where no such socket is seen: nobody listens, or the kernel forwards the port into
    /// another network namespace.
    pub(super) listens_on: Option<IpAddr>,
    /// Who named it.
    pub(super) origin: Origin,
    /// Who listens.
    pub(super) owner: Owner,
}

/// Why a place is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A person, with `--ollama`.
    Flag,
    /// `OLLAMA_HOST` of the agent, which may as well name another machine's server.
    Environment,
    /// A systemd unit.
    Unit,
    /// A listener whose process looks like a model server.
    Process,
    /// A listener on a port that such servers use, or one that a container publishes.
    Port,
    /// Ollama's own default, where nobody is seen to listen.
    Usual,
}

/// Who listens at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// This process, found by its sockets or, where those may not be read, as the only process of
    /// the socket's user that fits.
    Known(Box<Process>),
    /// A forwarder of containers' ports; who answers is inside.
    Forwarder,
    /// It cannot be told.
    Unknown,
}

/// A process that listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Its command name, as the kernel has it.
    pub(super) name: String,
    /// What its command line says that it is.
    pub(super) role: Role,
    /// The systemd unit that it belongs to, `ollama.service`.
    pub(super) unit: Option<String>,
    /// The container that it runs in.
    pub(super) container: Option<String>,
    /// The processes in which it runs models, ordered by `pid`.
    pub(super) runners: Vec<Runner>,
}

/// What a process is to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// It serves models itself, and this is its kind.
    Server(Kind),
    /// It hands requests on to other servers (a proxy, a router, an exporter, a web page), and
    /// holds no model.
    Aggregator,
    /// It may serve models: an interpreter, say, or a name that says nothing.
    #[default]
    Unclear,
}

/// The kinds of model servers. The words of the wire are `Kind::word`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Ollama,
    Vllm,
    LlamaCpp,
    LmStudio,
    Sglang,
    /// Anything else that answers as OpenAI's API does.
    OpenAi,
}

impl Kind {
    /// As the wire has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llamacpp",
            Self::LmStudio => "lmstudio",
            Self::Sglang => "sglang",
            Self::OpenAi => "openai",
        }
    }
}

/// A process in which an Ollama runs one model. It is never a server of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runner {
    pub(super) pid: u32,
    /// Its port on 127.0.0.1, where its command line tells.
    pub(super) port: Option<u16>,
    /// The digest of the model's file: hex, without `sha256-`.
    pub(super) digest: Option<String>,
    pub(super) engine: Engine,
}

/// What a runner answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// `llama-server`: `/health` and `/slots`.
    LlamaServer,
    /// `ollama runner`: `/health`.
    OllamaRunner,
}
