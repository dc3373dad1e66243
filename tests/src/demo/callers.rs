//! Everybody else who talks to the collector: services that register themselves and beat, what
//! somebody added by hand, and routers that take leases.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::harness::{Rest, encoded};

/// How often the services that register themselves beat.
const BEAT: Duration = Duration::from_secs(5);
/// Where nothing listens.
const NOBODY: &str = "http://127.0.0.1:1/translate";
/// How many requests are under way at one time, at most.
const N_ROUTERS: u64 = 6;
/// What routers ask for.
const MODELS: [&str; 6] =
    ["llama3.1:8b", "qwen3:32b", "gpt-oss:20b", "gpt-oss:120b", "nomic-embed-text", "llama3.3:70b"];

/// Something that answers on this machine, until it is dropped.
#[derive(Debug)]
pub(super) struct Answering {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Answering {
    /// Answers every request with a word.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = Router::new().fallback(async || "ready\n");
        let mut task = JoinSet::new();
        task.spawn(async move { drop(axum::serve(listener, app).await) });
        Ok(Self { address, _task: task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A service that registers itself, or that somebody adds.
fn services(answering: SocketAddr) -> [Value; 4] {
    [
        json!({"name": "web-search", "type": "tool", "url": format!("http://{answering}/search"),
               "role": "production", "caps": ["search"], "labels": {"team": "search"},
               "heartbeat_interval_s": BEAT.as_secs(), "ttl_s": 3 * BEAT.as_secs()}),
        json!({"name": "ticket-triage", "type": "agent", "url": format!("http://{answering}/triage"),
               "role": "staging", "caps": ["triage", "summarise"], "labels": {"team": "assistants"},
               "heartbeat_interval_s": BEAT.as_secs(), "ttl_s": 3 * BEAT.as_secs()}),
        json!({"name": "reranker", "type": "tool", "url": format!("http://{answering}/rerank"),
               "role": "production", "caps": ["rerank"], "labels": {"team": "search"}}),
        json!({"name": "translator", "type": "tool", "url": NOBODY, "caps": ["translate"],
               "labels": {"team": "assistants"}}),
    ]
}

/// Registers all of them, then beats for those that beat, for ever.
pub(super) async fn serve(collector: String, answering: SocketAddr) {
    let rest = Rest::new(&collector);
    let mut beating = Vec::new();
    for form in services(answering) {
        let told = rest.try_send(Method::POST, "/api/v1/services", Some(&form)).await;
        let id = told.and_then(|(_, told)| told["id"].as_str().map(encoded));
        beating.extend(id.filter(|_| form["ttl_s"].is_u64()));
    }
    let mut random = fastrand::Rng::with_seed(7);
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for id in &beating {
            let beat = json!({"p95_ms": random.u32(80..400), "queue_depth": random.u32(0..4),
                              "load": f64::from(random.u32(5..80)) / 100.0});
            // A beat that does not come in is what the next one is for.
            let _ = rest
                .try_send(Method::PUT, &format!("/api/v1/services/{id}/heartbeat"), Some(&beat))
                .await;
        }
    }
}

/// Takes leases and gives them back, for ever.
pub(super) async fn route(collector: String, seed: u64) {
    let mut routers = JoinSet::new();
    for router in 0..N_ROUTERS {
        routers.spawn(one_router(Rest::new(&collector), fastrand::Rng::with_seed(seed ^ router)));
    }
    routers.join_all().await;
}

async fn one_router(rest: Rest, mut random: fastrand::Rng) {
    loop {
        sleep(Duration::from_millis(random.u64(500..8_000))).await;
        let model = MODELS[random.usize(0..MODELS.len())];
        let asked = json!({"model": model, "ttl_s": 120});
        let taken = rest.try_send(Method::POST, "/api/v1/leases", Some(&asked)).await;
        let Some((StatusCode::CREATED, lease)) = taken else { continue };
        let Some(id) = lease["lease_id"].as_str().map(encoded) else { continue };
        let latency_ms = random.u64(300..9_000);
        sleep(Duration::from_millis(latency_ms)).await;
        let outcome = if random.u8(0..40) == 0 { "error" } else { "ok" };
        let path = format!("/api/v1/leases/{id}?latency_ms={latency_ms}&outcome={outcome}");
        // One that was not given back ends by itself.
        let _ = rest.try_send(Method::DELETE, &path, None).await;
    }
}
