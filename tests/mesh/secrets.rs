//! Identities and trust come from a control plane, over ADS or from an agent at a Unix socket, and change while clients are
//! there. One proxy is both sides: a listener in front, whose cluster is reached by TLS, and a listener behind it that asks
//! for a certificate.

use crate::driven::{self, DIALECTS, bootstrap, cluster, launch};
use crate::resources::{all_to, plain_cluster, redis_cluster, redis_listener, settings};
use crate::scripted::Plane;
use crate::traffic::Traffic;
use meant::{ClientTls, Identity, Roots, Secret, Tls, Trust};
use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};
use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use testkit::{Client, ports, wait};
use tls::Secrets;
use tls::rustls::pki_types::ServerName;
use tls::rustls::{ClientConnection, StreamOwned};
use xds::Kind;

/// Who signs, for a time.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// A chain and its key.
    fn issue(&self, uri: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).unwrap())];
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// As an agent delivers them: the workload's own identity, and whom it trusts.
    fn secrets(&self) -> [Value; 2] {
        let (chain, key) = self.issue("spiffe://cluster.local/ns/redis/sa/default");
        let identity =
            json!({ "certificate_chain": { "inline_string": chain }, "private_key": { "inline_string": key } });
        [
            json!({ "@type": Kind::Secret.url(), "name": "default", "tls_certificate": identity }),
            json!({ "@type": Kind::Secret.url(), "name": "ROOTCA",
                "validation_context": { "trusted_ca": { "inline_string": self.pem } } }),
        ]
    }

    /// Whether a client of this authority, that trusts nobody else, is served at a port.
    fn is_served(&self, port: u16) -> std::io::Result<bool> {
        let (chain, key) = self.issue("spiffe://cluster.local/ns/redis/sa/client");
        let identity = Identity::Written { chain: chain.into(), key: Secret::new(key.into_bytes()) };
        let trust = Trust { roots: Roots::Written(self.pem.clone().into()), names: Vec::new() };
        let meant =
            ClientTls { sni: "redis".into(), shared: Tls { identity: Some(identity), trust, ..Tls::default() } };
        let config = tls::client(&meant, &Secrets::default()).unwrap();
        let name = ServerName::try_from("redis").unwrap();
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let connection = ClientConnection::new(Arc::clone(config.config()), name).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let mut reply = [0; 7];
        let talked = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut reply));
        Ok(talked.is_ok() && reply == *b"+PONG\r\n")
    }
}

/// TLS whose secrets are all delivered from `source`.
fn tls_context(side: &str, source: &Value, more: Value) -> Value {
    let named = |name: &str| json!({ "name": name, "sds_config": source });
    let mut context = json!({
        "@type": format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{side}"),
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [named("default")],
            "validation_context_sds_secret_config": named("ROOTCA"),
        },
    });
    context.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

/// Both listeners, and the clusters between and behind them.
fn resources(front: u16, back: u16, source: &Value) -> Vec<Value> {
    let mut between = plain_cluster("between", "STATIC", "127.0.0.1", back);
    between["transport_socket"] = tls_context("UpstreamTlsContext", source, json!({ "sni": "redis" }));
    let mut behind = redis_listener("back", back, settings(json!({})), all_to("redis"));
    let strict = json!({ "require_client_certificate": true });
    behind["filter_chains"][0]["transport_socket"] = tls_context("DownstreamTlsContext", source, strict);
    let before = redis_listener("front", front, settings(json!({})), all_to("between"));
    vec![redis_cluster("redis", &cluster().addresses()), between, behind, before]
}

/// What comes at `socket` goes to `address`.
fn behind_a_socket(socket: &Path, address: SocketAddr) {
    let listener = UnixListener::bind(socket).unwrap();
    let carry = move |here: UnixStream| -> std::io::Result<()> {
        let there = TcpStream::connect(address)?;
        let (mut from, mut to) = (here.try_clone()?, there.try_clone()?);
        thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let (mut from, mut to) = (there, here);
        thread::spawn(move || {
            let _ = copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        Ok(())
    };
    thread::spawn(move || listener.incoming().flatten().try_for_each(carry));
}

/// `plane` has everything but the secrets, which `agent` has.
fn rotate(name: &str, plane: &Plane, agent: &Plane, config: &str, (front, back): (u16, u16)) {
    let proxy = launch(config, &[]);
    proxy.wait_ready().unwrap();
    // Nobody is let in without an identity, and it is said whose is missing.
    let told = wait::until("it is told", crate::scripted::PATIENT, || {
        Ok(Some(Client::connect(("127.0.0.1", front))?.ask("GET a")?)
            .filter(|reply| reply.is_error("upstream failure")))
    });
    let told = told.unwrap().text();
    assert!(told.contains("default") || told.contains("ROOTCA"), "{told}");
    let first = Authority::new();
    assert!(!first.is_served(back).unwrap());
    agent.put(&first.secrets());
    driven::client(front, name);
    let traffic = Traffic::start(front, name);
    assert!(first.is_served(back).unwrap());
    assert!(!Authority::new().is_served(back).unwrap());
    let connections = driven::stat(&proxy, "cluster.between.upstream_cx_total");
    // The identity alone, as agents renew it every few hours; then the authority as well.
    agent.put(&first.secrets()[..1]);
    let second = Authority::new();
    agent.put(&second.secrets());
    wait::until_true("the new authority counts", crate::scripted::PATIENT, || Ok(second.is_served(back)?)).unwrap();
    assert!(!first.is_served(back).unwrap());
    traffic.go_on();
    plane.settled();
    assert_eq!(driven::stat(&proxy, "cluster.between.upstream_cx_total"), connections, "what is open stays");
    assert_eq!((traffic.cut(), traffic.wrong()), (0, Vec::new()));
    assert!(traffic.end());
    let page = proxy.get("/config_dump").unwrap().body;
    assert!(page.contains("dynamic_active_secrets") && page.contains("ROOTCA"));
    assert!(!page.contains("PRIVATE KEY") && !proxy.log().unwrap().contains("PRIVATE KEY"));
}

#[test]
fn secrets_over_ads_are_renewed_without_cutting_anybody() {
    let free = ports::free(2).unwrap();
    let plane = Plane::start(&resources(free[0], free[1], &json!({ "ads": {}, "resource_api_version": "V3" })));
    rotate("sds-ads", &plane, &plane, &bootstrap(plane.address(), DIALECTS[0]), (free[0], free[1]));
}

#[test]
fn secrets_of_an_agent_at_a_unix_socket_are_renewed_without_cutting_anybody() {
    let (free, folder) = (ports::free(2).unwrap(), tempfile::tempdir().unwrap());
    let socket = folder.path().join("sds");
    let service = json!({ "envoy_grpc": { "cluster_name": "agent" } });
    let source = json!({ "resource_api_version": "V3", "api_config_source":
        { "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [service] } });
    let (plane, agent) = (Plane::start(&resources(free[0], free[1], &source)), Plane::start(&[]));
    behind_a_socket(&socket, agent.address());
    let config = bootstrap(plane.address(), DIALECTS[1])
        + &format!(
            r#"  - name: agent
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: agent
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ pipe: {{ path: {socket:?} }} }} }} }} ] }} ]
"#
        );
    rotate("sds-agent", &plane, &agent, &config, (free[0], free[1]));
}
