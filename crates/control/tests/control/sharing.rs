//! What proxies share, what a change makes anew, and that EnvoyFilters applied by sides do what they do as a whole.
use crate::world::{folder, names, node, read};
use control::Schema;
use control::files::Files;
use control::generator::Generator;
use control::node::Node;
use control::snapshot::{Layered, Resource, Snapshot};
use patch::{ProxyInfo, Refused, Resources, apply};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use xds::Kind;

fn service(name: &str, ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: a}}\nspec: {{clusterIP: {ip}, selector: {{app: {name}}}, ports: [{{name: tcp, port: 6379}}]}}\n"
    )
}

fn proxy(ip: &str, app: &str) -> Node {
    Node::from_json(&node(ip, json!({"app": app, "pod-template-hash": ip}))).unwrap()
}

fn pointers(resources: &Layered) -> HashSet<*const Resource> {
    resources.iter().map(Arc::as_ptr).collect()
}

fn generator() -> (Arc<Schema>, Generator) {
    let schema = Arc::new(Schema::load_mesh().unwrap());
    (Arc::clone(&schema), Generator::new(schema))
}

#[test]
fn replicas_share_a_snapshot_and_others_all_but_the_inbound_side() {
    let state = read(&(service("one", "10.0.0.1") + &service("two", "10.0.0.2"))).state;
    let mut generator = generator().1;
    let mut of = |ip, app| generator.snapshot(&state, &proxy(ip, app)).unwrap();
    let (first, second, other) = (of("10.1.0.1", "one"), of("10.1.0.2", "one"), of("10.1.0.3", "two"));
    assert!(Arc::ptr_eq(&first, &second));
    assert!(!Arc::ptr_eq(&first, &other) && Arc::ptr_eq(&first.endpoints, &other.endpoints));
    let apart: Vec<&str> = other
        .listeners
        .iter()
        .filter(|listener| !pointers(&first.listeners).contains(&Arc::as_ptr(listener)))
        .map(|listener| listener.name())
        .collect();
    assert_eq!(apart, ["virtualInbound"]);
}

#[test]
fn a_headless_endpoint_does_not_get_its_own_listener() {
    let headless = "
apiVersion: v1
kind: Service
metadata: {name: h, namespace: a}
spec: {clusterIP: None, ports: [{name: tcp, port: 6379}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: h, namespace: a}
subsets: [{addresses: [{ip: 10.1.0.1}, {ip: 10.1.0.2}], ports: [{name: tcp, port: 6379}]}]
";
    let state = read(headless).state;
    let mut generator = generator().1;
    let mut of = |ip| {
        let snapshot = generator.snapshot(&state, &proxy(ip, "x")).unwrap();
        snapshot.listeners.iter().map(|listener| listener.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("10.1.0.1"), ["10.1.0.2_6379", "virtualOutbound", "virtualInbound"]);
    assert_eq!(of("10.1.0.9"), ["10.1.0.1_6379", "10.1.0.2_6379", "virtualOutbound", "virtualInbound"]);
}

#[test]
fn a_change_of_one_service_makes_its_resources_anew_and_no_others() {
    let yaml = |ip| service("one", "10.0.0.1") + &service("two", ip);
    let folder = folder(&yaml("10.0.0.2"));
    let mut files = Files::new(folder.path(), None);
    let mut generator = generator().1;
    let old = generator.snapshot(&files.refresh().unwrap().state, &proxy("10.1.0.1", "x")).unwrap();
    fs::write(folder.path().join(".new"), yaml("10.0.0.3")).unwrap();
    fs::rename(folder.path().join(".new"), folder.path().join("world.yaml")).unwrap();
    let changed = loop {
        let read = files.refresh().unwrap();
        if read.is_new {
            break read.state;
        }
    };
    let new = generator.snapshot(&changed, &proxy("10.1.0.1", "x")).unwrap();
    let all = |of: &Snapshot| of.listeners.iter().chain(of.clusters.iter()).cloned().collect::<Vec<_>>();
    let known: HashSet<*const Resource> = all(&old).iter().map(Arc::as_ptr).collect();
    // What did not change is the very same also for the server, which then need not look at it.
    assert!(!Arc::ptr_eq(old.served.set(Kind::Listener), new.served.set(Kind::Listener)));
    assert!(Arc::ptr_eq(old.served.set(Kind::Cluster), new.served.set(Kind::Cluster)));
    assert!(Arc::ptr_eq(old.served.set(Kind::Endpoints), new.served.set(Kind::Endpoints)));
    let kept = all(&new).into_iter().filter(|one| known.contains(&Arc::as_ptr(one)));
    let kept: Vec<String> = kept.map(|one| one.name().to_owned()).collect();
    let of_one = "outbound|6379||one.a.svc.cluster.local";
    assert_eq!(kept, ["10.0.0.1_6379", "virtualInbound", of_one, "InboundPassthroughCluster"]);
}

/// EnvoyFilters of every context, at both sides, hitting and missing.
const FILTERS: &str = r#"
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: both, namespace: istio-system}
spec:
  configPatches:
  - {applyTo: CLUSTER, patch: {operation: ADD, value: {name: added, type: STATIC, connect_timeout: 1s}}}
  - {applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 3s}}}
  - {applyTo: CLUSTER, match: {context: SIDECAR_INBOUND}, patch: {operation: ADD, value: {name: added-in, type: STATIC}}}
  - {applyTo: CLUSTER, match: {context: SIDECAR_INBOUND}, patch: {operation: MERGE, value: {alt_stat_name: in}}}
  - {applyTo: CLUSTER, match: {context: SIDECAR_OUTBOUND, cluster: {service: two.a.svc.cluster.local}}, patch: {operation: REMOVE}}
  - {applyTo: CLUSTER, match: {context: SIDECAR_INBOUND, cluster: {service: one.a.svc.cluster.local}}, patch: {operation: MERGE, value: {connect_timeout: 7s}}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: listeners, namespace: a}
