//! Everything that istiod sends by default is accepted, and means what it is to mean.

use crate::recorded::{Reader, named, resources, sidecar, states};
use meant::{
    Balance, Chain, ConfigSource, ControlAddress, Discovery, Filter, Identity, NameMatch, Roots, SourceType, TextMatch,
    TlsVersion, Way,
};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_resource_of_every_state_is_accepted() {
    let reader = Reader::shared();
    let mut seen = [0; 3];
    let mut plain = BTreeSet::new();
    for state in states() {
        let mut notes = Vec::new();
        for listener in resources(state, "lds") {
            notes.push(reader.listener(listener).unwrap_or_else(|problems| panic!("{state}: {problems}")).notes);
            seen[0] += 1;
        }
        for cluster in resources(state, "cds") {
            notes.push(reader.cluster(cluster).unwrap_or_else(|problems| panic!("{state}: {problems}")).notes);
            seen[1] += 1;
        }
        for endpoints in resources(state, "eds") {
            notes.push(reader.endpoints(endpoints).unwrap_or_else(|problems| panic!("{state}: {problems}")).notes);
            seen[2] += 1;
        }
        assert!(notes.iter().all(|notes| notes.len() <= 1), "{notes:?}");
        plain.extend(notes.into_iter().flatten().filter(|_| state.starts_with("plain")));
    }
    assert_eq!(seen, [256, 180, 100]);
    // Where nothing of Istio's own is configured, only HTTP is told.
    let http = "typed_extension_protocol_options[\"envoy.extensions.upstreams.http.v3.HttpProtocolOptions\"]";
    let expected = [
        format!("cluster InboundPassthroughCluster: no effect here: {http}"),
        format!("cluster PassthroughCluster: no effect here: {http}"),
        format!("cluster outbound|15010||istiod.istio-system.svc.cluster.local: no effect here: {http}"),
        "listener 0.0.0.0_15010: HTTP passes through to its original destination".to_owned(),
        "listener 0.0.0.0_15014: HTTP passes through to its original destination".to_owned(),
        "listener virtualInbound: HTTP passes through to InboundPassthroughCluster".to_owned(),
    ];
    assert_eq!(plain, BTreeSet::from(expected));
}

#[test]
fn what_is_not_run_of_istios_own_is_named() {
    let reader = Reader::shared();
    let inbound = reader.listener(named("default/a/client", "lds", "virtualInbound")).unwrap();
    assert_eq!(
        inbound.notes,
        ["listener virtualInbound: HTTP passes through to InboundPassthroughCluster; no effect here: network filter \
             istio.metadata_exchange, network filter istio.stats"]
    );
}

fn way(chain: &Chain) -> String {
    match &chain.filter {
        Filter::Tcp(filter) => match &filter.to {
            Way::Clusters(clusters) => clusters.iter().map(|(name, weight)| format!("{name}*{weight}")).collect(),
            Way::Original => "original".to_owned(),
        },
        Filter::Redis(_) => "redis".to_owned(),
    }
}

#[test]
fn what_is_captured_on_the_way_out() {
    let reader = Reader::shared();
    let meant = reader.listener(named("default/b/client", "lds", "virtualOutbound")).unwrap().meant;
    assert_eq!((meant.address.to_string().as_str(), meant.binds), ("0.0.0.0:15001", true));
    assert!(meant.hands_over && meant.restores_destination && meant.default_chain.is_none());
    assert_eq!((&meant.sniffing.tls, &meant.sniffing.http), (&None, &None));
    let chains: Vec<_> =
        meant.chains.iter().map(|chain| (chain.name.as_str(), chain.matches.destination_port, way(chain))).collect();
    assert_eq!(
        chains,
        [
            ("virtualOutbound-blackhole", Some(15001), "BlackHoleCluster*1".to_owned()),
            ("virtualOutbound-catchall-tcp", None, "PassthroughCluster*1".to_owned()),
        ]
    );
    let http = reader.listener(named("default/b/client", "lds", "0.0.0.0_15010")).unwrap().meant;
    assert!(!http.binds && !http.hands_over && http.sniffing.goes_on);
    assert_eq!((http.sniffing.http.as_deref(), http.sniffing.patience), (Some([].as_slice()), None));
    assert_eq!(http.chains[0].matches.application_protocols, ["http/1.1", "h2c"]);
    assert_eq!(http.chains[0].tls_timeout.unwrap().as_secs(), 15);
    assert_eq!(way(&http.chains[0]), "original");
    assert_eq!(way(http.default_chain.as_ref().unwrap()), "PassthroughCluster*1");
}

