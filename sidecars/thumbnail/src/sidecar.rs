//! Thumbnails as a sidecar.

use relais_kit::{Output, Sidecar, Source, WorkError};
use relais_model::Event;

use crate::config::{Config, Settings};
use crate::picture::thumbnail;

const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

const CONTENT_TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// The sidecar that makes thumbnails.
#[derive(Clone, Debug)]
pub struct Thumbnails(pub Config);

impl Sidecar for Thumbnails {
    fn kind(&self) -> &'static str {
        "thumbnail"
    }

    fn recipe(&self) -> String {
        let Settings { width_max, height_max, quality, .. } = self.0.settings();
        format!("thumbnail/1 {width_max}x{height_max} jpeg {}", u8::from(quality))
    }

    fn wants(&self, event: &Event) -> bool {
        let (_, extension) = event.key.stem_and_extension();
        let content_type = event.object.as_ref().and_then(|object| object.content_type.as_deref());
        EXTENSIONS.iter().any(|wanted| extension.eq_ignore_ascii_case(wanted))
            || content_type.is_some_and(|content_type| {
                let media_type = content_type.split(';').next().unwrap_or_default().trim();
                CONTENT_TYPES.iter().any(|wanted| media_type.eq_ignore_ascii_case(wanted))
            })
    }

    fn source_bytes_max(&self) -> u64 {
        self.0.source_bytes_max.0
    }

    fn task(&self, _event: &Event) -> serde_json::Value {
        serde_json::json!(self.0.settings())
    }
}

/// Makes one thumbnail, in the worker process.
pub fn work(source: &Source) -> Result<Vec<Output>, WorkError> {
    let settings: Settings = serde_json::from_value(source.task.clone())
        .map_err(|error| WorkError::Unusable(format!("the task is not one for thumbnails: {error}")))?;
    match thumbnail(&source.bytes, &settings) {
        Ok(bytes) => {
            Ok(vec![Output { suffix: "_thumb.jpg".to_owned(), content_type: "image/jpeg".to_owned(), bytes }])
        }
        Err(error) => Err(WorkError::Unusable(in_one_line(&error))),
    }
}

fn in_one_line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
