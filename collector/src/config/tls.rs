//! With which certificate the collector speaks TLS, and where: `[tls]` in the file.

use std::path::{Path, PathBuf};

use super::catalog::beside;
use super::error::ConfigError;
use super::given::{Given, Source};
use super::table::{Table, unknown};
use crate::tls::Shown;

/// See the module's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `certificate` and `key`, none: PEM files that are shown in place of what the collector
    /// makes itself.
    pub files: Option<CertificateFiles>,
    /// `loopback`, false: TLS is spoken on loopback addresses as well.
    pub loopback: bool,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and those of the authorities between it and a known one.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What is done about the key with which TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsTask {
    /// Say what it is.
    Show,
    /// Make the next one.
    Rotate,
    /// Put the next one in its place.
    Activate,
}

const KEYS: [&str; 3] = ["certificate", "key", "loopback"];

impl Table for Tls {
    const NAME: &'static str = "tls";

    fn set(&mut self, given: &Given) -> Result<(), ConfigError> {
        match given.key.as_str() {
            "certificate" => self.certificate = Some(path(given)?),
            "key" => self.key = Some(path(given)?),
            "loopback" => {
                let toml::Value::Boolean(loopback) = given.value else {
                    return Err(given.bad("true or false"));
                };
                self.loopback = loopback;
            }
            _ => return Err(unknown::<Self>(given, &KEYS)),
        }
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            let (certificate, key) = (certificate.clone(), key.clone());
            self.files = Some(CertificateFiles { certificate, key });
        }
        Ok(())
    }

    /// Both files or neither, and fit to be used.
    fn check(&self) -> Result<(), ConfigError> {
        if self.certificate.is_some() != self.key.is_some() {
            return Err(ConfigError::Contradiction {
                table: Self::NAME,
                words: "certificate and key belong together: expected both, or neither",
            });
        }
        let Some(files) = &self.files else { return Ok(()) };
        match Shown::of_files(files) {
            Ok(_) => Ok(()),
            Err((path, source)) => Err(ConfigError::Tls { path, source }),
        }
    }
}

/// A path is taken from where the configuration file lies.
fn path(given: &Given) -> Result<PathBuf, ConfigError> {
    let named = Path::new(given.as_text("the path of a file in PEM form")?);
    Ok(match &given.source {
        Source::File { path, .. } => beside(path, named),
        _ => named.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(key: &str, value: impl Into<toml::Value>) -> Given {
        Given { key: key.to_owned(), value: value.into(), source: Source::Default }
    }

    #[test]
    fn one_file_without_the_other_is_refused() {
        for key in ["certificate", "key"] {
            let mut tls = Tls::default();
            tls.set(&given(key, "/a.pem")).unwrap();
            assert!(tls.check().unwrap_err().to_string().contains("belong together"), "{key}");
        }
        Tls::default().check().unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let bad: [(&str, toml::Value); 4] = [
            ("certificate", 7.into()),
            ("key", "".into()),
            ("loopback", "yes".into()),
            ("next_pin", "x".into()),
        ];
        for (key, value) in bad {
            assert!(Tls::default().set(&given(key, value)).is_err(), "{key}");
        }
    }
}
