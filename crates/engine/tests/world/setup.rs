//! What a world begins with.

use super::Weather;
use super::redis::Redis;
use engine::Limits;
use meant::{
    Auth, Balance, Cluster, Discovery, DnsFamily, RedisCluster, RedisProxy, Route, Routes, Settings, Upstream,
};
use std::time::Duration;

pub struct Setup {
    pub seed: u64,
    pub wall: u64,
    pub limits: Limits,
    pub buffer_limit: usize,
    pub weather: Weather,
    pub clusters: Vec<Redis>,
    pub meant: Vec<Cluster>,
    pub proxies: Vec<RedisProxy>,
    /// Whether the engine is told of the clusters before anything else.
    pub known: bool,
}

impl Setup {
    /// A Redis Cluster named `main` that takes every key; `op_timeout` is one second.
    pub fn cluster(shards: usize, replicas: usize) -> Self {
        Self::of(Redis::cluster(1, shards, replicas), cluster("main", redis()))
    }

    /// Plain nodes named `main`.
    pub fn hosts(count: usize, balance: Balance) -> Self {
        Self::of(Redis::hosts(1, count), cluster("main", Discovery::Static(balance)))
    }

    fn of(redis: Redis, main: Cluster) -> Self {
        Self {
            seed: 1,
            wall: 0,
            limits: Limits::default(),
            buffer_limit: 1 << 20,
            weather: Weather::calm(),
            clusters: vec![redis],
            meant: vec![main],
            proxies: vec![proxy()],
            known: true,
        }
    }

    /// One more cluster.
    pub fn and(mut self, name: &str, redis: Redis, balance: Balance) -> Self {
        let discovery = if redis.slotted { self::redis() } else { Discovery::Static(balance) };
        self.clusters.push(redis);
        self.meant.push(cluster(name, discovery));
        self
    }

    pub fn settings(&mut self) -> &mut Settings {
        &mut self.proxies[0].settings
    }

    /// The route that takes what no prefix fits.
    pub fn catch_all(&mut self) -> &mut Route {
        self.proxies[0].routes.catch_all.as_mut().unwrap()
    }
}

pub fn proxy() -> RedisProxy {
    RedisProxy {
        stat_prefix: "test".into(),
        settings: Settings {
            op_timeout: Duration::from_secs(1),
            enable_hashtagging: false,
            enable_redirection: true,
            max_buffer_size_before_flush: 0,
            buffer_flush_timeout: Duration::from_millis(3),
            max_upstream_unknown_connections: 100,
            read_policy: meant::ReadPolicy::Primary,
            enable_command_stats: true,
            connection_rate_limit: None,
        },
        latency_in_micros: true,
        routes: Routes { routes: Vec::new(), case_insensitive: false, catch_all: Some(route("", "main")) },
        auth: Auth::default(),
        faults: Vec::new(),
    }
}

pub fn route(prefix: &str, cluster: &str) -> Route {
    Route { prefix: prefix.into(), cluster: cluster.into(), ..Route::default() }
}

pub fn redis() -> Discovery {
    Discovery::Redis(RedisCluster {
        refresh_rate: Duration::from_secs(5),
        refresh_timeout: Duration::from_secs(3),
        redirect_refresh_interval: Duration::from_secs(5),
        redirect_refresh_threshold: 5,
        failure_refresh_threshold: 0,
        host_degraded_refresh_threshold: 0,
    })
}

pub fn cluster(name: &str, discovery: Discovery) -> Cluster {
    Cluster {
        name: name.into(),
        connect_timeout: Duration::from_millis(250),
        discovery,
        endpoints: Vec::new(),
        dns_family: DnsFamily::Auto,
        dns_refresh_rate: Duration::from_secs(5),
        upstream: Upstream::default(),
        keepalive: None,
        source: None,
        sockets: meant::Sockets::default(),
    }
}
