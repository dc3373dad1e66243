//! Why a value is `null`, beside it: what the agent says, and a reason where it gave none.

use std::collections::BTreeMap;

use herdbook_shared::missing::{Missing, MissingReason};

/// Field name to the reason why it is `null`.
pub type Reasons<'a> = BTreeMap<&'a str, MissingReason>;

/// What the agent says.
pub(super) fn reasons(missing: &Missing) -> Reasons<'_> {
    missing.iter().map(|(field, why)| (field.as_str(), *why)).collect()
}

/// Gives a reason to each of these fields of a view that is `null` and has none yet; the reasons
/// stand in its `missing`, or where the second argument says.
macro_rules! give_reasons {
    ($view:expr, $missing:expr, $reason:expr, [$($field:ident),* $(,)?]) => {
        $(if $view.$field.is_none() {
            $missing.entry(stringify!($field)).or_insert($reason);
        })*
    };
    ($view:expr, $reason:expr, $fields:tt) => {
        give_reasons!($view, $view.missing, $reason, $fields)
    };
}

pub(super) use give_reasons;

/// Of where a process runs, one may be known and not the other: then it has no other.
pub(super) fn why_no_place(unit: Option<&str>, container: Option<&str>) -> MissingReason {
    if unit.is_some() || container.is_some() {
        MissingReason::NotSupported
    } else {
        MissingReason::CannotTell
    }
}
