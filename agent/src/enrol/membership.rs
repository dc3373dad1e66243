//! What the agent that runs knows of its collector, and what it does about it: where to dial next,
//! with which key and token, and what to keep of what the collector answers.

use std::path::PathBuf;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use herdbook_shared::wire::hello::{Refused, Welcome};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::outcome::Outcome;
use super::{Channel, JoinLineError, Origin, PINS_MAX, Remembered, StateError, Target, Trust};
use crate::config::{CollectorUrl, Settings};
use crate::error_chain::Chain;
use crate::find::Finder;
use crate::key::{Key, KeyError, KeyRing};
pub(super) use joining::JOIN;
use joining::{Joining, Source};

mod joining;

/// Why the agent cannot know its collector.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What is remembered.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file with the join line.
    #[error("{path} holds no join line", path = .path.display())]
    JoinFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: JoinLineError,
    },
}

/// Where the next dial goes after one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To the same collector, which may have said when.
    Same,
    /// To the one that the agent had before.
    Other,
}

/// Which collector is this agent's.
#[derive(Debug)]
pub struct Membership {
    dir: PathBuf,
    name: String,
    told: Option<CollectorUrl>,
    remembered: Option<Remembered>,
    joining: Option<Joining>,
    /// None until a collector is to be shown a key: one on this machine asks for none.
    keys: Option<KeyRing>,
    finder: Finder,
    seen: Option<Fingerprint>,
    search: Search,
}

/// Whether a collector that was found before is looked for again at the next dial: every other time
/// while it is not where it was.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Search {
    No,
    Next,
}

impl Membership {
    /// What the state directory and the settings say. `name` is the host's for people.
    ///
    /// # Errors
    ///
    /// Where a file of the directory cannot be used, or the one with the join line.
    pub fn open(settings: &Settings, name: &str) -> Result<Self, MembershipError> {
        let dir = &settings.state_dir;
        let remembered = Remembered::read(dir)?;
        let mut joining = Joining::asked(dir)?;
        // One on this machine is no more than what was there.
        let chosen = remembered.as_ref().filter(|known| known.origin != Origin::Local);
        if let (None, None, Some(path)) = (&joining, chosen, &settings.join_file) {
            joining = Some(Joining::given(path)?);
        }
        let mut membership = Self {
            dir: dir.clone(),
            name: name.to_owned(),
            told: settings.collector.clone(),
            remembered,
            joining: None,
            keys: None,
            finder: Finder::new(settings.discovery),
            seen: None,
            search: Search::No,
        };
        membership.begin(joining);
        if membership.uses_tls() {
            membership.need_key()?;
        }
        Ok(membership)
    }

    /// Where to dial now. Looks for a collector where none is known.
    pub async fn target(&mut self) -> Target {
        if let Some(joining) = &self.joining {
            return joining.line.target();
        }
        if let Some(told) = &self.told {
            let known = self.remembered.as_ref().filter(|known| known.url == *told);
            let by_roots = || Target { url: told.clone(), trust: Trust::Roots };
            return known.map_or_else(by_roots, Remembered::target);
        }
        match &self.remembered {
            Some(known) if known.origin == Origin::Found && self.search == Search::Next => {
                self.finder.find_again(known.target()).await
            }
            Some(known) => known.target(),
            None => self.finder.find().await,
        }
    }

