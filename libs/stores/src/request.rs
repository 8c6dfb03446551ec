//! Requests that relais itself makes of a store.

use s3s::S3Request;

/// A request that carries an input and nothing of any client: no credentials, no headers, no trailers.
pub fn request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: http::Method::GET,
        uri: http::Uri::from_static("/"),
        headers: http::HeaderMap::new(),
        extensions: http::Extensions::new(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}
