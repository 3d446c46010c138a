//! A proxy that connects to a control plane, and takes or refuses what comes.

use super::scene::Control;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use xds::proto::{DeltaDiscoveryRequest, Status};
use xds::server::Server;
use xds::{Kind, node};

/// A connected proxy; it goes with the value.
pub struct Sidecar {
    task: JoinHandle<()>,
    /// The listener that it refuses.
    refuses: Arc<Mutex<Option<String>>>,
}

impl Sidecar {
    /// The sidecar of `POD.NAMESPACE` at an address.
    pub fn connect(control: &Control, who: &str, ip: &str) -> Self {
        let namespace = who.rsplit('.').next().unwrap();
        let id = format!("sidecar~{ip}~{who}~{namespace}.svc.cluster.local");
        let mut metadata = serde_json::Map::new();
        metadata.insert("ISTIO_VERSION".to_owned(), "1.31.0".into());
        let node = node::Node { id, metadata, ..node::Node::default() };
        let refuses: Arc<Mutex<Option<String>>> = Arc::default();
        let (server, refused) = (control.server.clone(), Arc::clone(&refuses));
        let task = control.runtime.spawn(async move {
            // A control plane that is not ready ends the stream.
            loop {
                converse(&server, &node, &refused).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { task, refuses }
    }

    /// From now on it refuses whatever has a listener of this name in it.
    pub fn refuse(&self, listener: Option<&str>) {
        *self.refuses.lock().unwrap() = listener.map(str::to_owned);
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(server: &Server, node: &node::Node, refuses: &Mutex<Option<String>>) {
    let (up, requests) = mpsc::unbounded_channel();
    let mut responses = server.delta(UnboundedReceiverStream::new(requests));
    let ask = |kind: Kind, node: Option<xds::proto::Node>| {
        let type_url = kind.url().to_owned();
        drop(up.send(Ok(DeltaDiscoveryRequest { node, type_url, ..DeltaDiscoveryRequest::default() })));
    };
    ask(Kind::Cluster, Some(node.write()));
    ask(Kind::Listener, None);
    while let Some(Ok(response)) = responses.next().await {
        let refused = refuses.lock().unwrap().clone();
        let refused = refused.filter(|name| response.resources.iter().any(|resource| resource.name == *name));
        let message = |name: String| format!("Error adding/updating listener(s) {name}: it is not to its taste\n");
        let error_detail = refused.map(|name| Status { code: 13, message: message(name) });
        let (type_url, response_nonce) = (response.type_url, response.nonce);
        drop(up.send(Ok(DeltaDiscoveryRequest {
            type_url,
            response_nonce,
            error_detail,
            ..DeltaDiscoveryRequest::default()
        })));
    }
}
