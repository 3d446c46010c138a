//! What objects mean together, each rule by the smallest world that shows it.
use crate::world::{endpoints, given, named, names, node, read};
use serde_json::json;

const PODS: &str = "
---
apiVersion: v1
kind: Pod
metadata: {name: r-0, namespace: a, labels: {app: r, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: redis, nodeName: m1, containers: [{name: c, ports: [{name: resp, containerPort: 7000}]}]}
status: {podIP: 10.1.0.1, phase: Running, conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: r-1, namespace: a, labels: {app: r, version: v2}}
spec: {nodeName: m2, containers: [{name: c, ports: [{name: resp, containerPort: 7001}]}]}
status: {podIP: 10.1.0.2, phase: Running, conditions: [{type: Ready, status: 'False'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: r-old, namespace: a, labels: {app: r}}
status: {podIP: 10.1.0.3, phase: Succeeded}
---
apiVersion: v1
kind: Node
metadata: {name: m1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1}}
";

const SERVICE: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: redis, namespace: a}
spec: {clusterIP: 10.9.0.1, selector: {app: r}, ports: [{name: tcp, port: 6379, targetPort: resp}]}
";

const CLUSTER: &str = "outbound|6379||redis.a.svc.cluster.local";

fn client() -> serde_json::Value {
    node("10.1.9.9", json!({"app": "client"}))
}

#[test]
fn without_slices_the_selected_pods_are_the_endpoints() {
    let state = read(&format!("{SERVICE}{PODS}")).state;
    let given = given(&state, &client());
    assert_eq!(endpoints(&given, CLUSTER), ["10.1.0.2:7001 ill", "10.1.0.1:7000"]);
    let places = &named(&given, "endpoints", CLUSTER)["endpoints"];
    assert_eq!(places[1]["locality"], json!({"region": "eu", "zone": "eu-1"}));
}

#[test]
fn endpoints_win_over_pods_and_slices_over_endpoints() {
    let written = "
---
apiVersion: v1
kind: Endpoints
metadata: {name: redis, namespace: a}
subsets: [{addresses: [{ip: 10.1.0.7}], notReadyAddresses: [{ip: 10.1.0.8}], ports: [{name: tcp, port: 1}]}]
";
    let slice = "
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: x, namespace: a, labels: {kubernetes.io/service-name: redis}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.9]}]
ports: [{name: tcp, port: 2}]
";
    let of = |yaml: String| endpoints(&given(&read(&yaml).state, &client()), CLUSTER);
    assert_eq!(of(format!("{SERVICE}{PODS}{written}")), ["10.1.0.7:1", "10.1.0.8:1 ill"]);
    assert_eq!(of(format!("{SERVICE}{PODS}{written}{slice}")), ["10.1.0.9:2"]);
}

#[test]
fn workload_entries_serve_services_and_service_entries() {
    let yaml = "
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: a}
spec: {address: 10.2.0.1, labels: {app: r}, ports: {tcp: 9000}, locality: eu/eu-2, weight: 4}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: x, namespace: a}
spec: {hosts: [vm.example], addresses: [10.8.0.1], ports: [{number: 6379, name: tcp, protocol: TCP}], resolution: STATIC, workloadSelector: {labels: {app: r}}}
";
    let state = read(&format!("{}{yaml}", SERVICE.replace("resp", "6379"))).state;
    let here = given(&state, &client());
    assert_eq!(endpoints(&here, CLUSTER), ["10.2.0.1:9000"]);
    assert_eq!(endpoints(&here, "outbound|6379||vm.example"), ["10.2.0.1:9000"]);
    let place = &named(&here, "endpoints", CLUSTER)["endpoints"][0];
    assert_eq!((&place["locality"]["zone"], &place["load_balancing_weight"]), (&json!("eu-2"), &json!(4)));
    // Its own sidecar serves it, by the selector, at the port that the entry names.
    let own = given(&state, &node("10.2.0.1", json!({"app": "r"})));
    assert!(names(&own, "clusters").contains(&"inbound|9000||".to_owned()), "{:?}", names(&own, "clusters"));
}

