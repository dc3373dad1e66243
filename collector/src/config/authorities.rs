//! Authorities that are trusted besides the system's, out of a file of certificates. It is read
//! once, when the collector starts.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Largest file of certificates, bytes: all that a system trusts are a quarter of it.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is too large.
    #[error("it is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// It has none in the form that is read.
    #[error("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    Empty,
    /// One of them is broken.
    #[error("certificate {n} in it cannot be read")]
    Broken {
        /// Which, from 1.
        n: usize,
    },
}

/// Certificates of authorities.
#[derive(Clone, Default, PartialEq)]
pub struct Authorities(Arc<[CertificateDer<'static>]>);

impl Authorities {
    /// Reads a file of PEM.
    pub(super) fn read(path: &Path) -> Result<Self, AuthoritiesError> {
        let file = File::open(path).map_err(AuthoritiesError::Read)?;
        let mut pem = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut pem).map_err(AuthoritiesError::Read)?;
        if pem.len() as u64 > FILE_BYTES_MAX {
            return Err(AuthoritiesError::TooLarge);
        }
        Self::of(&pem)
    }

    /// Takes what PEM holds; each must be fit to be trusted.
    pub(crate) fn of(pem: &[u8]) -> Result<Self, AuthoritiesError> {
        let mut probe = RootCertStore::empty();
        let mut certificates = Vec::new();
        for (n, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
            let certificate = certificate.map_err(|_| AuthoritiesError::Broken { n })?;
            probe.add(certificate.clone()).map_err(|_| AuthoritiesError::Broken { n })?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(AuthoritiesError::Empty);
        }
        Ok(Self(certificates.into()))
    }

    /// All of them.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("n", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn all_that_a_file_holds_are_taken_and_what_is_no_certificate_is_passed_over() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let text = format!("# ours\n{}\n{key}\n{}", pem(), pem());
        let authorities = Authorities::of(text.as_bytes()).unwrap();
        assert_eq!(authorities.certificates().len(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_used_says_why() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = pem().replace("-----END CERTIFICATE-----", "");
        for (text, expected) in [
            ("", "no certificate in PEM form"),
            ("hello", "no certificate in PEM form"),
            (&*format!("{}{broken}", pem()), "certificate 2 in it cannot be read"),
            (&*cut, "certificate 1 in it cannot be read"),
        ] {
            let error = Authorities::of(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let error = Authorities::read(dir.path()).unwrap_err();
        assert!(matches!(error, AuthoritiesError::Read(_)), "{error}");
        let large = dir.path().join("large.pem");
        let len = usize::try_from(FILE_BYTES_MAX).unwrap() + 1;
        std::fs::write(&large, " ".repeat(len)).unwrap();
        assert!(matches!(Authorities::read(&large), Err(AuthoritiesError::TooLarge)));
    }
}
