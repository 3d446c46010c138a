use bytes::Bytes;
use prost::Message;

use super::*;
use crate::kind::Kind::{Cluster, Endpoints, Listener};
use crate::proto::{Any, DeltaResource, WRAPPED};

fn named(kind: Kind, name: &str, content: u8) -> Resource {
    let message = [&[10, name.len() as u8], name.as_bytes(), &[0x98, 0x06, content]].concat();
    Resource::new(kind, name, message)
}

fn sotw_response(kind: Kind, version: &str, resources: Vec<Bytes>) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: version.to_owned(),
        resources,
        type_url: kind.url().to_owned(),
        nonce: format!("nonce of {version}"),
        control_plane: None,
    }
}

fn delta_response(kind: Kind, resources: &[(Resource, &str)], removed: &[&str]) -> DeltaDiscoveryResponse {
    let resource = |(resource, version): &(Resource, &str)| DeltaResource {
        version: (*version).to_owned(),
        resource: Some(resource.any.clone()),
        name: resource.name.to_string(),
    };
    DeltaDiscoveryResponse {
        resources: resources.iter().map(resource).collect(),
        type_url: kind.url().to_owned(),
        removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
        nonce: "n".to_owned(),
        ..DeltaDiscoveryResponse::default()
    }
}

fn sotw(request: Option<Request>) -> DiscoveryRequest {
    let Some(Request::Sotw(request)) = request else { panic!("{request:?}") };
    request
}

fn delta(request: Option<Request>) -> DeltaDiscoveryRequest {
    let Some(Request::Delta(request)) = request else { panic!("{request:?}") };
    request
}

fn judge_all(talk: &mut Talk, outcome: Outcome) -> (Vec<String>, Option<Request>) {
    let Outcome::Judge(arrival) = outcome else { panic!("{outcome:?}") };
    let names = arrival.changed.iter().map(|resource| resource.name.to_string()).collect();
    (names, talk.judge(&arrival, &Verdict::default()))
}

fn talking(dialect: Dialect, kind: Kind, want: Want) -> (Talk, Vec<Request>) {
    let mut talk = Talk::new(dialect, &Node { id: "me".to_owned(), ..Node::default() });
    assert_eq!(talk.want(kind, want), None, "nobody is there to hear it");
    let first = talk.connected();
    (talk, first)
}

fn refuse(arrival: &Arrival, name: &str) -> Verdict {
    assert!(arrival.changed.iter().any(|resource| &*resource.name == name));
    Verdict { refused: vec![Refused { name: name.into(), reason: "no".to_owned() }] }
}

#[test]
fn a_refusal_says_what_is_still_in_use() {
    let (mut talk, first) = talking(Dialect::Sotw, Cluster, Want::Everything);
    let first = sotw(first.into_iter().next());
    assert_eq!(
        (first.node.unwrap().id.as_str(), first.version_info.as_str(), first.resource_names.len()),
        ("me", "", 0)
    );
    let good = sotw_response(Cluster, "1", vec![named(Cluster, "a", 1).any, named(Cluster, "b", 1).any]);
    let outcome = talk.hear(&good);
    let (names, answer) = judge_all(&mut talk, outcome);
    let answer = sotw(answer);
    assert_eq!(names, ["a", "b"]);
    assert_eq!((answer.version_info.as_str(), answer.response_nonce.as_str()), ("1", "nonce of 1"));
    assert!(answer.node.is_none() && answer.error_detail.is_none());

    let mixed = sotw_response(Cluster, "2", vec![named(Cluster, "a", 2).any, named(Cluster, "b", 2).any]);
    let Outcome::Judge(arrival) = talk.hear(&mixed) else { panic!("both are new") };
    let answer = sotw(talk.judge(&arrival, &refuse(&arrival, "b")));
    assert_eq!((answer.version_info.as_str(), answer.response_nonce.as_str()), ("1", "nonce of 2"));
    assert_eq!(answer.error_detail.unwrap().message, "Error adding/updating cluster(s) b: no");
    let held: Vec<&Resource> = talk.held(Cluster).map(|held| &**held).collect();
    assert_eq!([&held[0].any, &held[1].any], [&named(Cluster, "a", 2).any, &named(Cluster, "b", 1).any]);
}

#[test]
fn what_is_missing_in_the_state_of_the_world_is_gone_for_clusters_but_not_for_endpoints() {
    for (kind, gone) in [(Cluster, 1), (Endpoints, 0)] {
        let (mut talk, _) = talking(Dialect::Sotw, kind, Want::named(["a", "b"]));
        let outcome = talk.hear(&sotw_response(kind, "1", vec![named(kind, "a", 1).any, named(kind, "b", 1).any]));
        judge_all(&mut talk, outcome);
        let outcome = talk.hear(&sotw_response(kind, "2", vec![named(kind, "a", 2).any]));
        let Outcome::Judge(arrival) = outcome else { panic!("a is new") };
        assert_eq!(arrival.removed.len(), gone, "{kind}");
    }
}

