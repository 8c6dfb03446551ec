use s3s::dto::{CopyObjectInput, CopySource, GetBucketVersioningInput};

use super::*;

#[tokio::test]
async fn the_setting_is_kept() {
    let fixture = Fixture::new().await;
    let status = async |fixture: &Fixture| {
        let input = GetBucketVersioningInput { bucket: BUCKET.into(), ..Default::default() };
        fixture.get_bucket_versioning(request(input)).await.unwrap().output.status
    };
    assert_eq!(status(&fixture).await, None);
    fixture.set_versioning(BucketVersioningStatus::ENABLED).await;
    let fixture = fixture.reopened();
    assert_eq!(status(&fixture).await.unwrap().as_str(), "Enabled");
}

#[tokio::test]
async fn every_version_stays_until_it_is_deleted() {
    let fixture = Fixture::versioned().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(fixture.put("k", &format!("version {number}")).await.version_id.unwrap());
    }
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(fixture.try_get("k", Some(id)).await.unwrap(), format!("version {number}"));
    }
    assert_eq!(std::fs::read_to_string(fixture.path("k")).unwrap(), "version 4", "the current one is seen");
    let listed: Vec<_> =
        fixture.versions().await.into_iter().map(|(_, id, is_latest)| (id, is_latest)).collect();
    let expected: Vec<_> = ids.iter().rev().enumerate().map(|(age, id)| (id.clone(), age == 0)).collect();
    assert_eq!(listed, expected);

    fixture.delete("k", Some(&ids[4])).await;
    assert_eq!(fixture.get("k").await, "version 3");
    assert_eq!(
        std::fs::read_to_string(fixture.path("k")).unwrap(),
        "version 3",
        "what is current moves to its place"
    );
    fixture.delete("k", Some(&ids[1])).await;
    assert_eq!(fixture.try_get("k", Some(&ids[1])).await, Err(S3ErrorCode::NoSuchVersion));
    for id in &ids {
        fixture.delete("k", Some(id)).await;
    }
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}

#[tokio::test]
async fn a_deletion_without_a_version_is_a_marker() {
    let fixture = Fixture::versioned().await;
    let id = fixture.put("k", "bytes").await.version_id.unwrap();
    let marker = fixture.delete("k", None).await;
    assert_eq!(marker.delete_marker, Some(true));
    let marker = marker.version_id.unwrap();
    let error = fixture.try_head("k", None).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::NoSuchKey);
    assert_eq!(error.headers().unwrap()["x-amz-delete-marker"], "true");
    assert_eq!(fixture.try_get("k", Some(&marker)).await, Err(S3ErrorCode::MethodNotAllowed));
    assert_eq!(fixture.try_get("k", Some(&id)).await.unwrap(), "bytes");
    assert!(!fixture.path("k").exists() && fixture.keys().await.is_empty());
    assert_eq!(
        fixture.versions().await,
        [("k".into(), id.clone(), false), ("!k".into(), marker.clone(), true)]
    );
    let removed = fixture.delete("k", Some(&marker)).await;
    assert_eq!((removed.delete_marker, removed.version_id), (Some(true), Some(marker)));
    assert_eq!(fixture.get("k").await, "bytes");
    assert_eq!(std::fs::read_to_string(fixture.path("k")).unwrap(), "bytes");
    let input = s3s::dto::DeleteBucketInput { bucket: BUCKET.into(), ..Default::default() };
    let error = fixture.delete_bucket(request(input)).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::BucketNotEmpty);
}

