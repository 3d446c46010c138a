use super::*;
use crate::kind::Kind::{Cluster, Endpoints, Listener, Secret};
use crate::proto::Status;

const PATIENCE: Duration = Duration::from_secs(1);

fn start() -> Moment {
    Moment { steady: Instant::now(), wall: SystemTime::UNIX_EPOCH }
}

fn later(now: Moment, by: Duration) -> Moment {
    Moment { steady: now.steady + by, ..now }
}

fn set(kind: Kind, named: &[(&str, &str)]) -> Arc<ResourceSet> {
    let resources = named.iter().map(|(name, content)| Resource::new(kind, *name, content.as_bytes().to_vec()));
    Arc::new(ResourceSet::new(resources.map(Arc::new)))
}

fn world(
    version: &str,
    clusters: &[(&str, &str)],
    endpoints: &[(&str, &str)],
    listeners: &[(&str, &str)],
) -> Arc<Snapshot> {
    let snapshot =
        Snapshot::new(version).with(Cluster, set(Cluster, clusters)).with(Endpoints, set(Endpoints, endpoints));
    Arc::new(snapshot.with(Listener, set(Listener, listeners)))
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn sotw(kind: Kind, names: &[&str], nonce: &str) -> DiscoveryRequest {
    let (type_url, response_nonce) = (kind.url().to_owned(), nonce.to_owned());
    DiscoveryRequest { resource_names: strings(names), type_url, response_nonce, ..DiscoveryRequest::default() }
}

fn delta(kind: Kind, subscribe: &[&str], unsubscribe: &[&str], nonce: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: kind.url().to_owned(),
        resource_names_subscribe: strings(subscribe),
        resource_names_unsubscribe: strings(unsubscribe),
        response_nonce: nonce.to_owned(),
        ..DeltaDiscoveryRequest::default()
    }
}

/// What goes out now: kind, resources and removed names, nonce.
fn out(stream: &mut Stream, now: Moment) -> Vec<(Kind, String, String)> {
    let mut all = Vec::new();
    while let Some((kind, response)) = stream.next(now) {
        all.push(match response {
            Response::Sotw(response) => (kind, response.resources.len().to_string(), response.nonce),
            Response::Delta(response) => {
                let changed = response.resources.iter().map(|resource| resource.name.clone());
                let removed = response.removed_resources.iter().map(|name| format!("-{name}"));
                (kind, changed.chain(removed).collect::<Vec<_>>().join(" "), response.nonce)
            }
        });
    }
    all
}

fn what(sent: &[(Kind, String, String)]) -> Vec<(Kind, &str)> {
    sent.iter().map(|(kind, what, _)| (*kind, what.as_str())).collect()
}

const AB: &[(&str, &str)] = &[("a", "1"), ("b", "1")];

#[test]
fn an_acknowledgement_is_not_answered_but_its_repetition_is() {
    let now = start();
    let mut stream = Stream::new(Dialect::Sotw, world("v1", AB, AB, &[]), PATIENCE);
    assert_eq!(stream.hear(&sotw(Endpoints, &["a", "b"], ""), now), Heard::Asked(Endpoints));
    let sent = out(&mut stream, now);
    assert_eq!(what(&sent), [(Endpoints, "2")]);
    let ack = sotw(Endpoints, &["a", "b"], &sent[0].2);
    assert_eq!(stream.hear(&ack, now), Heard::Acked(Endpoints));
    assert_eq!(out(&mut stream, now), []);
    assert!(stream.is_settled());
    // As Envoy does for a cluster that it warms anew.
    stream.hear(&ack, now);
    assert_eq!(what(&out(&mut stream, now)), [(Endpoints, "2")]);
}

#[test]
fn names_that_are_added_are_answered_alone() {
    let now = start();
    let mut stream = Stream::new(Dialect::Sotw, world("v1", AB, AB, &[]), PATIENCE);
    stream.hear(&sotw(Endpoints, &["a"], ""), now);
    let first = out(&mut stream, now).remove(0).2;
    stream.hear(&sotw(Endpoints, &["a", "b", "nowhere"], &first), now);
    let second = out(&mut stream, now);
    assert_eq!(what(&second), [(Endpoints, "1")]);
    assert_eq!(stream.hear(&sotw(Endpoints, &["a", "b", "nowhere"], &first), now), Heard::Stale(Endpoints));
    stream.hear(&sotw(Endpoints, &["a", "b", "nowhere"], &second[0].2), now);
    assert_eq!(out(&mut stream, now), []);
}

