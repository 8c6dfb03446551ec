//! Erasing: what goes, what stays, and what is said of what cannot go.

use relais_model::{BucketName, Identity, WriteMode};
use relais_proxy::erase::{Belongings, Counts, Mode, Report};
use s3s::dto::{
    BucketVersioningStatus, DeleteObjectInput, ListObjectVersionsInput, PutBucketVersioningInput,
    PutObjectInput, VersioningConfiguration,
};
use s3s::{S3, S3Request};

use crate::node::{BUCKET, Node, body_of, create_upload, part, put};
use relais_stores::request;

fn belongings(user: &str, prefixes: &[&str]) -> Belongings {
    let bucket: BucketName = BUCKET.parse().unwrap();
    let prefixes = prefixes.iter().map(|prefix| (bucket.clone(), (*prefix).to_owned()));
    Belongings::new(user, prefixes.collect()).unwrap()
}

fn of<T>(user: &str, mut asked: S3Request<T>) -> S3Request<T> {
    asked.extensions.insert(Identity::Account(user.to_owned()));
    asked
}

fn text(user: &str, key: &str, body: &str) -> S3Request<PutObjectInput> {
    of(user, put(key, body_of(body)))
}

async fn keep_versions(node: &Node) {
    let configuration = VersioningConfiguration {
        status: Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
        ..Default::default()
    };
    let input = PutBucketVersioningInput {
        bucket: BUCKET.into(),
        checksum_algorithm: None,
        content_md5: None,
        expected_bucket_owner: None,
        mfa: None,
        versioning_configuration: configuration,
    };
    node.gateway.put_bucket_versioning(request(input)).await.unwrap();
}

/// Everything that a store has: keys of versions and of delete markers.
async fn kept(node: &Node, store: &str) -> Vec<String> {
    let input = ListObjectVersionsInput { bucket: BUCKET.into(), ..Default::default() };
    let listed = node.switch(store).list_object_versions(request(input)).await.unwrap().output;
    let versions = listed.versions.unwrap_or_default().into_iter().filter_map(|version| version.key);
    let markers = listed.delete_markers.unwrap_or_default().into_iter().filter_map(|marker| marker.key);
    let mut keys: Vec<_> = versions.chain(markers).collect();
    keys.sort();
    keys
}

async fn erase(node: &Node, belongings: &Belongings) -> Report {
    node.gateway.erase(belongings, Mode::Erase, |_| {}).await.unwrap()
}

#[tokio::test]
async fn one_users_objects_go_and_nobody_elses() {
    let node = Node::start(WriteMode::All).await;
    for key in ["clothing/42/a", "elsewhere/42"] {
        node.gateway.put_object(text("42", key, "mine")).await.unwrap();
    }
    // Whoever wrote it: what is below the prefix is the user's.
    node.gateway.put_object(text("420", "clothing/42/b", "mine too")).await.unwrap();
    for key in ["clothing/420/a", "clothing/42x/a", "clothing/42", "4/2/a", "elsewhere/420"] {
        node.gateway.put_object(text("420", key, "of another")).await.unwrap();
    }
    let mine = belongings("42", &["clothing/42/"]);
    let counted = node.gateway.erase(&mine, Mode::Count, |_| {}).await.unwrap();
    assert_eq!((counted.counts.objects, counted.counts.bytes, counted.dry_run), (3, 16, true));
    assert_eq!(kept(&node, "first").await.len(), 8, "counting deletes nothing");

    let report = erase(&node, &mine).await;
    assert_eq!(report.counts, Counts { objects: 3, bytes: 16, ..Counts::default() });
    assert!(report.complete && report.rounds == 2, "{report:?}");
    let by_prefix: Vec<_> =
        report.by_prefix.iter().map(|found| (found.prefix.as_deref(), found.counts.objects)).collect();
    assert_eq!(by_prefix, [(None, 1), (Some("clothing/42/"), 2)]);
    let others = ["4/2/a", "clothing/42", "clothing/420/a", "clothing/42x/a", "elsewhere/420"];
    assert_eq!(
        (kept(&node, "first").await, kept(&node, "second").await),
        (others.map(str::to_owned).to_vec(), others.map(str::to_owned).to_vec())
    );

    let again = erase(&node, &mine).await;
    assert_eq!((again.counts, again.rounds, again.complete), (Counts::default(), 1, true));
    node.stop().await;
}

