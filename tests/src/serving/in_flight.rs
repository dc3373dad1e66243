//! Ten thousand heartbeats that are all under way before the first answer is read.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::beats::{BEAT, register};
use super::storm::{Client, request};
use super::{Rate, rate};
use crate::harness::Fleet;

const N_BEATS: usize = 10_000;
const N_SERVICES: usize = 1_000;
/// Whoever has no answer by then has none.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn measure() -> io::Result<Vec<Rate>> {
    let fleet = Fleet::start().await;
    let ids = register(fleet.address(), N_SERVICES).await?;
    let mut clients = Vec::with_capacity(N_BEATS);
    for _ in 0..N_BEATS {
        clients.push(Client::connect(fleet.address()).await?);
    }
    let begun = Instant::now();
    for (n, client) in clients.iter_mut().enumerate() {
        let path = format!("/api/v1/services/{}/heartbeat", ids[n % N_SERVICES]);
        client.send(&request("PUT", &path, BEAT)).await?;
    }
    let mut n_answered = 0_u32;
    let reading = async {
        for client in &mut clients {
            n_answered += u32::from(client.answer().await.is_ok());
        }
    };
    let _ = timeout(PATIENCE, reading).await;
    let took = begun.elapsed().as_secs_f64();
    Ok(vec![
        rate(
            format!("of {N_BEATS} heartbeats in flight at once, answered well"),
            f64::from(n_answered),
            "",
            Some(N_BEATS as f64),
        ),
        rate("… all of them within", took, " s", None),
    ])
}
