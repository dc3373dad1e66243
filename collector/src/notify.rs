//! Who is told of alerts: webhooks and Alertmanagers.
//!
//! One task follows the registry as any subscriber does, with a cursor and no hold on it, and
//! gathers what each target shall hear of ([`desk`]); each URL has a queue and a task of its own
//! that sends ([`sender`]). Not here: which alerts there are, and which are silenced.

mod alertmanager;
mod backoff;
mod client;
mod desk;
mod format;
mod message;
mod outbox;
mod sender;
mod template;
mod trial;
mod url;

#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use herdbook_shared::time::Timestamp;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::checks::lookup;
use crate::checks::tls::{self, Trust};
use crate::config::{Authorities, Notify, Target, TargetKind};
use crate::notices::{Notice, Notices};
use crate::registry::Registry;
use crate::registry::alert::Alert;
use crate::registry::moment::Moment;

use backoff::Backoff;
use client::Client;
use desk::{Desk, Hush};
use message::Message;
use outbox::Outbox;
use sender::Sender;

pub use format::{Format, WebhookBody};
pub use outbox::NotifyCounts;
pub use template::{Template, TemplateError};
pub use trial::{TrialError, test};
pub use url::TargetUrl;

/// How long changes are gathered after the first.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);
/// Changes or alerts that are looked at before the sockets get their turn.
const A_TURN: usize = 200;
/// How long the last messages may take together.
const LAST_SEND: Duration = Duration::from_secs(3);

/// Whether an alert is silenced now.
pub type Silenced = Arc<dyn Fn(&Alert) -> bool + Send + Sync>;

/// How messages are written for one target.
#[derive(Clone, Debug)]
struct Manner {
    kind: TargetKind,
    link: Arc<str>,
}

impl Manner {
    fn body(&self, message: &Message, now: Timestamp) -> String {
        match &self.kind {
            TargetKind::Webhook(format) => format.body(message, &self.link),
            TargetKind::Alertmanager => alertmanager::body(message, &self.link, now),
        }
    }
}

/// How one URL is reached, and what waits for it.
struct Line {
    manner: Manner,
    client: Client,
    outbox: Arc<Outbox>,
    counts: Arc<NotifyCounts>,
}

/// One target: what it shall hear of, and its URLs.
struct Outlet {
    target: Arc<Target>,
    desk: Desk,
    lines: Vec<Line>,
}

/// Follows the registry, and tells targets of alerts.
pub struct Notifier {
    registry: Arc<Registry>,
    notices: Notices,
    outlets: Vec<Outlet>,
    silenced: Silenced,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("n_targets", &self.outlets.len()).finish_non_exhaustive()
    }
}

impl Notifier {
    /// Begins with the registry as it is: what is open for a while was told before, unless it is
    /// silenced. `authorities` are trusted
    /// besides the system's, `link` is where the page is.
    #[must_use]
    pub fn new(
        registry: Arc<Registry>,
        config: &Notify,
        authorities: &Authorities,
        link: &str,
        silenced: Silenced,
    ) -> Self {
        let snapshot = registry.snapshot(Moment::now());
        let reached = Reached::new(authorities, link);
        let with_hush = |alert: &Arc<Alert>| (Arc::clone(alert), hush(&silenced, alert));
        let open: Vec<_> = snapshot.alerts.iter().map(with_hush).collect();
        let outlet = |target: &Arc<Target>| Outlet {
            target: Arc::clone(target),
            desk: Desk::new(Arc::clone(target), open.iter().cloned(), snapshot.at),
            lines: reached.lines(target),
        };
        let outlets = config.targets.iter().map(outlet).collect();
        let notices = Notices::new(&snapshot);
        Self { registry, notices, outlets, silenced }
    }

    /// What becomes of messages, by the name of the target; one entry for each of its URLs.
    #[must_use]
    pub fn counts(&self) -> Vec<(Arc<str>, Arc<NotifyCounts>)> {
        let lines = |outlet: &Outlet| {
            let name = Arc::clone(&outlet.target.name);
            let counts = outlet.lines.iter().map(|line| Arc::clone(&line.counts));
            counts.map(|counts| (Arc::clone(&name), counts)).collect::<Vec<_>>()
        };
        self.outlets.iter().flat_map(lines).collect()
    }

