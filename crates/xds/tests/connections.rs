//! TLS, Unix sockets, headers, and control planes that repeat themselves.
#![cfg(test)]

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use world::{World, accept, eventually, next, resource, resources, serve, settings};
use xds::Kind::{Cluster, Secret};
use xds::client::{Address, Client, ClientTls, Settings, Verdict, Want};
use xds::method::{ADS, SECRETS};
use xds::proto::DeltaDiscoveryRequest;
use xds::server::{Dialect, ServerTls};

/// A certificate authority of the moment.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// A chain and its key.
    fn issue(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }
}

fn with_tls(plain: Settings, authority: &Authority, name: &str, identity: Option<(Vec<u8>, Vec<u8>)>) -> Settings {
    let roots = authority.certificate.clone().into_bytes();
    Settings { tls: Some(ClientTls { roots, server_name: Some(name.to_owned()), identity }), ..plain }
}

async fn refused(settings: Settings) -> String {
    let (client, _updates) = Client::start(settings);
    client.want(Cluster, Want::Everything);
    let mut state = client.state();
    let state = tokio::time::timeout(world::PATIENT, state.wait_for(|state| state.last_error.is_some())).await;
    state.unwrap().unwrap().last_error.clone().unwrap()
}

#[tokio::test]
async fn tls_wants_the_right_name_and_both_sides_certificates() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let world = World::new();
    world.set(Cluster, resources(Cluster, &[("a", "1")]));
    let (certificates, key) = ours.issue("istiod.istio-system.svc");
    let client_roots = Some(ours.certificate.clone().into_bytes());
    let (server, address) = serve(&world, None, Some(ServerTls { certificates, key, client_roots })).await;
    let plain = || settings(address, Dialect::Delta);
    let name = "istiod.istio-system.svc";
    let me = || Some(ours.issue("redis-client.redis"));

    let (client, mut updates) = Client::start(with_tls(plain(), &ours, name, me()));
    client.want(Cluster, Want::Everything);
    assert_eq!(accept(&mut updates, Cluster).await.0, ["a"]);

    let wrong_name = refused(with_tls(plain(), &ours, "elsewhere.svc", me())).await;
    assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
    let wrong_roots = refused(with_tls(plain(), &foreign, name, me())).await;
    assert!(wrong_roots.contains("invalid peer certificate"), "{wrong_roots}");
    refused(with_tls(plain(), &ours, name, None)).await;
    refused(with_tls(plain(), &ours, name, Some(foreign.issue("stranger")))).await;
    refused(plain()).await;
    assert_eq!(server.proxies().len(), 1, "only the first one came in");
    server.stop();
}

/// A Unix socket before a control plane, as Istio's agent has one.
async fn behind_a_socket(path: &std::path::Path, address: std::net::SocketAddr) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut down, _)) = listener.accept().await {
            let mut up = TcpStream::connect(address).await.unwrap();
            tokio::spawn(async move { drop(copy_bidirectional(&mut down, &mut up).await) });
        }
    });
}

#[tokio::test]
async fn secrets_come_over_a_unix_socket_and_a_new_one_replaces_the_old() {
    for dialect in [Dialect::Sotw, Dialect::Delta] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let world = World::new();
        world.set(Secret, resources(Secret, &[("default", "1"), ("ROOTCA", "1"), ("other", "1")]));
        let (server, address) = serve(&world, None, None).await;
        behind_a_socket(&socket, address).await;
        let addresses = vec![Address::Unix(socket)];
        let (client, mut updates) =
            Client::start(Settings { addresses, method: SECRETS, ..settings(address, dialect) });
        client.want(Secret, Want::named(["default", "ROOTCA"]));
        let (mut first, _) = accept(&mut updates, Secret).await;
        first.sort();
        assert_eq!(first, ["ROOTCA", "default"]);
        world.set(Secret, resources(Secret, &[("default", "2"), ("ROOTCA", "1"), ("other", "2")]));
        assert_eq!(accept(&mut updates, Secret).await.0, ["default"]);
        server.stop();
    }
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_does_not_answer() {
    let world = World::new();
    let (server, address) = serve(&world, None, None).await;
    let mut settings = settings(address, Dialect::Delta);
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    settings.addresses.insert(0, Address::Tcp("127.0.0.1".to_owned(), dead.port()));
    let (client, mut updates) = Client::start(settings);
    client.want(Cluster, Want::Everything);
    accept(&mut updates, Cluster).await;
    assert_eq!(client.state().borrow().connected, Some(address.to_string()));
    server.stop();
}

