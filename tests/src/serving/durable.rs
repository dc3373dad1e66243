//! Registrations that are on the disk before they are answered, beside bare inserts of as many
//! bytes into SQLite with the same durability.

use std::io;
use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::time::Instant;

use super::storm::{request, storm};
use super::{Rate, rate};
use crate::harness::Fleet;
use crate::swarm::usage::median;

/// Who registers at once.
const N_CONNECTIONS: usize = 64;
/// Three of them must not fill the register, whose bound is 200,000 services.
const WINDOW: Duration = Duration::from_secs(2);
/// About as many bytes as the document of a registered service.
const DOC_BYTES: usize = 600;
const AT_LEAST_PER_SECOND: f64 = 10_000.0;
const AT_LEAST_PERCENT: f64 = 60.0;

pub(super) async fn measure() -> io::Result<Vec<Rate>> {
    let mut fleet = Fleet::start().await;
    let (address, pid) = (fleet.address(), fleet.collector().pid());
    let register = |connection: usize, n: u64| {
        let name = format!("bench-{connection}-{n}");
        let body = format!(
            "{{\"name\":\"{name}\",\"type\":\"tool\",\"url\":\"http://10.{}.{}.{}:8080/{name}\",\
             \"ttl_s\":3600,\"heartbeat_interval_s\":1800}}",
            connection,
            (n >> 8) & 0xff,
            n & 0xff
        );
        request("POST", "/api/v1/services", &body)
    };
    let before = bare(N_CONNECTIONS)?;
    let measured = storm(address, pid, N_CONNECTIONS, WINDOW, register).await?;
    let raw = median(vec![before, bare(N_CONNECTIONS)?]);
    let one = bare(1)?;
    let share = 100.0 * measured.per_second / raw;
    Ok(vec![
        rate(
            format!("durable registrations from {N_CONNECTIONS} connections"),
            measured.per_second,
            "/s",
            Some(AT_LEAST_PER_SECOND),
        ),
        rate(
            format!("raw limit: bare SQLite inserts, FULL, {N_CONNECTIONS} rows a transaction"),
            raw,
            "/s",
            None,
        ),
        rate("… as a share of it", share, " %", Some(AT_LEAST_PERCENT)),
        rate("bare SQLite inserts, FULL, one row a transaction", one, "/s", None),
        rate("registrations a second of the collector's CPU", measured.per_core_second, "/s", None),
        rate("CPU of the load for a registration", measured.load_us, " µs", None),
    ])
}

/// Rows a second that SQLite keeps by itself.
fn bare(rows_a_transaction: usize) -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let inserted = insert(&dir.path().join("bare.db"), rows_a_transaction);
    inserted.map_err(io::Error::other)
}

fn insert(path: &std::path::Path, rows_a_transaction: usize) -> rusqlite::Result<f64> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("CREATE TABLE services (id TEXT PRIMARY KEY, doc TEXT NOT NULL)", [])?;
    let doc = "x".repeat(DOC_BYTES);
    let (begun, mut n_rows) = (Instant::now(), 0_u64);
    while begun.elapsed() < WINDOW {
        let transaction = connection.transaction()?;
        for _ in 0..rows_a_transaction {
            // As ids of services are: in no order.
            let id = uuid::Uuid::new_v4().to_string();
            let mut insert = transaction.prepare_cached("INSERT INTO services VALUES (?1, ?2)")?;
            insert.execute(params![id, doc])?;
            n_rows += 1;
        }
        transaction.commit()?;
    }
    Ok(n_rows as f64 / begun.elapsed().as_secs_f64())
}