    /// Tells until `stop`, then what has happened until then, within 3 s.
    ///
    /// # Panics
    ///
    /// Where a task of its own does.
    pub async fn run(mut self, stop: CancellationToken) {
        if self.outlets.is_empty() {
            return stop.cancelled().await;
        }
        let ending = CancellationToken::new();
        let mut senders = self.start_senders(&ending);
        self.follow(&stop).await;
        self.take_all().await;
        for outlet in &mut self.outlets {
            let messages = outlet.desk.collect_all();
            outlet.send(messages);
        }
        ending.cancel();
        let ended =
            timeout(LAST_SEND, async { while senders.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            senders.shutdown().await;
            let n_lost: u64 = self.outlets.iter().map(Outlet::drop_all).sum();
            tracing::warn!(n_lost, "the last alerts could not all be sent in time");
        }
    }

    fn start_senders(&self, ending: &CancellationToken) -> JoinSet<()> {
        let mut senders = JoinSet::new();
        for outlet in &self.outlets {
            for line in &outlet.lines {
                let sender = Sender {
                    name: Arc::clone(&outlet.target.name),
                    manner: line.manner.clone(),
                    post: line.client.clone(),
                    outbox: Arc::clone(&line.outbox),
                    counts: Arc::clone(&line.counts),
                    backoff: Backoff::default(),
                    trouble: None,
                };
                senders.spawn(sender.run(ending.clone()));
            }
        }
        senders
    }

    async fn follow(&mut self, stop: &CancellationToken) {
        let mut changed = self.registry.watch();
        // What happened between the snapshot and now wakes nobody.
        changed.mark_changed();
        let mut again = interval(alertmanager::AGAIN_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // At first those that may not have been told, before it is heard that they are over.
        again.tick().await;
        self.look_again().await;
        self.send_due();
        loop {
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changed.changed() => {
                    sleep(FOLLOW_EVERY).await;
                    changed.mark_unchanged();
                    self.take_all().await;
                }
                () = until(due) => (),
                _ = again.tick() => self.look_again().await,
            }
            self.send_due();
        }
    }

    /// When the next message is due.
    fn due(&self) -> Option<Instant> {
        self.outlets.iter().filter_map(|outlet| outlet.desk.due()).min()
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        for outlet in &mut self.outlets {
            let messages = outlet.desk.collect(now);
            outlet.send(messages);
        }
    }

    /// Takes in all changes that there are.
    async fn take_all(&mut self) {
        loop {
            match self.registry.changes_since(self.notices.seq(), A_TURN) {
                Ok(changes) if changes.is_empty() => return,
                Ok(changes) => {
                    for change in changes {
                        if let Some(notice) = self.notices.take(&change) {
                            self.take(&notice);
                        }
                    }
                }
                Err(_) => self.resume().await,
            }
            yield_now().await;
        }
    }

    /// Goes on from a snapshot, which is taken beside the thread that carries all sockets.
    async fn resume(&mut self) {
        let registry = Arc::clone(&self.registry);
        let look = tokio::task::spawn_blocking(move || registry.snapshot(Moment::now()));
        // Where the runtime ends, this does with it.
        let Ok(snapshot) = look.await else { return };
        for notice in self.notices.resume(&snapshot) {
            self.take(&notice);
        }
    }

    fn take(&mut self, notice: &Notice) {
        let (hush, now) = (self.hush(&notice.alert), Instant::now());
        for outlet in &mut self.outlets {
            outlet.desk.take(notice, hush, now);
        }
    }

    fn hush(&self, alert: &Alert) -> Hush {
        hush(&self.silenced, alert)
    }

    /// Looks at open alerts again: who was silenced may be no longer, and Alertmanagers want to
    /// hear of each again.
    async fn look_again(&mut self) {
        for n in 0..self.outlets.len() {
            for alerts in self.outlets[n].desk.open().chunks(alertmanager::AT_ONCE) {
                let with_hush = |alert: &Arc<Alert>| (Arc::clone(alert), self.hush(alert));
                let alerts: Vec<_> = alerts.iter().map(with_hush).collect();
                self.outlets[n].desk.look_again(&alerts, Instant::now());
                yield_now().await;
            }
        }
    }
}

fn hush(silenced: &Silenced, alert: &Alert) -> Hush {
    if silenced(alert) { Hush::Silenced } else { Hush::Heard }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Outlet {
    fn send(&self, messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        let messages: Vec<_> = messages.into_iter().map(Arc::new).collect();
        for line in &self.lines {
            let n_dropped = line.outbox.push(&messages, Instant::now());
            if n_dropped > 0 {
                let before = line.counts.n_dropped.fetch_add(n_dropped, Ordering::Relaxed);
                if before == 0 {
                    let to = &self.target.name;
                    tracing::error!(%to, "too many alerts wait; the oldest are dropped");
                }
            }
        }
    }

    /// Drops what waits, and counts it; what was on its way is neither sent nor failed.
    fn drop_all(&self) -> u64 {
        let mut n_lost = 0;
        for line in &self.lines {
            let n_waiting = line.outbox.len() as u64;
            line.counts.n_dropped.fetch_add(n_waiting, Ordering::Relaxed);
            n_lost += n_waiting;
        }
        n_lost
    }
}

/// What all URLs are reached with.
struct Reached {
    resolve: lookup::Resolve,
    trust: Trust,
    link: Arc<str>,
}

impl Reached {
    fn new(authorities: &Authorities, link: &str) -> Self {
        let trust = Trust::new(authorities.clone(), tls::of_system);
        Self { resolve: lookup::by_system(), trust, link: link.into() }
    }

    fn lines(&self, target: &Target) -> Vec<Line> {
        let link = target.link.clone().unwrap_or_else(|| Arc::clone(&self.link));
        let line = |url: &TargetUrl| Line {
            manner: Manner { kind: target.kind.clone(), link: Arc::clone(&link) },
            client: Client {
                url: url.clone(),
                headers: Arc::clone(&target.headers),
                timeout: target.timeout,
                resolve: Arc::clone(&self.resolve),
                trust: self.trust.clone(),
            },
            outbox: Arc::default(),
            counts: Arc::default(),
        };
        target.urls.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests;
