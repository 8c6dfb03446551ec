//! What belongs to whom.

use relais_model::BucketName;

use super::{Belongings, InvalidUser};

fn media() -> BucketName {
    "media".parse().unwrap()
}

fn belongings(owner: &str, prefixes: &[&str]) -> Result<Belongings, InvalidUser> {
    Belongings::new(owner, prefixes.iter().map(|prefix| (media(), (*prefix).to_owned())).collect())
}

#[test]
fn prefixes_are_of_the_user_and_nobody_else() {
    for (owner, prefix) in [
        ("42", "clothing/42/"),
        ("42", "42/"),
        ("42", "audio/whatsapp/42/"),
        ("idp:42", "clothing/42/"),
        ("idp:42", "clothing/idp:42/"),
        ("a.b@example.org", "users/a.b@example.org/"),
    ] {
        assert!(belongings(owner, &[prefix]).is_ok(), "{owner} {prefix}");
    }
    for (owner, prefix) in [
        ("42", ""),
        ("42", "/"),
        ("42", "clothing/"),
        ("42", "clothing/42"),
        ("42", "clothing/420/"),
        ("42", "clothing/x42/"),
        ("42", "clothing/42-/"),
        ("42", "clothing/4/2/"),
        ("420", "clothing/42/"),
        ("4:2", "clothing/:2/"),
        (":42", "clothing/42/"),
        ("idp42", "clothing/42/"),
        ("idp:", "clothing//"),
    ] {
        let refused = belongings(owner, &["audio/42/", prefix][1..]);
        assert_eq!(refused.err(), Some(InvalidUser::Prefix(prefix.to_owned())), "{owner} {prefix}");
    }
    // One wrong prefix is enough.
    assert!(belongings("42", &["clothing/42/", "clothing/"]).is_err());
}

#[test]
fn ids_that_are_none_or_relais_itself_are_refused() {
    assert_eq!(belongings("", &[]).err(), Some(InvalidUser::Empty));
    assert_eq!(belongings(&"4".repeat(256), &[]).err(), Some(InvalidUser::TooLong));
    for id in ["/", "42/", "../42", ".", "..", "4\\2", "4\n2", "4\u{0}2", "4\u{85}2", " 42", "42 ", " "] {
        assert_eq!(belongings(id, &[]).err(), Some(InvalidUser::Unusable(id.to_owned())), "{id:?}");
    }
    for id in ["root", "anonymous", "relais", "api", "thumbnail", "transcription", "erase"] {
        assert_eq!(belongings(id, &[]).err(), Some(InvalidUser::Reserved(id.to_owned())));
    }
    assert!(belongings("42", &[]).is_ok(), "a user may have no prefix at all");
}

#[test]
fn a_key_is_covered_by_whole_segments_of_its_own_bucket() {
    let belongings = belongings("42", &["clothing/42/", "body/42/"]).unwrap();
    let covers = |key| belongings.covers(&media(), key);
    assert!(covers("clothing/42/7/shirt.jpg"));
    assert!(covers("body/42/x"));
    for key in ["clothing/420/7/shirt.jpg", "clothing/42", "clothing/4/2", "7/clothing/42/x", "Clothing/42/x"]
    {
        assert!(!covers(key), "{key}");
    }
    assert!(!belongings.covers(&"other".parse().unwrap(), "clothing/42/x"));
}

#[test]
fn a_prefix_within_another_is_not_looked_at_twice() {
    let belongings = belongings("42", &["42/42/", "a/42/", "42/", "a/42/", "a/42/b/"]).unwrap();
    let prefixes: Vec<_> = belongings.prefixes.iter().map(|(_, prefix)| prefix.as_str()).collect();
    assert_eq!(prefixes, ["42/", "a/42/"]);
}
