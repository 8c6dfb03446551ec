//! Passwords as operators give them: which are taken, and their hash.

use relais_model::Secret;

/// Shorter ones are guessed (NIST SP 800-63B).
pub(crate) const CHARACTERS_MIN: usize = 8;

/// bcrypt looks at no more: what comes after would not count.
pub(crate) const BYTES_MAX: usize = 72;

/// Why a password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Few tries would find it.
    #[error("the password must have at least {CHARACTERS_MIN} characters")]
    TooShort,
    /// Its end would not count.
    #[error("the password must have at most {BYTES_MAX} bytes")]
    TooLong,
    /// Some programs that compare it would stop there.
    #[error("the password must not have a zero byte")]
    Zero,
    /// bcrypt failed.
    #[error("cannot hash the password")]
    Hash(#[source] bcrypt::BcryptError),
}

/// The bcrypt hash of a password, with a salt of its own. It takes a while on purpose.
pub fn hash(password: &Secret, cost: u32) -> Result<Secret, PasswordError> {
    let password = password.expose();
    if password.chars().count() < CHARACTERS_MIN {
        return Err(PasswordError::TooShort);
    }
    if password.len() > BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    if password.contains('\0') {
        return Err(PasswordError::Zero);
    }
    bcrypt::hash(password, cost).map(Secret::from).map_err(PasswordError::Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least that bcrypt does.
    const CHEAP: u32 = 4;

    fn hashed(password: &str) -> Result<Secret, PasswordError> {
        hash(&Secret::from(password.to_owned()), CHEAP)
    }

    #[test]
    fn a_hash_is_of_its_password_and_salted() {
        let longest = "x".repeat(72);
        for password in ["12345678", "ääääääää", &longest] {
            let hash = hashed(password).unwrap();
            assert!(bcrypt::verify(password, hash.expose()).unwrap(), "{password}");
            assert!(!bcrypt::verify("another password", hash.expose()).unwrap());
            assert_ne!(hashed(password).unwrap(), hash);
        }
    }

    #[test]
    fn passwords_that_are_too_short_or_would_be_cut_are_refused() {
        assert!(matches!(hashed("1234567"), Err(PasswordError::TooShort)));
        assert!(matches!(hashed(""), Err(PasswordError::TooShort)));
        assert!(matches!(hashed(&"x".repeat(73)), Err(PasswordError::TooLong)));
        assert!(matches!(hashed(&"ä".repeat(37)), Err(PasswordError::TooLong)));
        assert!(matches!(hashed("1234567\08"), Err(PasswordError::Zero)));
    }
}