#[test]
fn what_is_captured_on_the_way_in() {
    let reader = Reader::shared();
    let meant = reader.listener(named("default/c/redis-cluster-0", "lds", "virtualInbound")).unwrap().meant;
    assert!(!meant.hands_over && meant.restores_destination && meant.binds);
    let ports = vec![(15006, 15007), (6379, 6380), (16379, 16380)];
    assert_eq!(meant.sniffing.tls, Some(vec![(15006, 15007)]));
    let mut off = meant.sniffing.http.clone().unwrap();
    off.sort_unstable();
    let mut expected = ports;
    expected.sort_unstable();
    assert_eq!(off, expected);
    let line = |chain: &std::sync::Arc<Chain>| {
        let matches = &chain.matches;
        let tls = chain.tls.as_ref().map_or("", |_| " tls");
        let port = matches.destination_port.map(|port| port.to_string()).unwrap_or_default();
        format!(
            "{}: {port}/{}/{} -> {}{tls}",
            chain.name,
            matches.transport_protocol,
            matches.application_protocols.join(","),
            way(chain)
        )
    };
    let chains: Vec<String> = meant.chains.iter().map(line).collect();
    let istio = "istio,istio-peer-exchange,istio-http/1.0,istio-http/1.1,istio-h2";
    assert_eq!(
        chains,
        [
            "virtualInbound-blackhole: 15006// -> BlackHoleCluster*1".to_owned(),
            "virtualInbound-catchall-http: /tls/istio-http/1.0,istio-http/1.1,istio-h2 -> InboundPassthroughCluster*1 tls"
                .to_owned(),
            "virtualInbound-catchall-http: /raw_buffer/http/1.1,h2c -> InboundPassthroughCluster*1".to_owned(),
            "virtualInbound: /tls/istio-peer-exchange,istio -> InboundPassthroughCluster*1 tls".to_owned(),
            "virtualInbound: /raw_buffer/ -> InboundPassthroughCluster*1".to_owned(),
            "virtualInbound: /tls/ -> InboundPassthroughCluster*1".to_owned(),
            format!("0.0.0.0_6379: 6379/tls/{istio} -> inbound|6379||*1 tls"),
            "0.0.0.0_6379: 6379/tls/ -> inbound|6379||*1".to_owned(),
            "0.0.0.0_6379: 6379/raw_buffer/ -> inbound|6379||*1".to_owned(),
            format!("0.0.0.0_16379: 16379/tls/{istio} -> inbound|16379||*1 tls"),
            "0.0.0.0_16379: 16379/tls/ -> inbound|16379||*1".to_owned(),
            "0.0.0.0_16379: 16379/raw_buffer/ -> inbound|16379||*1".to_owned(),
        ]
    );
    assert!(meant.chains.iter().all(|chain| chain.matches.source_type == SourceType::Any));
    let tls = meant.chains[3].tls.as_ref().unwrap();
    assert!(tls.requires_client_certificate);
    // The peer exchange is matched, but never agreed upon.
    assert_eq!(tls.shared.alpn, ["h2", "http/1.1"]);
    assert_eq!((tls.shared.lowest, tls.shared.highest), (Some(TlsVersion::V1_2), Some(TlsVersion::V1_3)));
    assert_eq!(tls.shared.cipher_suites.len(), 6);
    let prefix = NameMatch { kind: None, text: TextMatch::Prefix("spiffe://cluster.local/".to_owned()) };
    assert_eq!(tls.shared.trust.names, [prefix]);
    let Some(Identity::Delivered(identity)) = &tls.shared.identity else { panic!("{:?}", tls.shared.identity) };
    let Roots::Delivered(roots) = &tls.shared.trust.roots else { panic!("{:?}", tls.shared.trust) };
    assert_eq!((identity.name.as_str(), roots.name.as_str()), ("default", "ROOTCA"));
    let ConfigSource::Server(server) = &roots.source else { panic!("{:?}", roots.source) };
    assert_eq!((server.cluster.as_str(), server.delta), ("sds-grpc", false));
    let socket = Path::new("./var/run/secrets/workload-spiffe-uds/socket");
    assert_eq!(server.addresses, [ControlAddress::Unix(socket.to_owned())]);
}

#[test]
fn the_redis_filter_and_its_mirror() {
    let reader = Reader::shared();
    let filter = |state: &str| {
        let vip = resources(state, "lds").into_iter().find(|listener| {
            let name = listener["name"].as_str().unwrap();
            listener.to_string().contains("redis_proxy.v3") && name.ends_with("_6379")
        });
        let meant = reader.listener(vip.unwrap()).unwrap().meant;
        assert!(!meant.binds && meant.address.port() == 6379);
        let Filter::Redis(filter) = &meant.chains[0].filter else { panic!("{meant:?}") };
        filter.as_ref().clone()
    };
    let route = filter("default/b/client").routes.catch_all.unwrap();
    assert_eq!((route.cluster.as_str(), route.mirrors.len()), ("custom-redis-cluster", 0));
    let route = filter("default/c/client").routes.catch_all.unwrap();
    assert_eq!(route.mirrors[0].cluster, "outbound|6379||redis-mirror.redis.svc.cluster.local");
    assert!(route.mirrors[0].exclude_reads);
    let without = resources("default/a/client", "lds").iter().any(|one| one.to_string().contains("RedisProxy"));
    assert!(!without);
}

