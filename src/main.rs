//! `relais`: one S3 endpoint in front of the buckets an application already has.
//!
//! This package only composes: what can be said on the command line, what can be set, what runs, how it starts and stops.

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod commands;
mod config;
mod event_log;
mod keys;
mod serve;
mod target;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let Cli { config, command } = Cli::parse();
    if let Command::Worker { kind } = command {
        return commands::worker(kind); // Before anything is read or started: it has no business with either.
    }
    match commands::run(config.as_deref(), command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("relais: {error:#}");
            if error.is::<config::Misconfigured>() {
                ExitCode::from(config::EXIT_CODE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
