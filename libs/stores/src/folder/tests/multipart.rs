use s3s::crypto::{Checksum as _, Crc32, Crc64Nvme};
use s3s::dto::{
    AbortMultipartUploadInput, ChecksumAlgorithm, ChecksumMode, ChecksumType, CopySource, ETag,
    ETagCondition, GetObjectAttributesInput, ListMultipartUploadsInput, ListPartsInput, ObjectAttributes,
    UploadPartCopyInput,
};

use super::*;

const MIB: usize = 1 << 20;

fn checked_input(
    key: &str,
    algorithm: &'static str,
    kind: Option<&'static str>,
) -> CreateMultipartUploadInput {
    let mut input = upload_input(key);
    input.checksum_algorithm = Some(ChecksumAlgorithm::from_static(algorithm));
    input.checksum_type = kind.map(ChecksumType::from_static);
    input
}

async fn head(fixture: &Fixture, part_number: Option<i32>) -> S3Result<HeadObjectOutput> {
    let input = HeadObjectInput {
        bucket: BUCKET.into(),
        key: "big".into(),
        part_number,
        checksum_mode: Some(ChecksumMode::from_static(ChecksumMode::ENABLED)),
        ..Default::default()
    };
    fixture.head_object(request(input)).await.map(|response| response.output)
}

#[tokio::test]
async fn parts_become_one_object_that_knows_them() {
    let fixture = Fixture::new().await;
    let mut input = upload_input("big");
    input.content_type = Some("video/x".into());
    input.tagging = Some("a=1".into());
    let id = fixture.begin(input).await;
    let second = fixture.part("big", &id, 2, b"tail".to_vec()).await;
    fixture.part("big", &id, 1, b"replaced".to_vec()).await;
    let fixture = fixture.reopened();
    let first = fixture.part("big", &id, 1, vec![b'1'; 5 * MIB]).await;
    let parts = vec![named(1, first), named(2, second)];
    let completed = fixture.complete("big", &id, parts.clone()).await.unwrap();
    let etag = completed.e_tag.unwrap();
    assert!(etag.value().ends_with("-2"));
    let again = fixture.complete("big", &id, parts).await.unwrap();
    assert_eq!(again.e_tag, Some(etag), "a completion may be repeated");
    assert_eq!(fixture.files().len(), 2, "bytes and record: {:?}", fixture.files());

    let found = head(&fixture, None).await.unwrap();
    assert_eq!((found.content_type.as_deref(), found.tag_count), (Some("video/x"), Some(1)));
    let part = head(&fixture, Some(2)).await.unwrap();
    assert_eq!((part.content_length, part.parts_count), (Some(4), Some(2)));
    assert_eq!(part.content_range.unwrap(), format!("bytes {}-{}/{}", 5 * MIB, 5 * MIB + 3, 5 * MIB + 4));
    assert_eq!(*head(&fixture, Some(3)).await.unwrap_err().code(), S3ErrorCode::InvalidPart);
    let input = GetObjectInput {
        bucket: BUCKET.into(),
        key: "big".into(),
        part_number: Some(2),
        ..Default::default()
    };
    assert_eq!(text(fixture.get_object(request(input)).await.unwrap().output.body).await, "tail");
}

#[tokio::test]
async fn completions_that_are_wrong_are_refused() {
    let fixture = Fixture::new().await;
    let id = fixture.begin(upload_input("big")).await;
    let small = named(1, fixture.part("big", &id, 1, b"small".to_vec()).await);
    let last = named(2, fixture.part("big", &id, 2, b"last".to_vec()).await);
    let unknown = CompletedPart { part_number: Some(3), ..small.clone() };
    let other = CompletedPart { e_tag: Some(ETag::Strong("0".into())), ..last.clone() };
    for (parts, code) in [
        (vec![], S3ErrorCode::MalformedXML),
        (vec![small.clone(), last.clone()], S3ErrorCode::EntityTooSmall),
        (vec![last.clone(), small.clone()], S3ErrorCode::InvalidPartOrder),
        (vec![small.clone(), small.clone()], S3ErrorCode::InvalidPartOrder),
        (vec![small.clone(), other], S3ErrorCode::InvalidPart),
        (vec![unknown], S3ErrorCode::InvalidPart),
    ] {
        assert_eq!(*fixture.complete("big", &id, parts).await.unwrap_err().code(), code);
    }
    let error = fixture.complete("other", &id, vec![last.clone()]).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::NoSuchUpload);
    fixture.put("big", "there").await;
    let input = CompleteMultipartUploadInput {
        bucket: BUCKET.into(),
        key: "big".into(),
        upload_id: id.clone(),
        multipart_upload: Some(CompletedMultipartUpload { parts: Some(vec![last]) }),
        if_none_match: Some(ETagCondition::Any),
        ..Default::default()
    };
    let error = fixture.complete_multipart_upload(request(input)).await.unwrap_err();
    assert_eq!(*error.code(), S3ErrorCode::PreconditionFailed);
    assert_eq!(fixture.get("big").await, "there");
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let fixture = Fixture::new().await;
    let id = fixture.begin(upload_input("big")).await;
    fixture.part("big", &id, 1, b"x".to_vec()).await;
    let abort = || {
        let (bucket, key, upload_id) = (BUCKET.into(), "big".into(), id.clone());
        request(AbortMultipartUploadInput { bucket, key, upload_id, ..Default::default() })
    };
    fixture.abort_multipart_upload(abort()).await.unwrap();
    assert!(fixture.files().is_empty(), "{:?}", fixture.files());
    assert_eq!(*fixture.abort_multipart_upload(abort()).await.unwrap_err().code(), S3ErrorCode::NoSuchUpload);
    for forged in ["", "..", "../../bucket", "not-an-upload"] {
        let input = UploadPartInput {
            bucket: BUCKET.into(),
            key: "big".into(),
            upload_id: forged.into(),
            part_number: 1,
            ..Default::default()
        };
        let error = fixture.upload_part(request(input)).await.unwrap_err();
        assert_eq!(*error.code(), S3ErrorCode::NoSuchUpload);
    }
}

