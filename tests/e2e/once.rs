//! What `--once` tells of every fake host, word for word. Each host is files, a fake GPU library
//! and servers that really answer; what a run changes (ports, times, the test machine's own disk)
//! is replaced by words before it is compared.
//!
//! `INSTA_UPDATE=always cargo test --test e2e once::` writes the snapshots anew, to be read.

mod words;

use std::net::SocketAddr;
use std::time::Duration;

use fake_nvml::{Fault as NvmlFault, Gpu, Installed, Machine, Script, code};
use fake_ollama::{FakeKin, FakeOllama, Fault, Kin, KinStory, LoadedModel, Model, Step, Story};
use herdbook_tests::harness::program::{built, command};
use herdbook_tests::harness::{FakeProcess, HostFiles};
use serde_json::Value;
use tempfile::TempDir;

use self::words::Ports;

const RUN: Duration = Duration::from_secs(30);

/// A host, and who listens on it.
struct Host {
    dir: TempDir,
    files: HostFiles,
    nvml: Option<Installed>,
    ports: Ports,
}

impl Host {
    fn of(fixture: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let files = HostFiles::of(fixture, &dir.path().join("host"));
        Self { dir, files, nvml: None, ports: Ports::default() }
    }

    fn with_gpus(mut self, script: &Script) -> Self {
        let machine = Machine::new(self.files.root());
        for gpu in &script.gpus {
            machine.put(gpu, "active").expect("a GPU on the bus");
        }
        self.nvml = Some(Installed::new(self.dir.path(), script).expect("the fake library"));
        self
    }

    fn process(&mut self, pid: u32, unit: &str, command_line: &[&str]) {
        let comm = command_line[0].rsplit('/').next().unwrap_or_default();
        let cgroup = format!("/system.slice/{unit}");
        let uid = 990;
        let process = FakeProcess { pid, parent: 1, uid, comm, command_line, cgroup: &cgroup };
        self.files.process(process);
    }

    fn listens(&mut self, pid: u32, name: &'static str, address: SocketAddr) {
        self.files.listens(pid, address);
        self.ports.name(address.port(), name);
    }

    /// An Ollama as a service.
    fn serves(&mut self, address: SocketAddr) {
        self.process(4242, "ollama.service", &["/usr/local/bin/ollama", "serve"]);
        self.listens(4242, "ollama", address);
    }

    /// The Ollama's process for the model in this file.
    fn runs(&mut self, blob: &str, address: SocketAddr) {
        let port = address.port().to_string();
        self.files.process(FakeProcess {
            pid: 4300,
            parent: 4242,
            uid: 990,
            comm: "llama-server",
            command_line: &["/usr/local/lib/ollama/llama-server", "--model", blob, "--port", &port],
            cgroup: "/system.slice/ollama.service",
        });
        self.listens(4300, "runner", address);
    }

    /// What the agent tells, with words for what is another at each run.
    async fn once(&self) -> Value {
        let mut agent = command(&built("herdbook-agent"), self.dir.path());
        agent.args(["--once", "--name=fake", "--log-level=warn", "--host-root"]);
        agent.arg(self.files.root());
        if let Some(nvml) = &self.nvml {
            agent.arg("--nvml-lib").arg(&nvml.library);
        }
        let output = tokio::time::timeout(RUN, agent.kill_on_drop(true).output()).await;
        let output = output.expect("an agent that ends").expect("an agent that starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {log}", output.status);
        let told = serde_json::from_slice(&output.stdout);
        self.ports.in_words(told.unwrap_or_else(|error| panic!("{error}: {log}")))
    }
}

macro_rules! told {
    ($host:expr, $name:literal) => {
        insta::assert_json_snapshot!($name, $host.once().await);
    };
}

#[tokio::test]
async fn a_host_without_gpu_and_server() {
    told!(Host::of("debian12-6.1"), "idle");
}

#[tokio::test]
async fn an_old_kernel_lacks_what_it_lacks() {
    told!(Host::of("rhel7-3.10"), "old_kernel");
}

#[tokio::test]
async fn a_container_tells_its_limits() {
    told!(Host::of("docker-cgroup2"), "container");
    told!(Host::of("container-cgroup1"), "container_cgroup1");
}

#[tokio::test]
async fn eight_gpus_and_an_ollama_at_work() {
    let mut story = Story::with_models(10);
    let model = &story.models[0];
    let blob = format!("/usr/share/ollama/.ollama/models/blobs/sha256-{}", model.file_digest());
    story.loaded = vec![LoadedModel::named(&model.name)];
    let ollama = FakeOllama::start(story).await.expect("a fake Ollama");
    let working = KinStory { running: 1, ..KinStory::of(Kin::LlamaCpp) };
    let runner = FakeKin::start(working).await.expect("a fake runner");

    let mut script = Script::with_gpus(8);
    script.gpus[3].compute = vec![fake_nvml::Process { pid: 4300, memory_bytes: Some(6 << 30) }];
    let mut host = Host::of("epyc-256").with_gpus(&script);
    host.serves(ollama.addr());
    host.runs(&blob, runner.addr());
    told!(host, "eight_gpus");
}

