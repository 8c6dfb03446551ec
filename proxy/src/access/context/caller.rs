//! What conditions may look at of who asks: the account, and what their token claims.

use chrono::{DateTime, SecondsFormat};

use crate::access::token::Claims;

/// Who asks, as far as conditions see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    /// Nothing for who did not sign.
    pub(crate) account: Option<&'a str>,
    pub(crate) claims: Option<&'a Claims>,
    /// Whether policies of their own say what they may do.
    pub(crate) session: bool,
}

impl Caller<'_> {
    /// The values of a key of theirs. Of a claim that is a list each value.
    pub(crate) fn values(&self, key: &str) -> Option<Vec<String>> {
        if let Some(path) = key.strip_prefix("jwt:") {
            return self.claims?.values(path);
        }
        match key {
            "aws:username" | "aws:userid" => self.account.map(|account| vec![account.to_owned()]),
            "aws:principalarn" => self.account.map(|account| vec![arn(account)]),
            "aws:principaltype" => Some(vec![self.kind().to_owned()]),
            "aws:tokenissuetime" => {
                let seconds = self.claims?.values("iat")?.first()?.parse::<f64>().ok()?;
                let time = DateTime::from_timestamp(seconds as i64, 0)?;
                Some(vec![time.to_rfc3339_opts(SecondsFormat::Secs, true)])
            }
            _ => None,
        }
    }

    fn kind(&self) -> &'static str {
        match self.account {
            None => "Anonymous",
            Some(_) if self.session || self.claims.is_some() => "User",
            Some(_) => "Account",
        }
    }
}

/// As the principals of policies name an account, or a user of one.
fn arn(account: &str) -> String {
    match account.split_once(':') {
        Some((account, user)) => format!("arn:aws:iam::{account}:user/{user}"),
        None => format!("arn:aws:iam:::user/{account}"),
    }
}
