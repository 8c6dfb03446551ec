use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fill::Wrong;
use super::*;
use crate::access::token::{Claims, OWN_ISSUER, Token};

/// Every layout of the two applications that keep files for users, and where the files of user 42 are.
const LAYOUTS: [(&str, Option<&str>); 7] = [
    ("audio/whatsapp/{user_id}/{year}/{month}/{uuid}.ogg", Some("audio/whatsapp/42/")),
    ("audio/voice_realtime/{user_id}/{year}/{month}/{uuid}.pcm16", Some("audio/voice_realtime/42/")),
    ("clothing/{user_id}/{clothing_id}/{filename}", Some("clothing/42/")),
    ("body/{user_id}/{body_id}/{filename}", Some("body/42/")),
    ("tryon/{user_id}/{tryon_id}/{filename}", Some("tryon/42/")),
    ("avatars/{user_id}/{filename}", Some("avatars/42/")),
    ("temp/{session_id}/{filename}", None),
];

fn token(subject: &str, claims: Value) -> Token {
    Token {
        issuer: OWN_ISSUER.to_owned(),
        subject: subject.to_owned(),
        claims: Claims(claims.as_object().unwrap().clone()),
        issued_at: None,
        expires_at: Utc::now(),
        id: None,
    }
}

fn values(values: Value) -> Map<String, Value> {
    values.as_object().unwrap().clone()
}

fn filling<'a>(token: &'a Token, values: &'a Map<String, Value>, filename: Option<&'a str>) -> Filling<'a> {
    let now: DateTime<Utc> = "2026-01-09T10:11:12Z".parse().unwrap();
    let uuid = Uuid::parse_str("0b9c1f9e-3a5c-4a55-9d1a-0123456789ab").unwrap();
    Filling { token, filename, values, now, uuid }
}

fn filled(layout: &str, token: &Token, given: Value, filename: Option<&str>) -> Result<String, Unfilled> {
    let values = values(given);
    let key = Layout::parse(layout).unwrap().fill(&filling(token, &values, filename))?;
    Ok(key.to_string())
}

fn file(name: &str) -> String {
    filled("{filename}", &token("42", json!({})), json!({}), Some(name)).unwrap()
}

#[test]
fn the_layouts_of_the_applications_make_their_keys() {
    let user = token("42", json!({ "session_id": "s-1" }));
    let given = json!({ "clothing_id": 9, "body_id": "b", "tryon_id": "t" });
    let made: Vec<_> = LAYOUTS
        .iter()
        .map(|(layout, _)| filled(layout, &user, given.clone(), Some("me.jpg")).unwrap())
        .collect();
    let uuid = "0b9c1f9e-3a5c-4a55-9d1a-0123456789ab";
    assert_eq!(
        made,
        [
            &format!("audio/whatsapp/42/2026/01/{uuid}.ogg"),
            &format!("audio/voice_realtime/42/2026/01/{uuid}.pcm16"),
            "clothing/42/9/me.jpg",
            "body/42/b/me.jpg",
            "tryon/42/t/me.jpg",
            "avatars/42/me.jpg",
            "temp/s-1/me.jpg",
        ]
    );
}

#[test]
fn a_users_folder_is_known_beforehand_where_there_is_one() {
    for (layout, folder) in LAYOUTS {
        assert_eq!(Layout::parse(layout).unwrap().prefixes_of("42").as_deref(), folder, "{layout}");
    }
    let deep = Layout::parse("a/{user_id}/b/{user_id}/{uuid}").unwrap();
    assert_eq!(deep.prefixes_of("42").as_deref(), Some("a/42/"));
    assert_eq!(Layout::parse("{year}/{user_id}/{uuid}").unwrap().prefixes_of("42"), None);
    for nobody in ["", ".", "..", "4/2", "a\nb", &"4".repeat(129)] {
        assert_eq!(deep.prefixes_of(nobody), None, "{nobody:?} can have no keys");
    }
}