#[tokio::test]
async fn a_gpu_that_is_cut_and_a_vllm() {
    let vllm = FakeKin::start(KinStory::of(Kin::Vllm)).await.expect("a fake vLLM");
    let mut host = Host::of("ubuntu2204-5.15").with_gpus(&Script::of(vec![Gpu::cut_a100(0)]));
    let port = vllm.addr().port().to_string();
    host.process(700, "vllm.service", &["/opt/vllm/bin/vllm", "serve", "m", "--port", &port]);
    host.listens(700, "vllm", vllm.addr());
    told!(host, "cut_gpu");
}

#[tokio::test]
async fn memory_that_host_and_gpu_share() {
    let story = KinStory { waiting: 2, running: 1, ..KinStory::of(Kin::LlamaCpp) };
    let llama = FakeKin::start(story).await.expect("a fake llama.cpp");
    let studio = FakeKin::start(KinStory::of(Kin::LmStudio)).await.expect("a fake LM Studio");
    let mut host = Host::of("gb10-aarch64").with_gpus(&Script::of(vec![Gpu::unified(0).idle()]));
    let port = llama.addr().port().to_string();
    let line = ["/usr/local/bin/llama-server", "-m", "/models/a.gguf", "--port", &port];
    host.process(900, "llama.service", &line);
    host.listens(900, "llamacpp", llama.addr());
    host.process(950, "lmstudio.service", &["/opt/lmstudio/llmster", "--headless"]);
    host.listens(950, "lmstudio", studio.addr());
    told!(host, "shared_memory");
}

#[tokio::test]
async fn one_gpu_of_two_is_lost() {
    let sglang = FakeKin::start(KinStory::of(Kin::Sglang)).await.expect("a fake SGLang");
    let script = Script::of(vec![Gpu::numbered(0).idle(), Gpu::numbered(1).lost()]);
    let mut host = Host::of("arch-6.18").with_gpus(&script);
    let port = sglang.addr().port().to_string();
    let line = ["/usr/bin/python3", "-m", "sglang.launch_server", "--port", &port];
    host.process(800, "sglang.service", &line);
    host.listens(800, "sglang", sglang.addr());
    told!(host, "one_lost");
}

#[tokio::test]
async fn a_driver_of_another_version_and_a_server_that_wants_a_key() {
    let closed = Story::with_models(1).with_fault("*", Fault::Unauthorized);
    let ollama = FakeOllama::start(closed).await.expect("a fake Ollama");
    let mismatch = NvmlFault::Code(code::LIB_RM_VERSION_MISMATCH);
    let mut host =
        Host::of("debian12-6.1").with_gpus(&Script::with_gpus(1).with_fault("*", mismatch));
    host.serves(ollama.addr());
    told!(host, "mismatch");
}

#[tokio::test]
async fn a_laptop_whose_gpu_sleeps() {
    let script = Script::with_gpus(1);
    let host = Host::of("arch-6.18").with_gpus(&script);
    Machine::new(host.files.root()).put(&script.gpus[0], "suspended").expect("a GPU asleep");
    told!(host, "asleep");
}

#[tokio::test]
async fn windows_keeps_what_processes_hold() {
    let server = FakeKin::start(KinStory::of(Kin::OpenAi)).await.expect("a fake server");
    let mut host = Host::of("wsl2").with_gpus(&Script::of(vec![Gpu::under_wddm(0)]));
    let port = server.addr().port().to_string();
    let line = ["/usr/bin/python3", "-m", "mlx_lm.server", "--port", &port];
    host.process(1200, "mlx.service", &line);
    host.listens(1200, "openai", server.addr());
    told!(host, "under_wddm");
}

#[tokio::test]
async fn a_model_on_its_way_into_memory() {
    let model = Model::named("gemma4:12b");
    let blob = format!("/root/.ollama/models/blobs/sha256-{}", model.file_digest());
    let story = Story { models: vec![model], ..Story::default() };
    let ollama = FakeOllama::start(story).await.expect("a fake Ollama");
    ollama.script().apply(Step::Loading { name: "gemma4:12b".to_owned() });
    let loading = KinStory { loading: true, ..KinStory::of(Kin::LlamaCpp) };
    let runner = FakeKin::start(loading).await.expect("a fake runner");
    let mut host = Host::of("debian12-6.1");
    host.serves(ollama.addr());
    host.runs(&blob, runner.addr());
    told!(host, "loading");
}
