//! What became of resources, written into their status, and what goes wrong with that.

use super::api::Api;
use super::scene::{Control, condition, play};
use super::sidecar::Sidecar;
use super::start::service;
use control::kube::Manners;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In a hurry.
fn manners() -> Manners {
    let of = Duration::from_millis;
    Manners {
        per_second: 5000.0,
        apart: of(20),
        unhurried: of(100),
        repeated: of(50),
        forbidden: of(300),
        answer: of(1000),
        ..Manners::default()
    }
}

const FILTER: (&str, &str, &str) = ("envoyfilters", "istio-system", "add-redis-proxy");

/// The cluster of the tutorial as it was recorded, with both EnvoyFilters.
fn tutorial() -> Api {
    let api = Api::start();
    play(&api, 650);
    api
}

fn object(api: &Api, (plural, namespace, name): (&str, &str, &str)) -> Value {
    let found = api.world().get(plural, &(namespace.to_owned(), name.to_owned()));
    found.map(|found| Value::clone(&found)).unwrap_or_default()
}

/// What an object's status says of one condition: status, reason, message.
fn said(api: &Api, of: (&str, &str, &str), which: &str) -> (String, String, String) {
    condition(&object(api, of)["status"]["conditions"], which)
}

fn is(found: &(String, String, String), status: &str, reason: &str, message: &str) -> bool {
    (found.0.as_str(), found.1.as_str()) == (status, reason) && found.2.contains(message)
}

/// Events by reason: type, count, message.
fn events(api: &Api) -> BTreeMap<String, (String, u64, String)> {
    let all = api.world().at("events", None, u64::MAX);
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let one = |event: &Arc<Value>| {
        let count = event["count"].as_u64().unwrap();
        (text(event, "reason"), (text(event, "type"), count, text(event, "message")))
    };
    all.iter().map(one).collect()
}

/// How many writes of status there were.
fn writes(api: &Api) -> usize {
    api.world().writes.iter().filter(|write| write.path.ends_with("/status")).count()
}

/// Waits until nothing is written any more; returns how many writes there were.
fn settle(api: &Api) -> usize {
    let mut last = (api.world().writes.len(), Instant::now());
    while last.1.elapsed() < Duration::from_millis(1500) {
        std::thread::sleep(Duration::from_millis(50));
        let now = api.world().writes.len();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    writes(api)
}

fn redis_service(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "slotmesh.io/v1alpha1", "kind": "RedisService",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "generation": 1},
        "spec": {"host": host},
    })
}

#[test]
fn the_tutorials_filters_say_on_which_proxies_they_are() {
    let api = tutorial();
    let control = Control::writing(&api, None, manners());
    control.wait("there is no proxy", |_| {
        is(&said(&api, FILTER, "Programmed"), "Unknown", "NoProxies", "no proxy is connected")
    });
    assert!(is(&said(&api, FILTER, "Accepted"), "True", "Valid", ""));
    let one = Sidecar::connect(&control, "a.redis", "10.244.0.200");
    let other = Sidecar::connect(&control, "b.redis", "10.244.0.201");
    control.wait("both have it", |_| {
        is(&said(&api, FILTER, "Programmed"), "True", "Programmed", "programmed on 2 of 2 proxies")
    });
    let filter = object(&api, FILTER);
    assert_eq!(filter["status"]["observedGeneration"], filter["metadata"]["generation"]);
    assert_eq!(filter["status"]["conditions"][0]["observedGeneration"], 1);
    // What was written came back over the watch, and nothing followed from it.
    let (written, state) = (settle(&api), control.state().unwrap());
    let since = filter["status"]["conditions"][1]["lastTransitionTime"].clone();
    std::thread::sleep(Duration::from_millis(1100));
    drop(other);
    control.wait("one is left", |_| is(&said(&api, FILTER, "Programmed"), "True", "Programmed", "on 1 of 1 proxy"));
    let filter = object(&api, FILTER);
    assert_eq!(filter["status"]["conditions"][1]["lastTransitionTime"], since, "the status has not changed");
    assert_eq!(settle(&api), written + 2, "once for each filter");
    assert!(Arc::ptr_eq(&state, &control.state().unwrap()), "a status means nothing to the registry");
    drop(one);
    assert_eq!(events(&api)["Programmed"].0, "Normal");
    assert_eq!(control.mirror.trouble(), None);
}