#[test]
fn a_sidecar_serves_the_named_port_of_its_pod() {
    let state = read(&format!("{SERVICE}{PODS}")).state;
    // It does not say its labels: its pod does.
    let given = given(&state, &node("10.1.0.2", json!({})));
    let inbound = named(&given, "listeners", "virtualInbound");
    let chains: Vec<&str> =
        inbound["filter_chains"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert!(chains.contains(&"0.0.0.0_7001"), "{chains:?}");
}

#[test]
fn what_cannot_work_is_told() {
    let template = "
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: r, namespace: a}
spec: {template: {metadata: {labels: {app: r}}}}
";
    let notes =
        |yaml: String| read(&yaml).notes.iter().map(|note| format!("{}: {}", note.line, note.path)).collect::<Vec<_>>();
    assert_eq!(notes(format!("{SERVICE}{template}")), ["3: spec.selector"]);
    assert_eq!(notes(format!("{SERVICE}{template}{PODS}")), [""; 0]);
    let without = SERVICE.replace("clusterIP: 10.9.0.1, ", "");
    assert_eq!(notes(without.clone()), ["3: spec.clusterIP"]);
    let given = given(&read(&without).state, &client());
    assert_eq!(names(&given, "listeners"), ["virtualOutbound", "virtualInbound"]);
    assert!(names(&given, "clusters").contains(&CLUSTER.to_owned()));
}

#[test]
fn the_oldest_has_a_contested_address_and_a_host_is_seen_once() {
    let entry = |name: &str, namespace: &str, host: &str, created: &str| {
        format!(
            "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: {namespace}, creationTimestamp: '{created}'}}\nspec: {{hosts: [{host}], addresses: [10.8.0.1], ports: [{{number: 6379, name: tcp}}], resolution: DNS}}\n"
        )
    };
    let two =
        entry("x", "a", "x.example", "2026-01-02T00:00:00Z") + &entry("z", "a", "y.example", "2026-01-01T00:00:00Z");
    let here = given(&read(&two).state, &client());
    let chain = &named(&here, "listeners", "10.8.0.1_6379")["filter_chains"][0];
    assert_eq!(chain["filters"][0]["typed_config"]["cluster"], "outbound|6379||y.example");
    let same =
        entry("x", "b", "x.example", "2026-01-01T00:00:00Z") + &entry("z", "a", "x.example", "2026-01-02T00:00:00Z");
    let here = given(&read(&same).state, &client());
    let clusters = names(&here, "clusters");
    assert_eq!(clusters.iter().filter(|name| name.ends_with("x.example")).count(), 1);
    let services =
        &named(&here, "clusters", "outbound|6379||x.example")["metadata"]["filter_metadata"]["istio"]["services"];
    assert_eq!(services[0]["namespace"], "a");
}

#[test]
fn a_range_is_taken_at_every_address_and_the_rest_passes_through() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: x, namespace: a}
spec: {hosts: [x.example], addresses: [10.8.0.0/16, 10.7.0.1/32], ports: [{number: 6379, name: tcp, protocol: TCP}], resolution: NONE}
";
    let given = given(&read(yaml).state, &client());
    let listener = named(&given, "listeners", "0.0.0.0_6379");
    let ranges = &listener["filter_chains"][0]["filter_chain_match"]["prefix_ranges"];
    assert_eq!(*ranges, json!([{"address_prefix": "10.8.0.0", "prefix_len": 16}]));
    assert_eq!(listener["default_filter_chain"]["filters"][0]["typed_config"]["cluster"], "PassthroughCluster");
    assert!(names(&given, "listeners").contains(&"10.7.0.1_6379".to_owned()));
}

