//! The cluster's `ValidatingWebhookConfiguration`: read, and its bundle of authorities written. Both are asked of the one
//! object by name, so that nothing more need be allowed.

use super::bundle::mended;
use ::kube::Client;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Why the configuration is not as it should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error(
        "there is no ValidatingWebhookConfiguration {0}, so that the API server asks nothing: apply deploy/webhook.yaml"
    )]
    Absent(String),
    #[error(
        "not allowed ({0}): add the rule for validatingwebhookconfigurations of deploy/rbac-webhook.yaml to the role"
    )]
    Forbidden(String),
    #[error("{0}")]
    Other(String),
}

/// Who writes the configuration.
pub(super) struct Configuration {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Configuration {
    /// Sees to it that every webhook of the configuration trusts `ours`, and none `retired`. Whether anything was written.
    pub(super) async fn trust(&self, ours: &[&str], retired: &[String]) -> Result<bool, Trouble> {
        let present = self.ask(Request::get(self.path()), Vec::new()).await?;
        let mut steps = Vec::new();
        for (index, webhook) in present["webhooks"].as_array().into_iter().flatten().enumerate() {
            let known = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            let known = BASE64_STANDARD.decode(known).unwrap_or_default();
            if let Some(bundle) = mended(&known, ours, retired, SystemTime::now()) {
                let path = format!("/webhooks/{index}/clientConfig/caBundle");
                steps.push(json!({"op": "add", "path": path, "value": BASE64_STANDARD.encode(bundle)}));
            }
        }
        if steps.is_empty() {
            return Ok(false);
        }
        // Another replica may be writing, and webhooks may come and go: not on top of what was not seen.
        let version = &present["metadata"]["resourceVersion"];
        steps.insert(0, json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
        let request = Request::patch(self.path()).header(CONTENT_TYPE, "application/json-patch+json");
        self.ask(request, Value::from(steps).to_string().into_bytes()).await?;
        Ok(true)
    }

    fn path(&self) -> String {
        format!("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{}", self.name)
    }

    async fn ask(&self, request: http::request::Builder, body: Vec<u8>) -> Result<Value, Trouble> {
        let request = request.body(body).map_err(|error| Trouble::Other(error.to_string()))?;
        match timeout(ANSWER, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(::kube::Error::Api(status))) if status.code == 404 => Err(Trouble::Absent(self.name.clone())),
            Ok(Err(::kube::Error::Api(status))) if status.code == 403 => Err(Trouble::Forbidden(status.message)),
            Ok(Err(::kube::Error::Api(status))) => Err(Trouble::Other(status.message)),
            Ok(Err(error)) => Err(Trouble::Other(error.to_string())),
            Err(_) => Err(Trouble::Other(format!("no answer for {} s", ANSWER.as_secs()))),
        }
    }
}
