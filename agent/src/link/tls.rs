//! TLS to a collector, which is known by its pin or by the system's roots.
//!
//! A pin is the fingerprint of the public key. The certificate around it may be self-made, so that
//! its names and dates mean nothing; that the other end has the private key is what the handshake
//! proves. Only TLS 1.3 is spoken, whose exported secret binds what is signed to the connection,
//! and no session is ever resumed, so that each connection proves it anew.

use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::wire::enrol::{ChannelSecret, EXPORTER_LABEL};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore,
    SignatureScheme,
};
use tracing::debug;

use super::dial::DialError;
use crate::enrol::{Channel, Shown, Trust};
use crate::key::fingerprint_of;

/// Another key than the one that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the collector there has the key {seen}, expected {expected}; if its key was made anew, join \
     again with a new line, else somebody stands in between: nothing was told", expected = Shown(.expected)
)]
pub struct WrongPin {
    /// The key that it has.
    pub seen: Fingerprint,
    /// The keys that are known.
    pub expected: Vec<Fingerprint>,
}

/// Speaks TLS over a connection.
///
/// # Errors
///
/// Where no TLS can be agreed on, or the other end is not whom `trust` expects.
pub async fn connect(
    stream: TcpStream,
    host: &str,
    trust: &Trust,
) -> Result<(TlsStream<TcpStream>, Channel), DialError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Pins(pins) => {
            Arc::new(PinVerifier { pins: pins.clone(), provider: provider.clone() })
        }
        Trust::Roots => by_roots(provider.clone())?,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(DialError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| DialError::Tls(TlsError::General("the host is no name".to_owned())))?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = connected.map_err(failed)?;
    let channel = channel_of(&stream)?;
    Ok((stream, channel))
}

fn by_roots(provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, DialError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (n_good, n_bad) = roots.add_parsable_certificates(found.certs);
    debug!(n_good, n_bad, n_unread = found.errors.len(), "read the system's certificates");
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|_| DialError::NoRoots)
}

fn channel_of(stream: &TlsStream<TcpStream>) -> Result<Channel, DialError> {
    let (_, connection) = stream.get_ref();
    let certificates = connection.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().ok_or(TlsError::NoCertificatesPresented);
    let pin = certificate.and_then(|certificate| pin_of(certificate)).map_err(DialError::Tls)?;
    let secret =
        connection.export_keying_material([0; 32], EXPORTER_LABEL, None).map_err(DialError::Tls)?;
    Ok(Channel { pin, secret: ChannelSecret(secret) })
}

/// Over the whole SubjectPublicKeyInfo, which outlives the certificate.
fn pin_of(certificate: &CertificateDer<'_>) -> Result<Fingerprint, TlsError> {
    let parsed = webpki::EndEntityCert::try_from(certificate)
        .map_err(|_| TlsError::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(fingerprint_of(&parsed.subject_public_key_info()))
}

fn failed(error: std::io::Error) -> DialError {
    match error.downcast::<TlsError>() {
        Ok(error) => wrong_pin(&error).map_or(DialError::Tls(error), DialError::WrongPin),
        Err(error) => DialError::TlsLost(error),
    }
}

fn wrong_pin(error: &TlsError) -> Option<WrongPin> {
    let TlsError::InvalidCertificate(CertificateError::Other(OtherError(other))) = error else {
        return None;
    };
    other.downcast_ref().cloned()
}

/// Knows a collector by its key alone.
#[derive(Debug)]
struct PinVerifier {
    pins: Vec<Fingerprint>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let seen = pin_of(end_entity)?;
        if self.pins.contains(&seen) {
            return Ok(ServerCertVerified::assertion());
        }
        let wrong = WrongPin { seen, expected: self.pins.clone() };
        Err(CertificateError::Other(OtherError(Arc::new(wrong))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
