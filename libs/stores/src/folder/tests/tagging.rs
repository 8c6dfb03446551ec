use s3s::dto::{
    DeleteObjectTaggingInput, GetBucketTaggingInput, GetObjectTaggingInput, PutBucketTaggingInput,
    PutObjectTaggingInput, Tag, Tagging,
};

use super::*;

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: Some(key.into()), value: Some(value.into()) }
}

async fn put_tags(
    fixture: &Fixture,
    tag_set: Vec<Tag>,
    version_id: Option<String>,
) -> Result<(), S3ErrorCode> {
    let builder = PutObjectTaggingInput::builder().bucket(BUCKET.into()).key("k".into());
    let input = builder.tagging(Tagging { tag_set }).version_id(version_id).build().unwrap();
    fixture.put_object_tagging(request(input)).await.map(drop).map_err(|error| error.code().clone())
}

async fn tags(fixture: &Fixture, version_id: Option<&str>) -> Vec<(String, String)> {
    let input = GetObjectTaggingInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        version_id: version_id.map(Into::into),
        ..Default::default()
    };
    let output = fixture.get_object_tagging(request(input)).await.unwrap().output;
    output.tag_set.into_iter().map(|tag| (tag.key.unwrap(), tag.value.unwrap())).collect()
}

#[tokio::test]
async fn tags_come_with_the_object_or_after_it() {
    let fixture = Fixture::new().await;
    let mut input = put_input("k", "x");
    input.tagging = Some("a=1&b%20c=d+e".into());
    fixture.put_object(request(input)).await.unwrap();
    let before = fixture.try_head("k", None).await.unwrap();
    assert_eq!(before.tag_count, Some(2));
    assert_eq!(tags(&fixture, None).await, [("a".into(), "1".into()), ("b c".into(), "d e".into())]);
    put_tags(&fixture, vec![tag("new", "")], None).await.unwrap();
    let fixture = fixture.reopened();
    assert_eq!(tags(&fixture, None).await, [("new".into(), String::new())]);
    let after = fixture.try_head("k", None).await.unwrap();
    assert_eq!((after.e_tag, after.last_modified), (before.e_tag, before.last_modified));
    assert_eq!(fixture.get("k").await, "x");
    let input = DeleteObjectTaggingInput { bucket: BUCKET.into(), key: "k".into(), ..Default::default() };
    fixture.delete_object_tagging(request(input)).await.unwrap();
    assert!(tags(&fixture, None).await.is_empty());
}

#[tokio::test]
async fn each_version_has_its_own_tags() {
    let fixture = Fixture::versioned().await;
    let first = fixture.put("k", "1").await.version_id.unwrap();
    fixture.put("k", "2").await;
    put_tags(&fixture, vec![tag("of", "first")], Some(first.clone())).await.unwrap();
    put_tags(&fixture, vec![tag("of", "second")], None).await.unwrap();
    assert_eq!(tags(&fixture, Some(&first)).await[0].1, "first");
    assert_eq!(tags(&fixture, None).await[0].1, "second");
    assert_eq!(fixture.get("k").await, "2");
    assert_eq!(fixture.try_get("k", Some(&first)).await.unwrap(), "1");
}

#[tokio::test]
async fn tags_that_s3_does_not_allow_are_refused() {
    let fixture = Fixture::new().await;
    fixture.put("k", "x").await;
    let many = |count: usize| (0..count).map(|number| tag(&number.to_string(), "x")).collect::<Vec<_>>();
    put_tags(&fixture, many(10), None).await.unwrap();
    put_tags(&fixture, vec![tag(&"k".repeat(128), &"é".repeat(256))], None).await.unwrap();
    for refused in [
        many(11),
        vec![tag("same", "1"), tag("same", "2")],
        vec![tag("", "x")],
        vec![tag(&"k".repeat(129), "x")],
        vec![tag("k", &"v".repeat(257))],
    ] {
        assert_eq!(put_tags(&fixture, refused, None).await, Err(S3ErrorCode::InvalidTag));
    }
    let bucket = async |tag_set| {
        let builder = PutBucketTaggingInput::builder().bucket(BUCKET.into()).tagging(Tagging { tag_set });
        fixture.put_bucket_tagging(request(builder.build().unwrap())).await.map(drop)
    };
    let input = || request(GetBucketTaggingInput { bucket: BUCKET.into(), ..Default::default() });
    let error = fixture.get_bucket_tagging(input()).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::NoSuchTagSet);
    bucket(many(50)).await.unwrap();
    assert!(bucket(many(51)).await.is_err());
    assert_eq!(fixture.get_bucket_tagging(input()).await.unwrap().output.tag_set.len(), 50);
}
