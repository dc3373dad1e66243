//! What reaches a loopback port from elsewhere: other pages, other names, viewers that stall.

use std::time::Duration;

use herdbook_tests::harness::{Fleet, eventually, viewer};
use herdbook_tests::swarm::SimulatedHost;
use reqwest::StatusCode;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const PATHS: [&str; 4] = ["/", "/api/v1/snapshot", "/api/v1/hosts", "/readyz"];

#[tokio::test]
async fn another_name_is_misdirected() {
    let fleet = Fleet::start().await;
    let rest = fleet.rest();
    for host in ["evil.example", "evil.example:6121", "127.0.0.1.evil.example"] {
        for path in PATHS {
            let status = rest.status_with(path, "host", host).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host} {path}");
        }
    }
    for host in ["localhost", "127.0.0.1:9", "[::1]:6121"] {
        assert_eq!(rest.status_with("/readyz", "host", host).await, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn another_origin_is_forbidden_upgrades_included() {
    let fleet = Fleet::start().await;
    let rest = fleet.rest();
    for origin in ["http://evil.example", "null", "http://127.0.0.1.evil.example"] {
        let status = rest.status_with("/api/v1/hosts", "origin", origin).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{origin}");
        for path in ["/api/v1/live", "/api/v1/agent"] {
            assert_eq!(upgrade_status(&fleet, path, origin).await, 403, "{origin} {path}");
        }
    }
    let own = fleet.url();
    assert_eq!(rest.status_with("/api/v1/hosts", "origin", &own).await, StatusCode::OK);
    assert_eq!(upgrade_status(&fleet, "/api/v1/live", &own).await, 101);
}

/// The status with which an upgrade from a page of `origin` is answered.
async fn upgrade_status(fleet: &Fleet, path: &str, origin: &str) -> u16 {
    let url = format!("ws://{}{path}", fleet.address());
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("origin", origin.parse().expect("a header"));
    let stream = TcpStream::connect(fleet.address()).await.expect("a connection");
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        Err(other) => panic!("{path} from {origin}: {other}"),
    }
}

#[tokio::test]
async fn a_viewer_that_stalls_delays_nobody() {
    let mut fleet = Fleet::start().await;
    let mut ids = Vec::new();
    for seed in 1..=30 {
        let host = SimulatedHost::from_seed(seed).having(4, 400);
        ids.push(host.host_id.clone());
        fleet.simulate(host).await;
    }
    let mut viewer = fleet.viewer().await;
    viewer.becomes(&ids[29], "online", Duration::from_secs(20)).await;
    let watched: Vec<&str> = ids.iter().map(String::as_str).collect();

    // The snapshot alone is more than the buffers between them hold.
    let mut stalled = Vec::new();
    for _ in 0..10 {
        stalled.push(viewer::open_stalled(fleet.address()).await);
    }
    viewer.watch(&watched).await;
    let flowing = async || {
        let slowest = ids.iter().map(|id| viewer.n_samples(id)).min().unwrap_or_default();
        if slowest >= 15 { Ok(()) } else { Err(format!("{slowest} samples of the slowest")) }
    };
    eventually("15 samples of each host", Duration::from_secs(40), flowing).await;
    assert_eq!(viewer.folded().n_snapshots, 1, "the reading viewer lagged");
    drop(stalled);
}
