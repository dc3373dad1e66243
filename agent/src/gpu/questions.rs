//! Questions to one GPU. An answer is a value, or the reason why there is none; what the GPU does
//! not have is remembered and never asked for again.

use std::collections::BTreeSet;

use herdbook_shared::missing::{Missing, MissingReason};
use nvml_wrapper::error::NvmlError;

use super::metric;

/// What a GPU does not have, by the field's name.
pub(super) type Unsupported = BTreeSet<&'static str>;

/// One round of questions.
#[derive(Debug)]
pub(super) struct Questions<'a> {
    unsupported: &'a mut Unsupported,
    missing: Missing,
}

impl<'a> Questions<'a> {
    pub(super) fn new(unsupported: &'a mut Unsupported) -> Self {
        Self { unsupported, missing: Missing::new() }
    }

    /// One answer, as far as `sane` takes it.
    ///
    /// # Errors
    ///
    /// Where the GPU is lost, or NVML as a whole useless: then no other question is worth asking.
    pub(super) fn ask<T, U>(
        &mut self,
        field: &'static str,
        ask: impl FnOnce() -> Result<T, NvmlError>,
        sane: impl FnOnce(T) -> Option<U>,
    ) -> Result<Option<U>, NvmlError> {
        if self.unsupported.contains(field) {
            self.lack(field, MissingReason::NotSupported);
            return Ok(None);
        }
        let reason = match ask() {
            Ok(value) => match sane(value) {
                Some(value) => return Ok(Some(value)),
                None => MissingReason::CannotTell,
            },
            Err(error) => match metric::reason(&error) {
                _ if metric::is_fatal(&error) => return Err(error),
                MissingReason::Lost => return Err(error),
                reason => reason,
            },
        };
        if reason == MissingReason::NotSupported {
            self.unsupported.insert(field);
        }
        self.lack(field, reason);
        Ok(None)
    }

    /// Notes that a value is missing without asking.
    pub(super) fn lack(&mut self, field: &'static str, reason: MissingReason) {
        self.missing.insert(field.to_owned(), reason);
    }

    /// Why values are missing so far; the next ones begin anew.
    pub(super) fn take_missing(&mut self) -> Missing {
        std::mem::take(&mut self.missing)
    }
}