#[test]
fn a_refusal_is_kept_and_nothing_is_sent_for_it() {
    let now = start();
    let mut stream = Stream::new(Dialect::Sotw, world("v1", AB, &[], &[]), PATIENCE);
    stream.hear(&sotw(Cluster, &[], ""), now);
    let nonce = out(&mut stream, now).remove(0).2;
    let error_detail = Some(Status { code: 13, message: "Error adding/updating cluster(s) b: no".to_owned() });
    let refusal = DiscoveryRequest { error_detail, ..sotw(Cluster, &[], &nonce) };
    assert_eq!(stream.hear(&refusal, now), Heard::Refused(Cluster));
    assert_eq!(stream.nack(Cluster).map(|nack| nack.resources.clone()), Some(vec!["b".into()]));
    assert_eq!(out(&mut stream, now), []);
    // Not even if it says so once more.
    stream.hear(&refusal, now);
    assert_eq!(out(&mut stream, now), []);
    stream.aim(world("v2", &[("a", "1")], &[], &[]));
    let nonce = out(&mut stream, now).remove(0).2;
    stream.hear(&sotw(Cluster, &[], &nonce), now);
    assert_eq!(stream.nack(Cluster), None);
}

#[test]
fn one_resource_is_blamed_even_if_the_words_do_not_name_it() {
    let now = start();
    let mut stream = Stream::new(Dialect::Delta, world("v1", &[("a", "1")], &[], &[]), PATIENCE);
    stream.hear_delta(&delta(Cluster, &[], &[], ""), now);
    let nonce = out(&mut stream, now).remove(0).2;
    let error_detail = Some(Status { code: 13, message: "cannot".to_owned() });
    stream.hear_delta(&DeltaDiscoveryRequest { error_detail, ..delta(Cluster, &[], &[], &nonce) }, now);
    assert_eq!(stream.nack(Cluster).map(|nack| nack.resources.clone()), Some(vec!["a".into()]));
}

#[test]
fn clusters_then_endpoints_then_listeners_when_clusters_are_accepted() {
    let now = start();
    let mut stream = Stream::new(Dialect::Delta, world("v1", AB, AB, &[("l", "1")]), PATIENCE);
    stream.hear_delta(&delta(Listener, &[], &[], ""), now);
    stream.hear_delta(&delta(Cluster, &[], &[], ""), now);
    stream.hear_delta(&delta(Endpoints, &["a"], &[], ""), now);
    let sent = out(&mut stream, now);
    assert_eq!(what(&sent), [(Cluster, "a b"), (Endpoints, "a")]);
    stream.hear_delta(&delta(Cluster, &[], &[], &sent[0].2), now);
    assert_eq!(out(&mut stream, now), [], "the endpoints are not yet acknowledged");
    stream.hear_delta(&delta(Endpoints, &[], &[], &sent[1].2), now);
    assert_eq!(what(&out(&mut stream, now)), [(Listener, "l")]);
}

#[test]
fn a_proxy_that_does_not_answer_holds_nothing_back_for_ever() {
    let now = start();
    let mut stream = Stream::new(Dialect::Delta, world("v1", AB, &[], &[("l", "1")]), PATIENCE);
    stream.hear_delta(&delta(Cluster, &[], &[], ""), now);
    stream.hear_delta(&delta(Listener, &[], &[], ""), now);
    assert_eq!(what(&out(&mut stream, now)), [(Cluster, "a b")]);
    stream.aim(world("v2", &[("a", "2"), ("b", "1")], &[], &[("l", "1")]));
    stream.aim(world("v3", &[("a", "3"), ("b", "1")], &[], &[("l", "1")]));
    assert_eq!(out(&mut stream, now), []);
    assert_eq!(stream.wake(now), Some(now.steady + PATIENCE));
    let now = later(now, PATIENCE);
    assert_eq!(what(&out(&mut stream, now)), [(Cluster, "a")], "two changes went out as one");
    let now = later(now, PATIENCE);
    assert_eq!(what(&out(&mut stream, now)), [(Listener, "l")]);
    assert!(!stream.is_settled());
}

#[test]
fn unanswered_responses_are_not_remembered_for_ever() {
    let mut now = start();
    let mut stream = Stream::new(Dialect::Delta, world("v0", &[("a", "0")], &[], &[]), PATIENCE);
    stream.hear_delta(&delta(Cluster, &[], &[], ""), now);
    let first = out(&mut stream, now).remove(0).2;
    for round in 1..100 {
        now = later(now, PATIENCE);
        stream.aim(world("v", &[("a", &round.to_string())], &[], &[]));
        assert_eq!(out(&mut stream, now).len(), 1);
    }
    assert_eq!(stream.hear_delta(&delta(Cluster, &[], &[], &first), now), Heard::Stale(Cluster));
}