#[tokio::test]
async fn there_is_one_null_version() {
    let fixture = Fixture::new().await;
    fixture.put("k", "before versions").await;
    fixture.set_versioning(BucketVersioningStatus::ENABLED).await;
    let id = fixture.put("k", "a version").await.version_id.unwrap();
    assert_eq!(fixture.try_get("k", Some("null")).await.unwrap(), "before versions");
    fixture.set_versioning(BucketVersioningStatus::SUSPENDED).await;
    assert_eq!(fixture.put("k", "suspended").await.version_id, None);
    assert_eq!(fixture.try_head("k", None).await.unwrap().version_id.as_deref(), Some("null"));
    assert_eq!(fixture.try_get("k", Some("null")).await.unwrap(), "suspended");
    assert_eq!(
        fixture.versions().await,
        [("k".into(), "null".into(), true), ("k".into(), id.clone(), false)]
    );
    fixture.put("k", "again").await;
    assert_eq!(fixture.versions().await.len(), 2);
    let marker = fixture.delete("k", None).await;
    assert_eq!((marker.delete_marker, marker.version_id.as_deref()), (Some(true), Some("null")));
    assert_eq!(
        fixture.versions().await,
        [("k".into(), id.clone(), false), ("!k".into(), "null".into(), true)]
    );
    fixture.delete("k", Some("null")).await;
    assert_eq!(fixture.get("k").await, "a version");
    fixture.delete("k", Some(&id)).await;
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}

#[tokio::test]
async fn an_older_version_can_be_copied_back() {
    let fixture = Fixture::versioned().await;
    let id = fixture.put("k", "first").await.version_id.unwrap();
    fixture.put("k", "second").await;
    let source =
        CopySource::Bucket { bucket: BUCKET.into(), key: "k".into(), version_id: Some(id.as_str().into()) };
    let builder = CopyObjectInput::builder().bucket(BUCKET.into()).key("k".into()).copy_source(source);
    let output = fixture.copy_object(request(builder.build().unwrap())).await.unwrap().output;
    assert_eq!(output.copy_source_version_id.as_ref(), Some(&id));
    assert!(output.version_id.is_some_and(|copied| copied != id));
    assert_eq!(fixture.get("k").await, "first");
    assert_eq!(fixture.versions().await.len(), 3);
}

#[tokio::test]
async fn odd_keys_have_versions_too() {
    let fixture = Fixture::versioned().await;
    fixture.put("a", "neighbour").await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(fixture.put("a/b", &number.to_string()).await.version_id.unwrap());
    }
    fixture.delete("a/b", Some(&ids[2])).await;
    assert_eq!(fixture.get("a/b").await, "1");
    fixture.delete("a/b", None).await;
    assert_eq!(fixture.try_get("a/b", Some(&ids[0])).await.unwrap(), "0");
    assert_eq!(fixture.versions().await.len(), 4);
}

#[tokio::test]
async fn listings_of_versions_page() {
    let fixture = Fixture::versioned().await;
    for key in ["a", "b/1", "b/2", "c"] {
        for number in 0..3 {
            fixture.put(key, &number.to_string()).await;
        }
        fixture.delete(key, None).await;
    }
    let mut all = fixture.versions().await;
    for size in [1, 2, 3, 5, 16, 17] {
        let (mut paged, mut key_marker, mut version_id_marker) = (Vec::new(), None, None);
        loop {
            let input = ListObjectVersionsInput {
                bucket: BUCKET.into(),
                max_keys: Some(size),
                key_marker,
                version_id_marker,
                ..Default::default()
            };
            let output = fixture.list_object_versions(request(input)).await.unwrap().output;
            let versions = output.versions.unwrap().into_iter().map(|found| found.version_id.unwrap());
            let markers = output.delete_markers.unwrap().into_iter().map(|found| found.version_id.unwrap());
            paged.extend(versions.chain(markers));
            if output.is_truncated != Some(true) {
                break;
            }
            (key_marker, version_id_marker) = (output.next_key_marker, output.next_version_id_marker);
        }
        paged.sort();
        all.sort_by(|one, other| one.1.cmp(&other.1));
        assert_eq!(paged, all.iter().map(|version| version.1.clone()).collect::<Vec<_>>(), "pages of {size}");
    }
    let input = ListObjectVersionsInput {
        bucket: BUCKET.into(),
        delimiter: Some("/".into()),
        prefix: Some("b".into()),
        ..Default::default()
    };
    let output = fixture.list_object_versions(request(input)).await.unwrap().output;
    assert_eq!(output.common_prefixes.unwrap()[0].prefix.as_deref(), Some("b/"));
    assert!(output.versions.unwrap().is_empty());
}