    /// Whether the collector that is known is spoken to over TLS.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        let known = self.remembered.as_ref().map(|known| &known.url);
        self.joining.is_some() || self.told.as_ref().or(known).is_some_and(CollectorUrl::is_tls)
    }

    /// Whether a collector can only be one that was found.
    fn is_found(&self) -> bool {
        self.joining.is_none() && self.told.is_none() && self.remembered.is_none()
    }

    /// Reads the key, or makes it, where there is none yet.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or made.
    pub fn need_key(&mut self) -> Result<(), KeyError> {
        if self.keys.is_none() {
            self.keys = Some(KeyRing::open(&self.dir, Timestamp::now())?);
        }
        Ok(())
    }

    /// The key to sign with, once one was needed.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.keys.as_ref().map(KeyRing::current)
    }

    /// The keys, to change them.
    pub(crate) fn keys(&mut self) -> Option<&mut KeyRing> {
        self.keys.as_mut()
    }

    /// Of the key, for a person.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key().map(|key| key.fingerprint().to_string()).unwrap_or_default()
    }

    /// The token to join with, where there is one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.joining.as_ref().map(|joining| joining.line.token())
    }

    /// The key that the collector showed last.
    #[must_use]
    pub fn seen(&self) -> Option<Fingerprint> {
        self.seen
    }

    /// A collector has shown its key.
    pub fn saw(&mut self, channel: Option<Channel>) {
        self.seen = channel.map(|channel| channel.pin);
    }

    /// The collector at `target` took the host in over this channel.
    pub fn welcomed(&mut self, welcome: &Welcome, target: &Target, channel: &Channel) {
        if let Some(Err(error)) = self.keys.as_mut().map(KeyRing::accepted) {
            error!("{}", Chain(&error));
        }
        self.search = Search::No;
        let was_found = self.is_found();
        let known = self.remembered.as_ref().filter(|_| self.joining.is_none());
        let origin = match known.map(|known| known.origin) {
            Some(origin) => origin,
            None if was_found => Origin::Found,
            None => Origin::Told,
        };
        let pins = match &target.trust {
            Trust::Pins(expected) => pins_of(welcome, channel, expected),
            Trust::Roots if self.told.is_none() => Vec::new(),
            Trust::Roots => return,
        };
        if self.remember(Remembered { url: target.url.clone(), pins, origin }) {
            self.joined(target);
        }
    }

    /// The collector of this machine took the host in, without TLS. It is kept where nobody chose
    /// another one, so that nobody on the network is asked for one while it does not run.
    pub fn welcomed_here(&mut self, target: &Target) {
        let local = Remembered::local();
        if self.is_found() && target.url == local.url {
            self.remember(local);
        }
    }

    /// Whether it is kept.
    fn remember(&mut self, remembered: Remembered) -> bool {
        if self.remembered.as_ref() == Some(&remembered) {
            return true;
        }
        if let Err(error) = remembered.write(&self.dir) {
            error!("the collector cannot be remembered: {}", Chain(&error));
            return false;
        }
        if self.is_found() {
            info!(
                "this agent belongs to the collector at {} from here on; delete {} to look for \
                 another one",
                remembered.url,
                self.dir.join("collector").display()
            );
        }
        self.remembered = Some(remembered);
        true
    }

    fn joined(&mut self, target: &Target) {
        let Some(joining) = self.joining.take() else { return };
        info!("joined the collector at {target}");
        if let Source::Asked(_) = joining.source {
            self.tell(&Outcome::Joined {
                collector: target.to_string(),
                name: self.name.clone(),
                fingerprint: self.fingerprint(),
            });
            self.forget_join();
        }
    }

    /// A try failed, with these words. Whether the next one goes elsewhere.
    pub fn failed(&mut self, why: &str, refused: Option<&Refused>, now: Instant) -> Next {
        if let Some(refused) = refused {
            if let Some(keys) = &mut self.keys {
                keys.refused(refused.code);
            }
        } else {
            self.search = if self.search == Search::No { Search::Next } else { Search::No };
        }
        let Some(joining) = &self.joining else { return Next::Same };
        if !matches!(joining.source, Source::Asked(_)) {
            return Next::Same;
        }
        let has_other = self.remembered.is_some() || self.told.is_some();
        let why = why.to_owned();
        if has_other && joining.is_over(refused.map(|refused| refused.code), now) {
            warn!("gave up to join the collector at {}: {why}", joining.line.target());
            self.joining = None;
            self.tell(&Outcome::GivenUp { why });
            self.forget_join();
            return Next::Other;
        }
        self.tell(&Outcome::Trying { why });
        Next::Same
    }

    /// Waits until somebody asks to join a collector.
    pub async fn asked(dir: PathBuf, known: Option<joining::Stamp>) {
        joining::asked_since(dir, known).await;
    }

    /// What [`Membership::asked`] is to wait for.
    #[must_use]
    pub fn waits_for(&self) -> (PathBuf, Option<joining::Stamp>) {
        let stamp = self.joining.as_ref().and_then(|joining| match joining.source {
            Source::Asked(stamp) => Some(stamp),
            Source::Given => None,
        });
        (self.dir.clone(), stamp)
    }

    /// Somebody asked to join a collector.
    pub fn look_for_join(&mut self) {
        match Joining::asked(&self.dir) {
            Ok(joining) => self.begin(joining),
            Err(error) => {
                let why = Chain(&error).to_string();
                warn!("cannot join: {why}");
                self.tell(&Outcome::GivenUp { why });
                self.forget_join();
            }
        }
    }

    fn begin(&mut self, joining: Option<Joining>) {
        let Some(joining) = joining else { return };
        let target = joining.line.target();
        if let Some(told) = self.told.as_ref().filter(|told| **told != target.url) {
            let why = format!(
                "this agent is told to use the collector at {told}, by --collector, \
                 HERDBOOK_COLLECTOR or its file: remove that, restart the agent and join again"
            );
            warn!("cannot join the collector at {target}: {why}");
            if let Source::Asked(_) = joining.source {
                self.tell(&Outcome::GivenUp { why });
                self.forget_join();
            }
            return;
        }
        info!("joining the collector at {target}");
        self.joining = Some(joining);
    }

    fn tell(&self, outcome: &Outcome) {
        if let Err(error) = outcome.write(&self.dir) {
            warn!("how the join goes cannot be told: {}", Chain(&error));
        }
    }

    fn forget_join(&self) {
        if let Err(error) = crate::durable::remove(&self.dir, JOIN) {
            let path = self.dir.join(JOIN);
            warn!("the used join line {} cannot be removed: {error}", path.display());
        }
    }

    /// For tests: one that dials `url`, with a directory of its own.
    #[cfg(test)]
    pub(crate) fn for_tests(dir: &std::path::Path, url: &str) -> Self {
        let flags = crate::config::Flags {
            state_dir: Some(dir.into()),
            collector: Some(url.into()),
            ..crate::config::Flags::default()
        };
        Self::open(&Settings::load(&flags, &|_| None).unwrap(), "gpu-1").unwrap()
    }
}

/// The pins to expect from here on. A list without the key that was just seen would lock the agent
/// out, so it is none.
fn pins_of(welcome: &Welcome, channel: &Channel, expected: &[Fingerprint]) -> Vec<Fingerprint> {
    let pins = &welcome.pins;
    if pins.is_empty() {
        return expected.to_vec();
    }
    if pins.len() > PINS_MAX || !pins.contains(&channel.pin) {
        warn!("the collector told keys without the one that it has; those known before stay");
        return expected.to_vec();
    }
    pins.clone()
}

#[cfg(test)]
#[path = "membership/tests.rs"]
mod tests;
