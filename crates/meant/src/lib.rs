//! What a configuration means: plain, checked values with their defaults applied.
//!
//! The `config` room reads Envoy's words (YAML, JSON, protobuf) and turns them into these types; every other
//! room sees only these. A value of this room is complete and valid by construction of its maker, is never
//! mutated once published, and is swapped whole. The room has no dependencies, so that the hot rooms never
//! compile a protobuf or YAML library.
//!
//! Field meanings follow Envoy's v3 API; each type names the Envoy message it stands for.

pub mod proxy;
pub mod listener;
pub mod redis;
pub mod cluster;
pub mod tls;
pub mod dynamic;
pub mod secret;

pub use cluster::{
    Assignment, Balance, Cluster, Credentials, Discovery, DnsFamily, Endpoint, Keepalive, NodeCredentials,
    RedisCluster, SocketMatch, Sockets, Upstream,
};
pub use dynamic::{ConfigSource, ControlAddress, ControlPlane, ControlTls, Dynamic};
pub use listener::{Chain, ChainMatch, Filter, Listener, Network, Ports, Sniffing, SourceType, TcpProxy, Way};
pub use proxy::{Admin, Node, Proxy};
pub use redis::{
    Auth, Fault, FaultKind, Fraction, KeyFormat, KeyPart, Mirror, ReadPolicy, RedisProxy, Route, Routes, Settings,
};
pub use secret::Secret;
pub use tls::{
    ClientTls, Delivered, Delivery, Identity, NameKind, NameMatch, Roots, ServerTls, TextMatch, Tls, TlsVersion, Trust,
};