#[test]
fn what_is_no_layout_is_refused_with_the_place() {
    for (layout, error) in [
        ("", LayoutError::Empty),
        ("a/{user_id", LayoutError::Unclosed(3)),
        ("é/{user_id", LayoutError::Unclosed(3)),
        ("a}b", LayoutError::Unopened(2)),
        ("a/{}", LayoutError::Name { place: 3, name: String::new() }),
        ("a/{{uuid}}", LayoutError::Name { place: 3, name: "{uuid".to_owned() }),
        ("a/{us er}", LayoutError::Name { place: 3, name: "us er".to_owned() }),
        ("a\nb", LayoutError::Control(2)),
        ("/a", LayoutError::Segment(1)),
        ("a//b", LayoutError::Segment(3)),
        ("{uuid}/", LayoutError::Segment(8)),
        ("a/../b", LayoutError::Segment(3)),
        ("a/.", LayoutError::Segment(3)),
        ("avatars/{user_id}", LayoutError::UserId(9)),
        ("avatars/{user_id}.jpg", LayoutError::UserId(9)),
        ("avatars/u{user_id}/x", LayoutError::UserId(10)),
        ("{uuid}{user_id}/x", LayoutError::UserId(7)),
        ("{user_id}{uuid}/x", LayoutError::UserId(1)),
    ] {
        assert_eq!(Layout::parse(layout).unwrap_err(), error, "{layout:?}");
    }
    assert_eq!(Layout::parse(&"a".repeat(1025)).unwrap_err(), LayoutError::TooLong);
    assert!(Layout::parse("{https://app.example/team}/{uuid}").is_ok(), "a claim may be called by a URL");
}

#[test]
fn hostile_values_are_refused_by_name() {
    let user = token("42", json!({}));
    for (value, wrong) in [
        (json!(""), Wrong::Empty),
        (json!("."), Wrong::Dots),
        (json!(".."), Wrong::Dots),
        (json!("../43"), Wrong::Slash),
        (json!("/"), Wrong::Slash),
        (json!("a\0b"), Wrong::Control),
        (json!("a\r\nb"), Wrong::Control),
        (json!("a\u{85}b"), Wrong::Control),
        (json!("x".repeat(129)), Wrong::TooLong),
        (json!("é".repeat(65)), Wrong::TooLong),
        (json!(null), Wrong::Kind),
        (json!(true), Wrong::Kind),
        (json!(["a"]), Wrong::Kind),
        (json!({ "a": 1 }), Wrong::Kind),
    ] {
        let error =
            filled("clothing/{user_id}/{clothing_id}/x", &user, json!({ "clothing_id": value }), None);
        assert_eq!(error, Err(Unfilled::Value { name: "clothing_id".to_owned(), wrong }), "{value}");
    }
    let missing = filled("{clothing_id}/x", &user, json!({}), None).unwrap_err();
    assert!(missing.to_string().starts_with("{clothing_id}: "), "{missing}");
}

#[test]
fn values_that_look_like_syntax_are_plain_text() {
    let user = token("42", json!({}));
    for odd in ["{user_id}", "${jwt:sub}", "*", "%2e%2e", "%2F", "..\\..", "a b", "...", "é", "-1"] {
        let key = filled("t/{name}/x", &user, json!({ "name": odd }), None).unwrap();
        assert_eq!(key, format!("t/{odd}/x"));
    }
    assert_eq!(filled("t/{n}", &user, json!({ "n": -1.5 }), None).unwrap(), "t/-1.5");
}

#[test]
fn values_do_not_make_dots_together() {
    let user = token("42", json!({}));
    for layout in ["t/{b}./x", "t/.{b}/x", "t/{b}{b}/x", "t/{b}/x"] {
        // A dot by itself is no value, so nothing that is one can become dots.
        assert!(filled(layout, &user, json!({ "b": "." }), None).is_err(), "{layout}");
    }
}

#[test]
fn a_key_is_no_longer_than_s3_allows() {
    let user = token("42", json!({}));
    let layout = ["{n}"; 8].join("/");
    assert_eq!(filled(&layout, &user, json!({ "n": "x".repeat(127) }), None).unwrap().len(), 1023);
    let error = filled(&layout, &user, json!({ "n": "x".repeat(128) }), None).unwrap_err();
    assert!(matches!(error, Unfilled::Key(_)), "{error}");
}

#[test]
fn nobody_takes_the_place_of_another() {
    let claims =
        json!({ "team": "red", "app_metadata": { "tenant": 7 }, "odd": ["a", "b"], "nothing": null });
    let user = token("42", claims);
    let lies = json!({
        "user_id": "43", "sub": "43", "team": "blue", "app_metadata.tenant": 8, "odd": "c", "nothing": "d"
    });
    let of = |layout: &str| filled(layout, &user, lies.clone(), None);
    assert_eq!(of("u/{user_id}/x").unwrap(), "u/42/x");
    assert_eq!(of("t/{team}/x").unwrap(), "t/red/x");
    assert_eq!(of("t/{app_metadata.tenant}/x").unwrap(), "t/7/x");
    assert!(of("t/{odd}/x").is_err(), "a claim that cannot be used is not replaced");
    assert!(of("t/{nothing}/x").is_err());
    for subject in ["", "4/2", "..", "a\nb"] {
        let error = filled("u/{user_id}/x", &token(subject, json!({})), lies.clone(), None).unwrap_err();
        assert!(error.to_string().starts_with("{user_id}: "), "{error}");
    }
    let layout = Layout::parse("{user_id}/{team}/{uuid}").unwrap();
    assert!(layout.asks_for("team"));
    assert!(!layout.asks_for("user_id") && !layout.asks_for("uuid") && !layout.asks_for("filename"));
}

