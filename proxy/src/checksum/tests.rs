use super::*;

/// CRC32 of "hello" and MD5 of "hello", computed with Python's zlib and hashlib.
const CRC32: &str = "NhCmhg==";
const MD5: &str = "XUFAKrxLKna5cZ2REBfFkg==";

fn verify(input: &PutObjectInput, body: &str) -> Result<Checksum, GatewayError> {
    let mut verifier = Verifier::for_object(input, &HeaderMap::new(), None)?;
    verifier.update(body.as_bytes());
    verifier.finish()
}

#[test]
fn a_body_passes_with_the_right_checksums_and_no_other() {
    let crc32 = PutObjectInput { checksum_crc32: Some(CRC32.to_owned()), ..Default::default() };
    let md5 = PutObjectInput { content_md5: Some(MD5.to_owned()), ..Default::default() };
    assert_eq!(verify(&crc32, "hello").unwrap().checksum_crc32.as_deref(), Some(CRC32));
    assert!(verify(&md5, "hello").is_ok());
    for input in [crc32, md5] {
        assert!(matches!(verify(&input, "hullo"), Err(GatewayError::Digest { .. })));
        assert!(matches!(verify(&input, ""), Err(GatewayError::Digest { .. })));
    }
}

#[test]
fn a_checksum_that_is_none_is_told_before_the_body_is_read() {
    for (crc32, md5) in
        [(Some("AAAA"), None), (Some("not base64!"), None), (None, Some("AAAA")), (None, Some("?"))]
    {
        let input = PutObjectInput {
            checksum_crc32: crc32.map(str::to_owned),
            content_md5: md5.map(str::to_owned),
            ..Default::default()
        };
        let verifier = Verifier::for_object(&input, &HeaderMap::new(), None);
        assert!(matches!(verifier, Err(GatewayError::DigestUnreadable { .. })));
    }
}

#[test]
fn an_announced_trailer_is_computed_from_the_first_byte() {
    let headers = [(http::HeaderName::from_static("x-amz-trailer"), "x-amz-checksum-crc32".parse().unwrap())];
    let mut verifier =
        Verifier::for_object(&PutObjectInput::default(), &headers.into_iter().collect(), None).unwrap();
    verifier.update(b"hello");
    assert_eq!(verifier.finish().unwrap().checksum_crc32.as_deref(), Some(CRC32));
}
