//! A certificate and its key, as they are shown to whoever connects.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use herdbook_shared::fingerprint::Fingerprint;
use herdbook_shared::time::Timestamp;
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};
use webpki::{EndEntityCert, KeyUsage};

use crate::config::CertificateFiles;

/// Largest file that is read, bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A file that holds no certificate or no key that can be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is too large.
    #[error("it is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// It has no certificate in the form that is read.
    #[error("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// A certificate in it is broken.
    #[error("a certificate in it is damaged")]
    BrokenCertificate,
    /// It has no key in the form that is read.
    #[error("it holds no private key in PEM form (-----BEGIN PRIVATE KEY-----, not encrypted)")]
    NoKey,
    /// The key is of no use here.
    #[error("its key is not of a kind with which TLS is spoken here (ECDSA, Ed25519 and RSA are)")]
    UnfitKey,
    /// It is the key of another certificate.
    #[error("its key does not belong to the certificate")]
    NotItsKey,
}

/// See the module's words.
#[derive(Clone)]
pub struct Shown {
    pub(super) certified: Arc<CertifiedKey>,
    /// By what the key is known.
    pub pin: Fingerprint,
    /// Until when the certificate is valid; `None` where it does not say so in a usual way.
    valid_until: Option<Timestamp>,
}

impl Shown {
    /// Reads what an owner gave.
    ///
    /// # Errors
    ///
    /// Which of the files cannot be used, and why.
    pub fn of_files(files: &CertificateFiles) -> Result<Self, (PathBuf, PemError)> {
        let CertificateFiles { certificate, key } = files;
        let about = |path: &Path| {
            let path = path.to_owned();
            move |error| (path, error)
        };
        let chain = read(certificate).map_err(about(certificate))?;
        let chain = certificates(&chain).map_err(about(certificate))?;
        let pem = read(key).map_err(about(key))?;
        Self::of(chain, &pem).map_err(|error| match error {
            PemError::BrokenCertificate => (certificate.clone(), error),
            _ => (key.clone(), error),
        })
    }

    /// Takes what one text holds, key and certificate.
    pub(super) fn of_pem(pem: &[u8]) -> Result<Self, PemError> {
        Self::of(certificates(pem)?, pem)
    }

    fn of(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Result<Self, PemError> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PemError::NoKey)?;
        let (pin, valid_until) = {
            let first = chain.first().ok_or(PemError::NoCertificate)?;
            let first = EndEntityCert::try_from(first).map_err(|_| PemError::BrokenCertificate)?;
            (pin_of(&first), valid_until(&first))
        };
        let provider = aws_lc_rs::default_provider();
        let certified =
            CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PemError::NotItsKey,
                _ => PemError::UnfitKey,
            })?;
        Ok(Self { certified: Arc::new(certified), pin, valid_until })
    }

    /// The certificate that is looked at.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }

    /// Whether the certificate has expired.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.valid_until.is_some_and(|end| end < now)
    }

    /// The last day on which the certificate is valid.
    #[must_use]
    pub fn day_of_end(&self) -> String {
        let end = self.valid_until.map(|end| end.to_string());
        let day = end.as_deref().and_then(|end| end.split('T').next());
        day.unwrap_or("an unknown day").to_owned()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("pin", &self.pin).finish_non_exhaustive()
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    let file = File::open(path).map_err(PemError::Read)?;
    let mut pem = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut pem).map_err(PemError::Read)?;
    if pem.len() as u64 > FILE_BYTES_MAX {
        return Err(PemError::TooLarge);
    }
    Ok(pem)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|_| PemError::BrokenCertificate)?;
    if all.is_empty() { Err(PemError::NoCertificate) } else { Ok(all) }
}

/// Over the key, which outlives its certificates.
fn pin_of(certificate: &EndEntityCert<'_>) -> Fingerprint {
    Fingerprint::of_digest(Sha256::digest(certificate.subject_public_key_info()).into())
}

/// The library tells it only of a certificate that it finds expired, and that it looks at first.
fn valid_until(certificate: &EndEntityCert<'_>) -> Option<Timestamp> {
    let at_the_end_of_time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::MAX));
    let usage = KeyUsage::server_auth();
    let looked = certificate.verify_for_usage(&[], &[], &[], at_the_end_of_time, usage, None, None);
    match looked {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            let at_ms = i64::try_from(not_after.as_secs()).ok()?.checked_mul(1000)?;
            Some(Timestamp::from_unix_ms(at_ms))
        }
        _ => None,
    }
}
