use crate::ask::Asker;
use crate::connect::Connector;
use crate::decision::Candidate;
use crate::testing::{LONG, Layout, SOUND, Zone, redis, topology};
use meant::{ClientTls, ConfigSource, Delivered, Delivery, Identity, Roots, Secret, ServerTls, Sockets, Tls, Trust};
use rcgen::{CertificateParams, KeyPair};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::Fake;
use tls::Secrets;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate that is its own authority, and its key.
fn pair() -> (Vec<u8>, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["redis".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
}

fn trust(pem: &[u8]) -> Trust {
    Trust { roots: Roots::Written(pem.to_vec()), names: Vec::new() }
}

/// TLS before a node that speaks none: it wants a client with the certificate that it shows itself.
async fn front(node: SocketAddr, (chain, key): &(Vec<u8>, Vec<u8>)) -> SocketAddr {
    let identity = Some(Identity::Written { chain: chain.clone(), key: Secret::new(key.clone()) });
    let shared = Tls { identity, trust: trust(chain), ..Tls::default() };
    let server = ServerTls { requires_client_certificate: true, shared };
    let config = tls::server(&server, &Secrets::default()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::clone(config.config()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut secured) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(node).await.unwrap();
                let _ended = copy_bidirectional(&mut secured, &mut plain).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn nodes_are_asked_by_tls_once_the_secret_is_there() {
    let layout = Layout::new(vec![(0, 16_383, vec![([127, 0, 0, 1], 7).into()])].into());
    let fake = Fake::start(move |request| topology(request, &layout, SOUND)).unwrap();
    let pair = pair();
    let address = front(fake.address(), &pair).await;

    let at = Delivery { name: "default".into(), source: ConfigSource::Ads };
    let shared = Tls { identity: Some(Identity::Delivered(at.clone())), trust: trust(&pair.0), ..Tls::default() };
    let mut cluster = redis(LONG, &[]);
    cluster.source = Some(([127, 0, 0, 6], 0).into());
    cluster.sockets =
        Sockets { default: Some(Arc::new(ClientTls { sni: String::new(), shared })), matches: Vec::new() };
    let connector = Connector::new(Arc::new(cluster));
    let asker = Asker::new(connector.clone(), Zone::default().names(), LONG);
    let node = Candidate { address, names: Vec::new() };

    let silence = asker.ask(&node, &BTreeSet::new()).await.map(|_| ()).unwrap_err().to_string();
    assert_eq!(silence, "cannot connect: no TLS: the secret 'default' has not been delivered yet");

    let mut secrets = Secrets::default();
    secrets.insert(at, Delivered::Identity { chain: pair.0.clone(), key: Secret::new(pair.1.clone()) });
    connector.secure(&secrets);
    let opinion = asker.ask(&node, &BTreeSet::new()).await.unwrap();
    assert_eq!(opinion.map.nodes().len(), 1);
}

#[tokio::test]
async fn a_node_that_is_not_trusted_is_not_asked() {
    let pair = pair();
    let address = front(([127, 0, 0, 1], 1).into(), &pair).await;
    let mut cluster = redis(LONG, &[]);
    let shared = Tls { trust: trust(&self::pair().0), ..Tls::default() };
    cluster.sockets =
        Sockets { default: Some(Arc::new(ClientTls { sni: String::new(), shared })), matches: Vec::new() };
    let connector = Connector::new(Arc::new(cluster));
    let refused = connector.connect(address).await.map(|_| ()).unwrap_err().to_string();
    assert!(refused.starts_with("TLS: invalid peer certificate"), "{refused}");
}
