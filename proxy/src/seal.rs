//! Seals what relais hands to clients and wants back as it was.
//!
//! AES-256-GCM under a key derived from `SECRET_KEY` for one purpose (HKDF-SHA256, RFC 5869): nobody without the key can
//! read or make a sealed text, and one made for another purpose does not open. Every instance with the same key opens it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

struct KeyBytes;

impl KeyType for KeyBytes {
    fn len(&self) -> usize {
        AES_256_GCM.key_len()
    }
}

/// Seals and opens texts for one purpose.
pub(crate) struct Sealer(RandomizedNonceKey);

impl Sealer {
    pub(crate) fn new(secret_key: &[u8], purpose: &str) -> Self {
        let mut key = [0; 32];
        let info = [purpose.as_bytes()];
        let pseudorandom = Salt::new(HKDF_SHA256, b"relais").extract(secret_key);
        let expanded = pseudorandom.expand(&info, KeyBytes).and_then(|expanded| expanded.fill(&mut key));
        expanded.expect("32 bytes are within what HKDF gives");
        Self(RandomizedNonceKey::new(&AES_256_GCM, &key).expect("AES-256 takes a key of 32 bytes"))
    }

    /// A text of URL-safe characters that only [`Self::open`] can read.
    pub(crate) fn seal(&self, plain: &[u8]) -> String {
        let mut sealed = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::empty(), &mut sealed);
        let nonce = nonce.expect("a short text is within what AES-GCM seals");
        sealed.extend_from_slice(nonce.as_ref());
        BASE64_URL_SAFE_NO_PAD.encode(sealed)
    }

    /// What was sealed; nothing if the text is not one of ours.
    pub(crate) fn open(&self, text: &str) -> Option<Vec<u8>> {
        let mut sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let nonce = sealed.split_off(sealed.len().checked_sub(NONCE_LEN)?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let plain = self.0.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_for_the_purpose_with_the_key_opens() {
        let sealer = Sealer::new(b"0123456789abcdef0123456789abcdef", "one");
        let sealed = sealer.seal(b"hello");
        assert_eq!(sealer.open(&sealed).as_deref(), Some(&b"hello"[..]));
        assert_ne!(sealer.seal(b"hello"), sealed, "each sealing has its own nonce");
        assert_eq!(Sealer::new(b"0123456789abcdef0123456789abcdef", "two").open(&sealed), None);
        assert_eq!(Sealer::new(b"another key, of 32 bytes or more", "one").open(&sealed), None);
        assert_eq!(sealer.open(&sealed[1..]), None);
        assert_eq!(sealer.open(""), None);
    }
}
