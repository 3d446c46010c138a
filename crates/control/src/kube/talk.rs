//! Single requests to an API server, and what it answers.

use super::wire::{self, Status};
use ::kube::Client;
use ::kube::client::Body;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use std::error::Error;
use std::time::Duration;
use tokio::time::timeout;

/// The most bytes of an answer: etcd holds no object that is nearly as large.
const MOST: usize = 64 << 20;

/// Who asks, and for how long it waits for an answer.
pub(super) struct Talk {
    pub(super) client: Client,
    pub(super) patience: Duration,
}

/// What a server answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is so. With the object.
    Fine(Value),
    /// With how long the server wants to be left alone.
    Refused(Status, Option<Duration>),
    /// No connection, or one that broke, or nonsense.
    Broken(String),
}

impl Talk {
    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "application/json", Vec::new()).await
    }

    /// Changes an object, in the way that `content` names.
    pub(super) async fn patch(&self, path: &str, content: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, content, body.to_string().into_bytes()).await
    }

    async fn ask(&self, method: Method, path: &str, content: &str, body: Vec<u8>) -> Answer {
        let answered = timeout(self.patience, self.try_to_ask(method, path, content, body)).await;
        let silent = || Answer::Broken(format!("nothing was heard for {} s", self.patience.as_secs_f32()));
        answered.unwrap_or_else(|_| Ok(silent())).unwrap_or_else(|error| Answer::Broken(error.to_string()))
    }

    async fn try_to_ask(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Vec<u8>,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let request = Request::builder().method(method).uri(path).header(ACCEPT, "application/json");
        let request = request.header(CONTENT_TYPE, content).body(Body::from(body))?;
        let response = self.client.send(request).await?;
        let code = response.status();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|wish| wish.to_str().ok()?.trim().parse().ok());
        let bytes = Limited::new(response.into_body(), MOST).collect().await?.to_bytes();
        if code.is_success() {
            return Ok(Answer::Fine(serde_json::from_slice(&bytes)?));
        }
        Ok(Answer::Refused(wire::status(code.as_u16(), &bytes), seconds.map(Duration::from_secs)))
    }
}
