//! `SECRET_KEY`, and the secrets that were it before: what every other secret of relais is derived from.
//!
//! New things are made with the current secret. Each carries the id of its secret, so that what was made before a rotation is still
//! understood; once a secret is left out of the configuration, nothing made with it is. Secrets are derived by HKDF-SHA256
//! (RFC 5869), so every instance with the same secrets derives the same.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use relais_model::Secret;

use crate::seal::Sealer;

/// Characters of a key id: 40 bits, enough to tell a handful of secrets apart.
pub(crate) const KEY_ID_LENGTH: usize = 8;

/// Characters of ids: base32's of RFC 4648, which are the same whatever becomes of their case, and need no escaping.
pub(crate) const ID_CHARACTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The current secret and earlier ones. Cheap to clone, and shows none of them.
#[derive(Clone)]
pub struct Keyring(Vec<Key>);

/// One of the secrets.
#[derive(Clone)]
pub(crate) struct Key {
    /// Tells it from the others, and nothing of it to anybody.
    pub(crate) id: String,
    secret: Secret,
    extracted: Prk,
}

impl Keyring {
    /// Takes the secret with which things are made, and those with which things were made.
    pub fn new(current: Secret, before: impl IntoIterator<Item = Secret>) -> Self {
        Self(std::iter::once(current).chain(before).map(Key::new).collect())
    }

    /// All secrets, the current one first.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().map(|key| &key.secret)
    }

    /// The secret with which things are made.
    pub(crate) fn current_secret(&self) -> &Secret {
        &self.current().secret
    }

    /// The keys that are derived from them, the current one first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    pub(crate) fn current(&self) -> &Key {
        &self.0[0] // There is one: `new` takes it.
    }

    pub(crate) fn key(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Seals with the current secret what any of them opens.
    pub(crate) fn sealer(&self, purpose: &str) -> Sealer {
        Sealer::new(self, purpose)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Key {
    fn new(secret: Secret) -> Self {
        let extracted = Salt::new(HKDF_SHA256, b"relais").extract(secret.expose().as_bytes());
        let id = derive::<KEY_ID_LENGTH>(&extracted, &[b"key id"]);
        Self { id: id_text(&id), secret, extracted }
    }

    /// A key for one purpose. The purpose is its parts one after the other, so they must not be able to run into each other.
    pub(crate) fn derive<const LENGTH: usize>(&self, purpose: &[&[u8]]) -> [u8; LENGTH] {
        derive(&self.extracted, purpose)
    }
}

/// Bytes as characters of ids. Five bits of each count.
pub(crate) fn id_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(ID_CHARACTERS[usize::from(byte % 32)])).collect()
}

fn derive<const LENGTH: usize>(extracted: &Prk, purpose: &[&[u8]]) -> [u8; LENGTH] {
    let mut derived = [0; LENGTH];
    let expanded = extracted.expand(purpose, Length(LENGTH)).and_then(|expanded| expanded.fill(&mut derived));
    expanded.expect("the few bytes of a key are within the 8,160 that HKDF gives");
    derived
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn a_secret_has_the_same_id_wherever_it_stands() {
        let one = Keyring::new(secret("one"), []);
        let two = Keyring::new(secret("two"), [secret("one")]);
        assert_eq!(two.key(&one.current().id).unwrap().secret, secret("one"));
        assert_ne!(one.current().id, two.current().id);
        assert_eq!(one.key(&two.current().id).map(|key| &key.id), None);
        assert_eq!(two.secrets().collect::<Vec<_>>(), [&secret("two"), &secret("one")]);
    }

    #[test]
    fn neither_it_nor_its_ids_show_a_secret() {
        let keyring = Keyring::new(secret("AAAA-the-secret"), [secret("BBBB-the-other")]);
        let shown = format!("{keyring:?}");
        assert!(!shown.contains("AAAA") && !shown.contains("BBBB"), "{shown}");
        let id = &keyring.current().id;
        assert_eq!(id.len(), KEY_ID_LENGTH);
        assert!(id.bytes().all(|byte| ID_CHARACTERS.contains(&byte)), "{id}");
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let key = Key::new(secret("one"));
        assert_eq!(key.derive::<32>(&[b"a"]), key.derive::<32>(&[b"a"]));
        assert_ne!(key.derive::<32>(&[b"a"]), key.derive::<32>(&[b"b"]));
        assert_ne!(key.derive::<32>(&[b"a"]), Key::new(secret("two")).derive::<32>(&[b"a"]));
    }
}