#[tokio::test]
async fn a_full_object_checksum_is_of_all_bytes() {
    let fixture = Fixture::new().await;
    let bytes = [vec![b'a'; 5 * MIB], b"tail".to_vec()];
    let whole = bytes.concat();
    let encode = |digest: &[u8]| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, digest);
    for (algorithm, kind) in [("CRC64NVME", None), ("CRC32", Some("FULL_OBJECT"))] {
        let id = fixture.begin(checked_input("big", algorithm, kind)).await;
        let mut parts = Vec::new();
        for (number, bytes) in (1..).zip(&bytes) {
            let part = fixture.part("big", &id, number, bytes.clone()).await;
            assert!(part.checksum_crc32.is_some() || part.checksum_crc64nvme.is_some());
            parts.push(named(number, part));
        }
        fixture.complete("big", &id, parts).await.unwrap();
        let found = head(&fixture, None).await.unwrap();
        assert_eq!(found.checksum_type.unwrap().as_str(), "FULL_OBJECT");
        match algorithm {
            "CRC32" => assert_eq!(found.checksum_crc32, Some(encode(&Crc32::checksum(&whole)))),
            _ => assert_eq!(found.checksum_crc64nvme, Some(encode(&Crc64Nvme::checksum(&whole)))),
        }
    }
}

#[tokio::test]
async fn a_composite_checksum_is_of_the_parts_checksums() {
    let fixture = Fixture::new().await;
    let id = fixture.begin(checked_input("big", "CRC32", None)).await;
    let first = fixture.part("big", &id, 1, vec![b'a'; 5 * MIB]).await;
    let second = fixture.part("big", &id, 2, b"tail".to_vec()).await;
    let digests = [vec![b'a'; 5 * MIB], b"tail".to_vec()].map(|bytes| Crc32::checksum(&bytes));
    let expected =
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, Crc32::checksum(&digests.concat()));
    let complete = |checksum: &str, second: CompletedPart| CompleteMultipartUploadInput {
        bucket: BUCKET.into(),
        key: "big".into(),
        upload_id: id.clone(),
        checksum_crc32: Some(checksum.into()),
        multipart_upload: Some(CompletedMultipartUpload {
            parts: Some(vec![named(1, first.clone()), second]),
        }),
        ..Default::default()
    };
    let mut wrong_part = named(2, second.clone());
    wrong_part.checksum_crc32 = Some("AAAAAA==".into());
    let expected = format!("{expected}-2");
    for (checksum, part, code) in [
        ("AAAAAA==-2", named(2, second.clone()), S3ErrorCode::BadDigest),
        (expected.as_str(), wrong_part, S3ErrorCode::InvalidPart),
    ] {
        let error = fixture.complete_multipart_upload(request(complete(checksum, part))).await.unwrap_err();
        assert_eq!(*error.code(), code);
    }
    fixture.complete_multipart_upload(request(complete(&expected, named(2, second)))).await.unwrap();
    let found = head(&fixture, None).await.unwrap();
    assert_eq!((found.checksum_crc32, found.checksum_type.unwrap().as_str()), (Some(expected), "COMPOSITE"));

    let part = head(&fixture, Some(2)).await.unwrap();
    let of_part = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, Crc32::checksum(b"tail"));
    assert_eq!(part.checksum_crc32, Some(of_part), "a part comes with its own checksum");

    let attributes = [ObjectAttributes::CHECKSUM, "ObjectParts,ObjectSize"]; // As s3s hands on one header.
    let input = GetObjectAttributesInput {
        bucket: BUCKET.into(),
        key: "big".into(),
        max_parts: Some(1),
        object_attributes: attributes.map(ObjectAttributes::from_static).to_vec(),
        ..Default::default()
    };
    let output = fixture.get_object_attributes(request(input)).await.unwrap().output;
    let parts = output.object_parts.unwrap();
    assert_eq!((parts.total_parts_count, parts.is_truncated), (Some(2), Some(true)));
    assert!(parts.parts.unwrap()[0].checksum_crc32.is_some() && output.checksum.is_some());
    assert_eq!((output.object_size, output.e_tag), (i64::try_from(5 * MIB + 4).ok(), None));
}

