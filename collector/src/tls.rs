//! The key by which the collector is known, and what TLS is spoken with it. It makes one itself, or
//! is given one; another one takes its place without a restart, and connections that are open go
//! on. By which key an agent knows its collector is its *pin*; while keys change there are two.

mod names;
mod own;
mod shown;
mod task;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use tokio::sync::watch;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

pub use own::{CURRENT_FILE, NEXT_FILE};
pub use shown::{PemError, Shown};
pub use task::{TaskError, perform};

use crate::config::{CertificateFiles, Config};

/// The key of the collector cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file of a certificate or key cannot be used.
    #[error("cannot use the certificate or key in {}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: PemError,
    },
    /// A key cannot be written.
    #[error("failed to write the key file {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate cannot be made.
    #[error("failed to make a certificate")]
    Make(#[source] rcgen::Error),
    /// TLS cannot be spoken at all.
    #[error("TLS cannot be spoken")]
    Tls(#[source] rustls::Error),
}

/// The key that is shown now, and the next one's pin.
pub struct Keys {
    origin: Origin,
    held: ArcSwap<Held>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
enum Origin {
    /// Files of the owner, whose business they are.
    Given(CertificateFiles),
    /// Files of this data directory.
    Own(PathBuf),
}

#[derive(Debug)]
struct Held {
    current: Shown,
    next: Option<Fingerprint>,
}

impl Keys {
    /// The key that is given, else the collector's own, which is made where there is none. It
    /// reads and writes files.
    ///
    /// # Errors
    ///
    /// [`KeysError`].
    pub fn open(config: &Config) -> Result<Self, KeysError> {
        let origin = match &config.tls.files {
            Some(files) => Origin::Given(files.clone()),
            None => {
                own::prepare(&config.data_dir, &names::of(config))?;
                Origin::Own(config.data_dir.clone())
            }
        };
        let held = origin.read()?;
        held.tell();
        Ok(Self { origin, held: ArcSwap::from_pointee(held), changes: watch::Sender::new(()) })
    }

    /// Reads the files anew. They are shown to whoever connects from now on; where they cannot be
    /// used, what was shown before stays.
    ///
    /// # Errors
    ///
    /// [`KeysError`].
    pub fn reload(&self) -> Result<(), KeysError> {
        let held = self.origin.read()?;
        held.tell();
        let before = self.pins();
        self.held.store(Arc::new(held));
        if self.pins() != before {
            self.changes.send_replace(());
        }
        Ok(())
    }

    /// Wakes when the pins change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// By which keys the collector is known: the current one's pin first, then the next one's.
    #[must_use]
    pub fn pins(&self) -> Vec<Fingerprint> {
        let held = self.held.load();
        std::iter::once(held.current.pin).chain(held.next).collect()
    }

    /// How TLS is spoken: 1.2 and 1.3, HTTP/1.1 alone, and every connection with a handshake of
    /// its own, since what agents prove is bound to it.
    ///
    /// # Errors
    ///
    /// [`KeysError::Tls`].
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, KeysError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(KeysError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // Without it somebody in the middle could give both ends of TLS 1.2 the same secret.
        config.require_ems = true;
        Ok(Arc::new(config))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.held.load().current.certified))
    }
}

impl Origin {
    fn read(&self) -> Result<Held, KeysError> {
        match self {
            Self::Given(files) => {
                let current = Shown::of_files(files)
                    .map_err(|(path, source)| KeysError::Unusable { path, source })?;
                Ok(Held { current, next: None })
            }
            Self::Own(dir) => {
                let current = own::current(dir)?;
                Ok(Held { current, next: own::next(dir)?.map(|shown| shown.pin) })
            }
        }
    }
}

impl Held {
    /// Says by which pins the collector is known, and whether its certificate is still good.
    fn tell(&self) {
        let (pin, next) = (self.current.pin, self.next.map(|next| next.to_string()));
        let valid_until = self.current.day_of_end();
        tracing::info!(%pin, next, valid_until, "speaks TLS with this key");
        if self.current.is_over(Timestamp::now()) {
            tracing::warn!(
                valid_until,
                "the certificate has expired: who does not know the pin refuses it"
            );
        }
    }
}

#[cfg(test)]
mod tests;
