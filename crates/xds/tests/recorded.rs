//! What a real istiod and a real Envoy said to each other, played to our halves.
#![cfg(test)]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use world::{node, resource};
use xds::client::{Outcome, Request, Talk, Verdict, Want};
use xds::nack::blamed;
use xds::proto::{DeltaDiscoveryResponse, DeltaResource};
use xds::server::{Dialect, Moment, Response, Snapshot, Stream};
use xds::{Kind, Resource, ResourceSet};

/// One line of the recording.
enum Line {
    Event,
    Response { kind: Kind, sent: Vec<(&'static str, bool)>, removed: Vec<&'static str> },
}

fn recording() -> Vec<Line> {
    let text = include_str!("recorded/istiod-delta.txt");
    let (names, lines) = text.split_once("---\n").unwrap();
    let names: Vec<&str> = names.lines().filter(|line| !line.starts_with('#')).collect();
    let name = |number: &str| names[number.parse::<usize>().unwrap()];
    let read = |line: &'static str| {
        let mut words = line.split(' ');
        let kind = match words.next().unwrap() {
            "!" => return Line::Event,
            word => Kind::ALL.into_iter().find(|kind| kind.short().eq_ignore_ascii_case(word)).unwrap(),
        };
        let (removed, sent): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('-'));
        let sent = sent.into_iter().map(|word| (name(word.trim_end_matches('*')), word.ends_with('*'))).collect();
        let removed = removed.into_iter().map(|word| name(&word[1..])).collect();
        Line::Response { kind, sent, removed }
    };
    lines.lines().map(read).collect()
}

