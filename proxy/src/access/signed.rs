//! What S3 asks of a signature beside being right: that there is one only, and that it covers the host.
//!
//! s3s has verified it by then, over the headers that the client chose. Without the host among them it would be as good at any
//! other address that knows the key. SigV2 chooses no headers, and forms are not signed by header.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use s3s::{S3Result, s3_error};

use super::context::query;

/// Refuses a verified signature that is one of two, or that leaves the host out.
pub(super) fn check(headers: &HeaderMap, uri: &Uri) -> S3Result<()> {
    let in_head = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let in_query = query(uri, "X-Amz-SignedHeaders");
    let names = match (in_head, &in_query) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => {
            return Err(s3_error!(InvalidArgument, "sign in the query or in Authorization, not in both"));
        }
        (None, Some(names)) => Some(names.as_str()),
        (Some(head), None) => of_head(head),
    };
    match names {
        Some(names) if !names.split(';').any(|name| name.eq_ignore_ascii_case("host")) => {
            Err(s3_error!(AccessDenied, "the header host was not signed"))
        }
        _ => Ok(()),
    }
}

/// Whether the signature of a request covers a header. SigV2 leaves headers like this one out, and a form's signature covers
/// none.
pub(super) fn covers(headers: &HeaderMap, uri: &Uri, header: &str) -> bool {
    let in_head = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let in_query = query(uri, "X-Amz-SignedHeaders");
    let names = match (in_head, &in_query) {
        (_, Some(names)) => Some(names.as_str()),
        (Some(head), None) => of_head(head),
        (None, None) => None,
    };
    names.is_some_and(|names| names.split(';').any(|name| name.eq_ignore_ascii_case(header)))
}

/// The names of the headers that a SigV4 signature in the head covers.
fn of_head(authorization: &str) -> Option<&str> {
    let rest = authorization.strip_prefix("AWS4-")?.split_once("SignedHeaders=")?.1;
    Some(rest.split(',').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const HEAD: &str =
        "AWS4-HMAC-SHA256 Credential=k/20260101/r/s3/aws4_request,SignedHeaders=NAMES, Signature=0";

    fn code(authorization: Option<&str>, uri: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        check(&headers, &Uri::from_static(uri)).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn the_host_must_be_signed() {
        let signing = |names| code(Some(&HEAD.replace("NAMES", names)), "/b/k");
        assert_eq!(signing("host;x-amz-date"), None);
        assert_eq!(signing("accept;Host"), None);
        assert_eq!(signing("x-amz-date").as_deref(), Some("AccessDenied"));
        assert_eq!(signing("x-host;hosts").as_deref(), Some("AccessDenied"));
        assert_eq!(code(None, "/b/k?X-Amz-SignedHeaders=host%3Bx-amz-acl"), None);
        assert_eq!(code(None, "/b/k?X-Amz-SignedHeaders=x-amz-acl").as_deref(), Some("AccessDenied"));
    }

    #[test]
    fn a_header_is_covered_where_the_signature_names_it() {
        let is_covered = |authorization: Option<&str>, uri| {
            let authorization = authorization.map(|value| HeaderValue::from_str(value).unwrap());
            let headers = authorization.into_iter().map(|value| (AUTHORIZATION, value)).collect();
            covers(&headers, &Uri::from_static(uri), "x-relais-write-mode")
        };
        assert!(is_covered(Some(&HEAD.replace("NAMES", "host;x-relais-write-mode")), "/b/k"));
        assert!(!is_covered(Some(&HEAD.replace("NAMES", "host;x-amz-date")), "/b/k"));
        assert!(is_covered(None, "/b/k?X-Amz-SignedHeaders=host%3Bx-relais-write-mode"));
        assert!(!is_covered(None, "/b/k?X-Amz-SignedHeaders=host"));
        assert!(!is_covered(Some("AWS key:signature"), "/b/k"), "SigV2 leaves it out");
        assert!(
            !is_covered(None, "/b/k?AWSAccessKeyId=key&Expires=1&Signature=0"),
            "also in a presigned URL"
        );
        assert!(!is_covered(None, "/b/k"), "a form's signature is in its body");
    }

    #[test]
    fn there_is_one_signature() {
        let head = HEAD.replace("NAMES", "host");
        let both = code(Some(&head), "/b/k?X-Amz-SignedHeaders=host");
        assert_eq!(both.as_deref(), Some("InvalidArgument"));
        assert_eq!(code(None, "/b/k"), None);
        assert_eq!(code(Some("AWS key:signature"), "/b/k"), None, "SigV2 chooses no headers");
    }
}
