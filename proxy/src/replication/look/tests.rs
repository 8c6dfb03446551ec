//! What a HEAD tells of bytes, and what it does not.

use s3s::dto::{ChecksumType, ETag, HeadObjectOutput, ServerSideEncryption};

use super::{Bytes, bytes};

const ONE: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn head(etag: &str) -> HeadObjectOutput {
    HeadObjectOutput { e_tag: Some(ETag::Strong(etag.to_owned())), ..Default::default() }
}

fn with_sum(etag: &str, kind: Option<&'static str>, sum: &str) -> HeadObjectOutput {
    let checksum_type = kind.map(ChecksumType::from_static);
    HeadObjectOutput { checksum_crc32: Some(sum.to_owned()), checksum_type, ..head(etag) }
}

#[test]
fn equal_entity_tags_mean_equal_bytes() {
    assert_eq!(bytes(&head(ONE), &head(ONE)), Bytes::Same);
    assert_eq!(bytes(&head(&format!("{ONE}-3")), &head(&format!("{ONE}-3"))), Bytes::Same);
}

#[test]
fn entity_tags_of_parts_and_of_encryption_tell_nothing_where_they_differ() {
    assert_eq!(bytes(&head(ONE), &head(OTHER)), Bytes::Different);
    let parts = head(&format!("{OTHER}-3"));
    assert_eq!(bytes(&head(ONE), &parts), Bytes::Unclear);
    assert_eq!(bytes(&head(&format!("{ONE}-2")), &parts), Bytes::Unclear);
    let encryption = Some(ServerSideEncryption::from_static(ServerSideEncryption::AWS_KMS));
    let encrypted = HeadObjectOutput { server_side_encryption: encryption, ..head(OTHER) };
    assert_eq!(bytes(&head(ONE), &encrypted), Bytes::Unclear);
    let by_customer = HeadObjectOutput { sse_customer_algorithm: Some("AES256".to_owned()), ..head(OTHER) };
    assert_eq!(bytes(&by_customer, &head(ONE)), Bytes::Unclear);
    assert_eq!(bytes(&HeadObjectOutput::default(), &HeadObjectOutput::default()), Bytes::Unclear);
}

#[test]
fn checksums_of_whole_objects_decide_where_entity_tags_do_not() {
    let full = Some(ChecksumType::FULL_OBJECT);
    let parts = format!("{OTHER}-3");
    assert_eq!(bytes(&with_sum(ONE, full, "AAAAAA=="), &with_sum(&parts, full, "AAAAAA==")), Bytes::Same);
    assert_eq!(
        bytes(&with_sum(ONE, full, "AAAAAA=="), &with_sum(&parts, full, "AAAAAQ==")),
        Bytes::Different
    );
    // Bytes that changed under a tag that stayed.
    assert_eq!(bytes(&with_sum(ONE, full, "AAAAAA=="), &with_sum(ONE, full, "AAAAAQ==")), Bytes::Different);
    let composite = Some(ChecksumType::COMPOSITE);
    for kind in [composite, None] {
        let (one, other) = (with_sum(ONE, kind, "AAAAAA==-2"), with_sum(&parts, kind, "AAAAAQ==-3"));
        assert_eq!(bytes(&one, &other), Bytes::Unclear);
    }
    let none = head(&parts);
    assert_eq!(bytes(&with_sum(ONE, full, "AAAAAA=="), &none), Bytes::Unclear);
}