#[test]
fn clusters_of_every_kind() {
    let reader = Reader::shared();
    let cluster = |name: &str| reader.cluster(named("default/c/redis-cluster-0", "cds", name)).unwrap().meant;
    let service = "outbound|6379||redis-mirror.redis.svc.cluster.local";
    let outbound = cluster(service);
    let expected =
        Discovery::Delivered { service: service.to_owned(), source: ConfigSource::Ads, balance: Balance::LeastRequest };
    assert_eq!(outbound.discovery, expected);
    assert_eq!(outbound.connect_timeout.as_secs(), 10);
    let sockets = &outbound.sockets;
    assert!(sockets.default.is_none() && sockets.matches.len() == 2);
    let istio = [("tlsMode".to_owned(), "istio".to_owned())];
    assert_eq!(sockets.matches[0].labels, istio);
    let tls = sockets.at(sockets.number(&istio)).unwrap();
    assert_eq!(tls.sni, "outbound_.6379_._.redis-mirror.redis.svc.cluster.local");
    assert_eq!(tls.shared.alpn, ["istio"]);
    let exact = TextMatch::Exact("spiffe://cluster.local/ns/redis/sa/default".to_owned());
    assert_eq!(tls.shared.trust.names, [NameMatch { kind: None, text: exact }]);
    assert_eq!((sockets.number(&[]), sockets.at(2)), (2, None));
    for name in ["PassthroughCluster", "InboundPassthroughCluster", "inbound|6379||"] {
        assert_eq!(cluster(name).discovery, Discovery::Original, "{name}");
    }
    assert_eq!(cluster("inbound|6379||").source.unwrap().to_string(), "127.0.0.6:0");
    let headless = cluster("outbound|6379||redis-cluster-headless.redis.svc.cluster.local");
    assert!(headless.discovery == Discovery::Original && headless.sockets.default.is_some());
    assert_eq!(cluster("BlackHoleCluster").discovery, Discovery::Static(Balance::RoundRobin));
    let custom = cluster("custom-redis-cluster");
    let Discovery::Redis(redis) = &custom.discovery else { panic!("{custom:?}") };
    assert_eq!((redis.refresh_rate.as_secs(), redis.redirect_refresh_threshold), (5, 5));
    assert_eq!(custom.endpoints.len(), 6);
    assert_eq!(custom.endpoints[0].host, "redis-cluster-0.redis-cluster-headless.redis.svc.cluster.local");
}

#[test]
fn members_with_their_labels() {
    let reader = Reader::shared();
    let name = "outbound|6379||redis-cluster.redis.svc.cluster.local";
    let meant = reader.endpoints(named("default/c/client", "eds", name)).unwrap().meant;
    assert_eq!((meant.service.as_str(), meant.endpoints.len()), (name, 6));
    let labels = [("tlsMode".to_owned(), "istio".to_owned())];
    assert!(meant.endpoints.iter().all(|member| member.labels == labels && member.port == 6379 && member.weight == 1));
    assert!(meant.endpoints.iter().all(|member| member.host.parse::<std::net::IpAddr>().is_ok()));
}

#[test]
fn the_bootstrap_of_a_sidecar() {
    let loaded = sidecar();
    let proxy = &loaded.proxy;
    let dynamic = proxy.dynamic.as_ref().unwrap();
    let ads = dynamic.ads.as_ref().unwrap();
    assert_eq!((ads.cluster.as_str(), ads.delta, ads.connect_timeout.as_secs()), ("xds-grpc", true, 1));
    assert_eq!(ads.addresses, [ControlAddress::Unix(Path::new("./etc/istio/proxy/XDS").to_owned())]);
    assert_eq!((&dynamic.listeners, &dynamic.clusters), (&Some(ConfigSource::Ads), &Some(ConfigSource::Ads)));
    let clusters: Vec<&str> = proxy.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(clusters, ["prometheus_stats", "agent"]);
    let listeners: Vec<_> =
        proxy.listeners.iter().map(|listener| (listener.address.port(), way(&listener.chains[0]))).collect();
    assert_eq!(listeners, [(15090, "prometheus_stats*1".to_owned()), (15021, "agent*1".to_owned())]);
    assert_eq!(
        loaded.notes,
        [
            "bootstrap: no effect here: admin.access_log, admin.profile_path, application_log_config, \
             bootstrap_extensions, deferred_stat_options, layered_runtime, overload_manager, stats_config",
            "listener 0.0.0.0_15090: HTTP passes through to prometheus_stats",
            "listener 0.0.0.0_15021: HTTP passes through to agent",
        ]
    );
    let schema = config::Schema::load().unwrap();
    let node = config::delivered::dump(&schema, "envoy.config.core.v3.Node", &proxy.node.message).unwrap();
    assert_eq!(node["id"], proxy.node.id.as_str());
    assert_eq!(node["metadata"]["LABELS"]["app"], "redis-client");
    assert_eq!(
        (&node["user_agent_name"], &node["user_agent_version"]),
        (&"slotmesh".into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert!(loaded.dump.contains("compressor.v3.Compressor"), "{}", loaded.dump);
}
