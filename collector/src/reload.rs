//! SIGHUP: reads the catalogs and the key of TLS anew, and the configuration, of which it applies what can change
//! while the collector runs and says what needs a restart. What cannot be used changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalogs;
use crate::catalog::catalogs::Trigger;
use crate::config::{self, Config, ConfigError, Told};
use crate::tls::Keys;

/// How a running collector is told things.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// It shall end.
    pub stop: CancellationToken,
    /// It shall read anew what can change (`notify_one`).
    pub hangup: Arc<Notify>,
    /// What it can do about its own settings; nothing where it was not started as a program.
    pub settings: Option<Arc<dyn Settings>>,
}

/// The settings of the running program.
pub trait Settings: fmt::Debug + Send + Sync {
    /// Reads and checks them anew.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    fn read(&self) -> Result<Config, ConfigError>;

    /// Logs from this level on.
    ///
    /// # Errors
    ///
    /// Where it is no level.
    fn set_log_level(&self, level: &str) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// What each setting is, by key; a key may be given more than once.
type Values = BTreeMap<String, Vec<String>>;

/// The setting that changes while the collector runs.
const LOG_LEVEL: &str = "log_level";

/// Waits for hangups, and does what they ask for.
#[derive(Debug)]
pub struct Reloader {
    signals: Signals,
    running: Values,
    /// Whom it tells of alerts: of their secrets, the values above tell nothing.
    notified: config::Notify,
    catalogs: Arc<Catalogs>,
    /// With which TLS is spoken, where it is.
    keys: Option<Arc<Keys>>,
}

/// What came of reading the configuration anew.
#[derive(Debug, PartialEq, Eq)]
struct Compared {
    log_level: Option<String>,
    needs_restart: BTreeSet<String>,
}

impl Reloader {
    /// For a collector that runs with these settings.
    #[must_use]
    pub fn new(
        signals: Signals,
        config: &Config,
        catalogs: Arc<Catalogs>,
        keys: Option<Arc<Keys>>,
    ) -> Self {
        let (running, notified) = (values(&config.told), config.notify.clone());
        Self { signals, running, notified, catalogs, keys }
    }

    /// Waits and does until the stop.
    pub async fn run(mut self) {
        let stop = self.signals.stop.clone();
        stop.run_until_cancelled(async {
            loop {
                self.signals.hangup.notified().await;
                self.reload().await;
            }
        })
        .await;
    }

    async fn reload(&mut self) {
        tracing::info!("reading the configuration and the catalogs anew");
        self.settings().await;
        if let Some(keys) = &self.keys {
            reload_keys(Arc::clone(keys)).await;
        }
        let loaded = self.catalogs.reload_all(Trigger::Asked).await;
        let n_rejected = loaded.iter().filter(|loaded| loaded.is_err()).count();
        let n_loaded = loaded.len() - n_rejected;
        tracing::info!(n_loaded, n_rejected, "catalogs were read anew");
    }

    async fn settings(&mut self) {
        let Some(settings) = self.signals.settings.clone() else { return };
        let reading = Arc::clone(&settings);
        let read = tokio::task::spawn_blocking(move || reading.read()).await;
        let config = match read {
            Ok(Ok(config)) => config,
            Ok(Err(error)) => {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(%error, cause, "the configuration cannot be used: it stays as it was");
                return;
            }
            Err(error) => return tracing::error!(%error, "the configuration could not be read"),
        };
        let mut compared = compare(&self.running, &values(&config.told));
        compared.needs_restart.extend(changed_targets(&self.notified, &config.notify));
        if let Some(level) = &compared.log_level {
            match settings.set_log_level(level) {
                Ok(()) => {
                    self.running.insert(LOG_LEVEL.to_owned(), vec![level.clone()]);
                    tracing::info!(log_level = level, "the log level changed");
                }
                Err(error) => tracing::error!(%error, "the log level stays as it was"),
            }
        }
        for key in &compared.needs_restart {
            tracing::warn!(key, "this setting changed, and needs a restart to take effect");
        }
        if compared.log_level.is_none() && compared.needs_restart.is_empty() {
            tracing::info!("the configuration is as it was");
        }
    }
}

/// Reads the key of TLS anew. Who connects from now on is shown it; others go on.
async fn reload_keys(keys: Arc<Keys>) {
    match tokio::task::spawn_blocking(move || keys.reload()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "the key of TLS cannot be read: it stays as it was");
        }
        Err(error) => tracing::error!(%error, "the key of TLS could not be read"),
    }
}

fn values(told: &[Told]) -> Values {
    let mut values = Values::new();
    for told in told {
        values.entry(told.key.clone()).or_default().push(told.value.clone());
    }
    values
}

fn compare(running: &Values, read: &Values) -> Compared {
    let keys: BTreeSet<&String> = running.keys().chain(read.keys()).collect();
    let changed = keys.into_iter().filter(|key| running.get(*key) != read.get(*key));
    let (level, others): (Vec<_>, Vec<_>) = changed.partition(|key| *key == LOG_LEVEL);
    let level = level.first().and_then(|key| read.get(*key)).and_then(|level| level.first());
    Compared { log_level: level.cloned(), needs_restart: others.into_iter().cloned().collect() }
}

/// The keys of the targets that changed, were it only in what is not shown.
fn changed_targets(running: &config::Notify, read: &config::Notify) -> BTreeSet<String> {
    let of_both = running.targets.iter().chain(&read.targets);
    let is_same = |target| running.targets.contains(target) && read.targets.contains(target);
    let changed = of_both.filter(|target| !is_same(*target));
    changed.map(|target| format!("notify.{}", target.name)).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::Source;

    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Values {
        let told = |(key, value): &(&str, &str)| Told {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            source: Source::Default,
        };
        values(&pairs.iter().map(told).collect::<Vec<_>>())
    }

    #[test]
    fn what_changed_is_applied_or_named() {
        let running = told(&[
            ("listen", "127.0.0.1:1"),
            ("listen", "127.0.0.1:2"),
            ("log_level", "info"),
            ("checks.interval_s", "30"),
            ("history.days", "3"),
        ]);
        let same = compare(&running, &running.clone());
        assert_eq!(same, Compared { log_level: None, needs_restart: BTreeSet::new() });
        let read = told(&[
            ("listen", "127.0.0.1:1"),
            ("log_level", "debug"),
            ("checks.interval_s", "30"),
            ("liveness.tick_s", "2"),
        ]);
        let compared = compare(&running, &read);
        assert_eq!(compared.log_level.as_deref(), Some("debug"));
        let names: Vec<&str> = compared.needs_restart.iter().map(String::as_str).collect();
        assert_eq!(names, ["history.days", "listen", "liveness.tick_s"]);
    }

    fn targets(secrets: &[(&str, &str)]) -> config::Notify {
        let mut targets = config::Notify::default();
        for (name, secret) in secrets {
            let text =
                format!("kind = 'webhook'\nurl = 'https://a/'\nheaders = {{ x = '{secret}' }}");
            targets.set_for_tests(name, &text);
        }
        targets
    }

    #[test]
    fn a_secret_that_changed_is_named_by_its_target_alone() {
        let running = targets(&[("a", "one"), ("b", "two"), ("gone", "x")]);
        assert!(changed_targets(&running, &running.clone()).is_empty());
        let read = targets(&[("a", "one"), ("b", "T0SECRET"), ("new", "y")]);
        let changed: Vec<String> = changed_targets(&running, &read).into_iter().collect();
        assert_eq!(changed, ["notify.b", "notify.gone", "notify.new"]);
    }
}
