//! What a RedisService means for the cluster that commands go to.

use super::bound::Target;
use super::fault::Fault;
use super::filter::{put, span};
use super::spec::{AwsIam, Connection, Discovery, Health, Mode, NodeTls, RedisService, TlsMode};
use super::world::Place;
use crate::registry::service::{Port, Resolution, Service};
use crate::written::rule::{self, ConnectionPool, TcpPool, Tls, TrafficPolicy};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Beginning of the types.
const TYPES: &str = "type.googleapis.com/envoy.extensions";
/// The key of a cluster's options for `redis_proxy`.
pub(crate) const OPTIONS: &str = "envoy.filters.network.redis_proxy";
/// The name of the Redis cluster's type.
pub(crate) const REDIS_CLUSTER: &str = "envoy.clusters.redis";

/// How the nodes of a service are found, reached and guarded.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Upstream {
    /// Decided: never [`Mode::Auto`].
    pub(super) mode: Mode,
    pub(super) seeds: Vec<(String, Option<u16>)>,
    /// The cluster's own name, if it is not the service's cluster.
    pub(super) name: Option<String>,
    discovery: Map<String, Value>,
    /// Envoy's `RedisProtocolOptions`.
    options: Map<String, Value>,
    connection: Connection,
    tls: Option<Tls>,
    health: Option<Value>,
}

impl Upstream {
    /// What `written` means for `port` of `service`.
    pub(super) fn new(written: &RedisService, service: &Service, port: &Port, place: &mut Place) -> Self {
        let mode = match written.mode.unwrap_or_default() {
            Mode::Auto if place.world.bus(service, port).is_some() => Mode::Cluster,
            Mode::Auto => Mode::Single,
            mode => mode,
        };
        // What was found out may be otherwise once the pods are there.
        let is_said = written.mode == Some(Mode::Single);
        let of_clusters = |path: &str, text: &str| match is_said {
            true => Fault::new(path, text),
            false => Fault::awaiting(
                path,
                format!("{text}, and no cluster bus is seen behind the service: write mode: CLUSTER if it is one"),
            ),
        };
        if mode == Mode::Single && written.cluster_name.is_some() {
            place.faults.push(of_clusters("spec.clusterName", "is for the mode CLUSTER"));
        }
        if mode == Mode::Single && !written.seeds.is_empty() {
            place.faults.push(of_clusters("spec.seeds", "are for the mode CLUSTER"));
        }
        Self {
            mode,
            seeds: written.seeds.iter().filter_map(|seed| host_port(seed)).collect(),
            name: written.cluster_name.clone(),
            discovery: written.discovery.as_ref().map(discovery).unwrap_or_default(),
            options: options(written, place),
            connection: written.connection.clone().unwrap_or_default(),
            tls: written.tls.as_ref().map(tls),
            health: written.health.as_ref().map(health),
        }
    }

    /// That of a service for which there is no RedisService.
    pub(super) fn found_out(service: &Service, port: &Port, place: &Place) -> Self {
        let is_cluster = place.world.bus(service, port).is_some();
        Self { mode: if is_cluster { Mode::Cluster } else { Mode::Single }, ..Self::default() }
    }

    /// The policy of a DestinationRule with what the resource says itself.
    pub(crate) fn policy(&self, mut policy: TrafficPolicy) -> TrafficPolicy {
        let pool = policy.connection_pool.get_or_insert_with(ConnectionPool::default);
        let TcpPool { max_connections, connect_timeout, tcp_keepalive, .. } = &mut pool.tcp;
        *connect_timeout = self.connection.connect_timeout.or(*connect_timeout);
        *max_connections = self.connection.max_connections.unwrap_or(*max_connections);
        if let Some(probes) = self.connection.tcp_keepalive {
            let (time, interval) = (probes.time, probes.interval);
            *tcp_keepalive = Some(rule::Keepalive { probes: probes.probes.unwrap_or_default(), time, interval });
        }
        policy.tls = self.tls.clone().or(policy.tls);
        policy
    }

    /// Whether the resource itself speaks of TLS.
    pub(crate) fn has_own_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The cluster's own name, if it is not the service's cluster.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it becomes a cluster of Envoy's type for Redis.
    pub(crate) fn is_cluster(&self) -> bool {
        self.mode == Mode::Cluster
    }

