use super::*;

#[test]
fn bucket_names_follow_the_rules_of_s3() {
    for good in ["media", "a.b-c", "123", "intelia-expert-media"] {
        assert!(good.parse::<BucketName>().is_ok(), "{good}");
    }
    for bad in ["", "ab", "Media", "-ab", "ab-", "a..b", "192.168.0.1", "a_b", "a/b", &"x".repeat(64)] {
        assert!(bad.parse::<BucketName>().is_err(), "{bad}");
    }
}

#[test]
fn a_derived_key_stays_beside_its_source() {
    let derived =
        |key: &str| key.parse::<ObjectKey>().unwrap().with_suffix("_thumb.jpg").unwrap().to_string();
    assert_eq!(derived("cat.png"), "cat_thumb.jpg");
    assert_eq!(derived("a.b/c/cat.of.mine.png"), "a.b/c/cat.of.mine_thumb.jpg");
    assert_eq!(derived("a/.hidden"), "a/.hidden_thumb.jpg");
    assert_eq!(derived("a/cat"), "a/cat_thumb.jpg");
}

#[test]
fn a_refused_name_says_what_and_why() {
    let error = "Media".parse::<BucketName>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "bucket name \"Media\" may hold lower-case letters, digits, dots and hyphens only"
    );
}
