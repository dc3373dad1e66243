//! What others than admins bring about: so much of it is told one by one, and of the rest the
//! number. However busy strangers are, what admins did stays in the log for more than two months.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::AuditRow;
use crate::budget::Budget;
use crate::limits::OTHERS_ACTS_TOLD;

/// Acts that nobody has to be an admin for.
const ACTS: [&str; 6] =
    ["signIn", "signInFailed", "signOut", "changePassword", "joinAgent", "rekeyAgent"];

/// One budget for each sort of act, and how many were left out since the last that was told.
#[derive(Debug)]
pub(in crate::store) struct Fold(Mutex<[(Budget, u64); ACTS.len()]>);

impl Fold {
    pub(in crate::store) fn new(now: Instant) -> Self {
        let rate = OTHERS_ACTS_TOLD;
        let full = (Budget::new(rate.burst, rate.per_second, now), 0);
        Self(Mutex::new([full; ACTS.len()]))
    }

    /// The row as it is to be written; `None` where it is only counted.
    pub(in crate::store) fn pass(&self, row: AuditRow, now: Instant) -> Option<AuditRow> {
        let Some(n) = ACTS.iter().position(|act| *act == row.action) else { return Some(row) };
        let mut acts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (budget, n_untold) = acts.get_mut(n)?;
        if !budget.take(1, now) {
            *n_untold += 1;
            return None;
        }
        let detail = match std::mem::take(n_untold) {
            0 => row.detail,
            n => format!("{n} more before this one are not told one by one; {}", row.detail),
        };
        Some(AuditRow { detail, ..row })
    }
}