spec:
  workloadSelector: {labels: {app: one}}
  priority: -1
  configPatches:
  - {applyTo: NETWORK_FILTER, match: {listener: {name: 10.0.0.1_6379, filterChain: {filter: {name: envoy.filters.network.tcp_proxy}}}}, patch: {operation: INSERT_BEFORE, value: {name: first}}}
  - {applyTo: NETWORK_FILTER, match: {listener: {name: virtualInbound, filterChain: {destinationPort: 6379, filter: {name: envoy.filters.network.tcp_proxy}}}}, patch: {operation: INSERT_BEFORE, value: {name: second}}}
  - {applyTo: LISTENER, match: {context: SIDECAR_INBOUND}, patch: {operation: ADD, value: {name: more-in, address: {socket_address: {address: 0.0.0.0, port_value: 1}}, default_filter_chain: {}}}}
  - {applyTo: LISTENER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: ADD, value: {name: more-out, address: {socket_address: {address: 0.0.0.0, port_value: 2}}, default_filter_chain: {}}}}
  - {applyTo: LISTENER, match: {listener: {name: 10.0.0.9_6379}}, patch: {operation: REMOVE}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: wrong, namespace: a}
spec: {configPatches: [{applyTo: CLUSTER, patch: {operation: ADD, value: {name: false}}}]}
"#;

#[test]
fn filters_applied_by_sides_do_what_they_do_as_a_whole() {
    let services = service("one", "10.0.0.1") + &service("two", "10.0.0.2");
    let written = node("10.1.0.1", json!({"app": "one"}));
    let node = Node::from_json(&written).unwrap();
    let (schema, mut generator) = generator();
    let plain = generator.snapshot(&read(&services).state, &node).unwrap();
    let state = read(&format!("{services}{FILTERS}")).state;
    let patched = generator.snapshot(&state, &node).unwrap();
    let filters: Vec<patch::EnvoyFilter> = config::text::documents(FILTERS, false)
        .unwrap()
        .iter()
        .filter_map(|document| patch::filter::read(&schema, &config::dynamic::json(document)).ok())
        .collect();
    assert_eq!(filters.len(), 2);
    let messages = |of: &Layered| of.iter().map(|one| one.message.clone()).collect::<Vec<_>>();
    let base =
        Resources { listeners: messages(&plain.listeners), clusters: messages(&plain.clusters), routes: Vec::new() };
    let info = ProxyInfo::of_node(&written, "istio-system");
    let (whole, report) = apply(&schema, base, &filters, &info, Refused::HeldBack);
    assert_eq!(messages(&patched.listeners), whole.listeners);
    assert_eq!(messages(&patched.clusters), whole.clusters);
    // Every patch hits the same, or nothing for the same reason; the refused one is told besides.
    let told = |report: &patch::Report| -> Vec<Value> {
        let all = report.envoy_filters.iter().flat_map(|filter| &filter.patches);
        all.map(|patch| json!([patch.hits, patch.nothing, patch.nearest, patch.warnings])).collect()
    };
    assert_eq!(told(&patched.report()), told(&report));
    assert_eq!(patched.report().envoy_filters.last().unwrap().name, "wrong");
    let (refused, _) = generator.problems(&state);
    assert!(
        refused[0].to_string().contains("EnvoyFilter wrong: Envoy filter: json: cannot unmarshal bool"),
        "{refused:?}"
    );
}

