//! The names that programs and modules go by. One line more recognises one program more.

use super::{Guise, Hint, Serving};
use crate::discovery::lead::Kind;

/// Hand requests on, and hold no model: routers, web servers, tunnels (whose far end is another
/// machine), exporters, web pages.
const AGGREGATORS: [&str; 64] = [
    "litellm",
    "litellm-proxy",
    "olla",
    "open-webui",
    "open_webui",
    "gpustack",
    "one-api",
    "new-api",
    "llama-swap",
    "llamaswap",
    "bifrost",
    "bifrost-http",
    "portkey",
    "helicone",
    "semantic-router",
    "sglang-router",
    "sglang_router",
    "sgl-router",
    "smg",
    "vllm-router",
    "vllm_router",
    "paddler",
    "tensorzero",
    "gateway",
    "kong",
    "apisix",
    "higress",
    "nginx",
    "openresty",
    "angie",
    "caddy",
    "traefik",
    "haproxy",
    "envoy",
    "apache2",
    "httpd",
    "lighttpd",
    "h2o",
    "squid",
    "varnishd",
    "pingora",
    "ssh",
    "sshd",
    "sshd-session",
    "autossh",
    "socat",
    "kubectl",
    "k3s",
    "kube-proxy",
    "chisel",
    "frpc",
    "frps",
    "stunnel",
    "stunnel4",
    "ngrok",
    "cloudflared",
    "tailscaled",
    "gost",
    "rinetd",
    "redir",
    "librechat",
    "lobe-chat",
    "anythingllm",
    "flowise",
];

/// Work for a server, and listen for nobody else.
const PARTS: [&str; 6] = [
    "text-generation-launcher",
    "text-generation-server",
    "ray",
    "raylet",
    "gcs_server",
    "rpc-server",
];

/// Answer as OpenAI's API does, and go by one name.
const OPENAI: [&str; 35] = [
    "local-ai",
    "localai",
    "text-generation-router",
    "text-generation-router-v2",
    "text-generation-router-v3",
    "text-embeddings-router",
    "llamafile",
    "llama-box",
    "mistralrs-server",
    "mistralrs",
    "trtllm-serve",
    "tensorrt_llm.commands.serve",
    "openai_frontend",
    "mlx_lm.server",
    "mlx_vlm.server",
    "mlx-openai-server",
    "llama_cpp.server",
    "aphrodite.endpoints.openai.api_server",
    "lmdeploy.serve.openai.api_server",
    "fastchat.serve.openai_api_server",
    "mlc_llm.serve.server",
    "koboldcpp",
    "tabbyapi",
    "xinference-local",
    "xinference",
    "infinity_emb",
    "nexa-server",
    "shimmy",
    "lemonade-server",
    "lemonade-router",
    "lemond",
    "jan-server",
    "cortex-server",
    "exo",
    "ktransformers",
];

/// These serve only when told so by their first word.
const OPENAI_WITH: [(&str, &str); 11] = [
    ("aphrodite", "run"),
    ("lmdeploy", "serve"),
    ("mlx_lm", "server"),
    ("tabby", "serve"),
    ("nexa", "serve"),
    ("mlc_llm", "serve"),
    ("transformers", "serve"),
    ("swift", "deploy"),
    ("local-ai", "run"),
    ("max", "serve"),
    ("infinity_emb", "v2"),
];

/// Tools in Python and JavaScript that are known to be none of ours.
const LEFT_ALONE: [&str; 30] = [
    "http.server",
    "jupyter",
    "jupyter-lab",
    "jupyter-notebook",
    "jupyterhub",
    "ipykernel_launcher",
    "ipykernel",
    "notebook",
    "tensorboard",
    "tensorboard.main",
    "airflow",
    "mlflow",
    "celery",
    "pip",
    "supervisord",
    "manage",
    "ansible-playbook",
    "fail2ban-server",
    "unattended-upgrade-shutdown",
    "networkd-dispatcher",
    "firewalld",
    "tuned",
    "certbot",
    "dask",
    "dask-scheduler",
    "hass",
    "pgadmin4",
    "superset",
    "wandb",
    "debugpy",
];

/// Parts of words that only people who run models write on a command line.
const HINTS: [&str; 15] = [
    "llm",
    "llama",
    "gguf",
    "openai",
    "exllama",
    "mlx",
    "text-generation",
    "text_generation",
    "tabby",
    "kobold",
    "qwen",
    "mistral",
    "deepseek",
    "gemma",
    "inference",
];

/// Parts of words on the command line of those who train models. Their processes speak with each
/// other, and are not to be disturbed.
const TRAINING: [&str; 9] = [
    "train",
    "finetune",
    "fine_tune",
    "fine-tune",
    "torchrun",
    "torch.distributed",
    "deepspeed",
    "accelerate",
    "nemo_rl",
];

/// Ways to train, as whole words of what is run. In the value of an option they may as well be
/// part of the name of a model that is served: `--model zephyr-7b-dpo`.
const WAYS_TO_TRAIN: [&str; 9] =
    ["sft", "grpo", "dpo", "rlhf", "lora", "qlora", "ppo", "orpo", "trl"];

