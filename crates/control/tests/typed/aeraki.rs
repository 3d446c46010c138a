//! Aeraki's resources, accepted as they are.

use crate::Mesh;
use crate::mesh::CLIENT;
use serde_json::{Value, json};

const RESOURCES: &str = r#"
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisService
metadata: {name: cluster, namespace: redis}
spec:
  host: [redis-cluster.redis.svc.cluster.local]
  settings:
    caseInsensitive: true
    readPolicy: PREFER_REPLICA
    enableRedirection: true
    maxUpstreamUnknownConnections: 7
    auth: { secret: { name: client } }
  redis:
  - match: { key: { prefix: "a:", removePrefix: true } }
    route: { host: redis-mirror.redis.svc.cluster.local, port: 6379 }
  - route: { host: redis-cluster.redis.svc.cluster.local, port: 6379 }
    mirror:
    - route: { host: redis-mirror.redis, port: 6379 }
      percentage: { value: 50 }
      excludeReadCommands: true
  faults:
  - { type: ERROR, percentage: { value: 1 }, commands: [GET] }
---
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata: {name: cluster, namespace: redis}
spec:
  host: redis-cluster.redis.svc.cluster.local
  trafficPolicy:
    connectionPool:
      tcp: { maxConnections: 5, tcpKeepalive: { probes: 2 } }
      redis:
        mode: CLUSTER
        auth: { plain: { password: "in clear" } }
        discoveryEndpoints: [redis-cluster-0.redis, "redis-cluster-1.redis:6380"]
---
apiVersion: v1
kind: Secret
metadata: {name: client, namespace: redis}
stringData: {token: letmein}
"#;

#[test]
fn they_mean_what_they_say() {
    let mut mesh = Mesh::tutorial().with("a.yaml", RESOURCES);
    let given = mesh.fine(CLIENT);
    let redis = given.redis("10.96.0.10_6379");
    let own = "outbound|6379||redis-cluster.redis.svc.cluster.local";
    let mirror = "outbound|6379||redis-mirror.redis.svc.cluster.local";
    let settings = json!({
        "op_timeout": "60s", "enable_redirection": true, "max_upstream_unknown_connections": 7, "read_policy": "PREFER_REPLICA"
    });
    assert_eq!(redis["settings"], settings);
    // `token` stands in for a missing `password`; nobody has to have a `username`.
    assert_eq!(redis["downstream_auth_passwords"].as_array().map(Vec::len), Some(1));
    assert_eq!(redis["downstream_auth_username"], Value::Null);
    let sent = mesh.sent(CLIENT);
    for word in [&b"letmein"[..], b"in clear"] {
        assert!(sent.windows(word.len()).any(|bytes| bytes == word));
    }
    let copies = json!([{
        "cluster": mirror, "runtime_fraction": {"default_value": {"numerator": 50}}, "exclude_read_commands": true
    }]);
    let routes = json!({
        "case_insensitive": true,
        "routes": [{"prefix": "a:", "remove_prefix": true, "cluster": mirror}],
        "catch_all_route": {"cluster": own, "request_mirror_policy": copies},
    });
    assert_eq!(redis["prefix_routes"], routes);
    assert_eq!(redis["faults"][0]["fault_type"], "ERROR");
    let cluster = given.cluster(own);
    assert_eq!(
        (&cluster["cluster_type"]["name"], &cluster["connect_timeout"]),
        (&json!("envoy.clusters.redis"), &json!("10s"))
    );
    assert_eq!(given.seeds(own), ["redis-cluster-0.redis:6379", "redis-cluster-1.redis:6380"]);
}

#[test]
fn what_is_wrong_with_them_is_told_by_their_own_fields() {
    let text = RESOURCES.replace("host: redis-mirror.redis,", "host: redis-miror.redis,");
    let told = Mesh::tutorial().with("a.yaml", &text).told();
    let start = "a.yaml:18: spec.redis[1].mirror[0].route.host: Aeraki's RedisService cluster: host redis-miror.redis is no service";
    assert!(told.len() == 1 && told[0].starts_with(start), "{told:?}");
}