#[test]
fn incremental_names_come_go_and_are_told_if_they_do_not_exist() {
    let now = start();
    let mut stream = Stream::new(Dialect::Delta, world("v1", &[], AB, &[]), PATIENCE);
    stream.hear_delta(&delta(Endpoints, &["a", "nowhere"], &[], ""), now);
    assert_eq!(what(&out(&mut stream, now)), [(Endpoints, "a -nowhere")]);
    // Asked for once more while the first answer is under way.
    stream.hear_delta(&delta(Endpoints, &["a", "b"], &[], ""), now);
    assert_eq!(what(&out(&mut stream, now)), [(Endpoints, "a b")]);
    stream.hear_delta(&delta(Endpoints, &[], &["a"], ""), now);
    let now = later(now, PATIENCE);
    stream.aim(world("v2", &[], &[("a", "2"), ("nowhere", "1")], &[]));
    assert_eq!(what(&out(&mut stream, now)), [(Endpoints, "nowhere -b")]);
}

#[test]
fn a_wildcard_ends_and_begins() {
    let now = start();
    let mut stream = Stream::new(Dialect::Delta, world("v1", AB, &[], &[]), PATIENCE);
    stream.hear_delta(&delta(Cluster, &["a"], &[], ""), now);
    assert_eq!(what(&out(&mut stream, now)), [(Cluster, "a")]);
    stream.hear_delta(&delta(Cluster, &["*"], &[], ""), now);
    assert_eq!(what(&out(&mut stream, now)), [(Cluster, "a b")]);
    stream.hear_delta(&delta(Cluster, &[], &["a"], ""), now);
    assert_eq!(what(&out(&mut stream, now)), [(Cluster, "a")], "still part of everything");
    stream.hear_delta(&delta(Cluster, &[], &["*"], ""), now);
    stream.aim(world("v2", &[("a", "2"), ("b", "2")], &[], &[]));
    assert_eq!(out(&mut stream, later(now, PATIENCE)), []);
}

#[test]
fn what_a_proxy_brings_along_is_not_sent() {
    let now = start();
    let target = world("v1", AB, AB, &[]);
    let version = |name: &str| target.set(Cluster).get(name).unwrap().version.to_string();
    let brought =
        [("a".to_owned(), version("a")), ("b".to_owned(), "old".to_owned()), ("gone".to_owned(), "1".to_owned())];
    let mut stream = Stream::new(Dialect::Delta, target, PATIENCE);
    let initial_resource_versions = brought.into_iter().collect();
    stream.hear_delta(&DeltaDiscoveryRequest { initial_resource_versions, ..delta(Cluster, &[], &[], "") }, now);
    assert_eq!(what(&out(&mut stream, now)), [(Cluster, "b -gone")]);
}

#[test]
fn an_empty_world_is_answered_once() {
    let now = start();
    for dialect in [Dialect::Sotw, Dialect::Delta] {
        let mut stream = Stream::new(dialect, Arc::new(Snapshot::new("v1")), PATIENCE);
        match dialect {
            Dialect::Sotw => stream.hear(&sotw(Listener, &[], ""), now),
            Dialect::Delta => stream.hear_delta(&delta(Listener, &[], &[], ""), now),
        };
        assert_eq!(out(&mut stream, now).len(), 1);
        stream.aim(Arc::new(Snapshot::new("v2")));
        assert_eq!(out(&mut stream, later(now, PATIENCE)), []);
    }
}

#[test]
fn a_type_that_is_not_served_is_not_answered() {
    let now = start();
    let mut stream = Stream::new(Dialect::Sotw, world("v1", AB, &[], &[]), PATIENCE);
    let request =
        DiscoveryRequest { type_url: "type.googleapis.com/unheard.Of".to_owned(), ..DiscoveryRequest::default() };
    assert_eq!(stream.hear(&request, now), Heard::UnknownType);
    assert_eq!(out(&mut stream, now), []);
    assert!(stream.status().is_empty());
    stream.hear(&sotw(Secret, &["default"], ""), now);
    assert_eq!(out(&mut stream, now), [], "a secret that is not there cannot be told of");
    assert_eq!(stream.status().len(), 1);
}
