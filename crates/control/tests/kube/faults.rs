//! What goes wrong, and that what is published in the end is what a fresh start publishes.

use super::api::Api;
use super::scene::{Control, play, play_all};
use super::start::service;
use serde_json::json;
use std::time::Duration;

/// A cluster as it was recorded at the beginning, and a control plane that has seen it.
fn begun() -> (Api, Control) {
    let api = Api::start();
    play(&api, 470);
    let control = Control::of(&api, &[], None);
    control.wait("the beginning", |control| control.hosts().len() == 5);
    (api, control)
}

#[test]
fn watches_that_are_cut_in_the_middle_of_a_line() {
    let (api, control) = begun();
    api.faults(|faults| (faults.cuts, faults.cut_watches_after) = (12, Some(20_000)));
    play_all(&api, 10, |_| std::thread::sleep(Duration::from_millis(40)));
    control.is_as_fresh(&api);
    assert!(api.world().faults.cuts < 12, "some were cut");
    assert_eq!(control.number("slotmesh_kube_lists_total", "pods"), 1, "a cut watch goes on where it was");
    assert!(control.number("slotmesh_kube_watch_restarts_total", "pods") > 0);
}

#[test]
fn a_streaming_list_that_is_cut() {
    let api = Api::start();
    play(&api, u64::MAX);
    api.faults(|faults| (faults.cuts, faults.cut_watches_after) = (6, Some(9_000)));
    let control = Control::of(&api, &[], None);
    control.is_as_fresh(&api);
}

#[test]
fn slow_streams_in_small_pieces() {
    let api = Api::start();
    play(&api, 470);
    api.faults(|faults| (faults.piece, faults.pause) = (700, Duration::from_millis(3)));
    let control = Control::of(&api, &[], None);
    play_all(&api, 40, |_| std::thread::sleep(Duration::from_millis(20)));
    control.is_as_fresh(&api);
}

#[test]
fn a_watch_from_a_version_that_is_gone() {
    let (api, control) = begun();
    for at in [500, 560, 640, u64::MAX] {
        play(&api, at);
        api.world().compact();
        std::thread::sleep(Duration::from_millis(50));
    }
    control.is_as_fresh(&api);
    assert!(control.number("slotmesh_kube_lists_total", "pods") > 1);
    assert_eq!(control.mirror.trouble(), None, "that is in the order of things");
}

#[test]
fn no_bookmarks_and_short_watches() {
    let (api, control) = begun();
    api.faults(|faults| faults.bookmarks = false);
    play_all(&api, 60, |_| {
        api.world().epoch += 1;
        std::thread::sleep(Duration::from_millis(150));
    });
    control.is_as_fresh(&api);
    assert_eq!(control.number("slotmesh_kube_errors_total", "pods"), 0, "an end in order is no failure");
    assert_eq!(control.number("slotmesh_kube_lists_total", "pods"), 1);
}

#[test]
fn the_token_of_a_page_is_too_old() {
    let api = Api::start();
    api.faults(|faults| (faults.streams, faults.expire_tokens) = (false, 3));
    for i in 0..600 {
        api.world().add("services", service(&format!("s{i}"), "10.0.0.1"));
    }
    let control = Control::of(&api, &[], None);
    control.wait("all services", |control| control.hosts().len() == 600);
    let asked: Vec<String> =
        api.world().requests.iter().filter(|uri| uri.contains("/services?limit")).cloned().collect();
    assert!(asked.iter().any(|uri| uri.contains("limit=5000")), "larger pages after that: {asked:?}");
    control.is_as_fresh(&api);
}

#[test]
fn a_server_that_goes_away_and_comes_back() {
    let (mut api, control) = begun();
    api.go_away();
    control
        .wait("it is told", |control| control.mirror.trouble().is_some_and(|text| text.contains("is away since 20")));
    assert_eq!(control.hosts().len(), 5, "the last state counts");
    let away = |control: &Control| {
        let numbers = control.mirror.prometheus();
        !numbers.contains("slotmesh_kube_away_since_seconds 0\n")
    };
    assert!(away(&control));
    play(&api, u64::MAX);
    api.come_up();
    control.is_as_fresh(&api);
    control.wait("all is well", |control| control.mirror.trouble().is_none() && !away(control));
    assert_eq!(control.number("slotmesh_kube_lists_total", "pods"), 1, "it went on where it was");
}

