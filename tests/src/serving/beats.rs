//! Heartbeats of services that register themselves, beside the least that the same server answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::storm::{Client, request, storm};
use super::{Rate, rate};
use crate::harness::Fleet;

const N_CONNECTIONS: usize = 64;
const WINDOW: Duration = Duration::from_secs(3);
const AT_LEAST: f64 = 30_000.0;

/// What a service says of itself with each beat.
pub(super) const BEAT: &str = r#"{"status":"ok","p95_ms":123.4,"queue_depth":2,"load":0.35}"#;

pub(super) async fn measure() -> io::Result<Vec<Rate>> {
    let mut fleet = Fleet::start().await;
    let (address, pid) = (fleet.address(), fleet.collector().pid());
    let ids = register(address, N_CONNECTIONS).await?;
    let beat = move |connection: usize, _| {
        request("PUT", &format!("/api/v1/services/{}/heartbeat", ids[connection]), BEAT)
    };
    let beats = storm(address, pid, N_CONNECTIONS, WINDOW, beat).await?;
    let health = |_, _| b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec();
    let raw = storm(address, pid, N_CONNECTIONS, WINDOW, health).await?;
    Ok(vec![
        rate(
            "heartbeats a second of the collector's CPU",
            beats.per_core_second,
            "/s",
            Some(AT_LEAST),
        ),
        rate("heartbeats, the load on the other core", beats.per_second, "/s", None),
        rate("raw limit: /healthz a second of its CPU", raw.per_core_second, "/s", None),
        rate("/healthz, the load on the other core", raw.per_second, "/s", None),
    ])
}

/// Registers so many, and returns their ids.
pub(super) async fn register(address: SocketAddr, n: usize) -> io::Result<Vec<String>> {
    let mut client = Client::connect(address).await?;
    let mut ids = Vec::with_capacity(n);
    for n in 0..n {
        let body = format!(
            "{{\"name\":\"beat-{n}\",\"type\":\"tool\",\"url\":\"http://10.0.{}.{}:80\",\
             \"ttl_s\":3600,\"heartbeat_interval_s\":1800}}",
            n >> 8,
            n & 0xff
        );
        client.send(&request("POST", "/api/v1/services", &body)).await?;
        let entry: serde_json::Value = serde_json::from_slice(client.answer().await?)?;
        ids.push(entry["id"].as_str().unwrap_or_default().to_owned());
    }
    Ok(ids)
}
