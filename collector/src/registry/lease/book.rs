//! The leases that are out, by number and by when they end, and what they reserve.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use crate::registry::Registry;

use super::reserved::Reserved;
use super::{LEASES_MAX, Lease};

/// See the module's words. What is reserved is shared with whoever picks meanwhile, and copied
/// before it changes under them.
#[derive(Debug, Default)]
pub(super) struct Book {
    by_number: BTreeMap<Uuid, Lease>,
    by_end: BTreeSet<(Instant, Uuid)>,
    reserved: Arc<Reserved>,
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= LEASES_MAX
    }

    pub(super) fn reserved(&self) -> &Arc<Reserved> {
        &self.reserved
    }

    /// Up to `max` leases for which this is true, the oldest first, from behind the place of this
    /// number as it is written.
    pub(super) fn after(
        &self,
        number: Option<&str>,
        max: usize,
        is_wanted: impl Fn(&Lease) -> bool,
    ) -> Vec<Lease> {
        let wanted = |(_, lease): (&Uuid, &Lease)| is_wanted(lease).then(|| lease.clone());
        let Some(number) = number else {
            return self.by_number.iter().filter_map(wanted).take(max).collect();
        };
        let known = Uuid::try_parse(number).ok().filter(|id| id.simple().to_string() == number);
        if let Some(known) = known {
            let rest = self.by_number.range((Bound::Excluded(known), Bound::Unbounded));
            return rest.filter_map(wanted).take(max).collect();
        }
        let is_behind = |id: &Uuid| {
            let mut text = Uuid::encode_buffer();
            *id.simple().encode_lower(&mut text) > *number
        };
        let rest = self.by_number.iter().filter(|(id, _)| is_behind(id));
        rest.filter_map(wanted).take(max).collect()
    }

    /// Notes a lease, and counts its request.
    pub(super) fn take(&mut self, mut lease: Lease) -> Lease {
        if let Some(reservation) = &mut lease.reservation {
            Arc::make_mut(&mut self.reserved).hold(reservation);
        }
        lease.live.begin_request();
        self.by_end.insert((lease.expires, lease.id.number));
        self.by_number.insert(lease.id.number, lease.clone());
        lease
    }

    /// Ends a lease that is out.
    pub(super) fn end(&mut self, number: Uuid) -> Option<Lease> {
        let lease = self.by_number.remove(&number)?;
        self.by_end.remove(&(lease.expires, number));
        if let Some(reservation) = &lease.reservation {
            Arc::make_mut(&mut self.reserved).release(reservation);
        }
        lease.live.end_request();
        Some(lease)
    }

    /// Ends all leases whose time is over. Returns how many.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let mut n_ended = 0;
        while let Some(&(expires, number)) = self.by_end.first()
            && expires <= now
        {
            self.end(number);
            n_ended += 1;
        }
        n_ended
    }

    /// Lets go of what is reserved for models that are in memory by now.
    pub(super) fn settle(&mut self, registry: &Registry) {
        if self.reserved.is_any_over(registry) {
            Arc::make_mut(&mut self.reserved).settle(registry);
        }
    }
}
