//! A router that knows its routes, so that the document of `openapi` can be held against them.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use http::Method;

/// Routes of the JSON port, with the state that their handlers ask for.
pub(crate) struct Routes<S> {
    router: Router<S>,
    #[cfg(test)]
    listed: Vec<(Method, &'static str)>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(crate) fn new() -> Self {
        Self {
            router: Router::new(),
            #[cfg(test)]
            listed: Vec::new(),
        }
    }

    pub(crate) fn get<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::GET, MethodFilter::GET, path, handler)
    }

    pub(crate) fn post<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::POST, MethodFilter::POST, path, handler)
    }

    pub(crate) fn put<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::PUT, MethodFilter::PUT, path, handler)
    }

    pub(crate) fn delete<H: Handler<T, S>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::DELETE, MethodFilter::DELETE, path, handler)
    }

    #[cfg_attr(not(test), expect(unused_variables, reason = "only tests ask for the list"))]
    fn add<H: Handler<T, S>, T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.router = self.router.route(path, on(filter, handler));
        #[cfg(test)]
        self.listed.push((method, path));
        self
    }

    /// The router itself.
    pub(crate) fn router(self) -> Router<S> {
        self.router
    }

    /// What was added.
    #[cfg(test)]
    pub(crate) fn listed(&self) -> &[(Method, &'static str)] {
        &self.listed
    }
}
