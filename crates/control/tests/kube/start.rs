//! The beginning, and the ordinary course of things.

use super::api::Api;
use super::recording::{events, list, version};
use super::scene::{Control, patience, play, play_all};
use control::files::Files;
use control::kube::{Access, Mirror, Patience};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[test]
fn what_was_recorded_means_the_same_as_the_same_in_files() {
    let api = Api::start();
    let control = Control::of(&api, &[], None);
    control.wait("the empty cluster is published", |control| control.state().is_some());
    // In steps, so that watches tell of most of it.
    play_all(&api, 20, |_| std::thread::sleep(Duration::from_millis(5)));
    let folder = TempDir::new().unwrap();
    for kind in ["namespaces", "services", "endpointslices", "pods", "envoyfilters"] {
        let version = api.world().version;
        let objects = api.world().at(kind, None, version);
        let objects: Vec<&serde_json::Value> = objects.iter().map(AsRef::as_ref).collect();
        fs::write(
            folder.path().join(format!("{kind}.json")),
            json!({"kind": "List", "apiVersion": "v1", "items": objects}).to_string(),
        )
        .unwrap();
    }
    let read = Files::new(folder.path(), None).refresh().unwrap();
    assert_eq!(read.problems, []);
    control.wait("the services of the files", |control| control.state().unwrap().services == read.state.services);
    assert_eq!(control.filters(), ["custom-redis-cluster"]);
    assert_eq!(control.plane.published().1.problems, []);
    control.is_as_fresh(&api);
    let lists = control.number("slotmesh_kube_lists_total", "pods");
    assert_eq!(lists, 1, "watches go on from where they are");
    assert_eq!(control.mirror.trouble(), None);
}

