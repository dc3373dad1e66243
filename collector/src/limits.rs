//! What one peer, one agent, one caller and all strangers together may take of the collector:
//! every bound on connections and rates in one place. What a message may hold is in
//! `herdbook_shared::limits`.

use std::time::Duration;

/// Most connections at once, upgraded ones included.
pub const CONNECTIONS: usize = 20_000;
/// Connections of the control socket, which take nothing from those.
pub const CONTROL_CONNECTIONS: usize = 64;
/// Connections of one principal that are spared where there are too many strangers.
pub const VOUCHED_OF_PRINCIPAL: usize = 256;
/// Connections for which nobody has vouched, from one network of peers (an IPv4 /24, an IPv6 /56);
/// as many more as hosts are known there.
pub const STRANGERS_OF_NETWORK: usize = 64;
/// The same of all peers together; as many more as hosts are known in all.
pub const STRANGERS: usize = 1_024;
/// A stranger's connection that is younger than this is not dropped in favour of a newcomer.
pub const STRANGER_SPARED_FOR: Duration = Duration::from_secs(1);
/// Most hosts whose network is remembered.
pub const HOSTS_KNOWN: usize = 20_000;

/// How long the first byte of a connection may take.
pub const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// How long a request's head may take, and a connection may idle between two requests.
pub const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Largest head of a request, bytes.
pub const HEAD_BYTES: usize = 16 * 1024;
/// How long sent bytes may stay unacknowledged, by a peer that is gone or does not read.
pub const UNACKNOWLEDGED_FOR: Duration = Duration::from_secs(20);
/// How long a peer may take nothing of what waits for it. The kernel alone does not see to it: one
/// that answers its probes may keep it waiting for ever.
pub const STALLED_FOR: Duration = Duration::from_secs(20);
/// How long a connection may be silent before the kernel asks whether its peer is there.
pub const KEEPALIVE: Duration = Duration::from_secs(30);
/// Bytes of big answers that may wait for their readers at once.
pub const LOAD_BYTES: usize = 256 * 1024 * 1024;

/// Frames that an agent's connection may burst, and send each second.
pub const AGENT_FRAMES: (f64, f64) = (64.0, 8.0);
/// Bytes that it may burst, a whole inventory in parts, and send each second.
pub const AGENT_BYTES: (f64, f64) = (4.0 * 1024.0 * 1024.0, 256.0 * 1024.0);
/// Unusable frames that it may burst, and send each second.
pub const AGENT_ERRORS: (f64, f64) = (100.0, 1.0);

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
/// Acts in the audit log that nobody has to be an admin for, of each sort: 20 an hour, 1,000 at
/// once. Of all six sorts together 200,000 rows take more than 60 days.
pub const OTHERS_ACTS_TOLD: Rate = Rate { burst: 1_000.0, per_second: 20.0 / 3_600.0 };
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
