use super::super::review::read;
use super::Verdict;
use crate::files::{Files, Refreshed};
use crate::kube::kinds::kind_of;
use crate::plane::Plane;
use config::Schema;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn schema() -> Arc<Schema> {
    static SCHEMA: OnceLock<Arc<Schema>> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| Arc::new(Schema::load_mesh().unwrap())))
}

/// A folder with the tutorial and its mirror, without EnvoyFilters.
fn tutorial() -> TempDir {
    let folder = TempDir::new().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for part in ["tutorial", "tutorial-mirror"] {
        for entry in fs::read_dir(examples.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.starts_with("envoyfilter") {
                fs::copy(&path, folder.path().join(name)).unwrap();
            }
        }
    }
    folder
}

fn refreshed(folder: &TempDir) -> Refreshed {
    let mut files = Files::new(folder.path(), None);
    files.refresh().unwrap()
}

/// A control plane on a folder.
fn plane(folder: &TempDir) -> Plane {
    let plane = Plane::new(schema());
    plane.publish(refreshed(folder));
    plane
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    let version = match kind {
        "EnvoyFilter" => "networking.istio.io/v1alpha3",
        "RedisDestination" => "redis.aeraki.io/v1alpha1",
        _ => "slotmesh.io/v1alpha1",
    };
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "redis"}, "spec": spec})
}

fn review(operation: &str, object: &Value, old: &Value) -> Verdict {
    judged(&plane(&tutorial()), operation, object, old)
}