/// The resources as they were after each line: a number stands for the content.
#[derive(Default)]
struct State {
    held: BTreeMap<Kind, BTreeMap<&'static str, u32>>,
    /// Also of what was removed since, which may come back as it was.
    contents: BTreeMap<(Kind, &'static str), u32>,
}

impl State {
    fn apply(&mut self, kind: Kind, sent: &[(&'static str, bool)], removed: &[&'static str]) {
        let held = self.held.entry(kind).or_default();
        for (name, changed) in sent {
            let content = self.contents.entry((kind, name)).or_default();
            *content += u32::from(*changed);
            held.insert(name, *content);
        }
        held.retain(|name, _| !removed.contains(name));
        // istiod sends the endpoints of a cluster that it has just removed.
        let clusters: BTreeSet<&str> = self.held[&Kind::Cluster].keys().copied().collect();
        self.held.entry(Kind::Endpoints).or_default().retain(|name, _| clusters.contains(name));
    }

    fn resource(&self, kind: Kind, name: &'static str) -> Resource {
        let revision = self.contents.get(&(kind, name)).copied().unwrap_or_default();
        resource(kind, name, &revision.to_string())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let mut snapshot = Snapshot::new("recorded");
        for (kind, held) in &self.held {
            let resources = held.keys().map(|name| Arc::new(self.resource(*kind, name)));
            snapshot = snapshot.with(*kind, Arc::new(ResourceSet::new(resources)));
        }
        Arc::new(snapshot)
    }
}

fn endpoints_wanted(talk: &Talk) -> Want {
    // As a proxy: the endpoints of the clusters that are of that type.
    let of_service = |name: &&str| name.starts_with("outbound|") && !name.contains("headless");
    let clusters: Vec<String> = talk.held(Kind::Cluster).map(|cluster| cluster.name.to_string()).collect();
    Want::named(clusters.iter().map(String::as_str).filter(of_service))
}

fn proxy() -> Talk {
    let mut talk = Talk::new(Dialect::Delta, &node());
    talk.want(Kind::Cluster, Want::Everything);
    talk.want(Kind::Listener, Want::Everything);
    talk.want(Kind::Routes, Want::named(["15010", "15014"]));
    talk
}

/// istiod sends everything again for each change; what reaches the user of the client is what changed.
#[test]
fn of_what_istiod_repeats_only_the_changes_are_handed_on() {
    let mut talk = proxy();
    assert_eq!(talk.connected().len(), 3);
    let mut state = State::default();
    let (mut sent_by_istiod, mut handed_on, mut acknowledged, mut asked) = (0, 0, 0, 0);
    for (number, line) in recording().into_iter().enumerate() {
        let Line::Response { kind, sent, removed } = line else { continue };
        state.apply(kind, &sent, &removed);
        let resources = sent.iter().map(|(name, _)| DeltaResource {
            name: (*name).to_owned(),
            version: String::new(),
            resource: Some(state.resource(kind, name).any),
        });
        let nonce = format!("nonce {number}");
        sent_by_istiod += sent.len();
        let outcome = talk.hear_delta(DeltaDiscoveryResponse {
            resources: resources.collect(),
            type_url: kind.url().to_owned(),
            nonce: nonce.clone(),
            removed_resources: removed.iter().map(|name| (*name).to_owned()).collect(),
            ..DeltaDiscoveryResponse::default()
        });
        let request = match outcome {
            Outcome::Judge(arrival) => {
                asked += 1;
                handed_on += arrival.changed.len();
                talk.judge(&arrival, &Verdict::default()).unwrap()
            }
            Outcome::Say(request) => *request,
            Outcome::Repeat(_) | Outcome::Ignore => panic!("line {number}: nothing is refused, all was asked for"),
        };
        let Request::Delta(request) = request else { panic!("another protocol") };
        assert!(request.error_detail.is_none() && request.response_nonce == nonce);
        acknowledged += 1;
        let want = endpoints_wanted(&talk);
        talk.want(Kind::Endpoints, want);
    }
    for kind in [Kind::Cluster, Kind::Listener, Kind::Endpoints, Kind::Routes] {
        let held: BTreeMap<&str, &Resource> = talk.held(kind).map(|held| (&*held.name, &**held)).collect();
        let expected = &state.held[&kind];
        assert_eq!(held.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{kind}");
        assert!(expected.keys().all(|name| held[name].any == state.resource(kind, name).any), "{kind}");
    }
    // 45 in the first answers, then 32 that were new or different to a proxy that drops what it no longer needs.
    assert_eq!((sent_by_istiod, acknowledged), (604, 60));
    assert_eq!((handed_on, asked), (77, 24));
}

/// The same states from our control plane.
#[test]
fn our_server_sends_what_changed_where_istiod_sends_everything() {
    let now = Moment { steady: Instant::now(), wall: SystemTime::UNIX_EPOCH };
    let mut state = State::default();
    let mut server: Option<Stream> = None;
    let mut talk = proxy();
    let (mut istiod, mut ours) = (0, 0);
    for line in recording() {
        match line {
            Line::Response { kind, sent, removed } => {
                istiod += sent.len();
                state.apply(kind, &sent, &removed);
            }
            Line::Event if server.is_none() => {
                let mut stream = Stream::new(Dialect::Delta, state.snapshot(), Duration::from_secs(1));
                let sent = converse(&mut stream, &mut talk, talk_first, now);
                assert_eq!(sent, istiod, "the first answers are the same");
                (server, istiod, ours) = (Some(stream), 0, 0);
            }
            Line::Event => {
                let stream = server.as_mut().unwrap();
                stream.aim(state.snapshot());
                ours += converse(stream, &mut talk, |_| Vec::new(), now);
                assert!(stream.is_settled());
            }
        }
    }
    assert_eq!((istiod, ours), (559, 28));
}

fn talk_first(talk: &mut Talk) -> Vec<Request> {
    talk.connected()
}

/// Carries messages between the two until nobody has anything to say; how many resources went down.
fn converse(server: &mut Stream, talk: &mut Talk, first: fn(&mut Talk) -> Vec<Request>, now: Moment) -> usize {
    let (mut up, mut sent) = (first(talk), 0);
    loop {
        for request in up.drain(..) {
            let Request::Delta(request) = request else { panic!("another protocol") };
            server.hear_delta(&request, now);
        }
        let Some((_, Response::Delta(response))) = server.next(now) else { return sent };
        sent += response.resources.len();
        match talk.hear_delta(response) {
            Outcome::Judge(arrival) => up.extend(talk.judge(&arrival, &Verdict::default())),
            Outcome::Say(request) => up.push(*request),
            Outcome::Repeat(_) | Outcome::Ignore => {}
        }
        let want = endpoints_wanted(talk);
        up.extend(talk.want(Kind::Endpoints, want));
    }
}

/// What Envoy 1.40 wrote when it refused what two EnvoyFilters had made.
#[test]
fn envoys_refusals_lead_to_the_resources() {
    let refusals: Vec<Value> = serde_json::from_str(include_str!("recorded/envoy-refusals.json")).unwrap();
    let found: Vec<Vec<String>> = refusals
        .iter()
        .map(|refusal| {
            let sent: Vec<Arc<str>> =
                refusal["sent"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().into()).collect();
            let mut blamed: Vec<String> =
                blamed(refusal["message"].as_str().unwrap(), &sent).iter().map(|name| name.to_string()).collect();
            blamed.sort();
            blamed
        })
        .collect();
    assert_eq!(found[0].len(), 7);
    assert!(found[0].iter().all(|name| name.ends_with("_16379")), "{found:?}");
    assert_eq!(found[1], ["bad-cluster"]);
}
