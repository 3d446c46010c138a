//! What is refused, how it is told, and what is served meanwhile.

use crate::Mesh;
use crate::mesh::{CLIENT, resource};
use serde_json::json;

const LISTENER: &str = "10.96.0.10_6379";

fn service(host: &str, policy: &str) -> String {
    resource("RedisService", "cache", &json!({"host": host, "settings": {"readPolicy": policy}}))
}

#[test]
fn a_host_that_is_no_service_is_told_with_the_nearest_and_the_last_version_serves() {
    let mut mesh = Mesh::tutorial().with("a.json", &service("redis-cluster", "REPLICA"));
    assert_eq!(mesh.fine(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
    mesh.write("a.json", &service("redis-clutser", "MASTER"));
    let text = "a.json:1: spec.host: RedisService cache: host redis-clutser.redis.svc.cluster.local is no service; near: \
                redis-cluster.redis.svc.cluster.local, redis-mirror.redis.svc.cluster.local, \
                redis-cluster-nodes.redis.svc.cluster.local; its version before stays in force";
    assert_eq!(mesh.told(), [text]);
    assert_eq!(mesh.given(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
    // Again after another change of something else, and after a restart there is no version before.
    mesh.write("b.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: other}}");
    assert_eq!(mesh.given(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
    let mut mesh = Mesh::tutorial().with("a.json", &service("redis-clutser", "MASTER"));
    assert!(mesh.given(CLIENT).is_plain(LISTENER));
    mesh.write("a.json", &service("redis-cluster", "ANY"));
    assert_eq!(mesh.fine(CLIENT).redis(LISTENER)["settings"]["read_policy"], "ANY");
    mesh.remove("a.json");
    assert!(mesh.fine(CLIENT).is_plain(LISTENER));
}

#[test]
fn of_two_for_one_host_the_oldest_wins_and_the_other_is_told() {
    let aged = |name: &str, policy: &str, created: &str| {
        let spec = json!({"host": "redis-cluster", "settings": {"readPolicy": policy}});
        let mut whole: serde_json::Value = serde_json::from_str(&resource("RedisService", name, &spec)).unwrap();
        whole["metadata"]["creationTimestamp"] = created.into();
        whole.to_string()
    };
    let mut mesh = Mesh::tutorial().with("a.json", &aged("a", "ANY", "2026-02-01T00:00:00Z"));
    mesh.write("b.json", &aged("b", "REPLICA", "2026-01-01T00:00:00Z"));
    let text = "a.json:1: spec.host: RedisService a: host redis-cluster.redis.svc.cluster.local, port 6379, is decided by \
                the RedisService redis/b (";
    let told = mesh.told();
    assert!(told.len() == 1 && told[0].starts_with(text), "{told:?}");
    assert!(told[0].ends_with("b.json:1), which comes first"), "{told:?}");
    assert_eq!(mesh.given(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
}

#[test]
fn a_namespace_decides_for_its_own_proxies_only_unless_it_is_the_services() {
    let foreign = r#"{"apiVersion": "slotmesh.io/v1alpha1", "kind": "RedisService", "metadata": {"name": "x", "namespace": "web"},
        "spec": {"host": "redis-cluster.redis", "settings": {"readPolicy": "ANY"}}}"#;
    let mut mesh = Mesh::tutorial().with("a.json", &service("redis-cluster", "REPLICA")).with("x.json", foreign);
    let policy = |mesh: &mut Mesh, who: &str| mesh.fine(who).redis(LISTENER)["settings"]["read_policy"].clone();
    assert_eq!((policy(&mut mesh, CLIENT), policy(&mut mesh, "10.244.9.9~w.web")), (json!("REPLICA"), json!("ANY")));
}

#[test]
fn each_fault_is_told_by_its_field() {
    let mirror = json!([{"to": {"host": "redis-mirror"}, "percent": 101}]);
    let secret = |name: &str, key: &str| json!({"password": {"secretKeyRef": {"name": name, "key": key}}});
    let near = "near: redis-mirror.redis.svc.cluster.local, redis-cluster.redis.svc.cluster.local, redis-cluster-nodes.redis.svc.cluster.local";
    let miror =
        format!("spec.routes[0].to.host: RedisRoute a: host redis-miror.redis.svc.cluster.local is no service; {near}");
    let cases = [
        (json!({"routes": [{"mirrors": mirror}]}), "spec.routes[0].mirrors[0].percent: `101` is not between 0 and 100"),
        (json!({"routes": [{"prefix": "a"}, {"prefix": "a"}]}), "spec.routes[1].prefix: another route has this prefix"),
        (json!({"routes": [{"to": {"host": "redis-miror"}}]}), miror.as_str()),
        (
            json!({"port": 6380}),
            "spec.port: RedisService a: redis-cluster.redis.svc.cluster.local has no port 6380; it has: 6379, 16379",
        ),
        (
            json!({"auth": secret("key", "word")}),
            "spec.auth.password.secretKeyRef.name: RedisService a: there is no Secret redis/key; near: keys",
        ),
        (
            json!({"auth": secret("keys", "wrd")}),
            "spec.auth.password.secretKeyRef.key: RedisService a: the Secret keys has no key wrd; near: word",
        ),
        (
            json!({"auth": {"password": {}}}),
            "spec.auth.password: RedisService a: give exactly one of secretKeyRef, file and environmentVariable",
        ),
        (
            json!({"discovery": {"clusterRefreshRate": "0s"}}),
            "spec.discovery.clusterRefreshRate: must be longer than nothing",
        ),
        (json!({"mode": "SINGLE", "clusterName": "x"}), "spec.clusterName: RedisService a: is for the mode CLUSTER"),
        (json!({"seeds": ["a:b"]}), "spec.seeds[0]: `a:b` is not HOST or HOST:PORT"),
    ];
    for (mut spec, text) in cases {
        let kind = if spec["routes"].is_array() { "RedisRoute" } else { "RedisService" };
        spec["host"] = "redis-cluster".into();
        let mut mesh = Mesh::tutorial().with("k.yaml", crate::full::SECRET).with("a.json", &resource(kind, "a", &spec));
        assert_eq!(mesh.told(), [format!("a.json:1: {text}")]);
        assert!(mesh.given(CLIENT).is_plain(LISTENER));
    }
}

#[test]
fn a_password_comes_from_its_secret_and_is_followed() {
    let auth = json!({"password": {"secretKeyRef": {"name": "keys", "key": "word"}}});
    let spec = resource("RedisService", "a", &json!({"host": "redis-cluster", "auth": auth}));
    let mut mesh = Mesh::tutorial().with("k.yaml", crate::full::SECRET).with("a.json", &spec);
    let cluster = "outbound|6379||redis-cluster.redis.svc.cluster.local";
    let word = |mesh: &mut Mesh| {
        let read = mesh.read();
        assert!(!format!("{:?}", read.state).contains("swordfish"), "a password is shown");
        let given = mesh.sent(CLIENT);
        given.windows(9).any(|bytes| bytes == b"swordfish")
    };
    assert!(word(&mut mesh));
    let shown = mesh.fine(CLIENT).cluster(cluster)["typed_extension_protocol_options"].to_string();
    assert!(shown.contains("[redacted]") && !shown.contains("swordfish"), "{shown}");
    mesh.write("k.yaml", &crate::full::SECRET.replace("swordfish", "another one"));
    assert!(!word(&mut mesh));
}

/// What a proxy would refuse, or what would leave every proxy without its configuration, is refused by its field.
#[test]
fn values_that_proxies_refuse_are_refused_by_their_field() {
    let cases = [
        (
            json!({"settings": {"opTimeout": "400000000000s"}}),
            "spec.settings.opTimeout: `400000000000s` is longer than 9223372035s",
        ),
        (
            json!({"connection": {"connectTimeout": "0s"}}),
            "spec.connection.connectTimeout: must be longer than nothing",
        ),
        (json!({"settings": {"statPrefix": ""}}), "spec.settings.statPrefix: is empty"),
        (json!({"settings": {"customCommands": ["a", ""]}}), "spec.settings.customCommands[1]: is empty"),
        (json!({"health": {"healthyThreshold": 0}}), "spec.health.healthyThreshold: must be at least 1"),
        (
            json!({"clusterName": "PassthroughCluster", "mode": "CLUSTER"}),
            "spec.clusterName: `PassthroughCluster` is the name of a cluster that is made anyway",
        ),
        (
            json!({"clusterName": "outbound|6379||redis-mirror.redis.svc.cluster.local", "mode": "CLUSTER"}),
            "spec.clusterName: `outbound|",
        ),
        (json!({"auth": {"password": {"file": ""}}}), "spec.auth.password: RedisService a: names nothing"),
    ];
    for (spec, expected) in cases {
        let mut spec = spec;
        spec["host"] = "redis-cluster".into();
        let mut mesh = Mesh::tutorial().with("a.json", &resource("RedisService", "a", &spec));
        let told = mesh.told();
        assert!(told.len() == 1 && told[0].starts_with(&format!("a.json:1: {expected}")), "{told:?}");
        assert!(mesh.given(CLIENT).is_plain(LISTENER));
    }
    let route = |spec: serde_json::Value| Mesh::tutorial().with("a.json", &resource("RedisRoute", "a", &spec)).told();
    let told = route(json!({"host": "redis-cluster", "auth": {"username": {"environmentVariable": "WHO"}}}));
    assert!(told[0].starts_with("a.json:1: spec.auth.passwords: are missing"), "{told:?}");
    let told = route(json!({"host": "redis-cluster", "faults": [{"percent": 0.00001}]}));
    assert!(told[0].contains("spec.faults[0].percent: `0.00001` is less than 0.0001"), "{told:?}");
}

#[test]
fn a_password_in_clear_is_not_repeated() {
    let auth = json!({"password": "swordfish"});
    let mut mesh = Mesh::tutorial()
        .with("a.json", &resource("RedisService", "a", &json!({"host": "redis-cluster", "auth": auth})));
    let text =
        "a.json:1: spec.auth.password: holds a value in clear: give one of secretKeyRef, file and environmentVariable";
    assert_eq!(mesh.told(), [text]);
    let mut mesh = Mesh::tutorial()
        .with("s.yaml", "{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {word: [swordfish]}}");
    let told = mesh.told();
    assert!(
        told.len() == 1 && told[0].contains("cannot be read: expected") && !told[0].contains("swordfish"),
        "{told:?}"
    );
}

#[test]
fn two_clusters_have_two_names() {
    let named = |host: &str| json!({"host": host, "mode": "CLUSTER", "clusterName": "own"});
    let mut mesh = Mesh::tutorial().with("a.json", &resource("RedisService", "a", &named("redis-cluster")));
    mesh.fine(CLIENT);
    mesh.write("b.json", &resource("RedisService", "b", &named("redis-mirror")));
    let text = "b.json:1: spec.clusterName: RedisService b: `own` is the name of a cluster of the RedisService redis/a";
    assert_eq!(mesh.told(), [text]);
    assert_eq!(
        mesh.given(CLIENT).0["clusters"].as_array().unwrap().iter().filter(|one| one["name"] == "own").count(),
        1
    );
}

#[test]
fn who_owns_a_service_comes_before_a_default_for_the_mesh() {
    let wide = service("redis-cluster.redis", "ANY").replace(r#""namespace":"redis""#, r#""namespace":"istio-system""#);
    let mut mesh = Mesh::tutorial().with("a.json", &wide);
    assert_eq!(mesh.fine(CLIENT).redis(LISTENER)["settings"]["read_policy"], "ANY");
    mesh.write("b.json", &service("redis-cluster", "REPLICA"));
    let told = mesh.told();
    assert!(told.len() == 1 && told[0].contains("is decided by the RedisService redis/cache"), "{told:?}");
    assert_eq!(mesh.given(CLIENT).redis(LISTENER)["settings"]["read_policy"], "REPLICA");
}

#[test]
fn another_name_of_a_host_outside_is_told_as_one() {
    let alias = "{apiVersion: v1, kind: Service, metadata: {name: en, namespace: redis}, spec: {type: ExternalName, externalName: r.example.com}}";
    let mut mesh = Mesh::tutorial().with("s.yaml", alias).with("a.json", &service("en", "ANY"));
    let told = mesh.told();
    assert!(
        told.len() == 1 && told[0].contains("en.redis.svc.cluster.local is an ExternalName of r.example.com"),
        "{told:?}"
    );
}
