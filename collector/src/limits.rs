//! What whoever asks may use of the collector.

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// So often at once.
    pub burst: f64,
    /// And so often a second from then on.
    pub per_second: f64,
}

// ---- People and programs ----

/// Tries to sign in from one address: 5 a minute. Of IPv6 a /56 counts as one.
pub const SIGN_INS_AN_ADDRESS: Rate = Rate { burst: 5.0, per_second: 5.0 / 60.0 };
/// Tries to sign in as one person: 20 an hour.
pub const SIGN_INS_A_PERSON: Rate = Rate { burst: 20.0, per_second: 20.0 / 3_600.0 };
/// Registrations of services by one caller.
pub const REGISTRATIONS: Rate = Rate { burst: 2_000.0, per_second: 200.0 };
/// Beats of services by one caller.
pub const HEARTBEATS: Rate = Rate { burst: 20_000.0, per_second: 2_000.0 };
/// Sign-ins that failed and are told one by one in the audit log: 10 a minute.
pub const FAILED_SIGN_INS_TOLD: Rate = Rate { burst: 10.0, per_second: 10.0 / 60.0 };
/// Most callers whose rates are remembered.
pub const CALLERS_MAX: usize = 10_000;
/// Most people.
pub const PEOPLE_MAX: usize = 1_000;
/// Most API tokens, those that were revoked in the last 30 days included.
pub const API_TOKENS_MAX: usize = 1_000;
/// Most sign-ins of one person: the one that was used longest ago ends.
pub const SIGN_INS_EACH_MAX: usize = 32;
/// Most sign-ins of all people.
pub const SIGN_INS_MAX: usize = 10_000;
