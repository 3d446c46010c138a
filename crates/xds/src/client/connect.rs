//! Opening a stream: addresses, TLS, and the gRPC call.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

/// Everything for a node in one message: 1,000 services are a few MB.
const LARGEST_RESPONSE: usize = 256 << 20;

/// Where a control plane listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host name or IP address, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// TLS towards the control plane, in PEM.
#[derive(Clone)]
pub struct ClientTls {
    /// What the server's certificate must lead to.
    pub roots: Vec<u8>,
    /// The name that the server's certificate must be for; default: the host that is connected to.
    pub server_name: Option<String>,
    /// The proxy's own chain and key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// How one address is connected to.
pub(super) struct Way<'a> {
    pub(super) address: &'a Address,
    pub(super) tls: Option<&'a ClientTls>,
    pub(super) authority: Option<&'a str>,
    pub(super) timeout: Duration,
    pub(super) keepalive: Duration,
}

impl Way<'_> {
    pub(super) async fn connect(&self) -> Result<Channel, String> {
        let endpoint = self.endpoint().map_err(|error| chain(&error))?;
        endpoint.connect().await.map_err(|error| chain(&error))
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let uri = match self.address {
            Address::Tcp(..) => format!("{scheme}://{}", self.address),
            Address::Unix(path) => format!("unix://{}", path.display()),
        };
        let mut endpoint = Endpoint::from_shared(uri)?
            .tcp_nodelay(true)
            .connect_timeout(self.timeout)
            .http2_keep_alive_interval(self.keepalive)
            .keep_alive_timeout(self.keepalive)
            .keep_alive_while_idle(true);
        if let Some(authority) = self.authority.and_then(|name| format!("{scheme}://{name}").parse::<Uri>().ok()) {
            endpoint = endpoint.origin(authority);
        }
        if let Some(tls) = self.tls {
            let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.roots));
            if let Some(name) = &tls.server_name {
                config = config.domain_name(name);
            }
            if let Some((certificates, key)) = &tls.identity {
                config = config.identity(Identity::from_pem(certificates, key));
            }
            endpoint = endpoint.tls_config(config)?;
        }
        Ok(endpoint)
    }
}

/// Calls a streaming method.
pub(super) async fn call<Q, R>(
    channel: Channel,
    path: &'static str,
    metadata: MetadataMap,
    requests: mpsc::UnboundedReceiver<Q>,
) -> Result<Streaming<R>, Status>
where
    Q: Message + 'static,
    R: Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel).max_decoding_message_size(LARGEST_RESPONSE);
    grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
    let mut request = tonic::Request::new(UnboundedReceiverStream::new(requests));
    *request.metadata_mut() = metadata;
    let codec = ProstCodec::<Q, R>::default();
    Ok(grpc.streaming(request, http::uri::PathAndQuery::from_static(path), codec).await?.into_inner())
}

/// Headers of the call; those that HTTP does not allow are named in the error.
pub(super) fn headers(written: &[(String, String)]) -> Result<MetadataMap, String> {
    let mut metadata = MetadataMap::new();
    for (name, value) in written {
        let key =
            MetadataKey::from_bytes(name.to_lowercase().as_bytes()).map_err(|_| format!("header name {name:?}"))?;
        let value = MetadataValue::try_from(value).map_err(|_| format!("the value of header {name:?}"))?;
        metadata.append(key, value);
    }
    Ok(metadata)
}

/// An error with its causes: tonic's own text is only "transport error".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let line = inner.to_string();
        if !text.ends_with(&line) {
            text = format!("{text}: {line}");
        }
        cause = inner.source();
    }
    text
}
