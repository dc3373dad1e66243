//! How a simulated agent comes to a collector that demands credentials: by the real agent's own
//! dial over TLS and its own greeting, with a key of its own, made from its host's seed.

use std::sync::Arc;

use herdbook_agent::enrol::{JoinLine, Target};
use herdbook_agent::error_chain::Chain;
use herdbook_agent::key::Key;
use herdbook_agent::link::End;
use herdbook_agent::link::dial::{Dial as _, TcpDial};
use herdbook_agent::link::greeting::{Credentials, greet};
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::enrol::Octets;
use herdbook_shared::wire::hello::Hello;

use super::session::{Ended, Session};

/// What a simulated agent has to show, and to whom.
#[derive(Clone, Debug)]
pub struct Member {
    target: Arc<Target>,
    token: Option<Arc<str>>,
    key: Arc<Key>,
}

impl Member {
    /// The agent of the host that `seed` stands for, which joins by this line. The same seed is the
    /// same key, so that a fleet is known when it comes back: nothing that is to be kept secret.
    #[must_use]
    pub fn by_line(line: &JoinLine, seed: u64) -> Option<Self> {
        let mut octets = [0; 32];
        fastrand::Rng::with_seed(seed).fill(&mut octets);
        let key = Key::from_seed(&Octets(octets), Timestamp::now())?;
        let token = Some(line.token().into());
        Some(Self { target: Arc::new(line.target()), token, key: Arc::new(key) })
    }

    /// From here on without its token, as an agent that was welcomed.
    pub fn joined(&mut self) {
        self.token = None;
    }

    /// Dials, proves who it is, and is welcomed.
    pub(super) async fn open(&self, hello: &Hello) -> Result<Session, End> {
        let mut dial = TcpDial;
        let mut socket = dial.dial(&self.target).await.map_err(End::Unreachable)?;
        let (key, token) = (&*self.key, self.token.as_deref());
        let credentials = dial.channel(&socket).map(|channel| Credentials { key, channel, token });
        let greeted = greet(&mut socket, hello, credentials).await?;
        Ok(Session::of(socket, greeted.welcome))
    }
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        match end {
            End::Refused(refused) => Self::Refused(refused),
            other => Self::Lost(Chain(&other).to_string()),
        }
    }
}