/// Whether an interpreter's command line is that of a training job.
pub(super) fn trains(args: &[String]) -> bool {
    let speaks_of_it = args.iter().any(|arg| {
        let arg = arg.to_ascii_lowercase();
        TRAINING.iter().any(|word| arg.contains(word))
    });
    let before = std::iter::once("").chain(args.iter().map(String::as_str));
    let mut runs = args.iter().zip(before).filter(|(arg, before)| {
        let is_value = before.starts_with("--") && !before.contains('=');
        !arg.starts_with('-') && !is_value
    });
    speaks_of_it || runs.any(|(arg, _)| has_word(arg, &WAYS_TO_TRAIN))
}

fn has_word(text: &str, words: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    text.split(|c: char| !c.is_ascii_alphabetic()).any(|word| words.contains(&word))
}

/// What stands before Ollamas, in the names that programs of that kind are given.
const BEFORE_OLLAMA: [&str; 24] = [
    "herd",
    "exporter",
    "proxy",
    "router",
    "gateway",
    "balancer",
    "loadbalancer",
    "lb",
    "webui",
    "ui",
    "web",
    "metrics",
    "monitor",
    "mcp",
    "bridge",
    "queue",
    "cluster",
    "farm",
    "grid",
    "pool",
    "flow",
    "manager",
    "chat",
    "api",
];

/// Whether a program is Ollama under a name that its version or machine is part of, such as
/// `ollama-linux-amd64`, which its first word tells.
pub(super) fn is_ollama(name: &str, command: &str) -> bool {
    let rest = name.strip_prefix("ollama").filter(|rest| rest.starts_with(['-', '_', '.']));
    let is_its_word = matches!(command, "serve" | "start" | "runner");
    is_its_word && rest.is_some_and(|rest| !has_word(rest, &BEFORE_OLLAMA))
}

pub(super) fn is_aggregator(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or(name);
    // ollama-herd, ollama-exporter, ollama_proxy_server, …
    let is_about_ollama = name.starts_with("ollama-") || name.starts_with("ollama_");
    is_about_ollama || AGGREGATORS.contains(&name) || AGGREGATORS.contains(&first)
}

pub(super) fn is_part(name: &str) -> bool {
    PARTS.contains(&name)
}

pub(super) fn is_left_alone(name: &str) -> bool {
    LEFT_ALONE.contains(&name)
}

/// The kind of server that goes by this name and first word.
pub(super) fn kind(name: &str, command: &str) -> Option<Kind> {
    let is_a_server =
        |name: &str| name.ends_with(".api_server") || name.ends_with(".launch_server");
    match name {
        "vllm" | "vllm.entrypoints.cli.main" | "vllm-omni" => {
            (command == "serve").then_some(Kind::Vllm)
        }
        "llama-server" | "llama_server" => Some(Kind::LlamaCpp),
        "llama" => matches!(command, "serve" | "server").then_some(Kind::LlamaCpp),
        "lm-studio" | "lm studio" | "lmstudio" | "llmster" | "lms" => Some(Kind::LmStudio),
        "sglang" => (command == "serve").then_some(Kind::Sglang),
        _ if name.starts_with("vllm.") && is_a_server(name) => Some(Kind::Vllm),
        _ if name.starts_with("sglang.") && is_a_server(name) => Some(Kind::Sglang),
        _ if name.starts_with("lm-studio-") || name.starts_with("lm_studio") => {
            Some(Kind::LmStudio)
        }
        _ if name.starts_with("koboldcpp") || name.ends_with(".llamafile") => Some(Kind::OpenAi),
        _ => openai(name, command),
    }
}

fn openai(name: &str, command: &str) -> Option<Kind> {
    let is_one = OPENAI.contains(&name) || OPENAI_WITH.contains(&(name, command));
    is_one.then_some(Kind::OpenAi)
}

/// Titles that processes give themselves in place of their command line.
pub(super) fn title(program: &str) -> Option<Guise> {
    // The title has replaced the words that told the port.
    let server =
        |kind| Guise::Server(Serving { kind, port: None, told_elsewhere: true, digest: None });
    if let Some(part) = program.strip_prefix("VLLM::") {
        return Some(if part.starts_with("APIServer") { server(Kind::Vllm) } else { Guise::Part });
    }
    if let Some(part) = program.strip_prefix("sglang::") {
        let is_router = part == "http_server" || part.starts_with("http_server/");
        return Some(if is_router { server(Kind::Sglang) } else { Guise::Part });
    }
    None
}

/// Whether an interpreter's command line speaks of models.
pub(super) fn hint(args: &[String]) -> Hint {
    let says = |arg: &String| {
        let arg = arg.to_ascii_lowercase();
        HINTS.iter().any(|hint| arg.contains(hint))
    };
    if args.iter().any(says) { Hint::Models } else { Hint::Nothing }
}
