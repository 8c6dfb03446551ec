//! What can be set about users: the `[accounts]` section. Every key is explained in `config/default.toml`.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

/// The `[accounts]` section.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsConfig {
    /// Whether anybody may register.
    pub registration: bool,
    /// How long a token of a user lives.
    pub token_days: TokenDays,
    /// How much work a hash of a password is.
    pub bcrypt_cost: BcryptCost,
    /// Passwords hashed at once.
    pub password_threads_max: NonZeroUsize,
    /// Passwords that may wait for their turn; more are told to come back.
    pub password_queue_max: usize,
    /// Attempts to log in to one account; 0: any number.
    pub login_attempts_per_minute: u32,
    /// Attempts to log in or register from one address; 0: any number.
    pub address_attempts_per_minute: u32,
}

/// The logarithm of the rounds of bcrypt.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct BcryptCost(u32);

/// Days that a token lives.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct TokenDays(u16);

/// Below, a stolen table is read within days (OWASP's minimum is 10 too).
const COST_MIN: u32 = 10;

/// Above, one login takes a core for more than two seconds.
const COST_MAX: u32 = 15;

/// A token cannot be taken back one by one for as long as it lives; a year is long enough.
const TOKEN_DAYS_MAX: u16 = 366;

impl BcryptCost {
    /// As bcrypt wants it.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for BcryptCost {
    type Error = String;

    fn try_from(cost: u32) -> Result<Self, String> {
        match cost {
            COST_MIN..=COST_MAX => Ok(Self(cost)),
            _ => Err(format!("{cost} is not from {COST_MIN} to {COST_MAX}")),
        }
    }
}

impl From<BcryptCost> for u32 {
    fn from(cost: BcryptCost) -> Self {
        cost.0
    }
}

impl TokenDays {
    pub(super) fn get(self) -> chrono::TimeDelta {
        chrono::TimeDelta::days(self.0.into())
    }
}

impl TryFrom<u16> for TokenDays {
    type Error = String;

    fn try_from(days: u16) -> Result<Self, String> {
        match days {
            1..=TOKEN_DAYS_MAX => Ok(Self(days)),
            _ => Err(format!("{days} is not from 1 to {TOKEN_DAYS_MAX}")),
        }
    }
}

impl From<TokenDays> for u16 {
    fn from(days: TokenDays) -> Self {
        days.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_hashes_and_tokens_without_end_cannot_be_configured() {
        let cost = |cost| BcryptCost::try_from(cost).map(BcryptCost::get);
        assert_eq!((cost(10), cost(15)), (Ok(10), Ok(15)));
        assert_eq!(cost(4).unwrap_err(), "4 is not from 10 to 15");
        assert!(cost(0).is_err() && cost(16).is_err() && cost(31).is_err());
        assert!(TokenDays::try_from(0).is_err() && TokenDays::try_from(367).is_err());
        assert_eq!(TokenDays::try_from(30).unwrap().get().num_days(), 30);
    }
}