#[tokio::test]
async fn versions_and_markers_go_from_every_replica_also_those_that_were_copied_later() {
    let node = Node::start(WriteMode::Primary).await;
    keep_versions(&node).await;
    for user in ["42", "420"] {
        let key = format!("clothing/{user}/a");
        node.gateway.put_object(text(user, &key, "one")).await.unwrap();
        node.until_settled(&key).await;
        node.switch("second").set_down(true);
        node.gateway.put_object(text(user, &key, "two")).await.unwrap(); // Copied later, under an id that nobody knows.
        node.switch("second").set_down(false);
        node.until_settled(&key).await;
        let gone = DeleteObjectInput {
            bucket: BUCKET.into(),
            key: format!("clothing/{user}/gone"),
            ..Default::default()
        };
        node.gateway.put_object(text(user, &gone.key, "three")).await.unwrap();
        node.gateway.delete_object(of(user, request(gone.clone()))).await.unwrap();
        node.until_settled(&gone.key).await;
        node.gateway.put_object(text(user, &format!("shared/of-{user}"), "four")).await.unwrap();
        node.gateway.put_object(text(user, &format!("shared/of-{user}"), "five")).await.unwrap();
        node.until_settled(&format!("shared/of-{user}")).await;
    }
    let others = |all: Vec<String>| all.into_iter().filter(|key| key.contains("420")).collect::<Vec<_>>();
    let before = (others(kept(&node, "first").await), others(kept(&node, "second").await));
    let report = erase(&node, &belongings("42", &["clothing/42/"])).await;
    assert!(report.complete, "{report:?}");
    let Counts { objects, versions, delete_markers, .. } = report.counts;
    assert_eq!((objects, versions, delete_markers), (2, 3, 1), "{report:?}");
    assert_eq!((kept(&node, "first").await, kept(&node, "second").await), before);
    node.stop().await;
}

#[tokio::test]
async fn of_a_key_with_versions_of_two_users_only_the_ones_go() {
    let node = Node::start(WriteMode::All).await;
    keep_versions(&node).await;
    for (user, body) in [("420", "first"), ("42", "second"), ("420", "third"), ("42", "fourth")] {
        node.gateway.put_object(text(user, "shared", body)).await.unwrap();
    }
    let report = erase(&node, &belongings("42", &[])).await;
    assert_eq!((report.counts.objects, report.counts.versions), (1, 1), "{report:?}");
    assert!(report.complete, "{report:?}");
    assert_eq!((node.versions("first", "shared").await, node.versions("second", "shared").await), (2, 2));
    assert_eq!(node.bytes("first", "shared").as_deref(), Some("third"));
    assert_eq!(node.bytes("second", "shared").as_deref(), Some("third"));
    let theirs = erase(&node, &belongings("420", &[])).await;
    assert_eq!((theirs.counts.objects, theirs.counts.versions), (1, 1));
    assert!(kept(&node, "first").await.is_empty() && kept(&node, "second").await.is_empty());
    node.stop().await;
}

#[tokio::test]
async fn what_a_replica_alone_has_below_a_prefix_goes_too() {
    let node = Node::start(WriteMode::All).await;
    for key in ["clothing/42/behind-the-back", "clothing/420/behind-the-back"] {
        node.switch("second").put_object(put(key, body_of("x"))).await.unwrap();
    }
    let report = erase(&node, &belongings("42", &["clothing/42/"])).await;
    assert_eq!(report.counts, Counts { replica_leftovers: 1, ..Counts::default() });
    assert_eq!(kept(&node, "second").await, ["clothing/420/behind-the-back"]);
    node.stop().await;
}

