//! Taking a command line apart: programs, interpreters, options.

/// No more ports than these of one forwarder.
const PORTS_MAX: usize = 256;
/// No command line names more ports than this, and means it.
const NAMED_PORTS_MAX: usize = 8;

/// The last part of a path.
pub(super) fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name of a program from its first argument, as it would be typed: without its path, in small
/// letters, without what wrappers and titles add.
pub(super) fn program(arg: &str) -> String {
    // Some write a title over their arguments: `nginx: master process /usr/sbin/nginx`. Others
    // have all their arguments in one.
    let head = match arg.split_once(": ") {
        Some((head, _)) if !head.contains('/') => head,
        _ => arg.split(" -").next().unwrap_or(arg),
    };
    let name = basename(head.trim()).to_ascii_lowercase();
    let name = name.trim_start_matches(['-', '.']).trim_end_matches(':');
    let name = name.strip_suffix("-wrapped").unwrap_or(name);
    name.strip_suffix(".exe").unwrap_or(name).to_owned()
}

/// Programs whose arguments say what really runs.
pub(super) fn is_interpreter(program: &str) -> bool {
    const NAMES: [&str; 6] = ["python", "pypy", "node", "nodejs", "bun", "deno"];
    let unversioned = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    NAMES.contains(&unversioned)
}

/// What an interpreter runs.
#[derive(Debug)]
pub(super) struct Script<'a> {
    /// `vllm`, `vllm.entrypoints.openai.api_server`: a script without path and ending, or a module.
    pub(super) name: String,
    pub(super) rest: &'a [String],
    code: Option<&'a str>,
}

impl Script<'_> {
    /// Started by a parent of its own kind to do a part of its work.
    pub(super) fn is_spawned_part(&self) -> bool {
        self.code.is_some_and(|code| code.contains("multiprocessing"))
            || self.rest.iter().any(|arg| arg == "--multiprocessing-fork")
    }

    /// The package that a web server for Python runs: `uvicorn package.module:application`.
    pub(super) fn application(&self) -> Option<String> {
        if !matches!(self.name.as_str(), "uvicorn" | "gunicorn" | "hypercorn" | "granian") {
            return None;
        }
        let application = self.rest.iter().find(|arg| arg.contains(':') && !arg.contains('/'))?;
        let module = application.split(':').next()?;
        module.split('.').next().map(str::to_ascii_lowercase)
    }
}

/// Finds the script or module behind an interpreter's own options.
pub(super) fn script(args: &[String]) -> Option<Script<'_>> {
    let mut rest = args;
    while let Some((arg, more)) = rest.split_first() {
        rest = more;
        match arg.as_str() {
            "-m" => {
                let (module, rest) = rest.split_first()?;
                return Some(Script { name: module.to_ascii_lowercase(), rest, code: None });
            }
            "-c" | "-e" => {
                let (code, rest) = rest.split_first()?;
                return Some(Script { name: String::new(), rest, code: Some(code) });
            }
            // These take a value of their own.
            "-W" | "-X" | "-Q" | "--require" | "-r" => rest = rest.get(1..)?,
            option if option.starts_with('-') => {}
            path => {
                let name = program(path);
                let name = name.strip_suffix(".py").unwrap_or(&name).to_owned();
                return Some(Script { name, rest, code: None });
            }
        }
    }
    None
}

/// The value of the first of these options: `--port 1`, `--port=1`.
pub(super) fn value_of<'a>(args: &'a [String], options: &[&str]) -> Option<&'a str> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if options.contains(&arg.as_str()) {
            return args.next().map(String::as_str);
        }
        let (option, value) = arg.split_once('=').unwrap_or((arg, ""));
        if options.contains(&option) {
            return Some(value);
        }
    }
    None
}

/// Ports that options name: `--port 1`, `-p 1`, `--bind 127.0.0.1:1`. What the parts of a job
/// agree on among themselves, `--master_port` say, is none of them.
pub(in crate::discovery::search) fn named_ports(args: &[String]) -> Vec<u16> {
    const AMONG_THEMSELVES: [&str; 7] =
        ["master", "main", "rdzv", "dist", "nccl", "metric", "debug"];
    const PLACES: [&str; 8] =
        ["bind", "b", "listen", "l", "address", "addr", "host", "listen-address"];
    let mut ports = Vec::new();
    for (n, arg) in args.iter().enumerate().filter(|(_, arg)| arg.starts_with('-')) {
        let next = || args.get(n + 1).map_or("", String::as_str);
        let (option, value) = arg.split_once('=').unwrap_or_else(|| (arg, next()));
        let option = option.trim_start_matches('-').to_ascii_lowercase();
        let is_port = option == "p" || option.split(['-', '_']).next_back() == Some("port");
        let port = match value.rsplit_once(':') {
            Some((_, port)) if PLACES.contains(&option.as_str()) => port.parse::<u16>(),
            _ if is_port && !AMONG_THEMSELVES.iter().any(|word| option.contains(word)) => {
                value.parse()
            }
            _ => continue,
        };
        let Some(port) = port.ok().filter(|port| *port != 0) else { continue };
        if ports.len() < NAMED_PORTS_MAX {
            ports.push(port);
        }
    }
    ports
}

/// The digest of the model in Ollama's own store, where this is the path of one.
pub(super) fn digest_in_store(path: &str) -> Option<String> {
    path.contains("/blobs/sha256-").then(|| digest(path)).flatten()
}

/// The digest in the path of one of Ollama's model files: `…/blobs/sha256-0123…`.
pub(in crate::discovery::search) fn digest(path: &str) -> Option<String> {
    const DIGITS: usize = 64;
    let (_, digest) = path.rsplit_once("sha256-").or_else(|| path.rsplit_once("sha256:"))?;
    let is_whole = digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| digest.to_ascii_lowercase())
}

/// `-t 11434-11434:8000-8000`, `--tcp-ports 127.0.0.1/11434:8000,8080`: from the host's to the
/// container's.
pub(super) fn pasta_ports(args: &[String]) -> Vec<(u16, u16)> {
    let mut ports = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let specification = match arg.as_str() {
            "-t" | "--tcp-ports" => args.next().map(String::as_str),
            _ => arg.strip_prefix("--tcp-ports="),
        };
        for one in specification.into_iter().flat_map(|text| text.split(',')) {
            let one = one.rsplit_once('/').map_or(one, |(_address, ports)| ports);
            let (from, to) = one.split_once(':').unwrap_or((one, one));
            let (Some(from), Some(to)) = (range(from), range(to)) else { continue };
            let room = PORTS_MAX - ports.len();
            ports.extend(from.zip(to).take(room));
        }
    }
    ports
}

fn range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
