//! Random texts that prove something, and what is kept of them: their SHA-256. They hold 256 bits,
//! so nobody finds one by trying, and what is looked up by its hash is compared with nothing.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::Generate;
use sha2::Digest as _;

use crate::secret::Secret;

/// What a token of a program begins with.
pub const API_TOKEN: &str = "hbt_";
/// What a token by which hosts join begins with.
pub const JOIN_TOKEN: &str = "hbj_";
/// How long the id of something is, characters.
const ID_CHARACTERS: usize = 12;

/// A SHA-256, of a secret text mostly.
pub type Digest = [u8; 32];

/// What is kept of a secret text, or by what a public key is known.
#[must_use]
pub fn digest(of: impl AsRef<[u8]>) -> Digest {
    sha2::Sha256::digest(of).into()
}

/// A secret text that nobody has seen, with this beginning. `None`: the system gives no randomness.
#[must_use]
pub fn made(prefix: &str) -> Option<Secret> {
    let bytes = random::<32>()?;
    Some(Secret::new(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))))
}

/// An id that says nothing. `None`: the system gives no randomness.
#[must_use]
pub fn random_id() -> Option<String> {
    let bytes = random::<{ ID_CHARACTERS * 6 / 8 }>()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    <[u8; N]>::try_generate().ok()
}

/// A digest as a text, and back.
pub(super) fn digest_text(digest: &Digest) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

pub(super) fn digest_of_text(text: &str) -> Option<Digest> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_never_alike_and_only_the_digest_is_kept() {
        let (one, other) = (made(API_TOKEN).unwrap(), made(API_TOKEN).unwrap());
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), API_TOKEN.len() + 43);
        assert!(one.expose().starts_with("hbt_"));
        let kept = digest(one.expose());
        assert_eq!(digest_of_text(&digest_text(&kept)), Some(kept));
        assert_eq!(random_id().unwrap().len(), ID_CHARACTERS);
        assert_ne!(random_id(), random_id());
    }
}
