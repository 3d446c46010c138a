//! The two resources of `slotmesh.io/v1alpha1` as users write them. Fields carry Envoy's names in camel case where Envoy
//! has one; what stands above a field here is its description in the CRD and in `docs/typed-resources.md`.

use crate::object::Labels;
use crate::written::value::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says that a service is Redis, and how its nodes are found, reached and guarded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.mode) || self.mode != 'SINGLE' || !has(self.clusterName)",
    "fieldPath": ".clusterName",
    "message": "is for the mode CLUSTER",
}, {
    "rule": "!has(self.mode) || self.mode != 'SINGLE' || !has(self.seeds) || self.seeds.size() == 0",
    "fieldPath": ".seeds",
    "message": "are for the mode CLUSTER",
}]))]
pub struct RedisService {
    /// The service: its name in this namespace, `name.namespace`, or its full host. Its address is looked up, and followed.
    #[schemars(length(min = 1))]
    pub host: String,
    /// The service's port. Default: 6379 if the service has it, else its first TCP port that is no cluster bus.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// What runs behind the service.
    pub mode: Option<Mode>,
    /// Nodes to ask for the topology, as HOST or HOST:PORT. Default: the service's endpoints.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub seeds: Vec<String>,
    /// The proxies that treat the service as Redis. Default: all that see it, but for those beside its own nodes.
    pub clients: Option<Clients>,
    /// A name for a cluster that holds nothing but what this resource says. Default: the service's own cluster
    /// (`outbound|PORT||HOST`) becomes the Redis cluster.
    #[schemars(length(min = 1))]
    pub cluster_name: Option<String>,
    /// What a proxy does with commands.
    pub settings: Option<Settings>,
    /// How a proxy keeps the topology true (mode CLUSTER).
    pub discovery: Option<Discovery>,
    /// Connections to nodes. What is left out is as a DestinationRule says, or the mesh.
    pub connection: Option<Connection>,
    /// What the nodes demand of clients.
    pub auth: Option<Auth>,
    /// TLS to the nodes. Default: as a DestinationRule says, or automatic mutual TLS.
    pub tls: Option<NodeTls>,
    /// Health checks of nodes. Default: none.
    pub health: Option<Health>,
}

/// What runs behind a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// found out: CLUSTER if a cluster bus is seen (a port 10000 above that of the nodes, or one named gossip or bus), else SINGLE
    #[default]
    Auto,
    /// a Redis Cluster
    Cluster,
    /// one server, or several among which keys are spread by a hash
    Single,
}

/// Which proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clients {
    /// Their namespaces; none: all.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Labels of their pods; none: all.
    #[serde(default)]
    pub match_labels: Labels,
}

/// What a proxy does with commands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// How long a request may take. Default: 5s.
    pub op_timeout: Option<Span>,
    /// Which member of a shard serves reads. Default: MASTER.
    pub read_policy: Option<ReadPolicy>,
    /// Whether MOVED and ASK are followed. Default: true for a cluster, false else.
    pub enable_redirection: Option<bool>,
    /// Whether only what stands in braces decides where a key lives (mode SINGLE; a cluster always does it).
    pub enable_hashtagging: Option<bool>,
    /// Whether commands are counted one by one for each cluster.
    pub enable_command_stats: Option<bool>,
    /// Requests are collected until they are this many bytes. Default: 0, each is sent at once.
    pub max_buffer_size_before_flush: Option<u32>,
    /// They wait no longer than this. Default: 3ms.
    pub buffer_flush_timeout: Option<Span>,
    /// How many nodes a redirection may add that the topology does not know, for each worker. Default: 100.
    pub max_upstream_unknown_connections: Option<u32>,
    /// How many connections a second a worker may open to a node. Default: no limit.
    #[schemars(range(min = 1))]
    pub connection_rate_limit_per_sec: Option<u32>,
    /// Looks up names that redirections carry (Envoy; slotmesh's proxy needs none and refuses it).
    pub dns_cache: Option<DnsCache>,
    /// The beginning of the statistics' names, after `redis.`. Default: the resource's name.
    #[schemars(length(min = 1))]
    pub stat_prefix: Option<String>,
    /// Whether latencies are counted in microseconds.
    pub latency_in_micros: Option<bool>,
    /// Names of further commands, whose key is their first argument (Envoy; slotmesh's proxy refuses it).
    #[serde(default)]
    pub custom_commands: Vec<String>,
    /// What clients and nodes speak. Default: RESP2 (slotmesh's proxy refuses RESP3 here: it lets clients choose).
    pub protocol_version: Option<ProtocolVersion>,
}