#[tokio::test]
async fn checksum_types_that_do_not_fit_are_refused() {
    let fixture = Fixture::new().await;
    for (algorithm, kind) in [("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE"), ("ROT13", "COMPOSITE")] {
        let input = checked_input("big", algorithm, Some(kind));
        let error = fixture.create_multipart_upload(request(input)).await.unwrap_err();
        assert_eq!(*error.code(), S3ErrorCode::InvalidRequest);
    }
}

#[tokio::test]
async fn parts_are_listed_in_pages() {
    let fixture = Fixture::new().await;
    let id = fixture.begin(checked_input("big", "SHA256", None)).await;
    for number in [11, 2, 1] {
        fixture.part("big", &id, number, vec![b'x'; usize::try_from(number).unwrap()]).await;
    }
    let (mut all, mut part_number_marker) = (Vec::new(), None);
    loop {
        let input = ListPartsInput {
            bucket: BUCKET.into(),
            key: "big".into(),
            upload_id: id.clone(),
            max_parts: Some(2),
            part_number_marker,
            ..Default::default()
        };
        let output = fixture.list_parts(request(input)).await.unwrap().output;
        assert_eq!(output.checksum_type.unwrap().as_str(), "COMPOSITE");
        all.extend(output.parts.unwrap().into_iter().map(|part| {
            assert!(part.checksum_sha256.is_some() && part.e_tag.is_some());
            (part.part_number.unwrap(), part.size.unwrap())
        }));
        if output.is_truncated != Some(true) {
            break;
        }
        part_number_marker = output.next_part_number_marker;
    }
    assert_eq!(all, [(1, 1), (2, 2), (11, 11)]);
}

#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let fixture = Fixture::new().await;
    let mut ids = Vec::new();
    for key in ["a", "a", "b/1", "b/2", "c"] {
        ids.push((key.to_owned(), fixture.begin(upload_input(key)).await));
    }
    let (mut all, mut key_marker, mut upload_id_marker) = (Vec::new(), None, None);
    loop {
        let input = ListMultipartUploadsInput {
            bucket: BUCKET.into(),
            max_uploads: Some(1),
            key_marker,
            upload_id_marker,
            ..Default::default()
        };
        let output = fixture.list_multipart_uploads(request(input)).await.unwrap().output;
        all.extend(
            output
                .uploads
                .unwrap()
                .into_iter()
                .map(|upload| (upload.key.unwrap(), upload.upload_id.unwrap())),
        );
        if output.is_truncated != Some(true) {
            break;
        }
        (key_marker, upload_id_marker) = (output.next_key_marker, output.next_upload_id_marker);
    }
    assert_eq!(all, ids);
    let input = ListMultipartUploadsInput {
        bucket: BUCKET.into(),
        delimiter: Some("/".into()),
        key_marker: Some("a".into()),
        ..Default::default()
    };
    let output = fixture.list_multipart_uploads(request(input)).await.unwrap().output;
    assert_eq!(output.common_prefixes.unwrap()[0].prefix.as_deref(), Some("b/"));
    assert_eq!(output.uploads.unwrap().len(), 1);
}

#[tokio::test]
async fn a_part_can_be_copied() {
    let fixture = Fixture::new().await;
    fixture.put("from", "0123456789").await;
    let id = fixture.begin(upload_input("big")).await;
    let copy = async |range: Option<&str>| {
        let source = CopySource::Bucket { bucket: BUCKET.into(), key: "from".into(), version_id: None };
        let builder =
            UploadPartCopyInput::builder().bucket(BUCKET.into()).key("big".into()).copy_source(source);
        let builder = builder.part_number(1).upload_id(id.clone()).copy_source_range(range.map(Into::into));
        let copied = fixture.upload_part_copy(request(builder.build().unwrap())).await;
        copied.map(|response| response.output.copy_part_result.unwrap()).map_err(|error| error.code().clone())
    };
    assert_eq!(copy(Some("bytes=5-10")).await.unwrap_err(), S3ErrorCode::InvalidRange);
    for improper in ["0-2", "bytes=0", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=2-"] {
        assert_eq!(copy(Some(improper)).await.unwrap_err(), S3ErrorCode::InvalidArgument, "{improper}");
    }
    let part = CompletedPart {
        part_number: Some(1),
        e_tag: copy(Some("bytes=2-4")).await.unwrap().e_tag,
        ..Default::default()
    };
    fixture.complete("big", &id, vec![part]).await.unwrap();
    assert_eq!(fixture.get("big").await, "234");
}
