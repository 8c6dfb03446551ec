//! The addresses at which clients reach relais through a proxy in front of it.
//!
//! A signature is made over the host that the client sees. A proxy that puts another one in its place makes every signature
//! wrong, unless it says in `X-Forwarded-Host` what was there; it is believed only if the configuration knows that host.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, StatusCode, Uri};

/// What a proxy in front says of the host that its client asked for.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Largest error body that is looked at; those of s3s are far smaller.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// The hosts of `proxy.public_urls`.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Arc<[Authority]>);

impl Hosts {
    /// Takes them from the URLs; the one that is none is the error.
    pub(crate) fn of(urls: &[String]) -> Result<Self, String> {
        let host = |url: &String| {
            let uri: Option<Uri> = url.parse().ok();
            uri.filter(|uri| uri.scheme().is_some())
                .and_then(|uri| uri.authority().cloned())
                .ok_or_else(|| url.clone())
        };
        Ok(Self(urls.iter().map(host).collect::<Result<_, _>>()?))
    }

    fn has(&self, host: &HeaderValue) -> bool {
        host.to_str().is_ok_and(|host| self.0.iter().any(|known| known.as_str().eq_ignore_ascii_case(host)))
    }
}

/// Puts the host back that the client signed, and names the host in the refusal of a signature.
pub(crate) async fn front(State(hosts): State<Hosts>, mut request: Request, next: Next) -> Response {
    let forwarded = request.headers().get(FORWARDED_HOST).filter(|host| hosts.has(host)).cloned();
    if let Some(host) = forwarded {
        request.headers_mut().insert(HOST, host);
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let response = next.run(request).await;
    match host {
        Some(host) if response.status() == StatusCode::FORBIDDEN => name_host(response, &host).await,
        _ => response,
    }
}

/// A wrong signature is most often a signature for another host.
async fn name_host(response: Response, host: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, ERROR_BYTES_MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let text = String::from_utf8_lossy(&body);
    // Only characters of host names, so that nothing of the request becomes XML.
    let is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    if !is_plain || !text.contains("<Code>SignatureDoesNotMatch</Code>") {
        return Response::from_parts(parts, Body::from(body));
    }
    let hint = format!(
        "The signature was checked for the host {host}. Behind a proxy that changes it, name the outer address in proxy.public_urls and have the proxy send X-Forwarded-Host."
    );
    let told = match (text.find("<Message>"), text.find("</Message>")) {
        (Some(_), Some(end)) => format!("{} {hint}{}", &text[..end], &text[end..]),
        _ => text.replace("</Code>", &format!("</Code><Message>{hint}</Message>")),
    };
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(told.len()));
    Response::from_parts(parts, Body::from(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_configuration_are_believed() {
        let hosts =
            Hosts::of(&["https://s3.example".to_owned(), "http://10.0.0.1:9000/".to_owned()]).unwrap();
        assert!(hosts.has(&HeaderValue::from_static("S3.example")));
        assert!(hosts.has(&HeaderValue::from_static("10.0.0.1:9000")));
        assert!(!hosts.has(&HeaderValue::from_static("s3.example.evil")));
        assert!(!hosts.has(&HeaderValue::from_static("10.0.0.1")));
        assert_eq!(Hosts::of(&["s3.example".to_owned()]).unwrap_err(), "s3.example");
    }

    #[tokio::test]
    async fn a_wrong_signature_is_told_with_its_host() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message></Error>";
        let told = name_host(Response::new(Body::from(body)), "s3.example:443").await;
        let told = axum::body::to_bytes(told.into_body(), ERROR_BYTES_MAX).await.unwrap();
        let told = String::from_utf8(told.to_vec()).unwrap();
        assert!(
            told.contains("<Message>No. The signature was checked for the host s3.example:443."),
            "{told}"
        );
        let odd = name_host(Response::new(Body::from(body)), "<b>").await;
        let odd = axum::body::to_bytes(odd.into_body(), ERROR_BYTES_MAX).await.unwrap();
        assert_eq!(odd, body);
    }
}