/// A server that sends no headers before it has something to say, as those written in Go.
#[tokio::test]
async fn a_client_introduces_itself_before_the_server_has_said_anything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metadata = vec![("Authorization".to_owned(), "Bearer x".to_owned())];
    let authority = Some("istiod.istio-system.svc:15012".to_owned());
    let plain = settings(listener.local_addr().unwrap(), Dialect::Delta);
    let (client, _updates) = Client::start(Settings { metadata, authority, ..plain });
    client.want(Cluster, Want::Everything);
    let (connection, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(connection).await.unwrap();
    let (request, _respond) = connection.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while connection.accept().await.is_some() {} });
    assert_eq!(request.uri().path(), ADS.delta);
    assert_eq!(request.uri().authority().unwrap(), "istiod.istio-system.svc:15012");
    assert_eq!(request.headers()["authorization"], "Bearer x");
    let body = request.into_body().data().await.unwrap().unwrap();
    let asked = DeltaDiscoveryRequest::decode(&body[5..]).unwrap();
    assert_eq!(asked.type_url, Cluster.url());
    assert_eq!(asked.node, Some(world::node().write()));
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named() {
    let world = World::new();
    let (server, address) = serve(&world, None, None).await;
    let metadata = vec![("no good".to_owned(), "x".to_owned())];
    let error = refused(Settings { metadata, ..settings(address, Dialect::Delta) }).await;
    assert_eq!(error, "initial_metadata: header name \"no good\" cannot be sent");
    server.stop();
}

#[tokio::test]
async fn what_nobody_judges_is_refused() {
    let world = World::new();
    world.set(Cluster, [resource(Cluster, "a", "1")]);
    let (server, address) = serve(&world, None, None).await;
    let (client, mut updates) = Client::start(settings(address, Dialect::Delta));
    client.want(Cluster, Want::Everything);
    drop(next(&mut updates).await);
    let nack = eventually("a refusal", || server.proxies().first()?.lanes.first()?.nack.clone()).await;
    assert!(nack.message.ends_with("a: nobody could use it"), "{}", nack.message);
    server.stop();
}

/// A refused resource that comes with every reconnect is judged again - its cause may be over - and not at once.
#[tokio::test]
async fn the_user_is_asked_again_about_what_comes_again() {
    let world = World::new();
    world.set(Cluster, [resource(Cluster, "bad", "1")]);
    let (server, address) = serve(&world, None, None).await;
    let (client, mut updates) = Client::start(settings(address, Dialect::Delta));
    client.want(Cluster, Want::Everything);
    let update = next(&mut updates).await;
    let verdict = Verdict::refuse_all(&update.changed, "is bad");
    update.answer(verdict);
    eventually("a refusal", || server.proxies().first()?.lanes.first()?.nack.clone()).await;
    server.stop();
    let (server, _) = serve(&world, Some(address), None).await;
    let update = next(&mut updates).await;
    let verdict = Verdict::refuse_all(&update.changed, "is bad still");
    update.answer(verdict);
    let nack = eventually("another refusal", || server.proxies().first()?.lanes.first()?.nack.clone()).await;
    assert!(nack.message.ends_with("bad: is bad still"), "{}", nack.message);
    world.set(Cluster, [resource(Cluster, "bad", "mended")]);
    assert_eq!(accept(&mut updates, Cluster).await.0, ["bad"]);
    assert!(client.state().borrow().refused >= 2);
    server.stop();
}

/// Twenty proxies lose their control plane; they do not come back in one moment.
#[tokio::test]
async fn a_lost_control_plane_is_not_stormed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let attempts = Arc::new(AtomicU64::new(0));
    let counted = attempts.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(connection);
        }
    });
    let proxies: Vec<_> = (0..20)
        .map(|seed| {
            let (backoff, longest_backoff) = (Duration::from_millis(100), Duration::from_secs(5));
            let started = Client::start(Settings {
                seed: seed * 7919,
                backoff,
                longest_backoff,
                ..settings(address, Dialect::Delta)
            });
            started.0.want(Cluster, Want::Everything);
            started
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let attempts = attempts.load(Ordering::Relaxed);
    assert!((20..20 * 12).contains(&attempts), "{attempts} attempts of {} proxies in a second", proxies.len());
}
