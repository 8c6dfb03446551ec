//! A token that was verified, and what it claims.
//!
//! Whether it is genuine is decided in `issuers`; what it gives, in `roles`. Tokens of STS carry the same.

use chrono::{DateTime, Utc};
use relais_model::Identity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A genuine token of an issuer that is known.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Token {
    /// Name of the issuer in the configuration; [`OWN_ISSUER`] for relais's own.
    pub(crate) issuer: String,
    /// Whom it is for.
    pub(crate) subject: String,
    pub(crate) claims: Claims,
    pub(crate) issued_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: DateTime<Utc>,
    /// Its own id, if it has one.
    pub(crate) id: Option<String>,
}

/// The name of the issuer that signs with `SECRET_KEY`, and the value of its claim `iss`.
pub(crate) const OWN_ISSUER: &str = "relais";

/// Everything that a token says.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Claims(pub(crate) Map<String, Value>);

impl Token {
    /// The account that owns what its holder makes. Subjects of other issuers are kept apart from relais's own accounts.
    pub(crate) fn owner(&self) -> String {
        match self.issuer.as_str() {
            OWN_ISSUER => self.subject.clone(),
            issuer => format!("{issuer}:{}", self.subject),
        }
    }

    /// Who its holder is.
    pub(crate) fn identity(&self) -> Identity {
        Identity::Account(self.owner())
    }
}

impl Claims {
    /// The values at a path such as `app_metadata.tenant`; a claim whose name has dots itself is found as well. Of a list
    /// each value; nothing of an object, and nothing where there is no such claim.
    pub(crate) fn values(&self, path: &str) -> Option<Vec<String>> {
        match at(&self.0, path)? {
            Value::Array(values) => Some(values.iter().filter_map(text).collect()),
            value => text(value).map(|text| vec![text]),
        }
    }

    /// The claim at a path, of whatever kind.
    pub(crate) fn at(&self, path: &str) -> Option<&Value> {
        at(&self.0, path)
    }

    /// Whether the claim at a path is a value, or a list that has it.
    pub(crate) fn has(&self, path: &str, wanted: &Value) -> bool {
        match at(&self.0, path) {
            Some(found) if found == wanted => true,
            Some(Value::Array(values)) => values.contains(wanted),
            _ => false,
        }
    }
}

/// The longest name that fits comes first: `https://app.example/role` is one name and no path.
fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let splits = path.rmatch_indices('.');
    splits.filter_map(|(dot, _)| at(claims.get(&path[..dot])?.as_object()?, &path[dot + 1..])).next()
}

/// How a condition or a variable sees a single value.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_path_leads_to_the_values_of_a_claim() {
        let claims = claims(json!({
            "sub": "42", "n": 7, "flag": true, "nothing": null,
            "app_metadata": { "tenant": "acme", "groups": ["a", "b", {}], "deep": { "er": 1 } },
            "https://app.example/role": "editor", "a.b": { "c": "dotted" }
        }));
        let values = |path| claims.values(path);
        assert_eq!(values("sub").unwrap(), ["42"]);
        assert_eq!(values("n").unwrap(), ["7"]);
        assert_eq!(values("flag").unwrap(), ["true"]);
        assert_eq!(values("app_metadata.tenant").unwrap(), ["acme"]);
        assert_eq!(values("app_metadata.groups").unwrap(), ["a", "b"]);
        assert_eq!(values("app_metadata.deep.er").unwrap(), ["1"]);
        assert_eq!(values("https://app.example/role").unwrap(), ["editor"]);
        assert_eq!(values("a.b.c").unwrap(), ["dotted"]);
        for missing in ["nothing", "app_metadata", "app_metadata.", ".", "", "sub.x", "absent"] {
            assert_eq!(values(missing), None, "{missing}");
        }
    }

    #[test]
    fn a_claim_has_a_value_or_a_list_with_it() {
        let claims = claims(json!({ "role": "user", "groups": ["a", 3], "meta": { "on": true } }));
        assert!(claims.has("role", &json!("user")));
        assert!(claims.has("groups", &json!("a")));
        assert!(claims.has("groups", &json!(3)));
        assert!(claims.has("meta.on", &json!(true)));
        assert!(!claims.has("groups", &json!("3")));
        assert!(!claims.has("role", &json!("use")));
        assert!(!claims.has("absent", &json!(null)));
    }
}