#[test]
fn a_new_stream_begins_with_what_is_held() {
    let (mut talk, _) = talking(Dialect::Delta, Endpoints, Want::named(["a", "b"]));
    let outcome = talk.hear_delta(delta_response(Endpoints, &[(named(Endpoints, "a", 1), "7")], &["b"]));
    judge_all(&mut talk, outcome);
    talk.disconnected();
    talk.want(Endpoints, Want::named(["a", "b", "c"]));
    let again = delta(talk.connected().into_iter().next());
    assert!(again.node.is_some());
    assert_eq!(again.resource_names_subscribe, ["a", "b", "c"]);
    assert_eq!(again.initial_resource_versions.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "7".to_owned())]);
}

#[test]
fn wishes_are_told_as_differences() {
    let (mut talk, _) = talking(Dialect::Delta, Endpoints, Want::named(["a", "b"]));
    let change = delta(talk.want(Endpoints, Want::named(["b", "c"])));
    assert_eq!(
        (change.resource_names_subscribe, change.resource_names_unsubscribe),
        (vec!["c".into()], vec!["a".into()])
    );
    assert!(change.response_nonce.is_empty() && change.node.is_none());
    assert_eq!(talk.want(Endpoints, Want::named(["c", "b"])), None, "nothing new");
    let outcome = talk.hear_delta(delta_response(Endpoints, &[(named(Endpoints, "a", 1), "1")], &[]));
    let (names, _) = judge_all(&mut talk, outcome);
    assert!(names.is_empty(), "it was under way when it was given up");
}

#[test]
fn in_the_state_of_the_world_a_wish_waits_for_the_verdict() {
    let (mut talk, _) = talking(Dialect::Sotw, Endpoints, Want::named(["a"]));
    let Outcome::Judge(arrival) = talk.hear(&sotw_response(Endpoints, "1", vec![named(Endpoints, "a", 1).any])) else {
        panic!("it is new")
    };
    assert_eq!(talk.want(Endpoints, Want::named(["a", "b"])), None);
    assert_eq!(sotw(talk.judge(&arrival, &Verdict::default())).resource_names, ["a", "b"]);
}

#[test]
fn what_is_repeated_is_acknowledged_without_a_question() {
    let (mut talk, _) = talking(Dialect::Delta, Cluster, Want::Everything);
    let outcome = talk.hear_delta(delta_response(Cluster, &[(named(Cluster, "a", 1), "")], &[]));
    judge_all(&mut talk, outcome);
    let Outcome::Say(_) = talk.hear_delta(delta_response(Cluster, &[(named(Cluster, "a", 1), "")], &["x"])) else {
        panic!("nothing is new, and x was never there")
    };
    // Other bytes under the same version are the same, except where versions are not used.
    let outcome = talk.hear_delta(delta_response(Cluster, &[(named(Cluster, "a", 2), "")], &[]));
    assert_eq!(judge_all(&mut talk, outcome).0, ["a"]);
    let outcome = talk.hear_delta(delta_response(Cluster, &[(named(Cluster, "a", 3), "v3")], &[]));
    judge_all(&mut talk, outcome);
    assert!(matches!(
        talk.hear_delta(delta_response(Cluster, &[(named(Cluster, "a", 4), "v3")], &[])),
        Outcome::Say(_)
    ));
}

#[test]
fn what_comes_again_after_a_refusal_is_judged_again_in_its_time() {
    let (mut talk, _) = talking(Dialect::Sotw, Listener, Want::Everything);
    let bad = || sotw_response(Listener, "1", vec![named(Listener, "a", 1).any]);
    let Outcome::Judge(arrival) = talk.hear(&bad()) else { panic!("it is new") };
    talk.judge(&arrival, &refuse(&arrival, "a"));
    assert_eq!(talk.hear(&bad()), Outcome::Repeat(Listener));
    let again = talk.reconsider(Listener).unwrap();
    assert_eq!(again.changed, arrival.changed);
    let answer = sotw(talk.judge(&again, &refuse(&again, "a")));
    assert_eq!(answer.error_detail.unwrap().message, "Error adding/updating listener(s) a: no");
    assert_eq!(talk.reconsider(Listener), None, "once is enough");
    // The cause is over.
    assert_eq!(talk.hear(&bad()), Outcome::Repeat(Listener));
    let again = talk.reconsider(Listener).unwrap();
    assert_eq!(sotw(talk.judge(&again, &Verdict::default())).error_detail, None);
    assert_eq!(talk.held(Listener).count(), 1);
    // The user has another opinion of other bytes.
    let outcome = talk.hear(&sotw_response(Listener, "2", vec![named(Listener, "a", 2).any]));
    assert!(judge_all(&mut talk, outcome).1.is_some_and(|answer| answer.error().is_none()));
}

