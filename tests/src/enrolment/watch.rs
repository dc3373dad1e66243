//! Whether anybody was marked stale or offline while a collector's agents come back.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::collector::Collector;

const EVERY: Duration = Duration::from_secs(1);
const TYPES: &str = "types=host.stale,host.offline&view=summary&limit=10000";

/// Follows the changes of one run of a collector from its first one.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    collector: &'a Collector,
    next: String,
    n_marked: u64,
}

impl<'a> Watch<'a> {
    /// Of a collector that has just started.
    pub(super) async fn of(collector: &'a Collector) -> io::Result<Self> {
        let now = collector.ask("/api/v1/events").await?;
        let epoch = now["epoch"].as_str().unwrap_or_default();
        Ok(Self { collector, next: format!("{epoch}:0"), n_marked: 0 })
    }

    /// Looks once a second, until it is dropped: whoever looks less often may miss changes.
    pub(super) async fn follow(&mut self) -> io::Error {
        loop {
            if let Err(error) = self.look().await {
                return error;
            }
            sleep(EVERY).await;
        }
    }

    /// How often a host was marked stale or offline until now.
    pub(super) async fn n_marked(&mut self) -> io::Result<u64> {
        self.look().await?;
        Ok(self.n_marked)
    }

    async fn look(&mut self) -> io::Result<()> {
        let path = format!("/api/v1/events?since={}&{TYPES}", self.next);
        let answer = self.collector.ask(&path).await?;
        self.n_marked += answer["events"].as_array().map_or(0, Vec::len) as u64;
        match &answer["next"] {
            Value::String(next) => self.next.clone_from(next),
            other => return Err(io::Error::other(format!("{path}: next is {other}"))),
        }
        Ok(())
    }
}
