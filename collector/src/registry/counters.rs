//! Requests in flight, in all, and how long they take: what callers tell of the services that they
//! use. Neither the ledger's lock nor a map entry is written: the numbers are atomics that all
//! successors of an entry share.
//!
//! ```
//! use herdbook_collector::config::Liveness;
//! use herdbook_collector::registry::Registry;
//! use herdbook_collector::registry::moment::Moment;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new(Liveness::default());
//! let kept = r#"{"id": "10.0.0.9:8000", "revision": 1, "status": "healthy",
//!                "records": {"manual": {"url": "http://10.0.0.9:8000"}}}"#;
//! registry.restore(&[], &[kept.to_owned()], Moment::now());
//!
//! assert_eq!(registry.begin_request("10.0.0.9:8000")?, 1);
//! assert_eq!(registry.end_request("10.0.0.9:8000")?, 0);
//! assert_eq!(registry.record_latency("10.0.0.9:8000", 100)?, 100);
//! assert_eq!(registry.record_latency("10.0.0.9:8000", 50)?, 90);
//! assert!(registry.begin_request("10.0.0.9:9000").is_err());
//! # Ok(())
//! # }
//! ```

use super::Registry;
use super::lookup::UnknownService;

impl Registry {
    /// A request to a service is on its way. Returns how many are now.
    ///
    /// # Errors
    ///
    /// Where there is no such service.
    pub fn begin_request(&self, id: &str) -> Result<u64, UnknownService> {
        Ok(self.known_service(id)?.live.begin_request())
    }

    /// A request to a service came back. Returns how many are still on their way; one that never
    /// began is logged and changes nothing.
    ///
    /// # Errors
    ///
    /// Where there is no such service.
    pub fn end_request(&self, id: &str) -> Result<u64, UnknownService> {
        let service = self.known_service(id)?;
        Ok(service.live.try_end_request().unwrap_or_else(|| {
            if let Some(held_back) = self.unbegun.allow() {
                tracing::warn!(service = %service.id, held_back, "a request ended that never began");
            }
            0
        }))
    }

    /// A request to a service took so long. Returns the average that this makes:
    /// `(sample + 4 · old) / 5`, or the sample where it is the first.
    ///
    /// # Errors
    ///
    /// Where there is no such service.
    pub fn record_latency(&self, id: &str, ms: u64) -> Result<u64, UnknownService> {
        Ok(self.known_service(id)?.live.write_latency(ms))
    }
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