#[test]
fn a_server_that_was_set_back() {
    let (mut api, control) = begun();
    api.go_away();
    // It says so of every watch from a version that it has not reached.
    for kind in ["pods", "services", "endpointslices"] {
        let message = "Timeout: Too large resource version: 470, current: 400".to_owned();
        api.faults(|faults| drop(faults.refuse.insert(kind.to_owned(), (504, "Timeout", message))));
    }
    api.world().delete("services", "redis", "redis-mirror");
    api.world().compact();
    api.come_up();
    control.wait("it is told", |control| control.mirror.trouble().is_some_and(|text| text.contains("Too large")));
    api.faults(|faults| faults.refuse.clear());
    control.wait("the service is gone", |control| control.hosts().len() == 4);
    control.is_as_fresh(&api);
}

#[test]
fn a_kind_that_is_not_installed_is_watched_for() {
    let api = Api::start();
    for kind in ["envoyfilters", "sidecars", "serviceentries"] {
        api.world().uninstall(kind);
    }
    let control = Control::of(&api, &[], None);
    control.wait("it is published", |control| control.state().is_some());
    assert_eq!(control.mirror.trouble(), None, "that is no trouble");
    api.world().install("networking.istio.io", "v1alpha3", "envoyfilters");
    play(&api, 650);
    control.wait("both filters", |control| control.filters() == ["add-redis-proxy", "custom-redis-cluster"]);
    control.is_as_fresh(&api);
    api.world().uninstall("envoyfilters");
    control.wait("none is left", |control| control.filters().is_empty());
    control.is_as_fresh(&api);
}

#[test]
fn refusals_are_told_and_end() {
    let (api, control) = begun();
    let refusals = [
        ("pods", 403, "Forbidden", "pods is forbidden", "not allowed since"),
        ("services", 401, "Unauthorized", "Unauthorized", "credentials are not accepted"),
        ("endpointslices", 500, "InternalError", "etcd is ill", "500 etcd is ill"),
        ("namespaces", 429, "TooManyRequests", "later", "429 later"),
    ];
    for (kind, code, reason, message, _) in refusals {
        api.faults(|faults| drop(faults.refuse.insert(kind.to_owned(), (code, reason, message.to_owned()))));
    }
    api.world().epoch += 1;
    control.wait("each is told", |control| {
        let trouble = control.mirror.trouble().unwrap_or_default();
        refusals.iter().all(|(.., told)| trouble.contains(told))
    });
    play(&api, u64::MAX);
    assert_eq!(control.hosts().len(), 5, "the last state counts");
    api.faults(|faults| faults.refuse.clear());
    control.is_as_fresh(&api);
    control.wait("all is well", |control| control.mirror.trouble().is_none());
}

#[test]
fn everything_at_once() {
    let (mut api, control) = begun();
    let mut step = 0;
    play_all(&api, 1_000_000, |_| {});
    for round in 0..4 {
        api.faults(|faults| {
            (faults.cuts, faults.cut_watches_after) = (5, Some(4_000));
            (faults.piece, faults.streams) = (1_000, round % 2 == 0);
        });
        for _ in 0..10 {
            step += 1;
            let name = format!("s{}", step % 7);
            api.world().put("services", service(&name, &format!("10.0.{round}.{step}")));
            if step % 3 == 0 {
                api.world().delete("services", "default", &format!("s{}", (step + 3) % 7));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        api.world().compact();
        if round == 1 {
            api.go_away();
            api.world().put("namespaces", json!({"metadata": {"name": "late"}}));
            api.come_up();
        }
    }
    control.is_as_fresh(&api);
}
