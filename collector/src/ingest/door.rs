//! Who stands before the collector: what an agent has to do before it is taken in, and how its
//! right may end.

use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes};
use futures_util::{Sink, Stream};
use herdbook_shared::ids::HostId;
use herdbook_shared::wire::CollectorMessage;
use herdbook_shared::wire::codec::encode;
use herdbook_shared::wire::enrol::{Challenge, ChannelSecret, Knock, Pins, Rekey, Rekeyed};
use herdbook_shared::wire::hello::{Hello, RefusalCode, Refused};

use crate::enrol::{Asked, Enrolment};
use crate::registry::session::CloseReason;
use crate::serve::Standing;

use super::dropped::DropReason;
use super::protocol::{Begins, Step, refused};
use super::socket::{Connection, Flow, RETRY_LATER_MS};

/// What an agent has to do before it is taken in.
#[derive(Clone, Debug)]
pub enum Door {
    /// Nothing: no credentials are demanded.
    Open,
    /// To prove who it is, over this connection, which is spared from then on.
    Proof(Arc<Enrolment>, ChannelSecret, Option<Standing>),
    /// To come another way: a proof is demanded, and this connection is not TLS.
    NoWay,
}

impl Door {
    pub(super) fn begins(&self) -> Begins {
        match self {
            Self::Open => Begins::Hello,
            Self::Proof(..) => Begins::Knock,
            Self::NoWay => Begins::Nowhere,
        }
    }
}

impl<S, E> Connection<S>
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    E: std::fmt::Display,
{
    /// Asks whoever knocks for a proof, over this very connection.
    pub(super) async fn knock(&mut self, knock: &Knock) -> Flow {
        let random = |channel| {
            let words = "the collector has no random bytes".to_owned();
            Asked::over(channel).map_err(|_| refused(RefusalCode::Full, words, RETRY_LATER_MS))
        };
        let asked = match &self.door {
            Door::Proof(enrolment, channel, _) => {
                enrolment.knock(knock, self.ends.remote).and_then(|()| random(*channel))
            }
            // Nobody looks at the answer.
            Door::Open => random(ChannelSecret([0; 32])),
            Door::NoWay => return Err(CloseReason::Refused),
        };
        match asked {
            Ok(asked) => {
                self.asked = Some(asked);
                let challenge = CollectorMessage::Challenge(Challenge { nonce: asked.nonce });
                self.send(Message::Text(Utf8Bytes::from(encode(&challenge)))).await
            }
            Err(refused) => {
                // Who waits for a person comes again and again, and is no error.
                self.refuse(refused).await;
                Err(CloseReason::Refused)
            }
        }
    }

    /// Lets the host in if it proves who it is, where it has to. The proof goes no further.
    pub(super) async fn prove(
        &mut self,
        host_id: &HostId,
        hello: &mut Hello,
        knock: Option<Knock>,
    ) -> Result<(), Refused> {
        let claimed = (&self.door, self.asked, knock);
        if let (Door::Proof(enrolment, _, standing), Some(asked), Some(knock)) = claimed {
            let (from, ending) = (self.ends.remote, self.ending.clone());
            let admitted =
                enrolment.admit(knock.fingerprint, asked, (host_id, &*hello), from, ending);
            let pass = admitted.await?;
            if let Some(standing) = standing {
                standing.vouch_for_host(pass.fingerprint());
            }
            self.pass = Some(pass);
        }
        hello.proof = None;
        Ok(())
    }

    /// Gives the agent another key, or says why not: the old one counts then, and the session goes on
    /// no more, so that the agent looks at what it has.
    pub(super) async fn rekey(&mut self, rekey: &Rekey) -> Flow {
        let Some(pass) = &mut self.pass else { return Err(CloseReason::Refused) };
        let old = pass.fingerprint();
        match pass.rekey(rekey).await {
            Ok(fingerprint) => {
                if let Door::Proof(_, _, Some(standing)) = &self.door {
                    standing.forget_host(&old);
                    standing.vouch_for_host(fingerprint);
                }
                let rekeyed = CollectorMessage::Rekeyed(Rekeyed { fingerprint });
                self.send(Message::Text(Utf8Bytes::from(encode(&rekeyed)))).await
            }
            Err(refused) => Box::pin(self.take(Step::Refuse(DropReason::Refused, refused))).await,
        }
    }

    /// Tells by which keys the collector can be known from here on.
    pub(super) async fn tell_pins(&mut self) -> Flow {
        if self.opened.is_none() {
            return Ok(());
        }
        let pins = CollectorMessage::Pins(Pins { pins: self.desk.pins() });
        self.send(Message::Text(Utf8Bytes::from(encode(&pins)))).await
    }

    pub(super) async fn turn_out(&mut self, refused: Refused) -> Flow {
        let reason = match refused.code {
            RefusalCode::Revoked => CloseReason::Revoked,
            _ => CloseReason::Refused,
        };
        if let (Door::Proof(_, _, Some(standing)), Some(pass), CloseReason::Revoked) =
            (&self.door, &self.pass, reason)
        {
            standing.forget_host(&pass.fingerprint());
        }
        self.refuse(refused).await;
        Err(reason)
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
