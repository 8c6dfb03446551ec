//! Where the catalog is, and how its address is shown without its password.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// Settings of the catalog.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite:///folder/catalog.db?mode=rwc`, or `postgres://user:password@host:5432/database`, where `postgresql://`
    /// is the same. Shown and serialised without the password.
    #[serde(serialize_with = "serialize_without_password")]
    pub url: String,
    /// Most connections of this instance to the database.
    pub connections_max: u32,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &without_password(&self.url))
            .field("connections_max", &self.connections_max)
            .finish()
    }
}

fn serialize_without_password<S: Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&without_password(url))
}

/// The url with `***` for its password. Works on text, because a url that cannot be parsed must not be shown either.
fn without_password(url: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let address = match address.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((user, place)))) => {
            let user = user.split_once(':').map_or(user, |(name, _)| name);
            format!("{scheme}://{user}:***@{place}")
        }
        _ => address.to_owned(),
    };
    let pairs: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("password=")).collect();
    if pairs.is_empty() { address } else { format!("{address}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests;
