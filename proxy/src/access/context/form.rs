//! What a form asks for, as the headers of a PUT that asks for the same.
//!
//! s3s takes from a form what it takes from the headers of a PUT, and nothing from the headers that the form came with. So
//! policies look at the fields, and a header beside them neither helps nor harms.

use http::header::{CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto::PostObjectInput;
use s3s::stream::ByteStream;
use s3s::{S3Result, s3_error};

/// The headers that a PUT would have that does what the form does, and the others that came with it.
pub(crate) fn headers(form: &PostObjectInput, sent: &HeaderMap) -> S3Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        if !name.as_str().starts_with("x-amz-") && ![CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH].contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    for (name, value) in fields(form) {
        let Some(value) = value else { continue };
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            s3_error!(InvalidArgument, "the field {name} has characters that no header may have")
        })?;
        headers.insert(HeaderName::from_static(name), value);
    }
    let of_body = || form.body.as_ref().and_then(|body| body.remaining_length().exact());
    let bytes = form.content_length.and_then(|bytes| u64::try_from(bytes).ok());
    if let Some(bytes) = bytes.or_else(|| of_body().and_then(|bytes| u64::try_from(bytes).ok())) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    Ok(headers)
}

fn fields(form: &PostObjectInput) -> [(&'static str, Option<String>); 14] {
    let date = form.object_lock_retain_until_date.as_ref().and_then(|date| {
        let mut text = Vec::new();
        date.format(s3s::dto::TimestampFormat::DateTime, &mut text).ok()?;
        String::from_utf8(text).ok()
    });
    let text = |text: &Option<String>| text.clone();
    [
        ("x-amz-acl", form.acl.as_ref().map(|acl| acl.as_str().to_owned())),
        ("x-amz-grant-full-control", text(&form.grant_full_control)),
        ("x-amz-grant-read", text(&form.grant_read)),
        ("x-amz-grant-read-acp", text(&form.grant_read_acp)),
        ("x-amz-grant-write-acp", text(&form.grant_write_acp)),
        ("x-amz-tagging", text(&form.tagging)),
        ("x-amz-storage-class", form.storage_class.as_ref().map(|class| class.as_str().to_owned())),
        (
            "x-amz-server-side-encryption",
            form.server_side_encryption.as_ref().map(|kind| kind.as_str().to_owned()),
        ),
        ("x-amz-server-side-encryption-aws-kms-key-id", text(&form.ssekms_key_id)),
        ("x-amz-server-side-encryption-customer-algorithm", text(&form.sse_customer_algorithm)),
        ("x-amz-object-lock-mode", form.object_lock_mode.as_ref().map(|mode| mode.as_str().to_owned())),
        ("x-amz-object-lock-retain-until-date", date),
        (
            "x-amz-object-lock-legal-hold",
            form.object_lock_legal_hold_status.as_ref().map(|status| status.as_str().to_owned()),
        ),
        ("x-amz-website-redirect-location", text(&form.website_redirect_location)),
    ]
}
