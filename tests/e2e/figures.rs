//! The collector's figures: what only a collector that runs can tell of itself.

use std::time::Duration;

use herdbook_tests::harness::{Fleet, eventually};

const WITHIN: Duration = Duration::from_secs(25);

#[tokio::test]
async fn the_room_on_the_disk_and_the_size_of_the_databases_are_told() {
    let fleet = Fleet::start().await;
    let rest = fleet.rest();
    let measured = async || {
        let disk = rest.get("/api/v1/stats").await["disk"].take();
        if disk.is_object() { Ok(disk) } else { Err(disk.to_string()) }
    };
    let disk = eventually("the disk is measured", WITHIN, measured).await;
    let bytes = |field: &str| disk[field].as_u64().unwrap_or_else(|| panic!("{field}: {disk}"));
    assert!(bytes("free_bytes") <= bytes("total_bytes"), "{disk}");
    // That of the history may be made a moment later.
    assert!(bytes("state_db_bytes") > 0, "{disk}");
    let data_dir = disk["data_dir"].as_str().unwrap_or_default();
    assert!(data_dir.starts_with(&*fleet.dir().to_string_lossy()), "{disk}");
    let metrics = rest.text("/metrics").await;
    for series in ["disk_free_bytes", "disk_total_bytes", "database_bytes{database=\"state\"}"] {
        assert!(metrics.contains(&format!("\nherdbook_collector_{series} ")), "{series}");
    }
}
