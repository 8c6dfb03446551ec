//! Requests that are sent once.
//!
//! A change under a condition, and the end of an upload, are refused when they come a second time, because of what they did the
//! first time. Were they sent again after an answer that got lost, "done" would be heard as "nothing was changed". So the
//! lost answer is what the caller hears of: an outage, after which nobody knows.

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut as Context;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// Leaves one attempt to such a request. A classifier of answers could not: it does not see the request any more.
#[derive(Debug)]
pub(super) struct Once;

/// What the names of headers that are conditions begin with: on the object, on its time and size, on the source of a copy.
const CONDITIONS: [&str; 4] = ["if-", "x-amz-if-", "x-amz-copy-source-if-", "x-amz-rename-source-if-"];

impl Intercept for Once {
    fn name(&self) -> &'static str {
        "requests that are sent once"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut Context<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_refused_again(context.request())
            && let Some(retries) = config.load::<RetryConfig>().cloned()
        {
            config.interceptor_state().store_put(retries.with_max_attempts(1));
        }
        Ok(())
    }
}

fn is_refused_again(request: &HttpRequest) -> bool {
    let is_condition = |name: &str| CONDITIONS.iter().any(|condition| name.starts_with(condition));
    match request.method() {
        "GET" | "HEAD" => false,
        "POST" if is_completion(request.uri()) => true,
        _ => request.headers().iter().any(|(name, _)| is_condition(name)),
    }
}

/// A POST with the id of an upload; a POST that begins one has `?uploads`.
fn is_completion(uri: &str) -> bool {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| pair.starts_with("uploadId="))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;

    fn is_sent_once(method: &str, uri: &str, header: Option<&'static str>) -> bool {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_method(method).unwrap();
        request.set_uri(uri).unwrap();
        if let Some(header) = header {
            request.headers_mut().insert(header, "*");
        }
        is_refused_again(&request)
    }

    #[test]
    fn changes_under_a_condition_are_sent_once() {
        for (method, header) in [
            ("PUT", "if-match"),
            ("PUT", "if-none-match"),
            ("DELETE", "if-match"),
            ("DELETE", "x-amz-if-match-size"),
            ("PUT", "x-amz-copy-source-if-match"),
        ] {
            assert!(is_sent_once(method, "http://store/media/k", Some(header)), "{method} {header}");
            assert!(!is_sent_once(method, "http://store/media/k", None), "{method}");
        }
        assert!(!is_sent_once("GET", "http://store/media/k", Some("if-none-match")), "it changes nothing");
    }

    #[test]
    fn the_end_of_an_upload_is_sent_once() {
        assert!(is_sent_once("POST", "http://store/media/k?x-id=CompleteMultipartUpload&uploadId=1", None));
        for (method, query) in [("POST", "uploads"), ("POST", "delete"), ("PUT", "partNumber=1&uploadId=1")] {
            assert!(
                !is_sent_once(method, &format!("http://store/media/k?{query}"), None),
                "{method} {query}"
            );
        }
    }
}
