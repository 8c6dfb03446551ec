//! The way from the SDK to the network, the same for every operation: in line, out, and the answer watched.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::answer;
use super::budget::Budget;
use super::root;
use super::turn::{Received, Sent, Turn};
use crate::config::RemoteConfig;

/// An HTTP client that keeps a store's limits.
#[derive(Debug)]
pub(super) struct Connector {
    http: SharedHttpClient,
    limits: Arc<Limits>,
}

#[derive(Debug)]
struct Limits {
    budget: Budget,
    read_timeout: Duration,
}

impl Connector {
    pub(super) fn over(http: SharedHttpClient, config: &RemoteConfig) -> Self {
        let read_timeout = Duration::from_secs(config.read_timeout_seconds.get().into());
        Self { http, limits: Arc::new(Limits { budget: Budget::of(config), read_timeout }) }
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connection = self.http.http_connector(settings, components);
        SharedHttpConnector::new(Connection { connection, limits: Arc::clone(&self.limits) })
    }
}

#[derive(Debug)]
struct Connection {
    connection: SharedHttpConnector,
    limits: Arc<Limits>,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connection, limits) = (self.connection.clone(), Arc::clone(&self.limits));
        HttpConnectorFuture::new(async move { limits.send(&connection, request).await })
    }
}

impl Limits {
    async fn send(
        &self,
        connection: &SharedHttpConnector,
        mut request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let Ok(permit) = self.budget.enter().await else { return Ok(answer::slow_down()) };
        let turn = Turn::stores();
        if request.body().is_streaming() {
            let body = request.take_body();
            *request.body_mut() = SdkBody::from_body_1_x(Sent { body, turn: Arc::clone(&turn) });
        }
        let root = root::of(&request);
        let answer = tokio::select! {
            answer = connection.call(request) => answer?,
            silent = turn.silence(self.read_timeout) => return Err(ConnectorError::timeout(silent.into())),
        };
        let mut answer = answer::name(answer);
        if let Some(names) = root {
            answer = root::rename(answer, names).await?;
        }
        let body = answer.take_body();
        *answer.body_mut() = SdkBody::from_body_1_x(Received::new(body, self.read_timeout, permit));
        Ok(answer)
    }
}
