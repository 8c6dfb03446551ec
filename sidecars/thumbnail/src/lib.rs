//! Makes a small JPEG beside every picture.
//!
//! `a/cat.png` gives `a/cat_thumb.jpg`, within 200 x 200 pixels unless configured otherwise, with the proportions of the
//! source and never larger than it. Decoding runs in the kit's worker process; what a picture asks of it is known from
//! its header before a decoder sees it.
//!
//! Colours are not converted: a small ICC profile of the source goes along into the thumbnail, so that a viewer shows
//! the same colours; a large one, and that of a CMYK picture, is left out. Of an animation the first picture is taken.
#![warn(missing_docs)]

mod config;
mod header;
mod picture;
mod sidecar;

pub use config::{Config, Quality, Settings};
pub use picture::{ThumbnailError, thumbnail};
pub use sidecar::{Thumbnails, work};
