//! The keys that the collector makes itself: a file each in the data directory, key and certificate
//! together, so that neither is ever there without the other.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use webpki::EndEntityCert;

use super::KeysError;
use super::shown::{PemError, Shown, read};

/// The file of the key that is shown.
pub const CURRENT_FILE: &str = "tls.pem";
/// The file of the key that will be.
pub const NEXT_FILE: &str = "tls-next.pem";
const OWNER_ONLY: u32 = 0o600;
/// From which year until which a certificate is valid. Who knows the pin needs no end of it, and
/// the clocks of hosts may be far off.
const YEARS: (i32, i32) = (2020, 2120);

/// Makes the key where there is none, and its certificate anew where it lacks a name.
pub(super) fn prepare(dir: &Path, names: &[String]) -> Result<(), KeysError> {
    let path = dir.join(CURRENT_FILE);
    if !exists(&path) {
        let key = KeyPair::generate().map_err(KeysError::Make)?;
        return write(dir, CURRENT_FILE, &pem(&key, names)?);
    }
    close_to_others(&path);
    if !lacks_a_name(&current(dir)?, names) {
        return Ok(());
    }
    let key = key_of(&path)?;
    tracing::info!("the certificate is made anew with the same key, as it lacked a name");
    write(dir, CURRENT_FILE, &pem(&key, names)?)
}

/// What is shown.
pub(super) fn current(dir: &Path) -> Result<Shown, KeysError> {
    shown(&dir.join(CURRENT_FILE))
}

/// What will be shown, if that is made already.
pub(super) fn next(dir: &Path) -> Result<Option<Shown>, KeysError> {
    let path = dir.join(NEXT_FILE);
    if exists(&path) { shown(&path).map(Some) } else { Ok(None) }
}

/// Makes the next key.
pub(super) fn make_next(dir: &Path, names: &[String]) -> Result<(), KeysError> {
    let key = KeyPair::generate().map_err(KeysError::Make)?;
    write(dir, NEXT_FILE, &pem(&key, names)?)
}

/// Puts the next key in the place of the current one.
pub(super) fn activate(dir: &Path) -> Result<(), KeysError> {
    let path = dir.join(CURRENT_FILE);
    std::fs::rename(dir.join(NEXT_FILE), &path)
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|source| KeysError::Write { path, source })
}

/// Whether there is something, be it readable or not.
pub(super) fn exists(path: &Path) -> bool {
    !matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

fn shown(path: &Path) -> Result<Shown, KeysError> {
    let read = read(path).and_then(|pem| Shown::of_pem(&pem));
    read.map_err(|source| unusable(path, source))
}

fn unusable(path: &Path, source: PemError) -> KeysError {
    KeysError::Unusable { path: path.to_owned(), source }
}

fn key_of(path: &Path) -> Result<KeyPair, KeysError> {
    let pem = read(path).map_err(|source| unusable(path, source))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| unusable(path, PemError::NoKey))?;
    KeyPair::try_from(&key).map_err(KeysError::Make)
}

fn lacks_a_name(shown: &Shown, names: &[String]) -> bool {
    let Some(certificate) = shown.certificate() else { return true };
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return true };
    names.iter().any(|name| {
        // What can be no name of a certificate is not missing from it.
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_err())
    })
}

/// The key and a certificate that it signs itself.
fn pem(key: &KeyPair, names: &[String]) -> Result<String, KeysError> {
    let mut params = CertificateParams::new(names).map_err(KeysError::Make)?;
    params.distinguished_name.push(DnType::CommonName, "Herdbook collector");
    params.not_before = date_time_ymd(YEARS.0, 1, 1);
    params.not_after = date_time_ymd(YEARS.1, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(key).map_err(KeysError::Make)?;
    Ok(key.serialize_pem() + &certificate.pem())
}

fn write(dir: &Path, name: &str, pem: &str) -> Result<(), KeysError> {
    let path = dir.join(name);
    write_whole(dir, &path, pem).map_err(|source| KeysError::Write { path, source })
}

/// Under another name first, so that a power cut leaves the whole file or the one before.
fn write_whole(dir: &Path, path: &PathBuf, pem: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(OWNER_ONLY).open(&draft)?;
    belong_to_owner_of(dir, &file)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(dir)?.sync_all()
}

/// What root makes by hand is for the user that the collector runs as.
fn belong_to_owner_of(dir: &Path, file: &File) -> io::Result<()> {
    let owner = std::fs::metadata(dir)?;
    if file.metadata()?.uid() == owner.uid() {
        return Ok(());
    }
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

fn close_to_others(path: &Path) {
    let is_open = path.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if is_open {
        let closed = std::fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY));
        let error = closed.err().map(|error| error.to_string());
        tracing::warn!(error, path = %path.display(), "others could read the key of TLS");
    }
}
