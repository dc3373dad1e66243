//! Prometheus itself reads what the collector tells it: its checker finds nothing to complain of,
//! and its server scrapes the fleet and finds the services.

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use herdbook_tests::harness::program::command;
use herdbook_tests::harness::{Fleet, Program, Rest, encoded, eventually, tools};
use herdbook_tests::swarm::SimulatedHost;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);

/// Names as nobody should give them, and two hosts of one name.
const NAMES: [&str; 5] =
    ["plain", "plain", r#"quo"te\back"#, "{host=\"x\"} 1 # HELP", "ünï·код·🐄|,=\u{a0}"];

async fn fleet() -> Fleet {
    let mut fleet = Fleet::start().await;
    for (seed, name) in (1..).zip(NAMES) {
        let host = SimulatedHost::from_seed(seed).having(2, 70).named(name);
        fleet.simulate(host.listening_on("10.0.0.7")).await;
    }
    for name in NAMES {
        fleet.host_online(name).await;
    }
    fleet
}

fn check(text: &str) -> Output {
    let mut promtool = std::process::Command::new(tools::promtool());
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = promtool.spawn().expect("promtool runs");
    let mut stdin = running.stdin.take().expect("its stdin");
    // It reads no further than to the first line that is wrong.
    let _ = stdin.write_all(text.as_bytes());
    drop(stdin);
    running.wait_with_output().expect("it ends")
}

#[tokio::test]
async fn promtool_has_nothing_to_say() {
    let fleet = fleet().await;
    let rest = fleet.rest();
    let form = json!({"name": "a\"b\\c", "type": "tool", "kind": "x\"y", "url": "http://[fd00::9]:1",
        "labels": {"ключ-1": "v\"\\"}});
    rest.post("/api/v1/services", &form).await;
    for path in ["/metrics", "/metrics?host=plain"] {
        let text = rest.text(path).await;
        let checked = check(&text);
        assert!(checked.status.success(), "{path}: {checked:?}");
        assert!(checked.stderr.is_empty() && checked.stdout.is_empty(), "{path}: {checked:?}");
    }
    // It does look: what is wrong or not as it should be is told.
    let text = rest.text("/metrics").await;
    for (right, wrong) in [
        ("host=\"plain\"", "host=\"pl\"ain\""),
        ("herdbook_collector_samples_total", "herdbook_collector_samples"),
        ("# HELP herdbook_host_up", "# herdbook_host_up"),
    ] {
        let checked = check(&text.replace(right, wrong));
        assert!(!checked.status.success(), "{wrong}: {checked:?}");
    }
}

/// A server of its own, with its data in the fleet's directory.
struct Prometheus {
    program: Program,
    rest: Rest,
}

impl Prometheus {
    async fn start(fleet: &Fleet) -> Self {
        let (dir, collector) = (fleet.dir().join("prometheus"), fleet.address());
        std::fs::create_dir_all(&dir).expect("a directory");
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": "herdbook", "static_configs": [{"targets": [collector.to_string()]}]},
                {"job_name": "services",
                 "http_sd_configs": [{"refresh_interval": "1s",
                    "url": format!("http://{collector}/api/v1/sd/prometheus?loopback=true")}],
                 "relabel_configs": [
                    {"source_labels": ["__meta_herdbook_service_id"], "target_label": "service"},
                    {"source_labels": ["__meta_herdbook_service_host"], "target_label": "host"}]},
            ],
        });
        // JSON is YAML.
        std::fs::write(dir.join("prometheus.yml"), config.to_string()).expect("its settings");
        let mut command = command(&tools::prometheus(), &dir);
        command.current_dir(&dir).args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
        ]);
        let mut program = Program::start("prometheus", command, fleet.dir());
        let listening = async || {
            assert!(program.is_running(), "it ended: {}", program.log_tail());
            listening_on(&program.log()).ok_or_else(|| program.log_tail())
        };
        let address = eventually("Prometheus listens", WITHIN, listening).await;
        let rest = Rest::new(&format!("http://{address}"));
        Self { program, rest }
    }

    /// Waits until the answer to a query is as wanted: of each series its labels and its value.
    async fn becomes(&self, query: &str, what: &str, is_so: impl Fn(&[(Value, f64)]) -> bool) {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let look = async || {
            let (_, answer) =
                self.rest.try_get(&path).await.map_err(|error| format!("{error:?}"))?;
            let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            let value = |series: &Value| series["value"][1].as_str()?.parse().ok();
            let read = |series: Value| Some((series["metric"].clone(), value(&series)?));
            let series: Vec<_> = series.into_iter().filter_map(read).collect();
            if is_so(&series) { Ok(()) } else { Err(answer.to_string()) }
        };
        eventually(&format!("{query}: {what}"), WITHIN, look).await;
    }

    /// Waits until a query has this one value.
    async fn is(&self, query: &str, wanted: f64) {
        let is_so = |series: &[(Value, f64)]| {
            series.len() == 1 && series.iter().all(|(_, value)| (value - wanted).abs() < 1e-9)
        };
        self.becomes(query, &wanted.to_string(), is_so).await;
    }
}