#[test]
fn rules_of_the_clients_namespace_win_and_the_closest_host() {
    let rule = |name: &str, namespace: &str, host: &str, seconds: u32, more: &str| {
        format!(
            "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{host: '{host}', {more}trafficPolicy: {{connectionPool: {{tcp: {{connectTimeout: {seconds}s}}}}}}}}\n"
        )
    };
    let timeout = |rules: &[String], labels: serde_json::Value| {
        let state = read(&format!("{SERVICE}{}", rules.concat())).state;
        let given = given(&state, &node("10.1.9.9", labels));
        named(&given, "clusters", CLUSTER)["connect_timeout"].as_str().unwrap().to_owned()
    };
    let own = rule("own", "a", "redis", 1, "");
    let wild = rule("wild", "a", "*.a.svc.cluster.local", 2, "");
    let root = rule("root", "istio-system", "redis.a.svc.cluster.local", 3, "");
    let private = rule("private", "istio-system", "redis.a.svc.cluster.local", 4, "exportTo: ['.'], ");
    let chosen = rule("chosen", "a", "redis", 5, "workloadSelector: {matchLabels: {app: x}}, ");
    let none = || json!({"app": "none"});
    assert_eq!(timeout(&[], none()), "10s");
    assert_eq!(timeout(&[own.clone(), wild.clone(), root.clone()], none()), "1s");
    assert_eq!(timeout(&[wild.clone(), root.clone()], none()), "2s");
    assert_eq!(timeout(std::slice::from_ref(&root), none()), "3s");
    assert_eq!(timeout(&[private], none()), "10s");
    assert_eq!(timeout(&[chosen.clone(), wild.clone()], none()), "2s");
    assert_eq!(timeout(&[chosen, own, wild], json!({"app": "x"})), "5s");
}

#[test]
fn a_sidecar_shows_some_ports_of_some_services_and_sets_the_outbound_policy() {
    let yaml = "
---
apiVersion: v1
kind: Service
metadata: {name: two, namespace: b}
spec: {clusterIP: 10.9.0.2, ports: [{name: tcp-a, port: 1}, {name: tcp-b, port: 2}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: wide, namespace: a}
spec: {egress: [{hosts: ['~/*']}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: chosen, namespace: a}
spec: {workloadSelector: {labels: {app: x}}, egress: [{port: {number: 2}, hosts: ['b/*']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
";
    let state = read(&format!("{SERVICE}{yaml}")).state;
    let wide = given(&state, &client());
    assert_eq!(names(&wide, "listeners"), ["virtualOutbound", "virtualInbound"]);
    let chosen = given(&state, &node("10.1.9.9", json!({"app": "x"})));
    assert_eq!(names(&chosen, "listeners"), ["10.9.0.2_2", "virtualOutbound", "virtualInbound"]);
    let rest = &named(&chosen, "listeners", "virtualOutbound")["filter_chains"][1];
    assert_eq!(rest["filters"][0]["typed_config"]["cluster"], "BlackHoleCluster");
}

#[test]
fn an_ipv6_proxy_listens_and_connects_by_ipv6() {
    let dual = SERVICE.replace("clusterIP: 10.9.0.1", "clusterIP: 10.9.0.1, clusterIPs: [10.9.0.1, 'fd00::1']");
    let given = given(&read(&dual).state, &node("fd00::9", json!({"app": "r"})));
    assert_eq!(names(&given, "listeners"), ["fd00::1_6379", "virtualOutbound", "virtualInbound"]);
    let outbound = named(&given, "listeners", "virtualOutbound");
    assert_eq!(outbound["address"]["socket_address"]["address"], "::");
    let inbound = named(&given, "clusters", "InboundPassthroughCluster");
    assert_eq!(inbound["upstream_bind_config"]["source_address"]["address"], "::6");
}

#[test]
fn services_of_one_machine_are_served_there_only() {
    let local = SERVICE.replace("ports:", "internalTrafficPolicy: Local, ports:");
    let state = read(&format!("{local}{PODS}")).state;
    let mut near = client();
    near["metadata"]["NODE_NAME"] = "m1".into();
    assert_eq!(endpoints(&given(&state, &near), CLUSTER), ["10.1.0.1:7000"]);
    assert_eq!(endpoints(&given(&state, &client()), CLUSTER), [""; 0]);
}

#[test]
fn http_passes_at_l4() {
    let yaml = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: a}
spec: {clusterIP: 10.9.0.5, ports: [{name: http, port: 80}, {name: grpc, port: 81}, {name: udp, port: 82, protocol: UDP}]}
";
    let given = given(&read(yaml).state, &client());
    assert_eq!(names(&given, "listeners"), ["10.9.0.5_80", "10.9.0.5_81", "virtualOutbound", "virtualInbound"]);
    let grpc = named(&given, "clusters", "outbound|81||web.a.svc.cluster.local").to_string();
    assert!(grpc.contains("http2_protocol_options"), "{grpc}");
    assert!(!names(&given, "clusters").iter().any(|name| name.contains("|82|")));
}
