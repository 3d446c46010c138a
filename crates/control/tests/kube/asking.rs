//! One who asks a webhook as an API server does: HTTP/1.1 over TLS, by its name, trusting what the bundle says.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection that is kept.
pub struct Asker {
    stream: TlsStream<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// `response` of the AdmissionReview.
    pub fn response(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        let mut review: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(
            (&review["apiVersion"], &review["kind"]),
            (&"admission.k8s.io/v1".into(), &"AdmissionReview".into())
        );
        review["response"].take()
    }
}

impl Asker {
    /// Connects; the error says what is wrong with the certificate.
    pub async fn connect(address: SocketAddr, name: &str, bundle: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let secured = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        Ok(Self { stream: secured.map_err(|error| error.to_string())? })
    }

    pub async fn post(&mut self, body: &str) -> Result<Answer, String> {
        let head = format!(
            "POST /validate?timeout=5s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body.as_bytes()].concat()).await
    }

    /// Sends bytes, and reads one answer that has a length.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<Answer, String> {
        let talk = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await?;
            let mut read = Vec::new();
            loop {
                if let Some(answer) = whole(&read) {
                    return Ok(answer);
                }
                if self.stream.read_buf(&mut read).await? == 0 {
                    return Err(std::io::Error::other(format!("closed after {} bytes", read.len())));
                }
            }
        };
        let answered = timeout(Duration::from_secs(20), talk).await.map_err(|_| "no answer".to_owned())?;
        answered.map_err(|error: std::io::Error| error.to_string())
    }
}

fn whole(read: &[u8]) -> Option<Answer> {
    let text = String::from_utf8(read.to_vec()).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Answer { status, body: body.to_owned() })
}
