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
pub mod secret;

pub use cluster::{
    Balance, Cluster, Credentials, Discovery, DnsFamily, Endpoint, Keepalive, NodeCredentials, RedisCluster, Upstream,
};
pub use listener::{Filter, Listener, TcpProxy};
pub use proxy::{Admin, Node, Proxy};
pub use redis::{
    Auth, Fault, FaultKind, Fraction, KeyFormat, KeyPart, Mirror, ReadPolicy, RedisProxy, Route, Routes, Settings,
};
pub use secret::Secret;
