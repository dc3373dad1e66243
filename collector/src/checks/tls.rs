//! Speaks TLS with services whose URL is https: the certificate must be one for the name in the
//! URL, and come from an authority that the system or `[checks] ca_file` names. It is looked at
//! anew with every connection. The collector shows no certificate of its own.

use std::io;
use std::sync::Arc;

use herdbook_shared::time::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore,
};
use url::Host;

use super::http::{failure, in_words};
use crate::config::Authorities;
use crate::registry::check::probe::ProbeFailure;
use crate::registry::url::ServiceUrl;

/// Most names of a certificate that are told.
const NAMES_TOLD: usize = 3;
/// Longest of them, bytes.
const NAME_BYTES: usize = 100;

/// Reads what the system trusts; tests have their own.
pub(crate) type SystemAuthorities = fn() -> Vec<CertificateDer<'static>>;

/// What the machine trusts. It is read from its disk.
pub(crate) fn of_system() -> Vec<CertificateDer<'static>> {
    let read = rustls_native_certs::load_native_certs();
    let n_errors = read.errors.len();
    if let Some(error) = read.errors.first() {
        tracing::warn!(%error, n_errors, "not all of the system's certificates can be read");
    }
    read.certs
}

/// Whom is trusted. What the system trusts is read when it is asked for first.
#[derive(Clone)]
pub(crate) struct Trust {
    named: Authorities,
    system: SystemAuthorities,
    config: Arc<OnceCell<Arc<ClientConfig>>>,
}

impl Trust {
    pub(crate) fn new(named: Authorities, system: SystemAuthorities) -> Self {
        Self { named, system, config: Arc::default() }
    }

    /// Makes ready to speak with the server of a URL.
    pub(super) async fn towards(&self, url: &ServiceUrl) -> Result<Secure, ProbeFailure> {
        let plain = url.as_str().replacen("https:", "http:", 1);
        self.towards_host(url.host(), plain).await
    }

    /// The same of a host. `plain`: what is said where it does not speak TLS.
    pub(crate) async fn towards_host(
        &self,
        host: Option<Host<&str>>,
        plain: String,
    ) -> Result<Secure, ProbeFailure> {
        let name = match host {
            Some(Host::Ipv4(v4)) => ServerName::from(std::net::IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => ServerName::from(std::net::IpAddr::V6(v6)),
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned())
                .map_err(|_| failure("its name is one that no certificate can be for"))?,
            None => return Err(failure("its URL names no host")),
        };
        // One that could not be made is tried again: the certificates may be installed by then.
        let config = self.config.get_or_try_init(|| self.read()).await?;
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Secure { connector, name, plain })
    }

    /// The system's certificates are some hundred files, so they are read beside the loop.
    async fn read(&self) -> Result<Arc<ClientConfig>, ProbeFailure> {
        let trust = self.clone();
        let made = tokio::task::spawn_blocking(move || trust.config()).await;
        made.unwrap_or_else(|_| Err(failure("the system's certificates cannot be read")))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, ProbeFailure> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates((self.system)());
        roots.add_parsable_certificates(self.named.certificates().iter().cloned());
        if roots.is_empty() {
            return Err(failure(
                "no certificate can be checked: this machine trusts no authority (install \
                 ca-certificates, or name a file of them by [checks] ca_file)",
            ));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failure(format!("TLS cannot be spoken: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session that is resumed shows no certificate.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// How one server is spoken with.
pub(crate) struct Secure {
    connector: TlsConnector,
    name: ServerName<'static>,
    /// Its URL, were it one of http.
    plain: String,
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Secure {
    /// Makes a connection one that only this server can read.
    pub(crate) async fn over(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ProbeFailure> {
        let done = self.connector.connect(self.name.clone(), stream).await;
        done.map_err(|error| match tls_error(&error) {
            Some(Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            )) => failure(format!("it does not speak TLS: {}?", self.plain)),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                failure("it closed the connection instead of speaking TLS")
            }
            _ => failure(in_words(&error)),
        })
    }
}

/// What went wrong with TLS, where that is what went wrong.
pub(super) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with TLS, for people.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(wrong) => certificate(wrong),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a client certificate, and checks have none".to_owned()
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it does not speak HTTP/1.1".to_owned()
        }
        Error::AlertReceived(alert) => format!("it broke TLS off ({alert:?})"),
        Error::PeerIncompatible(_) => {
            "it speaks a TLS that is not spoken here (1.2 and 1.3 are)".to_owned()
        }
        other => format!("TLS failed: {other}"),
    }
}

fn certificate(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::UnknownIssuer => "its certificate is from an unknown authority (a \
             private one is made known by [checks] ca_file)"
            .to_owned(),
        CertificateError::BadSignature => {
            "its certificate was not signed by the authority that it names".to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate expired on {}", day(*not_after))
        }
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "its certificate is not valid before {} (is this machine's clock right?)",
            day(*not_before)
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            format!("its certificate is not for {expected} but for {}", names(presented))
        }
        // The library has no name of its own for it.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "its certificate is an authority's own, and not one for a server".to_owned()
        }
        other => format!("its certificate cannot be trusted: {other}"),
    }
}

fn day(at: UnixTime) -> String {
    let at_ms = i64::try_from(at.as_secs()).unwrap_or(i64::MAX).saturating_mul(1000);
    let at = Timestamp::from_unix_ms(at_ms).to_string();
    at.split('T').next().unwrap_or_default().to_owned()
}

/// The names of a certificate, as `DnsName("…")` and `IpAddress(…)`, which others wrote.
fn names(presented: &[String]) -> String {
    let is_plain = |name: &&str| {
        let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b".-_*:".contains(&byte);
        !name.is_empty() && name.len() <= NAME_BYTES && name.bytes().all(is_of_names)
    };
    let inner = |name: &'_ str| Some(name.split_once('(')?.1.trim_end_matches(')').to_owned());
    let inner: Vec<_> = presented.iter().filter_map(|name| inner(name)).collect();
    let all: Vec<_> = inner.iter().map(|name| name.trim_matches('"')).filter(is_plain).collect();
    match all.len() {
        0 => "no host at all".to_owned(),
        n if n > NAMES_TOLD => format!("{} and others", all[..NAMES_TOLD].join(", ")),
        _ => all.join(", "),
    }
}
