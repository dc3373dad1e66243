use proptest::prelude::*;

use super::*;

fn read(command_line: &str) -> Guise {
    let args: Vec<String> = command_line.split_whitespace().map(str::to_owned).collect();
    let name = args.first().map_or("", |program| basename(program));
    guise(&name.chars().take(15).collect::<String>(), &args)
}

fn server(kind: Kind, port: Option<u16>) -> Guise {
    let told_elsewhere = !matches!(kind, Kind::Vllm | Kind::Sglang);
    Guise::Server(Serving { kind, port, told_elsewhere, digest: None })
}

const DIGEST: &str = "5c56bb0256a2c402e95282a29bb5cb747bb805eda0e14a84b1f6c594a297ec1a";

#[test]
fn model_servers_are_recognised_by_their_command_lines() {
    let table = [
        ("/usr/local/bin/ollama serve", Kind::Ollama, None),
        ("ollama serve", Kind::Ollama, None),
        ("ollama start", Kind::Ollama, None),
        ("/snap/ollama/37/bin/ollama serve", Kind::Ollama, None),
        ("/app/plugins/Ollama/bin/ollama serve", Kind::Ollama, None),
        ("./ollama-linux-amd64 serve", Kind::Ollama, None),
        ("/opt/ollama-0.12.3 serve", Kind::Ollama, None),
        ("ollama_v0.12.3-rc1 start", Kind::Ollama, None),
        ("/home/linuxbrew/.linuxbrew/opt/ollama/bin/ollama serve", Kind::Ollama, None),
        ("/nix/store/abc-ollama-0.9.6/bin/.ollama-wrapped serve", Kind::Ollama, None),
        (
            "/usr/bin/python3 /usr/local/bin/vllm serve Qwen/Qwen3-8B --port 8001",
            Kind::Vllm,
            Some(8001),
        ),
        (
            "/opt/venv/bin/python3.12 -m vllm.entrypoints.openai.api_server --model m",
            Kind::Vllm,
            None,
        ),
        ("python -u -m vllm.entrypoints.cli.main serve m --port=9000", Kind::Vllm, Some(9000)),
        (
            "/opt/llama.cpp/build/bin/llama-server -m /m/q.gguf --port 8090",
            Kind::LlamaCpp,
            Some(8090),
        ),
        ("./server -m models/7B/ggml-model-q4_0.gguf -c 2048", Kind::LlamaCpp, None),
        ("llama serve -hf ggml-org/gemma", Kind::LlamaCpp, None),
        ("/opt/LM-Studio/lm-studio --run-as-service", Kind::LmStudio, None),
        ("/tmp/.mount_LM-StuX/lm-studio", Kind::LmStudio, None),
        ("/home/u/.lmstudio/llmster/0.0.8/llmster", Kind::LmStudio, None),
        ("/home/u/.lmstudio/.internal/utils/node worker.js", Kind::LmStudio, None),
        ("python3 -m sglang.launch_server --model-path m --port 30001", Kind::Sglang, Some(30001)),
        ("/usr/bin/python3 /usr/local/bin/sglang serve --model-path m", Kind::Sglang, None),
        ("text-generation-router --port 3000", Kind::OpenAi, Some(3000)),
        ("./local-ai run --address :8080", Kind::OpenAi, None),
        ("/opt/koboldcpp-linux-x64 --model m.gguf --port 5001", Kind::OpenAi, Some(5001)),
        ("python3 koboldcpp.py --model m.gguf", Kind::OpenAi, None),
        ("python -m mlx_lm.server --model m --port 8081", Kind::OpenAi, Some(8081)),
        ("python -m mlx_lm server --model m", Kind::OpenAi, None),
        ("python3 -m llama_cpp.server --model m.gguf", Kind::OpenAi, None),
        ("/usr/bin/python /usr/bin/aphrodite run m", Kind::OpenAi, None),
        (
            "/usr/bin/python /usr/bin/lmdeploy serve api_server m --server-port 23333",
            Kind::OpenAi,
            None,
        ),
        ("./llava-v1.5-7b-q4.llamafile --server", Kind::OpenAi, None),
        ("trtllm-serve m --port 8000", Kind::OpenAi, Some(8000)),
        ("tabby serve --model StarCoder-1B", Kind::OpenAi, None),
    ];
    for (command_line, kind, port) in table {
        assert_eq!(read(command_line), server(kind, port), "{command_line}");
    }
}

#[test]
fn what_may_tell_a_port_unseen_is_known() {
    let table = [
        ("vllm serve m", false),
        ("vllm serve m --config c.yaml", true),
        ("vllm serve m --config=/etc/vllm", true),
        ("vllm serve c.yml", true),
        ("python3 -m sglang.launch_server --model-path m", false),
        ("VLLM::APIServer_0", true),
        ("sglang::http_server/multi_tokenizer_router", true),
        ("llama-server -m m.gguf", true),
        ("ollama serve", true),
    ];
    for (command_line, expected) in table {
        let Guise::Server(serving) = read(command_line) else { panic!("{command_line}") };
        assert_eq!((serving.port, serving.told_elsewhere), (None, expected), "{command_line}");
    }
}

