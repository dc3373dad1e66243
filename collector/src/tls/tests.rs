//! Keys as files: made, read anew, rotated, and what is said of those that cannot be used.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::config::{self, Command, TlsTask};

/// A collector that listens on these addresses and keeps its files there.
fn config_of(dir: &Path, more: &str) -> Result<Config, config::ConfigError> {
    let file = dir.join("collector.toml");
    std::fs::write(&file, more).unwrap();
    let data_dir = dir.to_str().unwrap();
    let args = ["herdbook-collector", "--listen", "192.0.2.7:6121", "--data-dir", data_dir];
    let args = args.into_iter().chain(["--config", file.to_str().unwrap()]).map(Into::into);
    match config::load(args, &|_| None)? {
        Command::Run(config) => Ok(config),
        other => panic!("{other:?}"),
    }
}

fn made() -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let config = config_of(dir.path(), "public_name = 'fleet.example'").unwrap();
    (dir, config)
}

#[test]
fn a_key_is_made_once_for_its_owner_alone_with_every_name() {
    let (dir, config) = made();
    assert!(config.demands_credentials());
    let pins = Keys::open(&config).unwrap().pins();
    assert_eq!(pins.len(), 1);
    assert_eq!(Keys::open(&config).unwrap().pins(), pins);
    let file = dir.path().join(CURRENT_FILE);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let shown = own::current(dir.path()).unwrap();
    assert_eq!(shown.day_of_end(), "2120-01-01");
    let certificate = shown.certificate().unwrap();
    let certificate = webpki::EndEntityCert::try_from(certificate).unwrap();
    for name in ["fleet.example", "localhost", "192.0.2.7"] {
        let name = rustls::pki_types::ServerName::try_from(name).unwrap();
        certificate.verify_is_valid_for_subject_name(&name).unwrap();
    }
}

#[test]
fn a_new_name_makes_another_certificate_for_the_same_key() {
    let (dir, config) = made();
    let pins = Keys::open(&config).unwrap().pins();
    let file = dir.path().join(CURRENT_FILE);
    let before = std::fs::read(&file).unwrap();
    Keys::open(&config).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), before, "made anew for nothing");
    let config = config_of(dir.path(), "public_name = 'other.example'").unwrap();
    assert_eq!(Keys::open(&config).unwrap().pins(), pins);
    assert_ne!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_key_changes_with_both_pins_told_in_between() {
    let (dir, config) = made();
    assert!(matches!(perform(&config, TlsTask::Show), Err(TaskError::NoKey)));
    let keys = Keys::open(&config).unwrap();
    let old = keys.pins()[0];
    assert!(matches!(perform(&config, TlsTask::Activate), Err(TaskError::NoNext)));
    let said = perform(&config, TlsTask::Rotate).unwrap();
    assert_eq!(keys.pins(), [old], "until it is told to look");
    keys.reload().unwrap();
    let both = keys.pins();
    assert_eq!((both.len(), both[0]), (2, old));
    assert!(said.contains(&both[1].to_string()) && said.contains("SIGHUP"), "{said}");
    let refused = perform(&config, TlsTask::Rotate).unwrap_err();
    assert!(matches!(refused, TaskError::NextIsThere(pin) if pin == both[1]), "{refused}");
    perform(&config, TlsTask::Activate).unwrap();
    keys.reload().unwrap();
    assert_eq!(keys.pins(), [both[1]]);
    assert!(!dir.path().join(NEXT_FILE).exists());
    let shown = perform(&config, TlsTask::Show).unwrap();
    assert!(shown.contains(&both[1].to_string()) && shown.lines().count() == 1, "{shown}");
}

#[test]
fn what_cannot_be_read_anew_leaves_the_key_that_was_shown() {
    let (dir, config) = made();
    let keys = Keys::open(&config).unwrap();
    let pins = keys.pins();
    std::fs::write(dir.path().join(CURRENT_FILE), "half").unwrap();
    let error = keys.reload().unwrap_err();
    assert!(error.to_string().contains(CURRENT_FILE), "{error}");
    assert_eq!(keys.pins(), pins);
}

/// A certificate and a key as an owner gives them.
fn given(dir: &Path, certificate: &str, key: &str) -> Result<Config, String> {
    std::fs::write(dir.join("given.crt"), certificate).unwrap();
    std::fs::write(dir.join("given.key"), key).unwrap();
    config_of(dir, "[tls]\ncertificate = 'given.crt'\nkey = 'given.key'").map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })
}

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn given_files_are_shown_and_left_to_their_owner() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    let config = given(dir.path(), &certificate, &key).unwrap();
    let keys = Keys::open(&config).unwrap();
    let pin = keys.pins()[0];
    assert!(!dir.path().join(CURRENT_FILE).exists());
    assert!(perform(&config, TlsTask::Show).unwrap().contains(&pin.to_string()));
    assert!(matches!(perform(&config, TlsTask::Rotate), Err(TaskError::Given)));
    let (certificate, key) = pair();
    given(dir.path(), &certificate, &key).unwrap();
    keys.reload().unwrap();
    assert_ne!(keys.pins(), [pin]);
}

#[test]
fn given_files_that_cannot_be_used_are_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let ((certificate, key), (_, other)) = (pair(), pair());
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, file, words) in [
        ("", &*key, "given.crt", "holds no certificate in PEM form"),
        (damaged, &key, "given.crt", "a certificate in it is damaged"),
        (&certificate, "hello", "given.key", "holds no private key in PEM form"),
        (&certificate, &other, "given.key", "does not belong to the certificate"),
    ] {
        let error = given(dir.path(), certificate, key).unwrap_err();
        assert!(error.starts_with("tls: cannot use ") && error.contains(file), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let missing = "[tls]\ncertificate = '/nowhere/a'\nkey = '/nowhere/b'";
    let error = config_of(dir.path(), missing).unwrap_err();
    assert_eq!(error.to_string(), "tls: cannot use /nowhere/a");
}

#[test]
fn an_expired_certificate_is_known_as_one() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2021, 3, 4);
    let certificate = params.self_signed(&key).unwrap().pem();
    let shown = Shown::of_pem((key.serialize_pem() + &certificate).as_bytes()).unwrap();
    assert!(shown.is_over(Timestamp::now()));
    assert_eq!(shown.day_of_end(), "2021-03-04");
}