    /// Makes of a cluster for `port` of `service` what the resource says.
    pub(crate) fn shape(&self, service: &Service, port: &Port, has_balancer: bool, cluster: &mut Value) {
        if self.is_cluster() {
            self.shape_cluster(service, port, cluster);
        } else {
            self.shape_single(service, has_balancer, cluster);
        }
        if !self.options.is_empty() {
            let mut options = self.options.clone();
            options.insert("@type".to_owned(), kind("filters.network.redis_proxy.v3.RedisProtocolOptions").into());
            cluster["typed_extension_protocol_options"][OPTIONS] = options.into();
        }
        if let Some(health) = &self.health {
            cluster["health_checks"] = json!([health]);
        }
    }

    fn shape_cluster(&self, service: &Service, port: &Port, cluster: &mut Value) {
        if let Some(fields) = cluster.as_object_mut() {
            for other in ["type", "eds_cluster_config", "maglev_lb_config", "ring_hash_lb_config"] {
                fields.remove(other);
            }
        }
        let mut config = self.discovery.clone();
        config.insert("@type".to_owned(), kind("clusters.redis.v3.RedisClusterConfig").into());
        cluster["cluster_type"] = json!({"name": REDIS_CLUSTER, "typed_config": config});
        cluster["lb_policy"] = "CLUSTER_PROVIDED".into();
        let seed = |(host, port): (String, u16)| json!({"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}});
        let seeds: Vec<Value> = self.seeds_of(service, port).into_iter().map(seed).collect();
        let name = cluster["name"].clone();
        cluster["load_assignment"] = json!({"cluster_name": name, "endpoints": [{"lb_endpoints": seeds}]});
    }

    fn shape_single(&self, service: &Service, has_balancer: bool, cluster: &mut Value) {
        // Clients of a headless service address its endpoints one by one; commands are not for one of them.
        if service.resolution == Resolution::Headless && cluster["type"] == "ORIGINAL_DST" {
            cluster["type"] = "EDS".into();
            cluster["eds_cluster_config"] = json!({
                "eds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
                "service_name": cluster["name"],
            });
            cluster["lb_policy"] = "MAGLEV".into();
        } else if !has_balancer && cluster["lb_policy"] == "LEAST_REQUEST" {
            // The same key goes to the same server.
            cluster["lb_policy"] = "MAGLEV".into();
        }
    }

    /// Whom a proxy asks for the topology: those that the resource names, else the endpoints, else the service.
    fn seeds_of(&self, service: &Service, port: &Port) -> Vec<(String, u16)> {
        if !self.seeds.is_empty() {
            return self.seeds.iter().map(|(host, own)| (host.clone(), own.unwrap_or(port.number))).collect();
        }
        let endpoint = |endpoint: &crate::registry::service::Endpoint| {
            Some((endpoint.address.clone(), *endpoint.ports.get(&port.name)?))
        };
        let mut found: Vec<(String, u16)> = service.endpoints.iter().filter_map(endpoint).collect();
        found.sort_by_key(|(host, port)| (host.parse::<IpAddr>().ok(), host.clone(), *port));
        found.dedup();
        if found.is_empty() { vec![(service.host.clone(), port.number)] } else { found }
    }
}

/// HOST, HOST:PORT, `[IPV6]:PORT`, or a bare IPv6 address.
pub(super) fn host_port(text: &str) -> Option<(String, Option<u16>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text.to_owned(), None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_name = !host.is_empty() && !host.contains([' ', '/', '@']);
    (is_name && (!host.contains(':') || host.parse::<IpAddr>().is_ok())).then(|| (host.to_owned(), port))
}

fn kind(rest: &str) -> String {
    format!("{TYPES}.{rest}")
}

fn discovery(written: &Discovery) -> Map<String, Value> {
    let mut found = Map::new();
    put(&mut found, "cluster_refresh_rate", span(written.cluster_refresh_rate));
    put(&mut found, "cluster_refresh_timeout", span(written.cluster_refresh_timeout));
    put(&mut found, "redirect_refresh_interval", span(written.redirect_refresh_interval));
    put(&mut found, "redirect_refresh_threshold", written.redirect_refresh_threshold);
    put(&mut found, "failure_refresh_threshold", written.failure_refresh_threshold.filter(|most| *most > 0));
    put(
        &mut found,
        "host_degraded_refresh_threshold",
        written.host_degraded_refresh_threshold.filter(|most| *most > 0),
    );
    put(&mut found, "enable_zone_discovery", written.enable_zone_discovery);
    found
}

fn options(written: &RedisService, place: &mut Place) -> Map<String, Value> {
    let mut found = Map::new();
    let Some(auth) = &written.auth else { return found };
    let mut source = |source: &Option<_>, at: &str| source.as_ref().and_then(|source| place.source(source, at));
    put(&mut found, "auth_username", source(&auth.username, "spec.auth.username"));
    put(&mut found, "auth_password", source(&auth.password, "spec.auth.password"));
    let mut credentials = Vec::new();
    for (index, node) in auth.credentials.iter().enumerate() {
        let at = format!("spec.auth.credentials[{index}]");
        let Some((host, port)) = host_port(&node.address) else { continue };
        let mut one = Map::new();
        let address = json!({"address": host, "port_value": port.unwrap_or(6379)});
        one.insert("address".to_owned(), json!({"socket_address": address}));
        put(&mut one, "auth_username", source(&node.username, &format!("{at}.username")));
        put(&mut one, "auth_password", source(&node.password, &format!("{at}.password")));
        credentials.push(Value::from(one));
    }
    put(&mut found, "credentials", Some(credentials).filter(|list| !list.is_empty()));
    put(&mut found, "aws_iam", auth.aws_iam.as_ref().map(|iam| aws(iam, place)));
    found
}

fn aws(iam: &AwsIam, place: &mut Place) -> Value {
    let mut found = Map::new();
    found.insert("cache_name".to_owned(), iam.cache_name.as_str().into());
    put(&mut found, "service_name", iam.service_name.clone());
    put(&mut found, "region", iam.region.clone());
    put(&mut found, "expiration_time", span(iam.expiration_time));
    if let Some(who) = &iam.credential_provider {
        let at = "spec.auth.awsIam.credentialProvider";
        let mut inline = Map::new();
        put(&mut inline, "access_key_id", place.secret(&who.access_key_id, &format!("{at}.accessKeyId")));
        put(&mut inline, "secret_access_key", place.secret(&who.secret_access_key, &format!("{at}.secretAccessKey")));
        let token = who.session_token.as_ref().and_then(|key| place.secret(key, &format!("{at}.sessionToken")));
        put(&mut inline, "session_token", token);
        found.insert("credential_provider".to_owned(), json!({"inline_credential": inline}));
    }
    found.into()
}

fn tls(written: &NodeTls) -> Tls {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Tls {
        mode: match written.mode.unwrap_or_default() {
            TlsMode::Disable => rule::TlsMode::Disable,
            TlsMode::Simple => rule::TlsMode::Simple,
            TlsMode::Mutual => rule::TlsMode::Mutual,
            TlsMode::IstioMutual => rule::TlsMode::IstioMutual,
        },
        client_certificate: text(&written.client_certificate),
        private_key: text(&written.private_key),
        ca_certificates: text(&written.ca_certificates),
        subject_alt_names: written.subject_alt_names.clone(),
        sni: text(&written.sni),
        insecure_skip_verify: written.insecure_skip_verify.unwrap_or_default(),
    }
}

fn health(written: &Health) -> Value {
    let mut checker = Map::new();
    checker.insert("@type".to_owned(), kind("health_checkers.redis.v3.Redis").into());
    put(&mut checker, "key", written.key.clone());
    json!({
        "interval": span(written.interval).unwrap_or_else(|| "5s".to_owned()),
        "timeout": span(written.timeout).unwrap_or_else(|| "1s".to_owned()),
        "healthy_threshold": written.healthy_threshold.unwrap_or(1),
        "unhealthy_threshold": written.unhealthy_threshold.unwrap_or(3),
        "custom_health_check": {"name": "envoy.health_checkers.redis", "typed_config": checker},
    })
}

impl Target {
    /// The service's cluster.
    pub(crate) fn plain(&self) -> String {
        format!("outbound|{}||{}", self.port, self.host)
    }
}
