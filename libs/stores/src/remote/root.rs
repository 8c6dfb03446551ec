//! Answers whose outermost element has another name than S3 gives it.
//!
//! Some services call it after the operation (`GetBucketVersioningResponse`), which lenient clients never notice; the SDK
//! takes it for an answer to something else. It is renamed on its way in, for the operations where this was seen.

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;

/// A parameter of the query that tells the operation, and what S3 calls the outermost element of its answer.
const ROOTS: [(&str, &str, &str); 4] = [
    ("versioning", "GetBucketVersioningResponse", "VersioningConfiguration"),
    ("uploadId", "ListPartsResponse", "ListPartsResult"),
    ("accelerate", "GetBucketAccelerateConfigurationResponse", "AccelerateConfiguration"),
    ("requestPayment", "GetBucketRequestPaymentResponse", "RequestPaymentConfiguration"),
];

/// The names that may have to be changed in the answer to a request: what it may be, and what it should be.
pub(super) fn of(request: &HttpRequest) -> Option<(&'static str, &'static str)> {
    if request.method() != "GET" {
        return None;
    }
    let query = request.uri().split_once('?')?.1;
    let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    ROOTS.iter().find(|(parameter, ..)| asks(parameter)).map(|(_, found, wanted)| (*found, *wanted))
}

/// Renames the outermost element. These answers are short: a configuration, or a page of parts.
pub(super) async fn rename(
    mut answer: HttpResponse,
    (found, wanted): (&str, &str),
) -> Result<HttpResponse, ConnectorError> {
    if !answer.status().is_success() {
        return Ok(answer);
    }
    let body = ByteStream::new(answer.take_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
    let renamed = String::from_utf8_lossy(&body)
        .replace(&format!("<{found}"), &format!("<{wanted}"))
        .replace(&format!("</{found}>"), &format!("</{wanted}>"));
    answer.headers_mut().insert("content-length", renamed.len().to_string());
    *answer.body_mut() = SdkBody::from(renamed);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;

    use super::*;

    fn request(uri: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(uri).unwrap();
        request
    }

    #[test]
    fn only_answers_of_these_operations_are_looked_at() {
        assert_eq!(of(&request("http://store/b?versioning")).unwrap().1, "VersioningConfiguration");
        assert_eq!(of(&request("http://store/b/k?x-id=ListParts&uploadId=1")).unwrap().1, "ListPartsResult");
        assert_eq!(of(&request("http://store/b/versioning")), None);
        assert_eq!(of(&request("http://store/b/k?versionId=versioning")), None);
    }

    #[tokio::test]
    async fn an_answer_gets_the_name_that_s3_gives_it() {
        let body =
            "<GetBucketVersioningResponse xmlns=\"x\"><Status>Enabled</Status></GetBucketVersioningResponse>";
        let answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from(body));
        let names = of(&request("http://store/b?versioning")).unwrap();
        let renamed = rename(answer, names).await.unwrap();
        let expected =
            "<VersioningConfiguration xmlns=\"x\"><Status>Enabled</Status></VersioningConfiguration>";
        assert_eq!(renamed.body().bytes(), Some(expected.as_bytes()));
        assert_eq!(renamed.headers().get("content-length"), Some(expected.len().to_string().as_str()));
    }
}
