//! Sessions and statuses of the registry as the rows that are kept and told of them.

use herdbook_shared::ids::HostId;
use herdbook_shared::time::Timestamp;

use crate::registry::session::{CloseReason, Session};
use crate::store::SessionRow;

/// How agents connect; there is one way.
const TRANSPORT: &str = "websocket";

/// A session as a row: open, or ended then and for this reason.
#[must_use]
pub fn session_row(
    host_id: &HostId,
    session: &Session,
    closed: Option<(Timestamp, CloseReason)>,
) -> SessionRow {
    SessionRow {
        id: session.id.to_string(),
        host_id: host_id.to_string(),
        instance_id: session.instance_id.to_string(),
        boot_id: session.boot_id.clone(),
        transport: TRANSPORT.to_owned(),
        remote_address: session.remote_address.to_string(),
        local_address: session.local_address.map(|address| address.to_string()),
        agent_version: session.agent_version.clone(),
        opened_at: session.opened_at,
        closed_at: closed.map(|(at, _)| at),
        close_reason: closed.map(|(_, reason)| reason.word().to_owned()),
        latency_ms: session.live.latency_ms(),
        samples: Some(session.live.n_samples()),
    }
}