#[test]
fn filters_are_chosen_by_label_version_and_metadata() {
    let filter = "
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: x, namespace: a}
spec:
  workloadSelector: {labels: {app: one}}
  configPatches:
  - {applyTo: CLUSTER, match: {proxy: {proxyVersion: '^1\\.31.*', metadata: {foo: bar}}}, patch: {operation: ADD, value: {name: added, type: STATIC}}}
";
    let state = read(filter).state;
    let mut generator = generator().1;
    let mut has = |app: &str, version: &str, foo: &str| {
        let mut written = node("10.1.0.1", json!({"app": app}));
        written["metadata"]["ISTIO_VERSION"] = version.into();
        written["metadata"]["foo"] = foo.into();
        let snapshot = generator.snapshot(&state, &Node::from_json(&written).unwrap()).unwrap();
        snapshot.clusters.iter().any(|cluster| cluster.name() == "added")
    };
    assert!(has("one", "1.31.0", "bar"));
    assert!(!has("two", "1.31.0", "bar") && !has("one", "1.30.0", "bar") && !has("one", "1.31.0", "no"));
}

#[test]
fn a_fleet_shares_nearly_everything() {
    let (services, replicas) = (100, 10);
    let yaml: String =
        (0..services).map(|i| service(&format!("s{i}"), &format!("10.0.{}.{}", i / 250, i % 250 + 1))).collect();
    let state = read(&yaml).state;
    let mut generator = generator().1;
    let mut classes: HashSet<*const Snapshot> = HashSet::new();
    let mut kept = Vec::new();
    for i in 0..services * replicas {
        let node = proxy(&format!("10.1.{}.{}", i / 250, i % 250), &format!("s{}", i % services));
        let snapshot = generator.snapshot(&state, &node).unwrap();
        if classes.insert(Arc::as_ptr(&snapshot)) {
            kept.push(snapshot);
        }
    }
    assert_eq!(classes.len(), services);
    let resources: HashSet<*const Resource> =
        kept.iter().flat_map(|one| pointers(&one.listeners).into_iter().chain(pointers(&one.clusters))).collect();
    // A listener and a cluster a service, and of every class its inbound side (a listener and two clusters).
    assert_eq!(resources.len(), 2 * services + 3 * services + 3);
}

#[test]
fn a_filter_that_selects_one_workload_leaves_the_others_together() {
    let services = service("one", "10.0.0.1") + &service("two", "10.0.0.2");
    let state = read(&format!("{services}{FILTERS}")).state;
    let mut generator = generator().1;
    let mut of = |app| generator.snapshot(&state, &proxy("10.1.0.1", app)).unwrap();
    let (one, two, three) = (of("one"), of("two"), of("three"));
    assert!(Arc::ptr_eq(&two.endpoints, &three.endpoints), "nothing is made for each of them");
    assert!(!Arc::ptr_eq(&one.endpoints, &two.endpoints));
    let added = |of: &Snapshot| of.listeners.iter().any(|listener| listener.name() == "more-out");
    assert!(!added(&two));
}

#[test]
fn what_is_served_has_versions_by_content() {
    let mut generator = generator().1;
    let state = read(&service("one", "10.0.0.1")).state;
    let served = generator.snapshot(&state, &proxy("10.1.0.1", "one")).unwrap().served.clone();
    let again = read(&service("one", "10.0.0.1")).state;
    let later = generator.snapshot(&again, &proxy("10.1.0.1", "one")).unwrap().served.clone();
    for kind in [xds::Kind::Cluster, xds::Kind::Endpoints, xds::Kind::Listener] {
        assert!(!served.set(kind).is_empty());
        assert_eq!(served.set(kind).digest(), later.set(kind).digest(), "{kind}");
    }
    assert!(served.set(xds::Kind::Listener).get("10.0.0.1_6379").is_some());
}

#[test]
fn names_come_once_whatever_the_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds/headless/files");
    let state = Files::new(&folder, None).refresh().unwrap().state;
    let given = crate::world::given(&state, &node("10.244.0.21", json!({})));
    for kind in ["listeners", "clusters", "endpoints"] {
        let names = names(&given, kind);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{kind}");
    }
}
