//! The sample's path: no lock, no disk, unless a status or a finding changes.

use std::sync::atomic::Ordering;

use herdbook_shared::ids::{HostId, SessionId};
use herdbook_shared::wire::sample::{Gap, GpuSample, Sample, ServiceSample};

use super::Registry;
use super::change::ChangeKind;
use super::condition::{Conditions, whole_reason};
use super::host::{HostEntry, HostStatus};
use super::moment::Moment;
use super::recent::Arrival;
use super::slow::Slow;
use super::transaction::Transaction;

/// The session is not, or no longer, its host's: what it says is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another session of the host took over")]
pub struct NotCurrent;

impl Registry {
    /// Takes a sample in.
    ///
    /// # Errors
    ///
    /// Where the session is no longer its host's.
    pub fn record_sample(
        &self,
        host_id: &HostId,
        session_id: &SessionId,
        mut sample: Sample,
        moment: Moment,
    ) -> Result<(), NotCurrent> {
        let host = self.host(host_id.as_str()).ok_or(NotCurrent)?;
        let session = host.session.as_ref().filter(|session| session.id == *session_id);
        session.ok_or(NotCurrent)?.live.count_sample();
        if let Some(services) = sample.services.take() {
            self.record_services(&host, &services);
        }
        if let Some(before) = host.live.sample() {
            complete(&mut sample, &before);
        }
        if let Some(slow) = Slow::take(&mut sample, host.live.slow().as_deref(), session_id) {
            host.live.write_slow(slow);
        }
        let slow = host.live.slow();
        let (before, rules) = (&host.conditions, self.liveness());
        let conditions = Conditions::of(&sample, slow.as_deref(), before, rules);
        let slept = sample.gap.take().map(slept);
        self.n_gaps.fetch_add(u64::from(slept.is_some()), Ordering::Relaxed);
        if !host_id.is_clone() {
            let latency_ms = host.live.latency_ms();
            let is_degraded = host.status == HostStatus::Degraded;
            let arrival = Arrival { at: moment.at, latency_ms, is_degraded };
            host.live.recent().push(&sample, arrival, self.recent);
        }
        host.live.write(sample, self.ms_of(moment.now), moment.at);
        self.n_samples.fetch_add(1, Ordering::Relaxed);
        if !host.status.is_heard() || conditions != *before {
            self.transaction(moment).take_conditions(host_id, session_id, conditions, slept);
        }
        Ok(())
    }

    fn record_services(&self, host: &HostEntry, samples: &[ServiceSample]) {
        for service in host.services.iter().filter_map(|id| self.service(id.as_str())) {
            let Some(found) = service.facts.found() else { continue };
            let same = |s: &&ServiceSample| s.port == found.port && s.address == found.address;
            if let Some(sample) = samples.iter().find(same) {
                service.live.write(sample);
            }
        }
    }
}

impl HostEntry {
    /// Whether this session is the open one.
    #[must_use]
    pub fn is_current(&self, session_id: &SessionId) -> bool {
        self.session.as_ref().is_some_and(|session| session.id == *session_id)
    }
}

impl Transaction<'_> {
    /// `slept`: the host says that it slept, which is why it was not heard.
    fn take_conditions(
        &mut self,
        id: &HostId,
        session: &SessionId,
        conditions: Conditions,
        slept: Option<String>,
    ) {
        let Some(host) = self.host(id).filter(|host| host.is_current(session)) else { return };
        let (before, now) = (&host.conditions.lost_gpus, &conditions.lost_gpus);
        let lost = now.difference(before).map(|id| (ChangeKind::GpuLost, gpu_in_words(&host, id)));
        let back = before.difference(now);
        let back = back.map(|id| (ChangeKind::GpuRecovered, gpu_in_words(&host, id)));
        let changes: Vec<_> = lost.chain(back).collect();
        let mut entry = HostEntry { conditions, ..(*host).clone() };
        for (kind, cause) in changes {
            entry = (*self.put_host(entry, kind, Some(cause))).clone();
        }
        self.settle(entry);
        self.hear(id, slept);
    }
}

/// Which GPU: by its id, as its place may be another tomorrow.
fn gpu_in_words(host: &HostEntry, id: &str) -> String {
    match host.facts.gpus.iter().flat_map(|gpus| gpus.iter()).find(|gpu| gpu.id == id) {
        Some(gpu) => format!("{} ({id})", gpu.name),
        None => format!("GPU {id}"),
    }
}

/// In words. The host's clock may have been set meanwhile: then the length means nothing.
fn slept(gap: Gap) -> String {
    match gap.to.ms_since(gap.from) {
        ms if ms >= 500 => format!("resumed after {} s of sleep", (ms + 500) / 1000),
        _ => "resumed after sleep".to_owned(),
    }
}

/// Fills in the slow values that stand in the sample itself; absent means as before.
fn complete(sample: &mut Sample, before: &Sample) {
    if sample.disk.is_none() && !sample.missing.contains_key("disk") {
        sample.disk = before.disk;
    }
    let known = before.gpus.as_deref().unwrap_or_default();
    for gpu in sample.gpus.iter_mut().flatten() {
        if let Some(known) = known.iter().find(|known| known.id == gpu.id) {
            complete_gpu(gpu, known);
        }
    }
}

fn complete_gpu(gpu: &mut GpuSample, before: &GpuSample) {
    let is_told = whole_reason(gpu).is_none();
    let is_as_before = |field| is_told && !gpu.missing.contains_key(field);
    if gpu.temperature_celsius.is_none() && is_as_before("temperature_celsius") {
        gpu.temperature_celsius = before.temperature_celsius;
    }
    if gpu.fan_percent.is_none() && is_as_before("fan_percent") {
        gpu.fan_percent = before.fan_percent;
    }
    if gpu.throttle_reasons.is_none() && is_as_before("throttle_reasons") {
        gpu.throttle_reasons.clone_from(&before.throttle_reasons);
    }
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
