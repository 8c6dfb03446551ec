use s3s::dto::{EncodingType, ListObjectsInput, ListObjectsV2Output};

use super::*;

async fn filled(keys: &[&str]) -> Fixture {
    let fixture = Fixture::new().await;
    futures::future::join_all(keys.iter().map(|key| fixture.put(key, "x"))).await;
    fixture
}

async fn list(fixture: &Fixture, input: ListObjectsV2Input) -> ListObjectsV2Output {
    let input = ListObjectsV2Input { bucket: BUCKET.into(), ..input };
    fixture.list_objects_v2(request(input)).await.unwrap().output
}

fn names(output: &ListObjectsV2Output) -> (Vec<&str>, Vec<&str>) {
    let keys = output.contents.iter().flatten().filter_map(|object| object.key.as_deref()).collect();
    let prefixes =
        output.common_prefixes.iter().flatten().filter_map(|found| found.prefix.as_deref()).collect();
    (keys, prefixes)
}

/// All pages, each entry by itself.
async fn pages(fixture: &Fixture, input: ListObjectsV2Input) -> Vec<String> {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let output = list(fixture, ListObjectsV2Input { continuation_token: token, ..input.clone() }).await;
        let (keys, prefixes) = names(&output);
        assert!(keys.len() + prefixes.len() <= usize::try_from(input.max_keys.unwrap()).unwrap());
        assert_eq!(output.key_count, i32::try_from(keys.len() + prefixes.len()).ok());
        let mut page: Vec<_> = keys.into_iter().chain(prefixes).map(str::to_owned).collect();
        page.sort();
        all.extend(page);
        if output.is_truncated != Some(true) {
            assert_eq!(output.next_continuation_token, None);
            return all;
        }
        token = output.next_continuation_token;
    }
}

const KEYS: &[&str] =
    &["a", "a!", "a-b", "a.b", "a/", "a/b", "a/c/d", "a0", "b/1", "b/2", "c", "c//d", "z/z/z", "é/1"];

#[tokio::test]
async fn keys_come_in_the_order_of_their_bytes() {
    let fixture = filled(KEYS).await;
    assert!(KEYS.is_sorted());
    assert_eq!(fixture.keys().await, KEYS);
    for size in 1..=KEYS.len() + 1 {
        let input = ListObjectsV2Input { max_keys: i32::try_from(size).ok(), ..Default::default() };
        assert_eq!(pages(&fixture, input).await, KEYS, "pages of {size}");
    }
}

/// What S3 lists, computed the plain way.
fn expected(prefix: &str, delimiter: &str) -> Vec<String> {
    let folded = KEYS.iter().filter(|key| key.starts_with(prefix)).map(|key| {
        match key[prefix.len()..].find(delimiter) {
            Some(end) => key[..prefix.len() + end + delimiter.len()].to_owned(),
            None => (*key).to_owned(),
        }
    });
    let mut folded: Vec<_> = folded.collect();
    folded.dedup();
    folded
}

#[tokio::test]
async fn listings_fold_at_any_delimiter_and_page() {
    let fixture = filled(KEYS).await;
    for prefix in ["", "a", "a/", "a/c", "b/", "nothing", "a/c/d", "z/z"] {
        for delimiter in ["/", "//", "-", "b", "/z"] {
            for size in 1..6 {
                let input = ListObjectsV2Input {
                    prefix: Some(prefix.into()),
                    delimiter: Some(delimiter.into()),
                    max_keys: Some(size),
                    ..Default::default()
                };
                let listed = pages(&fixture, input).await;
                assert_eq!(listed, expected(prefix, delimiter), "{prefix:?} {delimiter:?} {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_can_begin_behind_any_key() {
    let fixture = filled(KEYS).await;
    for start in ["", "a", "a-", "a/", "a/b", "a/c", "a/c/", "b", "b/1", "c//", "zz", "z/z/z"] {
        let input = ListObjectsV2Input { start_after: Some(start.into()), ..Default::default() };
        let behind: Vec<_> = KEYS.iter().filter(|key| **key > start).copied().collect();
        assert_eq!(names(&list(&fixture, input).await).0, behind, "{start}");
    }
    let input = ListObjectsV2Input {
        start_after: Some("b/1".into()),
        delimiter: Some("/".into()),
        ..Default::default()
    };
    assert_eq!(names(&list(&fixture, input).await), (vec!["c"], vec!["b/", "c/", "z/", "é/"]));
}

#[tokio::test]
async fn the_first_kind_of_listing_has_markers() {
    let fixture = filled(KEYS).await;
    let (mut all, mut marker) = (Vec::new(), None);
    loop {
        let input = ListObjectsInput {
            bucket: BUCKET.into(),
            delimiter: Some("/".into()),
            max_keys: Some(2),
            marker: marker.clone(),
            ..Default::default()
        };
        let output = fixture.list_objects(request(input)).await.unwrap().output;
        let keys = output.contents.into_iter().flatten().filter_map(|object| object.key);
        let prefixes = output.common_prefixes.into_iter().flatten().filter_map(|found| found.prefix);
        let mut page: Vec<_> = keys.chain(prefixes).collect();
        page.sort();
        all.extend(page);
        if output.is_truncated != Some(true) {
            break;
        }
        marker = output.next_marker;
    }
    assert_eq!(all, expected("", "/"));
}

#[tokio::test]
async fn nothing_asked_for_is_nothing_given() {
    let fixture = filled(&["a", "b"]).await;
    let output = list(&fixture, ListObjectsV2Input { max_keys: Some(0), ..Default::default() }).await;
    assert_eq!((output.key_count, output.is_truncated), (Some(0), Some(false)));
    let input = ListObjectsV2Input { bucket: BUCKET.into(), max_keys: Some(-1), ..Default::default() };
    let error = fixture.list_objects_v2(request(input)).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::InvalidArgument);
    let input = ListObjectsV2Input { bucket: "missing".into(), ..Default::default() };
    let error = fixture.list_objects_v2(request(input)).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::NoSuchBucket);
}

#[tokio::test]
async fn names_are_encoded_and_owners_told_on_request() {
    let fixture = filled(&["à b/c+d"]).await;
    let input = ListObjectsV2Input {
        encoding_type: Some(EncodingType::from_static(EncodingType::URL)),
        fetch_owner: Some(true),
        ..Default::default()
    };
    let listed = list(&fixture, input).await.contents.unwrap();
    assert_eq!(listed[0].key.as_deref(), Some("%C3%A0%20b/c%2Bd"));
    assert!(listed[0].owner.is_some());
    assert_eq!(
        (listed[0].size, listed[0].e_tag.as_ref().map(|etag| etag.value().len())),
        (Some(1), Some(32))
    );
    assert!(list(&fixture, ListObjectsV2Input::default()).await.contents.unwrap()[0].owner.is_none());
}

#[tokio::test]
async fn a_prefix_visits_only_its_folders() {
    let fixture = filled(&["wanted/a", "other/b"]).await;
    let layout = fixture.shelf(BUCKET).unwrap().layout;
    // A folder that cannot be read would be an error, if it were visited.
    let unreadable = layout.records_of_folder("other/");
    std::fs::remove_dir_all(&unreadable).unwrap();
    std::os::unix::fs::symlink(&unreadable, &unreadable).unwrap(); // A link to itself.
    let input = ListObjectsV2Input { prefix: Some("wanted/".into()), ..Default::default() };
    assert_eq!(names(&list(&fixture, input).await).0, ["wanted/a"]);
    let input = ListObjectsV2Input { bucket: BUCKET.into(), ..Default::default() };
    assert!(fixture.list_objects_v2(request(input)).await.is_err());
}
