//! The proxy without a file: what the flags mean, as Envoy's configuration.
//!
//! The flags are turned into values, printed as YAML, and loaded again by the room that reads files: so
//! `--print-config` is by construction what runs, and the checks for files hold for flags too.

use crate::cli::{HostPort, ShorthandArgs};
use config::Loaded;
use meant::{
    Admin, Auth, Balance, Cluster, Discovery, DnsFamily, Endpoint, Filter, Fraction, Listener, Mirror, Node, Proxy,
    RedisCluster, RedisProxy, Route, Routes, Settings, Upstream,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The name of the cluster that `--cluster` stands for.
const CLUSTER: &str = "redis-cluster";
/// The name of the cluster that `--mirror` stands for.
const MIRROR: &str = "redis-mirror";

/// What a file with the same content would load to.
pub fn load(args: &ShorthandArgs) -> anyhow::Result<Loaded> {
    let yaml = config::print::yaml(&meaning(args)?);
    Ok(config::load_text_with_dump(&yaml, "command line")?)
}

fn meaning(args: &ShorthandArgs) -> anyhow::Result<Proxy> {
    let address = args.listen.ok_or_else(|| anyhow::anyhow!("--listen is missing"))?;
    let mirror = args.mirror.iter().map(mirror_cluster);
    Ok(Proxy {
        node: Node::default(),
        listeners: vec![Arc::new(listener(address, args))],
        clusters: std::iter::once(redis_cluster(&args.cluster)).chain(mirror).map(Arc::new).collect(),
        admin: args.admin.map(|address| Admin { address }),
        dynamic: None,
    })
}

fn listener(address: SocketAddr, args: &ShorthandArgs) -> Listener {
    let filter = RedisProxy {
        stat_prefix: "redis".into(),
        settings: settings(args),
        latency_in_micros: false,
        routes: Routes { routes: Vec::new(), case_insensitive: false, catch_all: Some(catch_all(args)) },
        auth: Auth::default(),
        faults: Vec::new(),
    };
    Listener::with_one_filter("redis", address, Filter::Redis(filter.into()))
}

/// The tutorial's settings, and Envoy's defaults for the rest.
fn settings(args: &ShorthandArgs) -> Settings {
    Settings {
        op_timeout: Duration::from_secs(5),
        enable_hashtagging: false,
        enable_redirection: true,
        max_buffer_size_before_flush: 0,
        buffer_flush_timeout: Duration::from_millis(3),
        max_upstream_unknown_connections: 100,
        read_policy: args.read_policy.map(Into::into).unwrap_or_default(),
        enable_command_stats: true,
        connection_rate_limit: None,
    }
}

fn catch_all(args: &ShorthandArgs) -> Route {
    let mirror = |_: &HostPort| Mirror {
        cluster: MIRROR.into(),
        fraction: Fraction::ALL,
        exclude_reads: args.mirror_writes_only,
    };
    Route { cluster: CLUSTER.into(), mirrors: args.mirror.iter().map(mirror).collect(), ..Route::default() }
}

fn redis_cluster(seeds: &[HostPort]) -> Cluster {
    let discovery = Discovery::Redis(RedisCluster {
        refresh_rate: Duration::from_secs(5),
        refresh_timeout: Duration::from_secs(3),
        redirect_refresh_interval: Duration::from_secs(5),
        redirect_refresh_threshold: 5,
        failure_refresh_threshold: 0,
        host_degraded_refresh_threshold: 0,
    });
    cluster(CLUSTER, discovery, seeds)
}

fn mirror_cluster(mirror: &HostPort) -> Cluster {
    let is_address = mirror.host.parse::<IpAddr>().is_ok();
    let kind = if is_address { Discovery::Static } else { Discovery::StrictDns };
    cluster(MIRROR, kind(Balance::RoundRobin), std::slice::from_ref(mirror))
}

fn cluster(name: &str, discovery: Discovery, members: &[HostPort]) -> Cluster {
    let endpoint = |member: &HostPort| Endpoint {
        host: member.host.clone(),
        port: member.port,
        weight: 1,
        hostname: None,
        priority: 0,
        labels: Vec::new(),
    };
    Cluster {
        name: name.into(),
        connect_timeout: Duration::from_millis(500),
        discovery,
        endpoints: members.iter().map(endpoint).collect(),
        dns_family: DnsFamily::Auto,
        dns_refresh_rate: Duration::from_secs(5),
        upstream: Upstream::default(),
        keepalive: None,
        source: None,
        sockets: meant::Sockets::default(),
    }
}
