//! What can be set for thumbnails.

use std::num::NonZeroU16;

use relais_model::ByteSize;
use serde::{Deserialize, Serialize};

/// Configuration of the thumbnail sidecar.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether thumbnails are made.
    pub enabled: bool,
    /// Largest width of a thumbnail, in pixels.
    pub width_max: NonZeroU16,
    /// Largest height of a thumbnail, in pixels.
    pub height_max: NonZeroU16,
    /// JPEG quality.
    pub quality: Quality,
    /// Largest source file.
    pub source_bytes_max: ByteSize,
    /// Largest source picture: width times height.
    pub pixels_max: u64,
    /// Limits of the jobs.
    pub kit: relais_kit::Config,
}

/// How one thumbnail is made.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Settings {
    /// Largest width, in pixels.
    pub width_max: NonZeroU16,
    /// Largest height, in pixels.
    pub height_max: NonZeroU16,
    /// JPEG quality.
    pub quality: Quality,
    /// Largest source picture: width times height.
    pub pixels_max: u64,
}

/// JPEG quality from 1 to 100.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quality(u8);

impl Config {
    /// What of the configuration concerns a single thumbnail.
    pub fn settings(&self) -> Settings {
        let Self { width_max, height_max, quality, pixels_max, .. } = *self;
        Settings { width_max, height_max, quality, pixels_max }
    }
}

impl TryFrom<u8> for Quality {
    type Error = String;

    fn try_from(quality: u8) -> Result<Self, String> {
        match quality {
            1..=100 => Ok(Self(quality)),
            _ => Err(format!("JPEG quality {quality} is not between 1 and 100")),
        }
    }
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> Self {
        quality.0
    }
}