/// Which member of a shard serves reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReadPolicy {
    /// the primary
    #[default]
    Master,
    /// the primary while it is healthy, else any
    PreferMaster,
    /// a replica
    Replica,
    /// a replica while one is healthy, else any
    PreferReplica,
    /// any
    Any,
    /// a replica in the proxy's zone, else any replica, else the primary
    LocalZoneAffinity,
    /// any member in the proxy's zone, replicas first, else any replica, else the primary
    LocalZoneAffinityReplicasAndPrimary,
}

/// A version of Redis' protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProtocolVersion {
    /// version 2
    #[default]
    #[serde(rename = "RESP2")]
    Resp2,
    /// version 3
    #[serde(rename = "RESP3")]
    Resp3,
}

/// A cache of names that were looked up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsCache {
    /// Its name; caches of one name must be equal. Default: the resource's namespace and name.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Which addresses are looked for. Default: V4_ONLY.
    pub dns_lookup_family: Option<LookupFamily>,
    /// How long an answer holds. Default: 60s.
    pub dns_refresh_rate: Option<Span>,
    /// How long a name that nobody asks for is kept. Default: 5m.
    pub host_ttl: Option<Span>,
    /// How many names are kept. Default: 1024.
    #[schemars(range(min = 1))]
    pub max_hosts: Option<u32>,
}

/// Which addresses are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LookupFamily {
    /// IPv6 addresses, and IPv4 if there are none
    Auto,
    /// IPv4 addresses
    #[default]
    V4Only,
    /// IPv6 addresses
    V6Only,
    /// IPv4 addresses, and IPv6 if there are none
    V4Preferred,
    /// both
    All,
}

/// How a proxy keeps the topology of a cluster true.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// The pause between two looks at the topology. Default: 5s.
    pub cluster_refresh_rate: Option<Span>,
    /// How long a look may take. Default: 3s.
    pub cluster_refresh_timeout: Option<Span>,
    /// The least time between two looks that redirections or failures cause. Default: 5s.
    pub redirect_refresh_interval: Option<Span>,
    /// How many redirections cause a look; 0: they do not. Default: 5.
    pub redirect_refresh_threshold: Option<u32>,
    /// How many failed requests cause a look; 0: they do not. Default: 0.
    pub failure_refresh_threshold: Option<u32>,
    /// How many nodes that become unhealthy cause a look; 0: they do not. Default: 0.
    pub host_degraded_refresh_threshold: Option<u32>,
    /// Whether nodes are asked for their zone (Valkey), which the zone read policies need.
    pub enable_zone_discovery: Option<bool>,
}

/// Connections to nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// How long a connection may take to come about.
    pub connect_timeout: Option<Span>,
    /// How many there may be.
    pub max_connections: Option<u32>,
    /// Probes of idle connections.
    pub tcp_keepalive: Option<Probes>,
}

/// TCP's own probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probes {
    /// How many go unanswered before the connection is dead.
    pub probes: Option<u32>,
    /// How long a connection is idle before the first.
    pub time: Option<Span>,
    /// The pause between two.
    pub interval: Option<Span>,
}

