use super::*;

#[tokio::test]
async fn keys_that_are_no_paths_are_kept_too() {
    let fixture = Fixture::new().await;
    let long = "é".repeat(200); // 400 bytes in one name.
    let keys = [
        "a",
        "a/b",
        "a/b/c",
        "a//b",
        "a/",
        "a/b/",
        "/",
        "/etc/passwd",
        ".",
        "..",
        "../outside/secret",
        "./a",
        "x/../../y",
        ".relais/bucket/settings.json",
        "=a",
        "-a",
        "~a",
        &long,
        "tab\tand\nline",
    ];
    let whole = format!("{}/{}", "k".repeat(512), "l".repeat(511));
    let deep = "d/".repeat(512);
    let mut keys: Vec<&str> = keys.into_iter().chain([whole.as_str(), deep.as_str()]).collect();
    for key in &keys {
        fixture.put(key, &format!("bytes of {key}")).await;
    }
    let outside: Vec<_> =
        std::fs::read_dir(fixture.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside.len(), 2, "the bucket and the hidden folder: {outside:?}");
    keys.sort_unstable();
    assert_eq!(fixture.keys().await, keys);
    let fixture = fixture.reopened();
    for key in &keys {
        assert_eq!(fixture.get(key).await, format!("bytes of {key}"));
        fixture.put(key, "other").await;
        assert_eq!(fixture.get(key).await, "other");
    }
    for key in &keys {
        fixture.delete(key, None).await;
        assert_eq!(fixture.try_get(key, None).await, Err(S3ErrorCode::NoSuchKey), "{key}");
    }
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}

#[tokio::test]
async fn keys_that_s3_does_not_allow_are_refused() {
    let fixture = Fixture::new().await;
    let put =
        async |key: &str| fixture.put_object(request(put_input(key, "x"))).await.unwrap_err().code().clone();
    assert_eq!(put(&"k".repeat(1025)).await, S3ErrorCode::KeyTooLongError);
    assert_eq!(put("a\0b").await, S3ErrorCode::InvalidArgument);
    assert_eq!(put("").await, S3ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn a_key_moves_to_its_place_once_the_place_is_free() {
    let fixture = Fixture::new().await;
    fixture.put("a", "file").await;
    fixture.put("a/b", "below").await;
    assert!(!fixture.path("a/b").exists());
    fixture.delete("a", None).await;
    assert_eq!(fixture.get("a/b").await, "below");
    fixture.put("a/b", "visible").await;
    assert_eq!(std::fs::read_to_string(fixture.path("a/b")).unwrap(), "visible");
    assert_eq!(fixture.files().len(), 2, "bytes and record: {:?}", fixture.files());
}

#[tokio::test]
async fn neighbours_that_are_put_at_once_are_both_kept() {
    let fixture = Fixture::new().await;
    for round in 0..20 {
        let keys = [format!("{round}"), format!("{round}/b"), format!("{round}/b/c")];
        let puts = keys.iter().map(|key| fixture.put(key, key));
        futures::future::join_all(puts).await;
        for key in &keys {
            assert_eq!(fixture.get(key).await, *key);
        }
        futures::future::join_all(keys.iter().map(|key| fixture.delete(key, None))).await;
    }
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}

#[tokio::test]
async fn files_that_were_put_by_hand_are_objects() {
    let fixture = Fixture::new().await;
    std::fs::create_dir_all(fixture.path("by/hand")).unwrap();
    std::fs::write(fixture.path("by/hand/note.txt"), "written by hand").unwrap();
    assert_eq!(fixture.keys().await, ["by/hand/note.txt"]);
    assert_eq!(fixture.get("by/hand/note.txt").await, "written by hand");
    let head = fixture.try_head("by/hand/note.txt", None).await.unwrap();
    assert_eq!((head.content_length, head.content_type), (Some(15), None));
    assert!(head.e_tag.unwrap().value().ends_with("-1"));
    fixture.put("by/hand/note.txt", "by relais").await;
    std::fs::write(fixture.path("by/hand/note.txt"), "changed by hand").unwrap();
    assert_eq!(fixture.get("by/hand/note.txt").await, "changed by hand");
    fixture.delete("by/hand/note.txt", None).await;
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}
