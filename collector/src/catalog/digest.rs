//! SHA-256, written in hex.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes.
#[must_use]
pub(crate) fn sha256(bytes: &[u8]) -> Arc<str> {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // A string takes whatever is written to it.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_one_that_everybody_else_computes() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(&*sha256(b"abc"), known);
    }
}