/// The address in the line that says where the server listens.
fn listening_on(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("msg=\"Listening on\""))?;
    let address = line.split_once("address=")?.1;
    address.split_whitespace().next().map(str::to_owned)
}

#[tokio::test]
async fn prometheus_scrapes_the_fleet_and_lets_go_of_who_is_silent() {
    let mut fleet = fleet().await;
    let gone = SimulatedHost::from_seed(99).having(1, 1).named("gone");
    let crash = fleet.simulate(gone.listening_on("10.0.0.8")).await;
    let mut prometheus = Prometheus::start(&fleet).await;
    prometheus.is("count(herdbook_host_up == 1)", 6.0).await;
    prometheus.is(r#"count(herdbook_host_up{host="plain"})"#, 2.0).await;
    for name in &NAMES[2..] {
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        prometheus.is(&format!("herdbook_host_up{{host=\"{name}\"}}"), 1.0).await;
    }
    prometheus.is("count(herdbook_gpu_utilization_ratio <= 1)", 11.0).await;
    let vram = r#"herdbook_gpu_memory_total_bytes{host="gone",gpu="0",name="NVIDIA H100"}"#;
    prometheus.is(vram, 80.0 * 1024.0 * 1024.0 * 1024.0).await;
    prometheus.is(r#"herdbook_model_loaded{service="gone:11434",model="llama:1b"}"#, 1.0).await;
    prometheus.is(r#"herdbook_model_vram_bytes{service="gone:11434"}"#, 2_147_483_648.0).await;
    prometheus.is("herdbook_collector_models_left_out", 5.0 * 6.0).await;
    prometheus.is("herdbook_collector_agents", 6.0).await;
    prometheus
        .is(r#"herdbook_service_up{service="gone:11434",kind="ollama",host="gone"}"#, 1.0)
        .await;
    prometheus
        .becomes("rate(herdbook_collector_samples_total[10s])", "about 6", |series| {
            series.iter().any(|(_, rate)| (3.0..9.0).contains(rate))
        })
        .await;

    crash.abort();
    prometheus.is(r#"herdbook_host_up{host="gone"}"#, 0.0).await;
    for of_silent in [
        r#"herdbook_host_cpu_usage_ratio{host="gone"}"#,
        r#"{__name__=~"herdbook_gpu_.*",host="gone"}"#,
        r#"herdbook_service_up{host="gone"}"#,
        r#"herdbook_model_loaded{service="gone:11434"}"#,
    ] {
        prometheus.becomes(of_silent, "nothing", <[_]>::is_empty).await;
    }
    prometheus.is("count(herdbook_host_cpu_usage_ratio)", 5.0).await;
    assert!(prometheus.program.is_running());
}

#[tokio::test]
async fn prometheus_takes_the_services_as_its_targets() {
    let fleet = fleet().await;
    let rest = fleet.rest();
    // The collector itself stands for a server with metrics of its own.
    let own = json!({"name": "own", "type": "tool", "url": fleet.url()});
    let (_, own) = rest.post("/api/v1/services", &own).await;
    let own = own["id"].as_str().expect("an id").to_owned();
    let six = json!({"name": "six", "type": "model", "kind": "vllm", "url": "https://[fd00::9]"});
    rest.post("/api/v1/services", &six).await;
    let prometheus = Prometheus::start(&fleet).await;
    prometheus.is(&format!("up{{job=\"services\",service=\"{own}\"}}"), 1.0).await;
    prometheus.is(r#"count(herdbook_build_info{job="services"})"#, 1.0).await;

    let listed = rest.get("/api/v1/sd/prometheus?loopback=true").await;
    let n_listed = listed.as_array().expect("a list").len();
    assert_eq!(n_listed, NAMES.len() + 2, "{listed}");
    let targets = prometheus.rest.get("/api/v1/targets").await;
    let targets = targets["data"]["activeTargets"].as_array().expect("targets").clone();
    let of_services = targets.iter().filter(|target| target["labels"]["job"] == "services");
    let urls: Vec<&str> = of_services.filter_map(|target| target["scrapeUrl"].as_str()).collect();
    assert_eq!(urls.len(), n_listed, "{targets:?}");
    assert!(urls.contains(&"https://[fd00::9]:443/metrics"), "{urls:?}");
}