#[test]
fn the_user_hears_that_what_it_refused_is_no_more() {
    for dialect in [Dialect::Sotw, Dialect::Delta] {
        let (mut talk, _) = talking(dialect, Listener, Want::Everything);
        let outcome = match dialect {
            Dialect::Sotw => talk.hear(&sotw_response(Listener, "1", vec![named(Listener, "a", 1).any])),
            Dialect::Delta => talk.hear_delta(delta_response(Listener, &[(named(Listener, "a", 1), "1")], &[])),
        };
        let Outcome::Judge(arrival) = outcome else { panic!("it is new") };
        talk.judge(&arrival, &refuse(&arrival, "a"));
        let outcome = match dialect {
            Dialect::Sotw => talk.hear(&sotw_response(Listener, "2", vec![])),
            Dialect::Delta => talk.hear_delta(delta_response(Listener, &[], &["a"])),
        };
        let Outcome::Judge(arrival) = outcome else { panic!("{outcome:?}") };
        assert_eq!(arrival.removed, ["a".into()]);
        assert!(talk.judge(&arrival, &Verdict::default()).is_some_and(|answer| answer.error().is_none()));
        // It is new when it comes back.
        let outcome = match dialect {
            Dialect::Sotw => talk.hear(&sotw_response(Listener, "3", vec![named(Listener, "a", 1).any])),
            Dialect::Delta => talk.hear_delta(delta_response(Listener, &[(named(Listener, "a", 1), "1")], &[])),
        };
        assert!(matches!(outcome, Outcome::Judge(_)), "{outcome:?}");
    }
}

#[test]
fn a_wish_that_overtakes_a_repeated_refusal_carries_it() {
    let (mut talk, _) = talking(Dialect::Sotw, Endpoints, Want::named(["a"]));
    let bad = || sotw_response(Endpoints, "1", vec![named(Endpoints, "a", 1).any]);
    let Outcome::Judge(arrival) = talk.hear(&bad()) else { panic!("it is new") };
    talk.judge(&arrival, &refuse(&arrival, "a"));
    assert_eq!(talk.hear(&bad()), Outcome::Repeat(Endpoints));
    let wish = sotw(talk.want(Endpoints, Want::named(["a", "b"])));
    assert!(wish.error_detail.is_some(), "without it, it would be an acknowledgement");
    assert_eq!(talk.reconsider(Endpoints), None);
}

#[test]
fn wrapped_resources_are_unwrapped_and_others_are_refused() {
    let (mut talk, _) = talking(Dialect::Sotw, Listener, Want::Everything);
    let inner = named(Listener, "a", 1);
    let wrapped = DeltaResource { version: "1".into(), resource: Some(inner.any.clone()), name: "a".into() };
    let wrapped = Any { type_url: WRAPPED.to_owned(), value: wrapped.encode_to_vec().into() }.encode_to_vec();
    let outcome = talk.hear(&sotw_response(Listener, "1", vec![wrapped.into()]));
    judge_all(&mut talk, outcome);
    assert_eq!(talk.held(Listener).next().map(|held| &held.any), Some(&inner.any));

    let junk = vec![named(Cluster, "a", 1).any, Bytes::from_static(b"\xff"), inner.any];
    let outcome = talk.hear(&sotw_response(Listener, "2", junk));
    let (names, answer) = judge_all(&mut talk, outcome);
    assert!(names.is_empty());
    let error = answer.as_ref().and_then(Request::error).unwrap_or_default().to_owned();
    assert!(
        error.contains("resource 0: is a type.googleapis.com/envoy.config.cluster.v3.Cluster and not a"),
        "{error}"
    );
    assert!(error.contains("resource 1: "), "{error}");
    assert_eq!(talk.held(Listener).count(), 1, "a response that cannot be read removes nothing");
}

#[test]
fn what_was_not_asked_for_is_not_answered() {
    let (mut talk, _) = talking(Dialect::Delta, Cluster, Want::Everything);
    assert_eq!(talk.hear_delta(delta_response(Listener, &[], &[])), Outcome::Ignore);
    let nothing: [&str; 0] = [];
    assert_eq!(talk.want(Endpoints, Want::named(nothing)), None, "no name, no request: it would mean everything");
}