#[test]
fn ports_are_named_by_options() {
    let table: [(&str, &[u16]); 6] = [
        ("x --port 1 --http-port=2 -p 3 --server_port 4", &[1, 2, 3, 4]),
        ("x --bind 0.0.0.0:8001 -b [::]:8002 --host 127.0.0.1", &[8001, 8002]),
        ("x --master_port 29500 --rdzv-port=1 --nccl-port 2 --metrics-port 3", &[]),
        ("x --port --port 0 --port 66000 --report 7 --transport 8 --port", &[]),
        ("curl http://127.0.0.1:5000 127.0.0.1:5000", &[]),
        ("x -p 1 -p 2 -p 3 -p 4 -p 5 -p 6 -p 7 -p 8 -p 9", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ];
    for (command_line, expected) in table {
        let args: Vec<String> = command_line.split(' ').map(str::to_owned).collect();
        assert_eq!(named_ports(&args), expected, "{command_line}");
    }
}

#[test]
fn runners_are_recognised_with_port_and_digest() {
    let runner = |engine, port, digest: Option<&str>| {
        Guise::Runner(Runner { pid: 0, port, digest: digest.map(str::to_owned), engine })
    };
    let blob = format!("/usr/share/ollama/.ollama/models/blobs/sha256-{DIGEST}");
    let table = [
        (
            format!("/usr/local/bin/ollama runner --ollama-engine --model {blob} --port 41813"),
            runner(Engine::OllamaRunner, Some(41813), Some(DIGEST)),
        ),
        (
            format!("ollama runner --model {blob} --ctx-size 8192 --port 4000 --parallel 4"),
            runner(Engine::OllamaRunner, Some(4000), Some(DIGEST)),
        ),
        (
            "ollama runner --mlx-engine --model gemma --port 4000".to_owned(),
            runner(Engine::OllamaRunner, Some(4000), None),
        ),
        (
            format!("/tmp/ollama/runners/cuda_v12/ollama_llama_server --model {blob} --port 4001"),
            runner(Engine::OllamaRunner, Some(4001), Some(DIGEST)),
        ),
    ];
    for (command_line, expected) in table {
        assert_eq!(read(&command_line), expected, "{command_line}");
    }
    // Whoever its parent is: its Ollama may have been killed.
    for flag in ["--offline", "--no-webui"] {
        let command_line =
            format!("/usr/local/lib/ollama/llama-server --model {blob} --port 5000 {flag}");
        let expected = runner(Engine::LlamaServer, Some(5000), Some(DIGEST));
        assert_eq!(read(&command_line), expected, "{command_line}");
    }
    // A person's own, be it of a file in Ollama's store.
    for model in [blob, format!("/m/sha256-{DIGEST}")] {
        let own = read(&format!("llama-server -m {model} --port 5000"));
        let Guise::Server(serving) = own else { panic!("{own:?}") };
        assert_eq!((serving.port, serving.digest.as_deref()), (Some(5000), Some(DIGEST)));
    }
}

#[test]
fn aggregators_hold_no_model() {
    for command_line in [
        "/usr/bin/python3 /usr/local/bin/litellm --config c.yaml --port 4000",
        "python -m litellm --port 4000",
        "/usr/bin/python3 /usr/bin/uvicorn open_webui.main:app --host 0.0.0.0 --port 8080",
        "/usr/bin/python3 /usr/bin/gunicorn -w 4 litellm.proxy.proxy_server:app",
        "/usr/bin/python3 /usr/local/bin/open-webui serve",
        "/usr/local/bin/olla",
        "ollama-herd --port 11435",
        "/usr/bin/python3 /opt/ollama_exporter.py",
        "ollama_proxy_server",
        "ollama-herd serve",
        "ollama_proxy_server start",
        "/opt/ollama-exporter serve",
        "/usr/bin/python3 /opt/ollama-tricks.py serve",
        "nginx: master process /usr/sbin/nginx -g daemon off;",
        "nginx: worker process",
        "/usr/bin/caddy run --config /etc/caddy/Caddyfile",
        "/usr/bin/traefik",
        "haproxy -Ws -f /etc/haproxy/haproxy.cfg",
        "envoy -c /etc/envoy.yaml",
        "/usr/bin/python3 /usr/local/bin/gpustack start",
        "./one-api --port 3000",
        "llama-swap --config c.yaml",
        "python -m sglang_router.launch_router --worker-urls http://a",
        "ssh -N -L 11434:127.0.0.1:11434 gpu-7",
        "sshd-session: someone@notty",
        "socat TCP-LISTEN:11434,fork TCP:10.0.0.7:11434",
    ] {
        assert_eq!(read(command_line), Guise::Aggregator, "{command_line}");
    }
}

#[test]
fn parts_of_servers_are_no_servers() {
    for command_line in [
        "VLLM::EngineCore",
        "VLLM::Worker_TP0",
        "sglang::scheduler_TP0",
        "sglang::detokenizer",
        "python3 -c from_multiprocessing.spawn_import --multiprocessing-fork",
        "text-generation-launcher --model-id m",
    ] {
        assert_eq!(read(command_line), Guise::Part, "{command_line}");
    }
}

#[test]
fn forwarders_tell_where_their_ports_lead() {
    let docker = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 11500 -container-ip \
                  172.17.0.2 -container-port 11434 -use-listen-fd";
    let to = Forwards::To(11500, "172.17.0.2:11434".parse().unwrap());
    assert_eq!(read(docker), Guise::Forwarder(to.clone()));
    assert_eq!(to.container_port(11500), Some(11434));
    let pasta =
        "/usr/bin/pasta --config-net -t 11500-11501:8000-8001 -t 127.0.0.1/9000:80 --netns n";
    let Guise::Forwarder(ports) = read(pasta) else { panic!("{:?}", read(pasta)) };
    let table = [(11500, Some(8000)), (11501, Some(8001)), (9000, Some(80)), (1, None)];
    for (port, expected) in table {
        assert_eq!(ports.container_port(port), expected);
    }
    for untold in ["rootlessport", "/usr/bin/slirp4netns --api-socket s", "/usr/bin/conmon -c x"] {
        assert_eq!(read(untold), Guise::Forwarder(Forwards::Untold));
    }
}

#[test]
fn interpreters_are_unclear_and_may_hint_at_models() {
    let table = [
        ("python3 server.py --model /m/qwen3.gguf", Guise::Unclear(Hint::Models)),
        ("python3 /opt/text-generation-webui/server.py --api", Guise::Unclear(Hint::Models)),
        ("python3 main.py", Guise::Unclear(Hint::Nothing)),
        ("node server.js", Guise::Unclear(Hint::Nothing)),
        ("python3", Guise::Unclear(Hint::Nothing)),
        ("python3 -m torch.distributed.run sft_llama.py", Guise::Other),
        ("python3 train_llm.py --model meta-llama/Llama-3.1-8B", Guise::Other),
        ("python qwen_sft.py --model qwen3", Guise::Other),
        ("python -u /opt/sft/main.py --model qwen3", Guise::Other),
        ("python3 main.py grpo --model qwen3", Guise::Other),
        ("python3 run_dpo2.py --llm x", Guise::Other),
        ("python3 LoRA-run.py --llm x", Guise::Other),
        ("python3 go.py --model qwen3 --trainer_config x", Guise::Other),
        ("python3 x.py --finetune qwen3", Guise::Other),
        // What is served may have been trained so, and other words hold these letters.
        ("python3 server.py --model zephyr-7b-dpo --llm", Guise::Unclear(Hint::Models)),
        ("python3 endpoint.py --llm support", Guise::Unclear(Hint::Models)),
        ("python3 -m http.server 8000", Guise::Other),
        ("/usr/bin/python3 /usr/bin/jupyter-lab --port 8080", Guise::Other),
    ];
    for (command_line, expected) in table {
        assert_eq!(read(command_line), expected, "{command_line}");
    }
}

#[test]
fn everything_else_is_nothing_to_us() {
    for command_line in [
        "",
        "ollama run gemma4:12b",
        "ollama pull gemma4",
        "ollama",
        "vllm bench serve-not",
        "/usr/lib/postgresql/16/bin/postgres -D /var/lib/postgresql/16/main",
        "redis-server 127.0.0.1:6379",
        "/usr/bin/java -jar app.jar --server.port=8080",
        "/sbin/init",
        "fake-ollama --port 1",
        "vi ollama serve",
        "sh -c ollama serve",
    ] {
        assert_eq!(read(command_line), Guise::Other, "{command_line}");
    }
}

#[test]
fn a_digest_is_whole_or_none() {
    assert_eq!(digest(&format!("/b/sha256-{DIGEST}")).as_deref(), Some(DIGEST));
    for path in ["/m/q.gguf", "sha256-12", &format!("sha256-{DIGEST}0"), "sha256-", "sha256-é"] {
        assert_eq!(digest(path), None, "{path}");
    }
}

proptest! {
    #[test]
    fn no_command_line_panics(name in ".{0,15}", args in proptest::collection::vec(".{0,40}", 0..8)) {
        let _ = guise(&name, &args);
    }

    #[test]
    fn no_ports_of_pasta_panic(specification in "[-0-9:,/a-z]{0,60}") {
        let ports = words::pasta_ports(&["-t".to_owned(), specification]);
        prop_assert!(ports.len() <= 256);
    }

    #[test]
    fn options_never_make_a_client_a_server(rest in proptest::collection::vec("-{1,2}[a-z]{1,8}", 0..6)) {
        let args = [vec!["ollama".to_owned()], rest].concat();
        prop_assert_eq!(guise("ollama", &args), Guise::Other);
    }
}
