use s3s::dto::{ETag, ETagCondition, Timestamp};

use super::*;

fn etag(value: &str) -> Option<ETagCondition> {
    Some(ETagCondition::ETag(ETag::Strong(value.into())))
}

#[tokio::test]
async fn fifty_writers_that_compare_and_swap_lose_nothing() {
    let fixture = Fixture::new().await;
    let store = std::sync::Arc::new(fixture.store);
    store.put_object(request(put_input("counter", "0"))).await.unwrap();
    let writers = (0..50).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let input =
                    GetObjectInput { bucket: BUCKET.into(), key: "counter".into(), ..Default::default() };
                let output = store.get_object(request(input)).await.unwrap().output;
                let count: u64 = text(output.body).await.parse().unwrap();
                let mut input = put_input("counter", &(count + 1).to_string());
                input.if_match = output.e_tag.map(ETagCondition::ETag);
                match store.put_object(request(input)).await {
                    Ok(_) => return,
                    Err(error) => assert_eq!(*error.code(), S3ErrorCode::PreconditionFailed),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let input = GetObjectInput { bucket: BUCKET.into(), key: "counter".into(), ..Default::default() };
    assert_eq!(text(store.get_object(request(input)).await.unwrap().output.body).await, "50");
}

#[tokio::test]
async fn only_one_of_many_makes_what_must_not_be_there() {
    let fixture = Fixture::new().await;
    let puts = (0..20).map(|number| {
        let mut input = put_input("k", &number.to_string());
        input.if_none_match = Some(ETagCondition::Any);
        fixture.put_object(request(input))
    });
    let done = futures::future::join_all(puts).await;
    assert_eq!(done.iter().filter(|put| put.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_write_keeps_its_conditions() {
    let fixture = Fixture::new().await;
    let put = async |if_match, if_none_match| {
        let mut input = put_input("k", "new");
        (input.if_match, input.if_none_match) = (if_match, if_none_match);
        fixture.put_object(request(input)).await.map(drop).map_err(|error| error.code().clone())
    };
    assert_eq!(put(Some(ETagCondition::Any), None).await, Err(S3ErrorCode::NoSuchKey));
    assert_eq!(put(etag("0"), None).await, Err(S3ErrorCode::NoSuchKey));
    assert_eq!(put(None, etag("0")).await, Ok(()));
    assert_eq!(put(None, Some(ETagCondition::Any)).await, Err(S3ErrorCode::PreconditionFailed));
    assert_eq!(put(etag("0"), None).await, Err(S3ErrorCode::PreconditionFailed));
    let now = fixture.try_head("k", None).await.unwrap().e_tag.unwrap();
    assert_eq!(put(etag(now.value()), None).await, Ok(()));
    assert_eq!(put(None, etag(now.value())).await, Err(S3ErrorCode::PreconditionFailed));
}

#[tokio::test]
async fn a_read_keeps_its_conditions() {
    let fixture = Fixture::new().await;
    fixture.put("k", "x").await;
    let head = fixture.try_head("k", None).await.unwrap();
    let (now, modified) = (head.e_tag.unwrap(), head.last_modified.unwrap());
    let read = async |input: GetObjectInput| {
        let input = GetObjectInput { bucket: BUCKET.into(), key: "k".into(), ..input };
        fixture.get_object(request(input)).await.map(drop)
    };
    let unchanged = GetObjectInput { if_none_match: etag(now.value()), ..Default::default() };
    let error = read(unchanged).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::NotModified);
    assert!(
        error.headers().unwrap().contains_key("etag")
            && error.headers().unwrap().contains_key("last-modified")
    );
    let since = GetObjectInput { if_modified_since: Some(modified.clone()), ..Default::default() };
    assert_eq!(*read(since).await.unwrap_err().code(), S3ErrorCode::NotModified);
    let other = GetObjectInput { if_match: etag("0"), ..Default::default() };
    assert_eq!(*read(other).await.unwrap_err().code(), S3ErrorCode::PreconditionFailed);
    let epoch = GetObjectInput { if_unmodified_since: Some(Timestamp::default()), ..Default::default() };
    assert_eq!(*read(epoch).await.unwrap_err().code(), S3ErrorCode::PreconditionFailed);
    let both = GetObjectInput {
        if_match: etag(now.value()),
        if_unmodified_since: Some(Timestamp::default()),
        ..Default::default()
    };
    read(both).await.unwrap();
}

#[tokio::test]
async fn a_deletion_keeps_its_conditions() {
    let fixture = Fixture::new().await;
    fixture.put("k", "abc").await;
    let delete = async |input: DeleteObjectInput| {
        let input = DeleteObjectInput { bucket: BUCKET.into(), key: "k".into(), ..input };
        fixture.delete_object(request(input)).await.map(drop).map_err(|error| error.code().clone())
    };
    let failed = Err(S3ErrorCode::PreconditionFailed);
    assert_eq!(delete(DeleteObjectInput { if_match: etag("0"), ..Default::default() }).await, failed);
    assert_eq!(delete(DeleteObjectInput { if_match_size: Some(4), ..Default::default() }).await, failed);
    let epoch = Some(Timestamp::default());
    let input = DeleteObjectInput { if_match_last_modified_time: epoch, ..Default::default() };
    assert_eq!(delete(input).await, failed);
    assert_eq!(delete(DeleteObjectInput { if_match_size: Some(3), ..Default::default() }).await, Ok(()));
    let input = DeleteObjectInput { if_match: etag("0"), ..Default::default() };
    assert_eq!(delete(input).await, Err(S3ErrorCode::NoSuchKey), "nothing is there to match");
}

#[tokio::test]
async fn a_condition_on_nothing_makes_no_delete_marker() {
    let fixture = Fixture::versioned().await;
    let input = DeleteObjectInput {
        bucket: BUCKET.into(),
        key: "k".into(),
        if_match: Some(ETagCondition::Any),
        ..Default::default()
    };
    let refused = fixture.delete_object(request(input)).await.unwrap_err();
    assert_eq!(*refused.code(), S3ErrorCode::NoSuchKey);
    assert!(fixture.versions().await.is_empty());
}