#[test]
fn what_was_played_is_what_the_server_had_listed_in_the_end() {
    let api = Api::start();
    play(&api, u64::MAX);
    for (kind, recorded) in [("services", list("services")), ("endpointslices", list("endpointslices"))] {
        let name = |object: &serde_json::Value| (object["metadata"]["name"].to_string(), version(object));
        let played: Vec<_> = api.world().at(kind, None, u64::MAX).iter().map(|object| name(object)).collect();
        let listed: Vec<_> = recorded["items"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(played, listed, "{kind}");
    }
}

#[test]
fn a_streaming_list_as_a_server_said_it() {
    let recorded = events("watchlist-services");
    let end = recorded.iter().position(|(event, object)| {
        event == "BOOKMARK" && object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true"
    });
    let api = Api::start();
    for (event, object) in &recorded[..end.unwrap()] {
        api.world().happen("services", event, object.clone());
    }
    let control = Control::of(&api, &[], None);
    control.wait("all services", |control| control.hosts().len() == end.unwrap());
    let asked = api.world().requests.iter().find(|uri| uri.contains("/services?")).unwrap().clone();
    assert!(asked.contains("sendInitialEvents=true") && asked.contains("resourceVersionMatch=NotOlderThan"), "{asked}");
}

#[test]
fn without_streaming_lists_there_are_pages() {
    let api = Api::start();
    api.faults(|faults| faults.streams = false);
    for i in 0..1201 {
        api.world().add("services", service(&format!("s{i}"), "10.0.0.1"));
    }
    let control = Control::of(&api, &[], None);
    control.wait("all services", |control| control.hosts().len() == 1201);
    let pages = api.world().requests.iter().filter(|uri| uri.contains("/services?limit=500")).count();
    assert_eq!(pages, 3);
}

#[test]
fn nothing_is_published_before_all_is_listed() {
    let mut api = Api::start();
    api.go_away();
    let control = Control::of(&api, &[], None);
    control.wait("the server is away", |control| {
        control.mirror.trouble().is_some_and(|text| text.contains("is away since"))
    });
    assert!(control.state().is_none());
    api.come_up();
    api.faults(|faults| {
        faults
            .refuse
            .insert("pods".to_owned(), (403, "Forbidden", "pods is forbidden: User \"u\" cannot list".to_owned()));
    });
    control.wait("pods are forbidden", |control| {
        let trouble = control.mirror.trouble().unwrap_or_default();
        let rule = "apiGroups: [\"\"], resources: [\"pods\"], verbs: [\"get\", \"list\", \"watch\"]";
        trouble.contains("not allowed since") && trouble.contains(rule) && trouble.lines().count() == 1
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(control.state().is_none());
    api.faults(|faults| faults.refuse.clear());
    control.wait("all is listed", |control| control.state().is_some() && control.mirror.trouble().is_none());
}

#[test]
fn files_and_the_server_feed_one_registry_and_the_file_wins() {
    let api = Api::start();
    api.world().put("services", service("a", "10.0.0.1"));
    api.world().put("services", service("b", "10.0.0.2"));
    let folder = TempDir::new().unwrap();
    let own = |name: &str, ip: &str| format!("{}\n", service(name, ip));
    fs::write(folder.path().join("a.json"), own("a", "10.9.9.9")).unwrap();
    fs::write(folder.path().join("c.json"), own("c", "10.0.0.3")).unwrap();
    let control = Control::of(&api, &[], Some(folder.path()));
    control.wait("three services", |control| control.hosts().len() == 3);
    let address = |control: &Control| control.state().unwrap().services[0].ips().next().unwrap().to_string();
    assert_eq!(address(&control), "10.9.9.9");
    let problems = control.plane.published().1.problems.clone();
    assert_eq!(problems.len(), 1);
    let told = problems[0].to_string();
    assert!(
        told.starts_with("kube:Service/default/a: the Service default/a is declared twice: that of ")
            && told.contains("a.json:1 counts"),
        "{told}"
    );
    fs::remove_file(folder.path().join("a.json")).unwrap();
    control.wait("the server's again", |control| address(control) == "10.0.0.1");
    assert_eq!(control.plane.published().1.problems, []);
}

#[test]
fn some_namespaces_only() {
    let api = Api::start();
    for namespace in ["one", "two", "three"] {
        let mut service = service("s", "10.0.0.1");
        service["metadata"]["namespace"] = json!(namespace);
        api.world().put("services", service);
    }
    let control = Control::of(&api, &["one", "three"], None);
    control.wait("two services", |control| control.hosts().len() == 2);
    assert!(
        api.world().requests.iter().all(|uri| uri.contains("/namespaces/")),
        "kinds without namespaces are left alone"
    );
}

#[test]
fn secrets_are_asked_for_on_demand_and_not_all_of_them() {
    assert!(!Mirror::new(&[], false).prometheus().contains("secrets"));
    let api = Api::start();
    api.world()
        .put("secrets", json!({"metadata": {"name": "s", "namespace": "default"}, "data": {"password": "aHVzaA=="}}));
    let control = Control::of(&api, &[], None);
    control.wait("the secret", |control| control.number("slotmesh_kube_objects", "secrets") == 1);
    let asked = api.world().requests.iter().find(|uri| uri.contains("/secrets?")).unwrap().clone();
    assert!(asked.contains("fieldSelector=type%21%3Dhelm.sh%2Frelease.v1%2Ctype%21%3D"), "{asked}");
}

#[test]
fn another_context_and_one_that_does_not_exist() {
    let api = Api::start();
    let folder = TempDir::new().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let of = |context: &str| Access { kubeconfig: Some(kubeconfig.clone()), context: Some(context.to_owned()) };
    let error = runtime.block_on(async { of("elsewhere").client().await.err() }).unwrap();
    assert!(error.to_string().contains("elsewhere"), "{error}");
    let control = Control::start(of("there"), &[], None, patience(), TempDir::new().unwrap());
    control.wait("it leads nowhere", |control| control.mirror.trouble().is_some_and(|text| text.contains("refused")));
}

#[test]
fn an_object_that_cannot_be_used_keeps_its_former_form() {
    let api = Api::start();
    api.world().put("services", service("a", "10.0.0.1"));
    let control = Control::of(&api, &[], None);
    control.wait("the service", |control| control.hosts().len() == 1);
    api.world().put("services", service("a", "x"));
    let problems =
        |control: &Control| control.plane.published().1.problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    control.wait("it is told", |control| {
        problems(control) == ["kube:Service/default/a: spec.clusterIP: `x` is no IP address"]
    });
    assert_eq!(control.hosts().len(), 1);
    api.world().put("services", service("a", "10.0.0.2"));
    control.wait("it is well", |control| problems(control).is_empty());
}

#[test]
fn ten_thousand_pods_and_a_thousand_services() {
    let api = Api::start();
    super::world::fill(&mut api.world(), 10_000, 1_000);
    let began = Instant::now();
    let folder = TempDir::new().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let access = Access { kubeconfig: Some(kubeconfig), context: None };
    let control = Control::start(access, &[], None, Patience::default(), folder);
    control.wait("all is published", |control| control.state().is_some());
    println!("10,000 pods, 1,000 services: published after {:?}", began.elapsed());
    let state = control.state().unwrap();
    assert_eq!(state.services.len(), 1_000);
    assert_eq!(state.services.iter().map(|service| service.endpoints.len()).sum::<usize>(), 10_000);
    assert_eq!(control.number("slotmesh_kube_objects", "pods"), 10_000);
}

/// A service as an API server has it.
pub fn service(name: &str, ip: &str) -> serde_json::Value {
    json!({
        "kind": "Service", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "managedFields": [{"manager": "kubectl"}]},
        "spec": {"clusterIP": ip, "ports": [{"name": "tcp", "port": 6379, "protocol": "TCP"}], "type": "ClusterIP"},
        "status": {"loadBalancer": {}},
    })
}
