//! Seals what relais hands to clients, or keeps in the catalog, and wants back as it was.
//!
//! AES-256-GCM under a key derived from a secret of the [`Keyring`] for one purpose: nobody without the secret can read or make a
//! sealed text, and one made for another purpose does not open. The id of the secret stands in front of the text, so that
//! any instance that knows the secret opens it, be it the current one or an earlier one.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::keyring::{KEY_ID_LENGTH, Keyring};

/// Seals and opens texts for one purpose.
pub(crate) struct Sealer(Vec<(String, RandomizedNonceKey)>); // By id; the one that seals comes first.

impl Sealer {
    pub(crate) fn new(keyring: &Keyring, purpose: &str) -> Self {
        let keys = keyring.keys().map(|key| {
            let derived = key.derive::<32>(&[purpose.as_bytes()]);
            let derived = RandomizedNonceKey::new(&AES_256_GCM, &derived);
            (key.id.clone(), derived.expect("AES-256 takes a key of 32 bytes"))
        });
        Self(keys.collect())
    }

    /// A text of URL-safe characters that only [`Self::open`] can read.
    pub(crate) fn seal(&self, plain: &[u8]) -> String {
        self.seal_with(plain, "")
    }

    /// What was sealed; nothing if the text is not one of ours.
    pub(crate) fn open(&self, text: &str) -> Option<Vec<u8>> {
        self.open_with(text, "")
    }

    /// As [`Self::seal`], but the text opens only beside the same other text.
    pub(crate) fn seal_with(&self, plain: &[u8], beside: &str) -> String {
        let (id, key) = &self.0[0]; // There is one: a keyring is never empty.
        let mut sealed = plain.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(beside.as_bytes()), &mut sealed);
        let nonce = nonce.expect("a short text is within what AES-GCM seals");
        sealed.extend_from_slice(nonce.as_ref());
        let mut text = id.clone();
        BASE64_URL_SAFE_NO_PAD.encode_string(sealed, &mut text);
        text
    }

    /// What was sealed beside the other text; nothing if it was not, or not by us.
    pub(crate) fn open_with(&self, text: &str, beside: &str) -> Option<Vec<u8>> {
        let (id, sealed) = text.split_at_checked(KEY_ID_LENGTH)?;
        let (_, key) = self.0.iter().find(|(known, _)| known == id)?;
        let mut sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let nonce = sealed.split_off(sealed.len().checked_sub(NONCE_LEN)?);
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let plain = key.open_in_place(nonce, Aad::from(beside.as_bytes()), &mut sealed).ok()?;
        Some(plain.to_vec())
    }

    /// Whether a text was sealed with the current secret, rather than with one that will be forgotten.
    pub(crate) fn is_current(&self, text: &str) -> bool {
        text.starts_with(&self.0[0].0)
    }
}

#[cfg(test)]
mod tests {
    use relais_model::Secret;

    use super::*;

    fn keyring(current: &str, before: &[&str]) -> Keyring {
        let secret = |text: &str| Secret::from(text.to_owned());
        Keyring::new(secret(current), before.iter().map(|text| secret(text)))
    }

    #[test]
    fn only_what_was_sealed_for_the_purpose_with_the_key_opens() {
        let one = keyring("0123456789abcdef0123456789abcdef", &[]);
        let sealer = one.sealer("one");
        let sealed = sealer.seal(b"hello");
        assert_eq!(sealer.open(&sealed).as_deref(), Some(&b"hello"[..]));
        assert_ne!(sealer.seal(b"hello"), sealed, "each sealing has its own nonce");
        assert_eq!(one.sealer("two").open(&sealed), None);
        assert_eq!(keyring("another key, of 32 bytes or more", &[]).sealer("one").open(&sealed), None);
        assert_eq!(sealer.open(&sealed[1..]), None);
        for broken in ["", "short", &sealed[..KEY_ID_LENGTH], "ééééééééé"] {
            assert_eq!(sealer.open(broken), None, "{broken}");
        }
    }

    #[test]
    fn no_character_of_a_sealed_text_can_be_another() {
        let sealer = keyring("0123456789abcdef0123456789abcdef", &[]).sealer("one");
        let sealed = sealer.seal(b"hello");
        for at in 0..sealed.len() {
            for other in ["A", "B"] {
                let altered = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
                assert!(altered == sealed || sealer.open(&altered).is_none(), "character {at}");
            }
        }
    }

    #[test]
    fn what_was_sealed_beside_a_text_opens_beside_no_other() {
        let sealer = keyring("0123456789abcdef0123456789abcdef", &[]).sealer("one");
        let sealed = sealer.seal_with(b"hello", "id");
        assert_eq!(sealer.open_with(&sealed, "id").as_deref(), Some(&b"hello"[..]));
        assert_eq!(sealer.open_with(&sealed, "ID"), None);
        assert_eq!(sealer.open(&sealed), None);
    }

    #[test]
    fn a_rotated_secret_opens_until_it_is_dropped_and_seals_no_more() {
        let old = keyring("the first secret of 32 bytes and", &[]).sealer("one");
        let sealed = old.seal(b"hello");
        let rotated =
            keyring("the second secret of 32 bytes an", &["the first secret of 32 bytes and"]).sealer("one");
        assert_eq!(rotated.open(&sealed).as_deref(), Some(&b"hello"[..]));
        assert!(!rotated.is_current(&sealed));
        let sealed_again = rotated.seal(b"hello");
        assert!(rotated.is_current(&sealed_again));
        assert_eq!(old.open(&sealed_again), None);
        let dropped = keyring("the second secret of 32 bytes an", &[]).sealer("one");
        assert_eq!(dropped.open(&sealed), None);
        assert_eq!(dropped.open(&sealed_again).as_deref(), Some(&b"hello"[..]));
    }
}