/// What the nodes demand of clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// The user. Default: the nodes' default user.
    pub username: Option<Source>,
    /// Its password.
    pub password: Option<Source>,
    /// Passwords are made by Amazon's IAM (Envoy; slotmesh's proxy refuses it).
    pub aws_iam: Option<AwsIam>,
    /// Nodes that demand something else.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub credentials: Vec<NodeAuth>,
}

/// What one node demands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAuth {
    /// The node, as HOST:PORT.
    #[schemars(length(min = 1))]
    pub address: String,
    /// The user.
    pub username: Option<Source>,
    /// Its password.
    pub password: Option<Source>,
}

/// Where a value stands that this resource does not hold: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.secretKeyRef), has(self.file), has(self.environmentVariable)].exists_one(given, given)",
    "message": "give exactly one of secretKeyRef, file and environmentVariable",
}]))]
pub struct Source {
    /// A Secret in the resource's namespace. Its value travels to proxies in their configuration.
    pub secret_key_ref: Option<KeyRef>,
    /// A file beside the proxy.
    #[schemars(length(min = 1))]
    pub file: Option<String>,
    /// A variable in the proxy's environment.
    #[schemars(length(min = 1))]
    pub environment_variable: Option<String>,
    /// A value in clear, as Aeraki's resources hold it; no field of ours.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) plain: Option<Clear>,
    /// What a Secret without the key means to Aeraki.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) otherwise: Otherwise,
}

/// What is done if a Secret has not the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    #[default]
    Refuse,
    Take(&'static str),
    Nothing,
}

/// A value that is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Clear(pub(crate) String);

impl std::fmt::Debug for Clear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1))]
    pub key: String,
}

/// How Amazon's IAM makes passwords.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsIam {
    /// The name of the cache.
    #[schemars(length(min = 1))]
    pub cache_name: String,
    /// `elasticache` or `memorydb`. Default: elasticache.
    pub service_name: Option<String>,
    /// The region. Default: as the proxy's surroundings say.
    pub region: Option<String>,
    /// How long a password holds, at most 900s. Default: 60s.
    pub expiration_time: Option<Span>,
    /// Who asks. Default: whom the proxy's surroundings name.
    pub credential_provider: Option<AwsCredentials>,
}

/// Who asks Amazon's IAM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AwsCredentials {
    /// The id of the key.
    pub access_key_id: KeyRef,
    /// The key.
    pub secret_access_key: KeyRef,
    /// The token of a session.
    pub session_token: Option<KeyRef>,
}

/// TLS to the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.mode) || self.mode != 'MUTUAL' || (has(self.clientCertificate) && has(self.privateKey))",
    "message": "MUTUAL needs clientCertificate and privateKey",
}]))]
pub struct NodeTls {
    /// Which kind. Default: SIMPLE.
    pub mode: Option<TlsMode>,
    /// A file beside the proxy: its certificate (MUTUAL).
    pub client_certificate: Option<String>,
    /// A file beside the proxy: the certificate's key (MUTUAL).
    pub private_key: Option<String>,
    /// A file beside the proxy: the authorities. Default: those of the system.
    pub ca_certificates: Option<String>,
    /// Names of which a node's certificate must have one.
    #[serde(default)]
    pub subject_alt_names: Vec<String>,
    /// The name that nodes are asked for.
    pub sni: Option<String>,
    /// Whether any certificate will do.
    pub insecure_skip_verify: Option<bool>,
}

/// A kind of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TlsMode {
    /// none
    Disable,
    /// the nodes show certificates
    #[default]
    Simple,
    /// both sides do
    Mutual,
    /// both sides do, with certificates of the mesh
    IstioMutual,
}

/// Health checks of nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The pause between two. Default: 5s.
    pub interval: Option<Span>,
    /// How long one may take. Default: 1s.
    pub timeout: Option<Span>,
    /// How many successes make a node healthy. Default: 1.
    #[schemars(range(min = 1))]
    pub healthy_threshold: Option<u32>,
    /// How many failures make it unhealthy. Default: 3.
    #[schemars(range(min = 1))]
    pub unhealthy_threshold: Option<u32>,
    /// A node is healthy while this key does not exist. Default: it is asked for PING.
    pub key: Option<String>,
}