#[test]
fn a_file_name_of_a_client_is_only_a_name() {
    for (given, kept) in [
        ("note.ogg", "note.ogg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\über laut.wav", "_ber_laut.wav"),
        (".htaccess", "htaccess"),
        ("...", "file"),
        ("a/", "file"),
        ("", "file"),
        ("a\0\r\n.jpg", "a___.jpg"),
        ("${filename}", "__filename_"),
        ("a%2Fb.jpg", "a_2Fb.jpg"),
        ("..jpg", "jpg"),
    ] {
        assert_eq!(file(given), kept, "{given:?}");
    }
    for long in [format!("{}.transcript", "x".repeat(300)), "x".repeat(300), format!("a.{}", "x".repeat(300))]
    {
        let kept = file(&long);
        assert_eq!(kept.len(), FILENAME_BYTES_MAX);
        assert_eq!(file(&kept), kept, "what is clean stays as it is");
        assert_eq!(long.ends_with(".transcript"), kept.ends_with("xx.transcript"), "{kept}");
    }
    let user = token("42", json!({}));
    assert_eq!(filled("{uuid}.{ext}", &user, json!({}), Some("A.B.Jpg")).unwrap()[36..], *".Jpg");
    for (layout, name) in
        [("{filename}", None), ("{ext}", None), ("{ext}", Some("noext")), ("{ext}", Some("a."))]
    {
        assert!(filled(layout, &user, json!({}), name).unwrap_err().to_string().starts_with("filename: "));
    }
}

#[test]
fn a_key_fits_the_layout_that_made_it_and_only_for_its_user() {
    let user = token("42", json!({ "session_id": "s-1" }));
    let given = json!({ "clothing_id": "é 9", "body_id": "b", "tryon_id": "t" });
    for (layout, folder) in LAYOUTS {
        let values = values(given.clone());
        let layout = Layout::parse(layout).unwrap();
        let of_user = filling(&user, &values, Some("a.b.jpg"));
        let key = layout.fill(&of_user).unwrap();
        assert!(layout.fits(key.as_str(), &of_user), "{key}");
        for other in ["4", "420", "43"] {
            let other = token(other, json!({ "session_id": "s-2" }));
            assert!(!layout.fits(key.as_str(), &filling(&other, &values, None)), "{key}");
        }
        assert!(!layout.fits(&format!("{key}/x"), &of_user));
        assert!(!layout.fits(&format!("x/{key}"), &of_user));
        assert!(folder.is_none_or(|folder| key.as_str().starts_with(folder)));
    }
}

#[test]
fn keys_that_the_layout_never_makes_do_not_fit() {
    let (user, nothing) = (token("42", json!({})), Map::new());
    let fits =
        |layout: &str, key: &str| Layout::parse(layout).unwrap().fits(key, &filling(&user, &nothing, None));
    let uuid = "0b9c1f9e-3a5c-4a55-9d1a-0123456789ab";
    let dated = "a/{user_id}/{year}/{month}/{uuid}.ogg";
    assert!(fits(dated, &format!("a/42/2025/12/{uuid}.ogg")), "also one of an earlier month");
    for key in [
        format!("a/42/25/12/{uuid}.ogg"),
        format!("a/42/2025/1x/{uuid}.ogg"),
        format!("a/42/2025/12/{}.ogg", uuid.replace('-', "")),
        format!("a/42/2025/12/{uuid}.oga"),
        format!("a/42/../12/{uuid}.ogg"),
        String::new(),
    ] {
        assert!(!fits(dated, &key), "{key}");
    }
    for key in ["c/42/9/", "c/42//x", "c/42/9/a b", "c/42/9/.a", "c/42/../a", "c/42/9/a/b", "c/42/\n/a"] {
        assert!(!fits("c/{user_id}/{clothing_id}/{filename}", key), "{key:?}");
    }
    // A layout with many ways to read a key is no slower for it.
    let many = "{a}{b}{c}{d}{e}{f}{g}{h}z";
    assert!(!fits(many, &"x".repeat(1024)));
    assert!(fits(many, &format!("{}z", "x".repeat(800))));
}
