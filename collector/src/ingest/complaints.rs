//! What of an agent was not used: it is counted, logged within bounds, shown as a finding of its
//! host, and too much of it keeps the host out for a while.

use herdbook_shared::ids::HostId;
use herdbook_shared::wire::hello::{RefusalCode, Refused};
use herdbook_shared::wire::sample::Gap;
use tokio::time::Instant;

use crate::registry::moment::Moment;

use super::dropped::DropReason;
use super::protocol::refused;
use super::quarantine::OFFENCES;
use super::socket::Connection;

impl<S> Connection<S> {
    /// A frame is not used, and the session goes on. The finding counts in powers of ten, so that
    /// a stream of them is no stream of changes.
    pub(super) fn dropped(&mut self, reason: DropReason, words: &str) {
        self.desk.dropped.count(reason);
        self.log(reason, words);
        self.n_dropped += 1;
        let n = self.n_dropped;
        if let Some(opened) = &self.opened
            && n == 10_u64.pow(n.ilog10())
        {
            let frames = if n == 1 { "a frame".to_owned() } else { format!("{n} frames") };
            let offence = format!(
                "{frames} of its agent could not be used in this session, the last: {words}; is \
                 the agent of another version than the collector?"
            );
            self.registry.note_offence(&opened.host_id, Some(offence), Moment::now());
        }
    }

    /// The connection has to end. Whose sessions end so too often is kept out.
    pub(super) fn refused(&mut self, reason: DropReason, refused: &mut Refused) {
        self.desk.dropped.count(reason);
        self.log(reason, &refused.message);
        let Some(opened) = self.opened.as_ref().filter(|_| breaks_limits(refused.code)) else {
            return;
        };
        let kept_out = self.desk.quarantine.offended(&opened.host_id, Instant::now());
        let then = kept_out.map_or_else(String::new, |time| {
            refused.retry_after_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            format!(", for the {OFFENCES}rd time: it is kept out for {} min", time.as_secs() / 60)
        });
        let offence = format!("its agent was turned out{then}: {}", refused.message);
        self.registry.note_offence(&opened.host_id, Some(offence), Moment::now());
    }

    /// What to tell a host that is kept out.
    pub(super) fn kept_out(&self, host_id: &HostId) -> Option<Refused> {
        let left = self.desk.quarantine.left(host_id, Instant::now())?;
        let words = format!(
            "this host broke its limits too often, and is kept out for {} s more; the finding of \
             the host says how",
            left.as_secs() + 1
        );
        let retry_after_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Some(refused(RefusalCode::Quarantined, words, retry_after_ms))
    }

    /// A host that slept was away of its own accord: worth a line, and no cause for alarm.
    pub(super) fn log_gap(&mut self, Gap { from, to }: Gap) {
        if let Some(opened) = &self.opened
            && self.log_lines.take(1, Instant::now())
        {
            tracing::info!(host = %opened.host_id, %from, %to, "the host slept");
        }
    }

    pub(super) fn log(&mut self, reason: DropReason, words: &str) {
        let (remote, reason) = (self.ends.remote, reason.word());
        match &self.opened {
            Some(opened) if self.log_lines.take(1, Instant::now()) => {
                tracing::warn!(%remote, host = %opened.host_id, reason, "agent: {words}");
            }
            Some(_) => (),
            // Who was never taken in may come again as often as it likes: one line for all.
            None => {
                if let Some(unlogged) = self.desk.strangers.allow() {
                    tracing::warn!(%remote, reason, unlogged, "agent: {words}");
                }
            }
        }
    }
}

fn breaks_limits(code: RefusalCode) -> bool {
    matches!(code, RefusalCode::TooLarge | RefusalCode::BadFrame | RefusalCode::TooManyErrors)
}
