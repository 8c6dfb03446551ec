//! What the commands about access keys need of the proxy, so that they make none that it would not take.

use relais_model::Secret;

use crate::access::accounts::RESERVED;
use crate::access::keys::KEY_SECRETS;
use crate::access::policy::Policy;
use crate::access::temporary;
use crate::keyring::Keyring;
use crate::seal::Sealer;

/// Longest name of an owner: keys and rows that carry it stay far below what databases index.
const OWNER_BYTES_MAX: usize = 512;

/// Seals the secrets of access keys for the catalog.
pub struct KeySealer(Sealer);

/// A text that no secret of the keyring opens.
#[derive(Debug, thiserror::Error)]
#[error("the secret of the access key was sealed with another SECRET_KEY")]
pub struct NotSealedByUs;

impl KeySealer {
    /// Takes the secrets that the servers have.
    pub fn new(keyring: &Keyring) -> Self {
        Self(keyring.sealer(KEY_SECRETS))
    }

    /// The secret of an access key as the catalog keeps it: it opens for that key alone.
    pub fn seal(&self, access_key_id: &str, secret: &Secret) -> String {
        self.0.seal_with(secret.expose().as_bytes(), access_key_id)
    }

    /// The same secret under the current secret of the keyring; nothing where it is that already.
    pub fn reseal(&self, access_key_id: &str, sealed: &str) -> Result<Option<String>, NotSealedByUs> {
        let plain = self.0.open_with(sealed, access_key_id).ok_or(NotSealedByUs)?;
        Ok((!self.0.is_current(sealed)).then(|| self.0.seal_with(&plain, access_key_id)))
    }
}

impl std::fmt::Debug for KeySealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySealer").finish_non_exhaustive()
    }
}

/// Says what is wrong with a policy for the holder of a key or a role, if anything is.
pub fn check_role_policy(text: &str) -> Result<(), String> {
    Policy::parse_of_role(text).map(drop).map_err(|error| error.to_string())
}

/// Says why no account can be called so, if none can.
pub fn check_owner(owner: &str) -> Result<(), String> {
    if RESERVED.contains(&owner) {
        return Err("is a name that relais uses itself; choose another".to_owned());
    }
    if owner.trim() != owner || owner.is_empty() || owner.chars().any(char::is_control) {
        return Err(
            "is no name: it is empty, begins or ends with a blank, or has a control character".to_owned()
        );
    }
    if owner.len() > OWNER_BYTES_MAX {
        return Err(format!("is longer than {OWNER_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// Whether an access key id is one of temporary credentials, which no catalog lists.
pub fn is_temporary_key(access_key_id: &str) -> bool {
    temporary::kind(access_key_id).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(current: &str, before: &[&str]) -> Keyring {
        let secret = |text: &str| Secret::from(text.to_owned());
        Keyring::new(secret(current), before.iter().map(|text| secret(text)))
    }

    #[test]
    fn a_sealed_secret_moves_to_the_current_key_once() {
        let [old, new] = ["the first secret of 32 bytes and", "the second secret of 32 bytes an"];
        let sealed = KeySealer::new(&keyring(old, &[])).seal("ID", &Secret::from("of the key".to_owned()));
        let rotating = KeySealer::new(&keyring(new, &[old]));
        assert!(rotating.reseal("OTHER", &sealed).is_err(), "a row may not be put in the place of another");
        let moved = rotating.reseal("ID", &sealed).unwrap().unwrap();
        assert!(rotating.reseal("ID", &moved).unwrap().is_none());
        let after = keyring(new, &[]);
        assert_eq!(after.sealer(KEY_SECRETS).open_with(&moved, "ID").as_deref(), Some(&b"of the key"[..]));
        assert!(KeySealer::new(&after).reseal("ID", &sealed).is_err());
    }

    #[test]
    fn owners_are_names_that_relais_does_not_use() {
        for owner in ["ann", "42", "https://idp.example:42", "the press office", "ä"] {
            assert_eq!(check_owner(owner), Ok(()), "{owner}");
        }
        let long = "x".repeat(513);
        for owner in
            ["root", "anonymous", "relais", "api", "thumbnail", "transcription", "", " ann", "a\nb", &long]
        {
            assert!(check_owner(owner).is_err(), "{owner:?}");
        }
    }
}