/// Says what happens to commands for a service that is Redis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.routes) || self.routes.filter(route, !has(route.prefix) || route.prefix == '').size() <= 1",
    "fieldPath": ".routes",
    "message": "a second route without a prefix",
}]))]
pub struct RedisRoute {
    /// The service that clients connect to: its name in this namespace, `name.namespace`, or its full host. Without a
    /// RedisService it is taken as one with nothing but defaults.
    #[schemars(length(min = 1))]
    pub host: String,
    /// The service's port. Default: as in RedisService.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Where keys go, by how they begin; the longest beginning wins. An entry without a prefix is for all other keys.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub routes: Vec<Route>,
    /// What happens to keys that no entry is for. Default: FORWARD.
    pub unmatched: Option<Unmatched>,
    /// Whether prefixes match in any case.
    pub case_insensitive: Option<bool>,
    /// Faults to be injected.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub faults: Vec<Fault>,
    /// What the proxy demands of clients.
    pub auth: Option<ClientAuth>,
    /// A service that decides about clients' AUTH (Envoy; slotmesh's proxy refuses it).
    pub external_auth: Option<ExternalAuth>,
}

/// What happens to keys that no route is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Unmatched {
    /// they go to the service itself
    #[default]
    Forward,
    /// they are answered `no upstream host`
    Refuse,
}

/// Where some keys go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// How they begin.
    #[schemars(length(max = 1000))]
    pub prefix: Option<String>,
    /// Whether the prefix is taken off.
    pub remove_prefix: Option<bool>,
    /// What becomes of a key, `%KEY%`, on the way.
    pub key_formatter: Option<String>,
    /// Where commands go. Default: the service itself.
    pub to: Option<Destination>,
    /// Where reads go instead.
    pub read_commands_to: Option<Destination>,
    /// Who gets copies.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub mirrors: Vec<Mirror>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Its name in this namespace, `name.namespace`, or its full host.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Its port. Default: as in RedisService.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

/// Who gets copies of commands. Their replies are dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// The service.
    pub to: Destination,
    /// How many of a hundred commands. Default: all.
    pub percent: Option<Percent>,
    /// A key of Envoy's runtime that overrides `percent`.
    pub runtime_key: Option<String>,
    /// Whether only writes are copied.
    pub exclude_read_commands: Option<bool>,
}

/// A part of a hundred, with up to four digits after the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub(crate) f64);

/// A fault to be injected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Which kind. Default: DELAY.
    #[serde(rename = "type")]
    pub kind: Option<FaultKind>,
    /// How many of a hundred commands. Default: 100.
    pub percent: Option<Percent>,
    /// A key of Envoy's runtime that overrides `percent`.
    pub runtime_key: Option<String>,
    /// How long the reply is held back.
    pub delay: Option<Span>,
    /// Which commands; none: all.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FaultKind {
    /// the reply comes later
    #[default]
    Delay,
    /// the reply is an error, after the delay if there is one
    Error,
}

/// What the proxy demands of clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.passwords) && self.passwords.size() > 0",
    "fieldPath": ".passwords",
    "message": "are missing: nobody would be asked for a password",
}]))]
pub struct ClientAuth {
    /// The user. Default: the default user.
    pub username: Option<Source>,
    /// Passwords, any of which will do.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub passwords: Vec<Source>,
}

/// A service that decides about clients' AUTH.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuth {
    /// The service, which speaks Envoy's `RedisProxyExternalAuth` over gRPC.
    pub to: Destination,
    /// How long it may take. Default: no limit.
    pub timeout: Option<Span>,
    /// Whether what it allows ends when it says so.
    pub enable_auth_expiration: Option<bool>,
}
