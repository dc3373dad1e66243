//! Where agents connect.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::{IntoResponse as _, Response};
use herdbook_shared::limits::FRAME_BYTES;
use herdbook_shared::wire::SUBPROTOCOL;

use crate::auth::{Action, Caller, Denied, authorize};
use crate::ingest::door::Door;
use crate::ingest::socket::{self, Ends};
use crate::serve::{Channel, LocalAddr, PeerAddr, Standing};

use super::problem::{Checked, Problem};
use super::{Api, owned};

/// What a connection reads at once. The library fills this buffer with zeros at each read, and
/// its own default of 128 KiB is four times the cost of a sample.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// `GET /api/v1/agent`, upgraded to a WebSocket.
///
/// # Errors
///
/// Where the request is no upgrade.
pub async fn upgrade(
    State(api): State<Api>,
    Extension(peer): Extension<PeerAddr>,
    Extension(local): Extension<LocalAddr>,
    Extension(channel): Extension<Channel>,
    standing: Option<Extension<Standing>>,
    caller: Caller,
    Checked(upgrade): Checked<WebSocketUpgrade>,
) -> Result<Response, Problem> {
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(FRAME_BYTES)
        .max_frame_size(FRAME_BYTES);
    let ends = Ends { remote: peer.0.ip(), local: Some(local.0.ip()) };
    let standing = standing.map(|Extension(standing)| standing);
    let door = match door(&api, &caller, channel, standing) {
        Ok(door) => door,
        Err(denied) => return Ok(denied.into_response()),
    };
    let (registry, desk) = (Arc::clone(&api.registry), api.desk.clone());
    let (tasks, stop, token) = (api.tasks.clone(), api.stop.clone(), api.tasks.token());
    Ok(upgrade.on_upgrade(async move |socket| {
        owned(&tasks, "agent", socket::run(socket, (ends, door), registry, desk, stop)).await;
        drop(token);
    }))
}

/// What an agent has to do that comes this way. Where no credentials are demanded it is known by
/// being on this machine, as everybody is.
fn door(
    api: &Api,
    caller: &Caller,
    channel: Channel,
    standing: Option<Standing>,
) -> Result<Door, Denied> {
    match (&api.enrolment, channel) {
        (None, _) => authorize(&caller.principal, Action::Ingest).map(|()| Door::Open),
        (Some(enrolment), Channel::Tls(secret)) => {
            Ok(Door::Proof(Arc::clone(enrolment), secret, standing))
        }
        (Some(_), Channel::Plain | Channel::Control) => Ok(Door::NoWay),
    }
}
