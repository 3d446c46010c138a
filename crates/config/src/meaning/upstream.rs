//! How the nodes of a cluster are greeted: `RedisProtocolOptions`.

use super::address;
use super::reader::Reader;
use super::source;
use crate::schema::names;
use meant::{Credentials, NodeCredentials, Upstream};

/// The keys under which Envoy finds them: the filter's name, and its old name.
const KEYS: [&str; 2] = ["envoy.filters.network.redis_proxy", "envoy.redis_proxy"];

/// The protocol options of a cluster.
pub(super) fn upstream(cluster: &Reader<'_>) -> Upstream {
    let mut upstream = Upstream::default();
    let mut found = false;
    for (key, held) in cluster.held_by_key("typed_extension_protocol_options") {
        if !KEYS.contains(&key.as_str()) {
            held.fields.unsupported_whole(format!("not supported yet: only {} is", KEYS[0]));
            continue;
        }
        if std::mem::replace(&mut found, true) {
            held.fields
                .report()
                .wrong(held.fields.path(), format!("given twice, as {}: keep one", KEYS.join(" and as ")));
        }
        if let Some(options) = held.of_type(names::REDIS_PROTOCOL_OPTIONS) {
            upstream = protocol_options(&options.strictly());
        }
    }
    upstream
}

fn protocol_options(options: &Reader<'_>) -> Upstream {
    options.refuse("aws_iam", "not supported yet: use auth_password");
    Upstream {
        credentials: credentials(options),
        nodes: options.all("credentials").iter().filter_map(of_node).collect(),
    }
}

fn of_node(entry: &Reader<'_>) -> Option<NodeCredentials> {
    let credentials = credentials(entry);
    if !entry.has("address") {
        entry.wrong("address", "is required: it says which node the entry is for");
    }
    let node = address::remote(entry, "address")?;
    Some(NodeCredentials { host: node.host, port: node.port, credentials })
}

fn credentials(reader: &Reader<'_>) -> Credentials {
    Credentials { username: source::secret(reader, "auth_username"), password: source::secret(reader, "auth_password") }
}
