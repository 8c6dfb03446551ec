use s3s::dto::{ChecksumAlgorithm, ChecksumMode, CopyObjectInput, CopySource};

use super::*;

const CRC32_OF_ABC: &str = "NSRBwg==";

async fn head(fixture: &Fixture, key: &str) -> HeadObjectOutput {
    let input = HeadObjectInput {
        bucket: BUCKET.into(),
        key: key.into(),
        checksum_mode: Some(ChecksumMode::from_static(ChecksumMode::ENABLED)),
        ..Default::default()
    };
    fixture.head_object(request(input)).await.unwrap().output
}

#[tokio::test]
async fn a_checksum_is_compared_kept_and_given_back() {
    let fixture = Fixture::new().await;
    let mut input = put_input("k", "abc");
    input.checksum_crc32 = Some(CRC32_OF_ABC.into());
    input.checksum_algorithm = Some(ChecksumAlgorithm::from_static(ChecksumAlgorithm::SHA1));
    input.content_md5 = Some("kAFQmDzST7DWlj99KOF/cg==".into());
    let put = fixture.put_object(request(input)).await.unwrap().output;
    assert_eq!(put.checksum_crc32.as_deref(), Some(CRC32_OF_ABC));
    assert_eq!(put.checksum_sha1.as_deref(), Some("qZk+NkcGgWq6PiVxeFDCbJzQ2J0="));
    let found = head(&fixture, "k").await;
    assert_eq!(found.checksum_crc32.as_deref(), Some(CRC32_OF_ABC));
    assert_eq!(found.checksum_type.unwrap().as_str(), "FULL_OBJECT");
    assert_eq!(fixture.try_head("k", None).await.unwrap().checksum_crc32, None, "only on request");

    let source = CopySource::Bucket { bucket: BUCKET.into(), key: "k".into(), version_id: None };
    let builder = CopyObjectInput::builder().bucket(BUCKET.into()).key("copy".into()).copy_source(source);
    fixture.copy_object(request(builder.build().unwrap())).await.unwrap();
    assert_eq!(head(&fixture, "copy").await.checksum_crc32.as_deref(), Some(CRC32_OF_ABC));
}

#[tokio::test]
async fn bytes_that_are_not_what_was_meant_are_refused() {
    let fixture = Fixture::new().await;
    let mut wrong_crc = put_input("k", "abd");
    wrong_crc.checksum_crc32 = Some(CRC32_OF_ABC.into());
    let mut wrong_md5 = put_input("k", "abd");
    wrong_md5.content_md5 = Some("kAFQmDzST7DWlj99KOF/cg==".into());
    let mut no_md5 = put_input("k", "abc");
    no_md5.content_md5 = Some("short".into());
    let mut no_crc = put_input("k", "abc");
    no_crc.checksum_crc32 = Some("AA==".into());
    let mut unknown = put_input("k", "abc");
    unknown.checksum_algorithm = Some(ChecksumAlgorithm::from_static("ROT13"));
    for (input, code) in [
        (wrong_crc, S3ErrorCode::BadDigest),
        (wrong_md5, S3ErrorCode::BadDigest),
        (no_md5, S3ErrorCode::InvalidDigest),
        (no_crc, S3ErrorCode::InvalidRequest),
        (unknown, S3ErrorCode::InvalidRequest),
    ] {
        assert_eq!(*fixture.put_object(request(input)).await.unwrap_err().code(), code);
    }
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
}