#[test]
fn a_refusal_is_told_with_the_proxy_and_its_words() {
    let api = tutorial();
    let control = Control::writing(&api, None, manners());
    let (bad, good) = (
        Sidecar::connect(&control, "bad.redis", "10.244.0.200"),
        Sidecar::connect(&control, "good.redis", "10.244.0.201"),
    );
    control.wait("both have it", |_| is(&said(&api, FILTER, "Programmed"), "True", "Programmed", "2 of 2"));
    let listener = "10.96.226.49_6379";
    bad.refuse(Some(listener));
    let mut changed = object(&api, FILTER);
    let value = &mut changed["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]["value"];
    let value = if value.is_null() {
        &mut changed["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
    } else {
        value
    };
    value["stat_prefix"] = json!("another");
    changed["metadata"]["generation"] = json!(2);
    api.world().put("envoyfilters", changed.clone());
    let told =
        "programmed on 1 of 2 proxies; refused by bad.redis: Error adding/updating listener(s) 10.96.226.49_6379";
    control.wait("it is refused", |_| is(&said(&api, FILTER, "Programmed"), "False", "Refused", told));
    assert_eq!(object(&api, FILTER)["status"]["observedGeneration"], 2);
    let cluster = ("envoyfilters", "istio-system", "custom-redis-cluster");
    assert!(is(&said(&api, cluster, "Programmed"), "True", "Programmed", "2 of 2"), "the other is not to blame");
    control.wait("an event", |_| events(&api).get("RefusedByProxy").is_some_and(|event| event.0 == "Warning"));
    bad.refuse(None);
    changed["spec"]["configPatches"][0]["patch"]["value"]["name"] = json!("renamed");
    changed["metadata"]["generation"] = json!(3);
    changed["status"] = object(&api, FILTER)["status"].clone();
    api.world().put("envoyfilters", changed);
    control.wait("it is taken", |_| is(&said(&api, FILTER, "Programmed"), "True", "Programmed", "2 of 2"));
    drop(good);
}

#[test]
fn a_patch_for_an_address_that_has_moved() {
    let api = tutorial();
    let control = Control::writing(&api, None, manners());
    let _proxy = Sidecar::connect(&control, "a.redis", "10.244.0.200");
    control.wait("it is there", |_| is(&said(&api, FILTER, "Programmed"), "True", "Programmed", "1 of 1"));
    let mut service = object(&api, ("services", "redis", "redis-cluster"));
    service["spec"]["clusterIP"] = json!("10.96.1.2");
    service["spec"]["clusterIPs"] = json!(["10.96.1.2"]);
    api.world().put("services", service);
    let told = "no listener is named 10.96.226.49_6379; the service redis-cluster.redis.svc.cluster.local is now at 10.96.1.2; near: ";
    control.wait("it is told", |_| is(&said(&api, FILTER, "Programmed"), "False", "NothingMatched", told));
    control.wait("an event", |_| {
        events(&api)
            .get("NothingMatched")
            .is_some_and(|event| event.0 == "Warning" && event.2.contains("is now at 10.96.1.2"))
    });
}

#[test]
fn typed_resources_accepted_refused_and_mended() {
    let api = Api::start();
    let one = ("redisservices", "default", "one");
    api.world().put("services", service("redis-a", "10.96.0.7"));
    api.world().put("redisservices", redis_service("one", "redis-b"));
    let control = Control::writing(&api, None, manners());
    let _proxy = Sidecar::connect(&control, "a.default", "10.244.0.200");
    let told =
        "spec.host: host redis-b.default.svc.cluster.local is no service; near: redis-a.default.svc.cluster.local";
    control.wait("its host is none", |_| is(&said(&api, one, "Accepted"), "False", "Invalid", told));
    assert!(is(&said(&api, one, "Programmed"), "False", "Invalid", "nothing of it is in force"));
    let put = |name: &str, host: &str, generation: u64, more: Value| {
        let mut object = redis_service(name, host);
        object["metadata"]["generation"] = json!(generation);
        object["status"] = self::object(&api, ("redisservices", "default", name))["status"].clone();
        object["spec"]["mode"] = more;
        api.world().put("redisservices", object);
    };
    put("one", "redis-a", 2, json!("CLUSTER"));
    control.wait("it is programmed", |_| is(&said(&api, one, "Programmed"), "True", "Programmed", "1 of 1 proxy"));
    assert!(is(&said(&api, one, "Accepted"), "True", "Valid", ""));
    // Not even readable: its version before stays.
    put("one", "redis-a", 3, json!("CLUTSER"));
    control.wait("it is not readable", |_| is(&said(&api, one, "Accepted"), "False", "Invalid", "spec.mode: "));
    assert!(is(&said(&api, one, "Programmed"), "False", "Invalid", "the version before it stays in force"));
    assert_eq!(object(&api, one)["status"]["observedGeneration"], 3);
    put("one", "redis-a", 4, json!("CLUTSER"));
    control.wait("another version", |_| object(&api, one)["status"]["observedGeneration"] == 4);
    put("two", "redis-a", 1, Value::Null);
    let two = ("redisservices", "default", "two");
    control.wait("two of one port", |_| {
        is(&said(&api, two, "Accepted"), "False", "Conflict", "is decided by the RedisService default/one")
    });
    put("one", "redis-a", 5, json!("SINGLE"));
    control.wait("it is mended", |_| is(&said(&api, one, "Programmed"), "True", "Programmed", "1 of 1 proxy"));
    control.wait("events", |_| {
        ["Invalid", "Conflict", "Accepted", "Programmed"].iter().all(|reason| events(&api).contains_key(*reason))
    });
}

#[test]
fn another_is_quicker_and_its_conditions_stay() {
    let api = tutorial();
    api.faults(|faults| faults.conflicts = 12);
    let control = Control::writing(&api, None, manners());
    let cluster = ("envoyfilters", "istio-system", "custom-redis-cluster");
    control.wait("both say it", |_| {
        [FILTER, cluster].iter().all(|one| is(&said(&api, *one, "Accepted"), "True", "Valid", ""))
    });
    settle(&api);
    assert_eq!(api.world().faults.conflicts, 0);
    let other = said(&api, FILTER, "Other").0 == "True" || said(&api, cluster, "Other").0 == "True";
    assert!(other, "what another wrote in between is kept");
    assert!(control.board.prometheus().contains("slotmesh_status_conflicts_total 12\n"));
}

#[test]
fn a_rule_that_is_missing_is_told_and_everything_is_written_when_it_is_there() {
    let api = tutorial();
    for what in ["envoyfilters/status", "events"] {
        let message = format!("{what} is forbidden: User \"u\" cannot patch");
        api.faults(|faults| drop(faults.refuse.insert(what.to_owned(), (403, "Forbidden", message))));
    }
    let control = Control::writing(&api, None, manners());
    let _proxy = Sidecar::connect(&control, "a.redis", "10.244.0.200");
    let rules = [
        "add this rule to the role: apiGroups: [\"networking.istio.io\"], resources: [\"envoyfilters/status\"], verbs: [\"patch\"]",
        "add this rule to the role: apiGroups: [\"\"], resources: [\"events\"], verbs: [\"create\", \"patch\"]",
    ];
    control.wait("it is told", |control| {
        control.board.trouble().is_some_and(|told| rules.iter().all(|rule| told.contains(rule)))
    });
    let asked = |api: &Api| {
        api.world().requests.iter().filter(|uri| uri.contains("/status") || uri.contains("/events")).count()
    };
    let before = asked(&api);
    std::thread::sleep(Duration::from_secs(1));
    assert!(asked(&api) - before <= 8, "it is tried again now and then");
    api.faults(|faults| faults.refuse.clear());
    control.wait("it is written", |_| is(&said(&api, FILTER, "Programmed"), "True", "Programmed", "1 of 1"));
    control.wait("all is well", |control| control.board.trouble().is_none() && events(&api).contains_key("Programmed"));
}

#[test]
fn a_server_that_goes_away_in_the_middle_gets_the_newest_verdict() {
    let mut api = tutorial();
    api.faults(|faults| faults.silent_after = 1);
    let control = Control::writing(&api, None, manners());
    control.wait("a write without an answer", |_| api.world().faults.silent_after == 0);
    api.go_away();
    api.faults(|faults| faults.silent_after = usize::MAX);
    let _proxy = Sidecar::connect(&control, "a.redis", "10.244.0.200");
    control.wait("the verdict", |control| control.condition("EnvoyFilter", FILTER.2, "Programmed").1 == "Programmed");
    api.world().writes.clear();
    api.come_up();
    control.wait("it is written", |_| is(&said(&api, FILTER, "Programmed"), "True", "Programmed", "1 of 1"));
    let stale =
        |write: &super::world::Write| write.path.contains(FILTER.2) && write.body.to_string().contains("NoProxies");
    assert!(!api.world().writes.iter().any(stale), "what was so before is never written");
}

#[test]
fn ill_servers_are_left_alone_for_a_while() {
    let api = tutorial();
    for (what, code, reason) in [("envoyfilters/status", 500, "InternalError"), ("events", 429, "TooManyRequests")] {
        api.faults(|faults| drop(faults.refuse.insert(what.to_owned(), (code, reason, "ill".to_owned()))));
    }
    let control = Control::writing(&api, None, manners());
    control.wait("it failed", |control| !control.board.prometheus().contains("slotmesh_status_failures_total 0\n"));
    std::thread::sleep(Duration::from_secs(3));
    let asked = api.world().requests.iter().filter(|uri| uri.contains("/status")).count();
    assert!(asked <= 4, "{asked} times");
    api.faults(|faults| faults.refuse.clear());
    control.wait("it is written", |_| is(&said(&api, FILTER, "Accepted"), "True", "Valid", ""));
}

#[test]
fn what_is_gone_or_not_taken_is_not_tried_again() {
    let api = tutorial();
    api.faults(|faults| {
        faults.refuse.insert("envoyfilters/status".to_owned(), (404, "NotFound", "no such subresource".to_owned()));
        faults
            .refuse
            .insert("redisservices/status".to_owned(), (422, "Invalid", "status.conditions: Invalid value".to_owned()));
    });
    api.world().put("redisservices", redis_service("one", "nobody"));
    let control = Control::writing(&api, None, manners());
    control.wait("it is told", |control| {
        control
            .board
            .trouble()
            .is_some_and(|told| told.contains("the status of redisservices.slotmesh.io is not taken: 422"))
    });
    let asked = |api: &Api| api.world().requests.iter().filter(|uri| uri.contains("/status")).count();
    control.wait("each once", |_| asked(&api) == 3);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(asked(&api), 3);
    api.world().delete("envoyfilters", FILTER.1, FILTER.2);
    control.wait("it is gone", |control| control.verdict("EnvoyFilter", FILTER.2).is_null());
}

#[test]
fn a_crd_that_leaves_things_out_is_not_written_to_for_ever() {
    let api = tutorial();
    api.faults(|faults| faults.prunes = true);
    let control = Control::writing(&api, None, manners());
    control.wait("both say it", |_| is(&said(&api, FILTER, "Accepted"), "True", "Valid", ""));
    assert!(settle(&api) <= 4, "{}", writes(&api));
    assert!(object(&api, FILTER)["status"].get("observedGeneration").is_none());
    let written = writes(&api);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(writes(&api), written);
}

#[test]
fn one_that_flaps_cannot_flood_the_server() {
    let api = Api::start();
    api.world().put("services", service("redis-a", "10.96.0.7"));
    let manners = Manners { apart: Duration::from_secs(2), repeated: Duration::from_secs(5), ..manners() };
    let control = Control::writing(&api, None, manners);
    let began = Instant::now();
    let mut generation = 0;
    while began.elapsed() < Duration::from_secs(6) {
        generation += 1;
        let mut object = redis_service("one", if generation % 2 == 0 { "redis-a" } else { "redis-b" });
        object["metadata"]["generation"] = json!(generation);
        object["status"] = self::object(&api, ("redisservices", "default", "one"))["status"].clone();
        api.world().put("redisservices", object);
        std::thread::sleep(Duration::from_millis(60));
    }
    let all = api.world().writes.len();
    let status = writes(&api);
    assert!(generation > 50 && status <= 5 && all - status <= 8, "{generation} versions, {status} writes of {all}");
    control.wait("the last", |_| {
        object(&api, ("redisservices", "default", "one"))["status"]["observedGeneration"] == generation
    });
    assert!(events(&api).len() <= 3, "one for each reason: {:?}", events(&api));
}

#[test]
fn ten_thousand_resources_are_written_once_each() {
    let api = Api::start();
    let many = 10_000;
    for i in 0..many {
        let meta = json!({"name": format!("f{i}"), "namespace": "many", "uid": format!("u{i}"), "generation": 1});
        let match_ = json!({"context": "SIDECAR_OUTBOUND", "listener": {"name": "nobody"}});
        let patch = json!({"applyTo": "LISTENER", "match": match_, "patch": {"operation": "REMOVE"}});
        api.world().add("envoyfilters", json!({"kind": "EnvoyFilter", "apiVersion": "networking.istio.io/v1alpha3", "metadata": meta, "spec": {"configPatches": [patch]}}));
    }
    let began = Instant::now();
    let control = Control::writing(&api, None, manners());
    control.wait("all are written", |_| writes(&api) >= many);
    println!("10,000 resources: all have conditions after {:?}", began.elapsed());
    assert_eq!(settle(&api), many, "once each");
    // Nothing that others do to them makes more of it.
    let mut one = object(&api, ("envoyfilters", "many", "f17"));
    one["metadata"]["annotations"] = json!({"seen": "by another"});
    api.world().put("envoyfilters", one);
    assert_eq!(settle(&api), many);
    assert_eq!(events(&api).len(), 0, "nothing has changed for anybody");
}

#[test]
fn what_is_switched_off_is_left_alone_and_what_a_file_hides_is_told() {
    let api = tutorial();
    let control = Control::writing(&api, None, Manners { status: false, ..manners() });
    let _proxy = Sidecar::connect(&control, "a.redis", "10.244.0.200");
    control.wait("events only", |_| events(&api).contains_key("Programmed"));
    assert_eq!(settle(&api), 0);
    drop(control);
    let folder = tempfile::TempDir::new().unwrap();
    let mut file = object(&api, FILTER);
    file["metadata"].as_object_mut().unwrap().retain(|key, _| key == "name" || key == "namespace");
    std::fs::write(folder.path().join("a.json"), file.to_string()).unwrap();
    api.world().writes.clear();
    let control = Control::writing(&api, Some(folder.path()), Manners { events: false, ..manners() });
    control.wait("the file counts", |_| {
        is(&said(&api, FILTER, "Accepted"), "False", "Conflict", "a.json:1 too, which counts")
    });
    let all = control.board.json();
    let here = all.as_array().unwrap().iter().filter(|one| one["name"] == FILTER.2);
    assert_eq!(here.count(), 2, "that of the file, and that of the server: {all:#}");
    settle(&api);
    assert!(api.world().writes.iter().all(|write| write.path.ends_with("/status")));
}
