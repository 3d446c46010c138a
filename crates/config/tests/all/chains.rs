//! Filter chains, TLS and members from elsewhere, written by hand: the strict manner.

use crate::told::problems;
use config::{load_file_with_dump, load_text};
use meant::{
    Balance, ConfigSource, ControlAddress, Delivery, Discovery, Filter, Identity, NameKind, Network, Roots, Secret,
    SourceType, TextMatch, TlsVersion, Way,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = include_str!("../files/chains.yaml");

fn loaded() -> config::Loaded {
    load_file_with_dump(Path::new("tests/files/chains.yaml")).unwrap_or_else(|problems| panic!("{problems}"))
}

fn network(address: &str, bits: u8) -> Network {
    Network { address: address.parse().unwrap(), bits }
}

#[test]
fn how_a_connection_is_looked_at() {
    let proxy = loaded().proxy;
    let captured = &proxy.listeners[0];
    assert!(captured.binds && captured.hands_over && captured.restores_destination);
    let listener = &proxy.listeners[1];
    assert!(!listener.binds && !listener.hands_over && listener.restores_destination);
    assert_eq!(listener.sniffing.tls, Some(vec![(1, 2), (70, 80)]));
    assert_eq!(listener.sniffing.http, Some(vec![]));
    assert_eq!((listener.sniffing.patience, listener.sniffing.goes_on), (Some(Duration::from_millis(250)), true));
    let without = FILE.replace("    listener_filters_timeout: 0.25s\n", "");
    let patience = |text: &str| load_text(text, "t").unwrap().listeners[1].sniffing.patience;
    assert_eq!(patience(&without), Some(Duration::from_secs(15)));
    assert_eq!(patience(&FILE.replace("timeout: 0.25s", "timeout: 0s")), None);
    let rules = FILE.split("filter_disabled:").nth(1).unwrap().split("    - name: http").next().unwrap();
    let off = FILE.replace(rules, " {any_match: true}\n");
    assert_eq!(load_text(&off, "t").unwrap().listeners[1].sniffing.tls, None);
}

#[test]
fn which_connections_a_chain_is_for() {
    let proxy = loaded().proxy;
    let chains = &proxy.listeners[1].chains;
    assert_eq!(chains.len(), 2);
    let matches = &chains[0].matches;
    assert_eq!(matches.destination_port, Some(6379));
    assert_eq!(matches.destinations, [network("10.0.0.0", 8), network("fd00::", 64)]);
    assert_eq!(matches.server_names, ["*.example.com", "redis"]);
    assert_eq!(matches.transport_protocol, "tls");
    assert_eq!(matches.application_protocols, ["istio", "istio-peer-exchange"]);
    assert_eq!(matches.direct_sources, [network("0.0.0.0", 0)]);
    assert_eq!(matches.source_type, SourceType::External);
    assert_eq!(
        (matches.sources.as_slice(), matches.source_ports.as_slice()),
        ([network("192.168.0.0", 16)].as_slice(), [7, 8].as_slice())
    );
    assert_eq!(chains[0].tls_timeout, Some(Duration::from_secs(3)));
    let Filter::Tcp(split) = &chains[1].filter else { panic!("{chains:?}") };
    assert_eq!(split.to, Way::Clusters(vec![("members".to_owned(), 3), ("anywhere".to_owned(), 1)]));
    assert!(chains[1].tls.is_none());
    assert_eq!(proxy.listeners[1].default_chain.as_ref().unwrap().name, "rest");
}

#[test]
fn tls_towards_clients() {
    let proxy = loaded().proxy;
    let tls = proxy.listeners[1].chains[0].tls.as_ref().unwrap();
    assert!(tls.requires_client_certificate);
    let tls = &tls.shared;
    assert_eq!((tls.lowest, tls.highest), (Some(TlsVersion::V1_2), Some(TlsVersion::V1_3)));
    let suites = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES256-GCM-SHA384"];
    assert_eq!(tls.cipher_suites, suites);
    assert_eq!(tls.alpn, ["istio"]);
    let written =
        |chain: &str, key: &str| Some(Identity::Written { chain: chain.as_bytes().to_vec(), key: Secret::new(key) });
    assert_eq!(tls.identity, written("CHAIN", "KEY"));
    assert_eq!(tls.trust.roots, Roots::Written(b"CA".to_vec()));
    let kinds: Vec<_> = tls.trust.names.iter().map(|name| name.kind.unwrap()).collect();
    assert_eq!(kinds, [NameKind::Dns, NameKind::Uri, NameKind::Ip, NameKind::Email]);
    assert_eq!(tls.trust.names[1].text, TextMatch::Prefix("spiffe://".to_owned()));
    let rest = &proxy.listeners[1].default_chain.as_ref().unwrap().tls.as_ref().unwrap().shared;
    assert_eq!(rest.identity, written("OWN CHAIN", "OWN KEY"));
    assert_eq!(rest.trust.roots, Roots::Written(b"ROOTS".to_vec()));
}

#[test]
fn clusters_and_tls_towards_their_members() {
    let proxy = loaded().proxy;
    let names: Vec<&str> = proxy.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(names, ["anywhere", "members", "written"], "`agent` serves configuration only");
    let [anywhere, members, written] = proxy.clusters.as_slice() else { panic!("{names:?}") };
    assert_eq!(anywhere.discovery, Discovery::Original);
    assert_eq!(anywhere.source.unwrap().to_string(), "127.0.0.6:0");
    let source = ConfigSource::File(PathBuf::from("/etc/slotmesh/members.yaml"));
    let service = "the-members".to_owned();
    assert_eq!(members.discovery, Discovery::Delivered { service, source, balance: Balance::LeastRequest });
    let tls = members.sockets.default.as_ref().unwrap();
    assert_eq!(tls.sni, "redis.example");
    let source = ConfigSource::File(PathBuf::from("/etc/slotmesh/mine.yaml"));
    assert_eq!(tls.shared.identity, Some(Identity::Delivered(Delivery { name: "mine".to_owned(), source })));
    let Roots::Delivered(Delivery { name, source: ConfigSource::Server(server) }) = &tls.shared.trust.roots else {
        panic!("{tls:?}")
    };
    assert_eq!((name.as_str(), server.cluster.as_str(), server.delta), ("theirs", "agent", true));
    assert_eq!(server.addresses, [ControlAddress::Unix(PathBuf::from("/run/agent"))]);
    assert_eq!(server.authority.as_deref(), Some("secrets.example"));
    assert_eq!(server.metadata, [("k".to_owned(), "v".to_owned())]);
    let disabled = [("tlsMode".to_owned(), "disabled".to_owned())];
    assert_eq!(members.sockets.matches[0].labels, disabled);
    assert!(members.sockets.matches[0].socket.is_none());
    let [first, second] = written.endpoints.as_slice() else { panic!("{written:?}") };
    assert_eq!((first.priority, second.priority), (1, 0));
    assert_eq!(members.sockets.number(&first.labels), 1);
    assert_eq!(second.labels, []);
}

#[test]
fn keys_are_not_dumped() {
    let loaded = loaded();
    assert!(!loaded.dump.contains("OWN KEY") && !loaded.dump.contains("\"KEY\""), "{}", loaded.dump);
    assert!(loaded.dump.contains("OWN CHAIN"));
    assert!(loaded.notes.is_empty());
}

/// What is told after a change.
fn told(from: &str, to: &str) -> String {
    assert!(FILE.contains(from), "{from}");
    problems(&FILE.replacen(from, to, 1)).to_string()
}

#[test]
fn what_is_not_honoured_is_refused_by_name() {
    for (from, to, words) in [
        (
            "alpn_protocols: [ist",
            "key_log: {path: x}\n            alpn_protocols: [ist",
            "common_tls_context.key_log: not supported yet",
        ),
        ("require_client_certificate: true", "session_timeout: 5s", "session_timeout: not supported yet"),
        ("tls_minimum_protocol_version: TLSv1_2", "tls_minimum_protocol_version: TLSv1_0", "is broken and not offered"),
        ("tls_maximum_protocol_version: TLSv1_3", "tls_maximum_protocol_version: TLSv1_1", "is broken and not offered"),
        (
            "cipher_suites: [\"",
            "ecdh_curves: [P-256]\n              cipher_suites: [\"",
            "ecdh_curves: not supported yet",
        ),
        (
            "trusted_ca: {inline_string: CA}",
            "allow_expired_certificate: true\n              trusted_ca: {inline_string: CA}",
            "allow_expired_certificate: not supported yet",
        ),
        ("sni: redis.example", "auto_host_sni: true", "auto_host_sni: not supported yet"),
        ("sni: redis.example", "auto_sni_san_validation: true", "without `sni`"),
        ("source_ports: [7, 8]", "suffix_len: 5", "suffix_len: not supported, nor by Envoy"),
        ("cluster: anywhere", "cluster: anywhere\n          on_demand: {}", "on_demand: not supported yet"),
        (
            "eds_config: {path_config_source: {path: /etc/slotmesh/members.yaml}}",
            "eds_config: {ads: {}}",
            "needs dynamic_resources.ads_config",
        ),
        ("eds_config: {path_config_source: {path: /etc/slotmesh/members.yaml}}", "eds_config: {self: {}}", "self: "),
        ("cluster_name: agent, auth", "cluster_name: nobody, auth", "there is no cluster `nobody`"),
        (
            "sds_secret_configs: [{name: own}]",
            "sds_secret_configs: [{name: roots}]",
            "that secret is no tls_certificate",
        ),
        ("sds_secret_config: {name: roots}", "sds_secret_config: {name: none}", "there is no secret `none`"),
        (
            "tls_certificate:\n      cert",
            "tls_certificate:\n      pkcs12: {inline_string: X}\n      cert",
            "pkcs12: not supported yet",
        ),
        (
            "private_key: {inline_string: KEY}",
            "password: {inline_string: KEY}\n              private_key: {inline_string: KEY}",
            "keys with a password",
        ),
        ("private_key: {inline_string: KEY}", "ocsp_staple: {inline_string: KEY}", "private_key: is required"),
        (
            "source_address: {address: 127.0.0.6, port_value: 0}",
            "source_address: {address: 127.0.0.6, port_value: 0}, freebind: true",
            "freebind: not supported yet",
        ),
        ("weight: 3}", "weight: 4294967295}", "the weights may sum up to"),
        (
            "or_match:\n          rules:\n          - destination_port_range: {start: 1, end: 2}",
            "or_match:\n          rules:\n          - any_match: true",
            "any_match: not supported yet",
        ),
    ] {
        assert!(told(from, to).contains(words), "{to}: {}", told(from, to));
    }
}

#[test]
fn certificates_are_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain.pem");
    let text = FILE.replace("{inline_bytes: Q0hBSU4=}", &format!("{{filename: {}}}", path.display()));
    assert!(problems(&text).to_string().contains("certificate_chain.filename: cannot read"), "{}", problems(&text));
    std::fs::write(&path, "FROM A FILE").unwrap();
    let proxy = load_text(&text, "t").unwrap();
    let Some(Identity::Written { chain, .. }) = &proxy.listeners[1].chains[0].tls.as_ref().unwrap().shared.identity
    else {
        panic!("{proxy:?}")
    };
    assert_eq!(chain, b"FROM A FILE");
}
