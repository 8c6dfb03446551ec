//! What users send to come in, parsed at the door: an address, a password, a name.

use std::str::FromStr;

use relais_model::Secret;

use crate::password;

/// An address by which a user is known: without blanks around it, in lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Email(String);

/// A password that bcrypt can take whole.
#[derive(Clone, Debug)]
pub(super) struct Password(Secret);

/// What a user is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Name(String);

/// What is wrong with them, for the one who sent them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidCredentials {
    #[error("email: send an address with one @, of at most 255 bytes, without blanks and control characters")]
    Email,
    #[error("password: it must have at least 8 characters")]
    PasswordShort,
    #[error("password: it must have at most 72 bytes, as bcrypt looks at no more")]
    PasswordLong,
    #[error("password: it must not have the character NUL, at which bcrypt may stop")]
    PasswordNul,
    #[error("name: it must have at most 255 bytes and no control characters")]
    Name,
}

/// What the columns of the table hold.
const TEXT_BYTES_MAX: usize = 255;

impl Email {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = InvalidCredentials;

    fn from_str(text: &str) -> Result<Self, InvalidCredentials> {
        let email = text.trim().to_lowercase();
        let is_plain = !email.chars().any(|c| c.is_control() || c.is_whitespace());
        let is_address = match email.split_once('@') {
            Some((local, domain)) => !local.is_empty() && !domain.is_empty() && !domain.contains('@'),
            None => false,
        };
        if is_plain && is_address && email.len() <= TEXT_BYTES_MAX {
            return Ok(Self(email));
        }
        Err(InvalidCredentials::Email)
    }
}

impl Password {
    /// One that somebody chose just now.
    pub(super) fn chosen(text: Secret) -> Result<Self, InvalidCredentials> {
        if text.expose().chars().count() < password::CHARACTERS_MIN {
            return Err(InvalidCredentials::PasswordShort);
        }
        Self::given(text)
    }

    /// One that was chosen before, maybe where other rules hold.
    pub(super) fn given(text: Secret) -> Result<Self, InvalidCredentials> {
        if text.expose().len() > password::BYTES_MAX {
            return Err(InvalidCredentials::PasswordLong);
        }
        if text.expose().contains('\0') {
            return Err(InvalidCredentials::PasswordNul);
        }
        Ok(Self(text))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl Name {
    /// Nothing where there is no name, or an empty one.
    pub(super) fn of(text: Option<&str>) -> Result<Option<Self>, InvalidCredentials> {
        let name = text.unwrap_or_default().trim();
        if name.len() > TEXT_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(InvalidCredentials::Name);
        }
        Ok((!name.is_empty()).then(|| Self(name.to_owned())))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_is_typed() {
        assert_eq!(" Ada@Example.ORG\n".parse::<Email>().unwrap().as_str(), "ada@example.org");
        assert_eq!("ÄDA@example.org".parse::<Email>().unwrap().as_str(), "äda@example.org");
        for fine in ["a@b", "o'hara@x.example", "x';--@y", "a+tag@b.c", "a\"b@c"] {
            assert_eq!(fine.parse::<Email>().unwrap().as_str(), fine);
        }
        let longest = format!("{}@b", "a".repeat(TEXT_BYTES_MAX - 2));
        assert!(longest.parse::<Email>().is_ok());
        for wrong in ["", "@", "a", "a@", "@b", "a@b@c", "a b@c", "a\0@b", "a@b\n.c", &format!("a{longest}")]
        {
            assert_eq!(wrong.parse::<Email>(), Err(InvalidCredentials::Email), "{wrong:?}");
        }
    }

    #[test]
    fn a_password_is_taken_only_if_bcrypt_sees_all_of_it() {
        let chosen = |text: &str| Password::chosen(Secret::from(text.to_owned())).err();
        assert_eq!(chosen("12345678"), None);
        assert_eq!(chosen("1234567"), Some(InvalidCredentials::PasswordShort));
        assert_eq!(chosen("ééééééé"), Some(InvalidCredentials::PasswordShort), "characters, not bytes");
        assert_eq!(chosen(&"x".repeat(72)), None);
        assert_eq!(chosen(&"x".repeat(73)), Some(InvalidCredentials::PasswordLong));
        assert_eq!(chosen(&"é".repeat(37)), Some(InvalidCredentials::PasswordLong), "bytes, not characters");
        assert_eq!(chosen("1234\x005678"), Some(InvalidCredentials::PasswordNul));
        assert!(Password::given(Secret::from("old".to_owned())).is_ok(), "an old one may be short");
        assert!(!format!("{:?}", Password::given(Secret::from("old".to_owned()))).contains("old"));
    }

    #[test]
    fn a_name_may_be_missing_but_not_odd() {
        let name = |text| Name::of(text).map(|name| name.map(String::from));
        assert_eq!(name(None), Ok(None));
        assert_eq!(name(Some("  ")), Ok(None));
        assert_eq!(name(Some(" Ada L. ")), Ok(Some("Ada L.".to_owned())));
        assert_eq!(name(Some("a\0b")), Err(InvalidCredentials::Name));
        assert_eq!(name(Some(&"x".repeat(256))), Err(InvalidCredentials::Name));
    }
}