fn judged(plane: &Plane, operation: &str, object: &Value, old: &Value) -> Verdict {
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let kind = json!({"group": group, "version": version, "kind": object["kind"]});
    let request = json!({
        "uid": "u", "kind": kind, "namespace": "redis", "operation": operation, "object": object, "oldObject": old,
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    Verdict::of(plane, &read(review.to_string().as_bytes()).unwrap())
}

fn created(plane: &Plane, object: &Value) -> Verdict {
    judged(plane, "CREATE", object, &Value::Null)
}

fn filter(patches: Value) -> Value {
    object("EnvoyFilter", "f", json!({"configPatches": patches}))
}

fn patch(listener: &str, value: Value) -> Value {
    let near = json!({"name": listener, "filterChain": {"filter": {"name": "envoy.filters.network.tcp_proxy"}}});
    json!([{
        "applyTo": "NETWORK_FILTER", "match": {"listener": near}, "patch": {"operation": "REPLACE", "value": value},
    }])
}

fn redis_proxy() -> Value {
    json!({"name": "envoy.filters.network.redis_proxy", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
        "stat_prefix": "redis", "settings": {"op_timeout": "5s"},
        "prefix_routes": {"catch_all_route": {"cluster": "outbound|6379||redis-cluster.redis.svc.cluster.local"}},
    }})
}

/// Good and bad, and what is told of the bad; what begins with `later` is a warning.
fn table() -> Vec<(Value, &'static str)> {
    let service = |more: Value| {
        let mut spec = json!({"host": "redis-cluster"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object("RedisService", "a", spec)
    };
    let secret = json!({"password": {"secretKeyRef": {"name": "none", "key": "word"}}});
    vec![
        (service(json!({})), ""),
        (service(json!({"settings": {"readPolicy": "ANY"}})), ""),
        (service(json!({"settings": {"redPolicy": "ANY"}})), "did you mean readPolicy?"),
        (service(json!({"settings": {"readPolicy": "SOME"}})), "unknown variant `SOME`"),
        (service(json!({"seeds": ["a:b"]})), "`a:b` is not HOST or HOST:PORT"),
        (service(json!({"mode": "SINGLE", "clusterName": "x"})), "is for the mode CLUSTER"),
        (service(json!({"auth": {"password": {}}})), "give exactly one of secretKeyRef"),
        (service(json!({"host": "redis-clutser"})), "later is no service; near: redis-cluster.redis.svc.cluster.local"),
        (service(json!({"port": 6380})), "later has no port 6380; it has: 6379, 16379"),
        (service(json!({"auth": secret})), "later there is no Secret redis/none"),
        // Its pods, which show the cluster bus, may be still to come.
        (
            service(json!({"host": "redis-mirror", "clusterName": "x"})),
            "later is for the mode CLUSTER, and no cluster bus",
        ),
        (
            service(json!({"host": "redis-mirror", "seeds": ["a"]})),
            "later are for the mode CLUSTER, and no cluster bus",
        ),
        (
            object("RedisRoute", "r", json!({"host": "redis-cluster", "routes": [{"prefix": "a"}, {"prefix": "a"}]})),
            "another route",
        ),
        (
            object("RedisRoute", "r", json!({"host": "redis-cluster", "routes": [{"to": {"host": "x"}}]})),
            "later is no service",
        ),
        (object("RedisDestination", "d", json!({"host": "redis-cluster"})), ""),
        (object("RedisDestination", "d", json!({"host": 5})), "expected a string"),
        (filter(patch("10.96.0.10_6379", redis_proxy())), ""),
        (filter(json!([{"applyTo": "CLUSTER", "patch": {"operation": "ADD"}}])), "missing patch value"),
        (filter(json!([{"patch": {"operation": "ADD", "value": {}}}])), "missing applyTo"),
        (
            filter(patch(
                "10.96.0.10_6379",
                json!({"name": "x", "typed_config": {"@type": "type.googleapis.com/no.such.Type"}}),
            )),
            "referenced type unknown",
        ),
    ]
}

#[test]
fn the_verdict_is_that_of_files_in_the_same_words() {
    let folder = tutorial();
    let plane = plane(&folder);
    for (object, told) in table() {
        let verdict = created(&plane, &object);
        // The same object in a file beside the others.
        let file = folder.path().join("candidate.json");
        fs::write(&file, object.to_string()).unwrap();
        let read = refreshed(&folder);
        fs::remove_file(&file).unwrap();
        let (refused, _) = crate::generator::Generator::new(schema()).problems(&read.state);
        let of_files: Vec<String> = read.problems.iter().chain(&refused).map(super::said).collect();
        let later = verdict.warnings.iter().filter_map(|line| line.strip_prefix("has no effect yet: "));
        let at_admission: Vec<String> = verdict.refused.iter().cloned().chain(later.map(str::to_owned)).collect();
        assert_eq!(at_admission, of_files, "{object}");
        let shown = of_files.join("\n");
        assert!(shown.contains(told.trim_start_matches("later ")), "{object}: {shown}");
        assert_eq!(verdict.refused.is_empty(), told.is_empty() || told.starts_with("later "), "{object}: {verdict:?}");
        assert_eq!(shown.is_empty(), told.is_empty(), "{object}: {shown}");
    }
}

#[test]
fn a_patch_that_hits_nothing_is_a_warning_with_what_is_near() {
    let plane = plane(&tutorial());
    let verdict = created(&plane, &filter(patch("10.96.0.99_6379", redis_proxy())));
    assert_eq!(verdict.refused, [""; 0]);
    let [told] = &verdict.warnings[..] else { panic!("{verdict:?}") };
    assert!(told.starts_with("configPatches[0] was applied nowhere: no listener is named 10.96.0.99_6379"), "{told}");
    assert!(told.contains("10.96.0.10_6379"), "{told}");
    let hits = created(&plane, &filter(patch("10.96.0.10_6379", redis_proxy())));
    assert_eq!(hits, Verdict::default());
    let mut elsewhere = filter(patch("10.96.0.10_6379", redis_proxy()));
    elsewhere["spec"]["workloadSelector"] = json!({"labels": {"app": "nobody"}});
    let verdict = created(&plane, &elsewhere);
    assert!(verdict.warnings[0].starts_with("concerns no proxy so far: "), "{verdict:?}");
    // Envoy would refuse a filter without a prefix for its statistics.
    let mut held = redis_proxy();
    held["typed_config"].as_object_mut().unwrap().remove("stat_prefix");
    let verdict = created(&plane, &filter(patch("10.96.0.10_6379", held)));
    assert!(verdict.refused.is_empty(), "{verdict:?}");
    assert!(verdict.warnings.iter().any(|line| line.contains("goes out without EnvoyFilter redis/f")), "{verdict:?}");
}

#[test]
fn a_service_that_has_moved_is_named() {
    let folder = tutorial();
    let plane = plane(&folder);
    let file = folder.path().join("redis-cluster.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("10.96.0.10"));
    fs::write(&file, text.replace("10.96.0.10", "10.96.0.77")).unwrap();
    plane.publish(refreshed(&folder));
    let verdict = created(&plane, &filter(patch("10.96.0.10_6379", redis_proxy())));
    let text = "the service redis-cluster.redis.svc.cluster.local is now at 10.96.0.77";
    assert!(verdict.warnings.iter().any(|line| line.contains(text)), "{verdict:?}");
}

#[test]
fn the_older_of_two_decides_and_another_that_loses_by_it_is_named() {
    let folder = tutorial();
    let older = object("RedisService", "b", json!({"host": "redis-cluster"}));
    fs::write(folder.path().join("b.json"), older.to_string()).unwrap();
    let plane = plane(&folder);
    let younger = object("RedisService", "a", json!({"host": "redis-cluster", "mode": "CLUSTER"}));
    let verdict = created(&plane, &younger);
    // The older one may be gone already, or about to go: a resource that gets another name is applied before it is pruned.
    assert_eq!(verdict.refused, [""; 0]);
    let [told] = &verdict.warnings[..] else { panic!("{verdict:?}") };
    assert!(told.starts_with("has no effect yet: spec.host: RedisService a: host redis-cluster.redis."), "{told}");
    assert!(told.contains("is decided by the RedisService redis/b ("), "{told}");
    // One that is older than the other, and takes its host now.
    let mut taking = younger;
    taking["metadata"]["name"] = json!("0");
    let verdict = judged(&plane, "UPDATE", &taking, &json!({"spec": {"host": "redis-mirror"}}));
    assert_eq!(verdict.refused, [""; 0]);
    let [told] = &verdict.warnings[..] else { panic!("{verdict:?}") };
    assert!(told.starts_with("another resource is refused from now on: ") && told.contains("b.json:1"), "{told}");
}

#[test]
fn a_secret_that_is_no_text_yet_keeps_nobody_from_applying() {
    let folder = tutorial();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "redis"}, "data": {"k": "/w=="}});
    fs::write(folder.path().join("s.json"), secret.to_string()).unwrap();
    let auth = json!({"password": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let verdict =
        created(&plane(&folder), &object("RedisService", "a", json!({"host": "redis-cluster", "auth": auth})));
    let told = "has no effect yet: spec.auth.password.secretKeyRef.key: RedisService a: its value is not text";
    assert_eq!(verdict, Verdict { refused: Vec::new(), warnings: vec![told.to_owned()] });
}

#[test]
fn what_is_wrong_with_another_kind_of_the_same_name_is_not_held_against_it() {
    let folder = tutorial();
    let plane = plane(&folder);
    let mut state = plane.published().0.unwrap();
    // As it would have been read of an API server.
    let aeraki = json!({
        "apiVersion": "redis.aeraki.io/v1alpha1", "kind": "RedisService", "metadata": {"name": "a", "namespace": "redis"},
        "spec": {"host": ["redis-cluster"], "settings": {"auth": {"secret": {"name": "none"}}}},
    });
    let kind = kind_of("redis.aeraki.io", "RedisService").unwrap();
    let read = crate::written::object(&aeraki, &kind.source("redis", "a"));
    state = Arc::new(state.with(Arc::new(read.found.unwrap())));
    assert_eq!(state.refused.len(), 2, "user and password");
    plane.publish(Refreshed { state, ..refreshed(&folder) });
    let verdict = created(&plane, &object("RedisService", "a", json!({"host": "redis-mirror"})));
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn what_asks_for_nothing_new_passes() {
    let bad = object("RedisService", "a", json!({"host": "redis-cluster", "mode": "NONE"}));
    let verdict = review("UPDATE", &bad, &bad);
    assert_eq!(verdict.refused, [""; 0]);
    assert!(verdict.warnings[0].starts_with("its spec, which is as before, is refused: spec.mode: "), "{verdict:?}");
    let other = object("RedisService", "a", json!({"host": "redis-cluster"}));
    assert!(!review("UPDATE", &bad, &other).refused.is_empty());
    assert_eq!(review("DELETE", &bad, &bad), Verdict::default());
}

#[test]
fn what_an_api_server_adds_later_is_not_missed() {
    let mut unnamed = object("RedisService", "", json!({"host": "redis-cluster"}));
    unnamed["metadata"] = json!({"generateName": "cache-"});
    assert_eq!(review("CREATE", &unnamed, &Value::Null), Verdict::default());
    unnamed["metadata"] = json!({});
    assert_eq!(review("CREATE", &unnamed, &Value::Null).refused, ["metadata.name: is missing"]);
}

#[test]
fn before_the_cluster_is_read_an_object_is_judged_by_itself() {
    let plane = Plane::new(schema());
    for (object, told) in table() {
        let verdict = created(&plane, &object);
        let is_bad = !told.is_empty() && !told.starts_with("later ");
        // What only the world can tell is not refused.
        let needs_the_world = told.contains("is for the mode") || told.contains("exactly one");
        assert_eq!(!verdict.refused.is_empty(), is_bad && !needs_the_world, "{object}: {verdict:?}");
    }
    let fine = created(&plane, &object("RedisService", "a", json!({"host": "none"})));
    assert_eq!(fine.warnings, ["slotmesh has not read the cluster yet: services and sidecars were not looked at"]);
}

#[test]
fn a_verdict_changes_nothing() {
    let folder = tutorial();
    let plane = plane(&folder);
    let before = plane.published().0.unwrap();
    for (object, _) in table() {
        created(&plane, &object);
    }
    let after = plane.published();
    assert!(Arc::ptr_eq(&before, &after.0.unwrap()));
    assert!(after.1.refused.is_empty() && after.1.problems.is_empty());
    assert_eq!(plane.findings().envoy_filters.len(), 0);
}

#[test]
fn a_thousand_services_are_thought_through_in_time() {
    let folder = tutorial();
    let mut many = String::new();
    for number in 0..1000 {
        let (high, low) = (number / 250, number % 250 + 1);
        many.push_str(&format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: s{number}, namespace: many}}, spec: {{clusterIP: 10.7.{high}.{low}, ports: [{{name: tcp, port: 6379}}]}}}}\n"
        ));
    }
    fs::write(folder.path().join("many.yaml"), many).unwrap();
    let plane = plane(&folder);
    let began = Instant::now();
    let verdict = created(&plane, &filter(patch("10.96.0.99_6379", redis_proxy())));
    println!("1,000 services: an EnvoyFilter was judged in {:?}", began.elapsed());
    assert!(verdict.refused.is_empty());
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn many_fields_that_are_unknown_are_told_in_time() {
    let mut bad = object("RedisService", "a", json!({"host": "redis-cluster"}));
    for number in 0..6000 {
        bad["spec"][format!("redPolicy{number}")] = json!(0);
    }
    let began = Instant::now();
    let verdict = review("CREATE", &bad, &Value::Null);
    println!("6,000 unknown fields were told in {:?}", began.elapsed());
    assert_eq!(verdict.refused.len(), 6000);
    assert!(began.elapsed() < Duration::from_secs(4));
}
