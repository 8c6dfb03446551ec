use chrono::DateTime;
use relais_model::{EventKind, ObjectFacts, Requester, Sequencer};
use uuid::Uuid;

use super::*;

fn thumbnails() -> Thumbnails {
    let config = serde_json::json!({
        "enabled": true,
        "width_max": 200,
        "height_max": 200,
        "quality": 80,
        "source_bytes_max": "20MB",
        "pixels_max": 50_000_000,
        "kit": {
            "slots": 2,
            "attempts_max": 5,
            "crashes_max": 2,
            "lease_seconds": 30,
            "timeout_seconds": 60,
            "memory_bytes_max": "1GiB",
        },
    });
    Thumbnails(serde_json::from_value(config).unwrap())
}

fn event(key: &str, content_type: Option<&str>) -> Event {
    Event {
        id: Uuid::nil(),
        kind: EventKind::Put,
        time: DateTime::UNIX_EPOCH,
        bucket: "media".parse().unwrap(),
        key: key.parse().unwrap(),
        sequencer: Sequencer(1),
        object: Some(ObjectFacts {
            size: 1,
            etag: "e".to_owned(),
            content_type: content_type.map(str::to_owned),
            owner: "root".to_owned(),
        }),
        version_id: None,
        derived_from: None,
        requester: Requester {
            principal: "root".to_owned(),
            source_ip: None,
            request_id: "1".to_owned(),
            traceparent: None,
        },
    }
}

#[test]
fn pictures_are_known_by_extension_or_content_type() {
    for (key, content_type) in [
        ("a/cat.jpg", None),
        ("cat.JPEG", Some("application/octet-stream")),
        ("cat.png", None),
        ("cat.webp", None),
        ("cat", Some("image/jpeg")),
        ("cat.bin", Some("Image/PNG; charset=binary")),
    ] {
        assert!(thumbnails().wants(&event(key, content_type)), "{key} {content_type:?}");
    }
    for (key, content_type) in [
        ("voice.ogg", Some("audio/ogg")),
        ("jpg", None),
        ("a.jpg/readme", None),
        ("cat.gif", Some("image/gif")),
        ("cat.svg", Some("image/svg+xml")),
    ] {
        assert!(!thumbnails().wants(&event(key, content_type)), "{key} {content_type:?}");
    }
}

#[test]
fn the_worker_is_told_all_it_needs() {
    let task = thumbnails().task(&event("cat.png", None));
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(400, 100).write_to(&mut png, image::ImageFormat::Png).unwrap();

    let outputs = work(&Source { task: task.clone(), bytes: png.into_inner() }).unwrap();
    assert_eq!(outputs.len(), 1);
    assert_eq!((outputs[0].suffix.as_str(), outputs[0].content_type.as_str()), ("_thumb.jpg", "image/jpeg"));
    let small = image::load_from_memory(&outputs[0].bytes).unwrap();
    assert_eq!((small.width(), small.height()), (200, 50));

    let refused = work(&Source { task, bytes: b"meow".to_vec() });
    assert!(matches!(refused, Err(WorkError::Unusable(_))), "{refused:?}");
}

#[test]
fn the_recipe_changes_with_what_is_made() {
    let Thumbnails(mut config) = thumbnails();
    let before = Thumbnails(config.clone()).recipe();
    assert_eq!(before, "thumbnail/1 200x200 jpeg 80");
    config.quality = 90.try_into().unwrap();
    assert_ne!(Thumbnails(config).recipe(), before);
}

#[test]
fn a_quality_out_of_range_is_named() {
    let error = serde_json::from_str::<crate::config::Quality>("101").unwrap_err();
    assert!(error.to_string().contains("JPEG quality 101 is not between 1 and 100"), "{error}");
}
