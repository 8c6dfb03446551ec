//! `relais credentials`: what AWS's `credential_process` runs.
//!
//! Only the credentials go to standard output. The configuration of relais is read for `--pair` alone.

use std::process::ExitCode;

use anyhow::Context;
use relais_model::Secret;
use relais_proxy::CredentialsRequest;

use crate::cli::CredentialsOptions;
use crate::config::Config;
use crate::keys;

pub(super) async fn run(options: &CredentialsOptions) -> anyhow::Result<ExitCode> {
    let file = options.token_file.as_ref();
    let file = file.context("--token-file (AWS_WEB_IDENTITY_TOKEN_FILE): name the file with the token")?;
    let endpoint = options.endpoint.clone();
    let token = std::fs::read_to_string(file)
        .with_context(|| format!("--token-file: cannot read {}", file.display()))?;
    let request = CredentialsRequest {
        endpoint: endpoint.context(
            "--endpoint (AWS_ENDPOINT_URL): say where relais serves S3, such as http://127.0.0.1:9000",
        )?,
        token: Secret::from(token.trim().to_owned()),
        role_arn: options.role_arn.clone(),
        session_name: options.session_name.clone(),
        lifetime_seconds: options.duration,
        ca_file: options.ca_file.clone(),
    };
    println!("{}", request.send().await?.to_process_json());
    Ok(ExitCode::SUCCESS)
}

/// An access key whose holder sends a token as session token.
pub(super) fn print_pair(config: &Config) -> anyhow::Result<()> {
    println!("{}", relais_proxy::token_pair(&keys::keyring(config, false)?));
    Ok(())
}
