//! What can be set about who may do what: the `[access]` section. Every key is explained in `config/default.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use relais_model::{ByteSize, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `[access]` section.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccessConfig {
    /// Access keys beside the root key.
    #[serde(default)]
    pub keys: Vec<KeyConfig>,
    /// Whose tokens are taken, beside relais's own.
    #[serde(default)]
    pub issuers: Vec<IssuerConfig>,
    /// What holders of tokens may do.
    #[serde(default)]
    pub roles: Vec<RoleConfig>,
}

/// One access key and the account that it belongs to.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// Access key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Option<Secret>,
    /// A file that holds the secret, instead of the secret itself.
    pub secret_access_key_file: Option<PathBuf>,
    /// Id of the account: the owner of what the key makes.
    pub owner: String,
    /// What listings and ACLs show beside the id.
    pub display_name: Option<String>,
    /// Address by which grants may name the account.
    pub email: Option<String>,
    /// IAM JSON: then the key may do what this allows, and no more. Without one it acts for its account.
    pub policy: Option<String>,
    /// A file that holds the policy, instead of the policy itself.
    pub policy_file: Option<PathBuf>,
}

/// Somebody whose tokens are taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Name in logs, and the account that its subjects belong to: the owner of what they make is `NAME:SUBJECT`.
    pub name: String,
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// What the claim `aud` must name.
    pub audience: String,
    /// Algorithms that its tokens may be signed with, such as `RS256`.
    pub algorithms: Vec<String>,
    /// A secret that both sides know, for HS256 and its like; 32 bytes or more.
    pub secret: Option<Secret>,
    /// A file that holds the secret, instead of the secret itself.
    pub secret_file: Option<PathBuf>,
    /// A public key in PEM.
    pub public_key: Option<String>,
    /// A file that holds the public key, instead of the key itself.
    pub public_key_file: Option<PathBuf>,
    /// A file with a JSON Web Key Set; read again when it changes.
    pub jwks_file: Option<PathBuf>,
    /// Where to fetch the key set.
    pub jwks_url: Option<String>,
    /// Certificates to trust at that address beside the system's.
    pub jwks_ca_file: Option<PathBuf>,
    /// How far clocks may differ.
    #[serde(default = "leeway_seconds")]
    pub leeway_seconds: u64,
    /// The claim that names who the token is for.
    #[serde(default = "subject_claim")]
    pub subject_claim: String,
}

/// What holders of some tokens may do.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// Name in logs.
    pub name: String,
    /// Claims that a token must have for it; empty: every valid token. A list in the token holds the value among others; a key may be
    /// a path, as `app_metadata.role`.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
    /// The issuer that the token must be of, by its name; nothing: any.
    pub issuer: Option<String>,
    /// IAM JSON.
    pub policy: Option<String>,
    /// A file that holds the policy, instead of the policy itself.
    pub policy_file: Option<PathBuf>,
    /// Largest object that it may write; nothing: what the bucket allows. Of several roles the largest counts.
    pub object_bytes_max: Option<ByteSize>,
    /// Whether it may manage other users' affairs on the JSON port: erase what belongs to them.
    #[serde(default)]
    pub admin: bool,
    /// Whether its requests may ask for less than a bucket's write mode.
    #[serde(default)]
    pub write_modes_below: bool,
    /// Whether it is told how each replica of an object stands, by name.
    #[serde(default)]
    pub see_replicas: bool,
}

fn leeway_seconds() -> u64 {
    60
}

fn subject_claim() -> String {
    "sub".to_owned()
}