#[tokio::test]
async fn a_replica_that_is_down_is_named_and_the_next_run_does_the_rest() {
    let node = Node::start(WriteMode::Primary).await;
    node.gateway.put_object(text("42", "clothing/42/a", "mine")).await.unwrap();
    node.until_settled("clothing/42/a").await;
    node.switch("second").set_down(true);
    let report = erase(&node, &belongings("42", &["clothing/42/"])).await;
    assert_eq!(report.counts.objects, 1);
    assert!(!report.complete && report.left_count > 0);
    assert!(report.left.iter().all(|left| left.what.replica.as_deref() == Some("second")), "{report:?}");
    node.switch("second").set_down(false);
    let mut report = erase(&node, &belongings("42", &["clothing/42/"])).await;
    for _ in 0..100 {
        if report.complete {
            break;
        }
        // The store is left alone for up to three seconds after it was found out of order.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        report = erase(&node, &belongings("42", &["clothing/42/"])).await;
    }
    assert!(report.complete, "{report:?}");
    assert!(kept(&node, "second").await.is_empty());
    node.stop().await;
}

#[tokio::test]
async fn uploads_under_way_are_aborted_everywhere() {
    let node = Node::start(WriteMode::All).await;
    let begin = async |user: &str, key: &str| {
        let begun = node.gateway.create_multipart_upload(of(user, create_upload(key))).await.unwrap();
        let id = begun.output.upload_id.unwrap();
        node.gateway.upload_part(of(user, part(key, &id))).await.unwrap();
        (key.to_owned(), id)
    };
    let mine = [
        begin("42", "elsewhere").await,
        begin("42", "clothing/42/a").await,
        begin("420", "clothing/42/b").await,
    ];
    let other = begin("420", "clothing/420/a").await;
    // Begun in the store, unknown here.
    node.switch("second").create_multipart_upload(create_upload("clothing/42/c")).await.unwrap();
    let report = erase(&node, &belongings("42", &["clothing/42/"])).await;
    assert_eq!((report.counts.uploads, report.counts.replica_leftovers), (3, 1), "{report:?}");
    assert!(report.complete);
    for (key, id) in &mine {
        assert!(node.gateway.upload_part(part(key, id)).await.is_err(), "{key} goes on");
    }
    node.gateway.upload_part(part(&other.0, &other.1)).await.unwrap();
    for store in ["first", "second"] {
        let input = s3s::dto::ListMultipartUploadsInput { bucket: BUCKET.into(), ..Default::default() };
        let listed = node.switch(store).list_multipart_uploads(request(input)).await.unwrap().output;
        let keys: Vec<_> =
            listed.uploads.unwrap_or_default().into_iter().filter_map(|upload| upload.key).collect();
        assert_eq!(keys, ["clothing/420/a"], "{store}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_object_that_is_only_known_is_forgotten() {
    let node = Node::start(WriteMode::All).await;
    keep_versions(&node).await;
    node.gateway.put_object(text("42", "lost", "mine")).await.unwrap();
    for store in ["first", "second"] {
        let input = ListObjectVersionsInput { bucket: BUCKET.into(), ..Default::default() };
        let listed = node.switch(store).list_object_versions(request(input)).await.unwrap().output;
        for version in listed.versions.unwrap_or_default() {
            let input = DeleteObjectInput {
                bucket: BUCKET.into(),
                key: version.key.unwrap(),
                version_id: version.version_id,
                ..Default::default()
            };
            node.switch(store).delete_object(request(input)).await.unwrap();
        }
    }
    let report = erase(&node, &belongings("42", &[])).await;
    assert_eq!((report.counts, report.complete), (Counts::default(), true));
    assert_eq!(node.catalog.objects().of_owner("42", None, 10).await.unwrap(), []);
    assert_eq!(node.catalog.versions().keys_of("42", None, 10).await.unwrap(), []);
    assert!(kept(&node, "first").await.is_empty(), "no delete marker is made for it");
    node.stop().await;
}
