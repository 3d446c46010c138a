//! The conversation with a control plane, across streams: wishes, responses and verdicts go in, requests come out. No
//! socket, no clock.

use std::sync::Arc;

use crate::kind::{Kind, PerKind};
use crate::names::Names;
use crate::node::Node;
use crate::proto::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Status};
use crate::resource::Resource;
use crate::server::Dialect;

use super::lane::{Lane, Want, read_delta, read_listed};
use super::update::{Refused, Verdict};

/// The code that Envoy sends with every refusal: gRPC's `INTERNAL`.
const INTERNAL: i32 = 13;

/// A request of either protocol.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// State of the world.
    Sotw(DiscoveryRequest),
    /// Incremental.
    Delta(DeltaDiscoveryRequest),
}

impl Request {
    /// The words of a refusal, if it is one.
    pub fn error(&self) -> Option<&str> {
        let status = match self {
            Request::Sotw(request) => &request.error_detail,
            Request::Delta(request) => &request.error_detail,
        };
        status.as_ref().map(|status| status.message.as_str())
    }
}

/// A response that wants a verdict: [`Talk::judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which kind.
    pub kind: Kind,
    /// What is new or has other bytes than what is held.
    pub changed: Vec<Arc<Resource>>,
    /// What is no more, or was asked for by name and does not exist.
    pub removed: Vec<Arc<str>>,
    /// Could not be read at all, and is refused whatever the user says.
    unreadable: Vec<Refused>,
    version: String,
    nonce: String,
    stream: u64,
}

impl Arrival {
    /// What was accepted in an earlier life.
    pub(super) fn cached(kind: Kind, version: String, changed: Vec<Arc<Resource>>) -> Arrival {
        let (removed, unreadable, nonce) = (Vec::new(), Vec::new(), String::new());
        Arrival { kind, changed, removed, unreadable, version, nonce, stream: 0 }
    }
}

/// What follows from a response.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// There is something new in it: the user decides.
    Judge(Arrival),
    /// Nothing changed and nobody need be asked: the acknowledgement.
    Say(Box<Request>),
    /// All that is new in it was refused when it came before. To be judged again with [`Talk::reconsider`], after a while:
    /// some control planes answer a refusal by sending the same at once.
    Repeat(Kind),
    /// It is of a type that was not asked for.
    Ignore,
}

/// What the proxy wants, has, and says.
#[derive(Debug)]
pub struct Talk {
    dialect: Dialect,
    node: proto::Node,
    lanes: PerKind<Lane>,
    /// Streams opened so far; odd names would do as well.
    stream: u64,
    connected: bool,
    introduced: bool,
}

impl Talk {
    /// A conversation that has not begun.
    pub fn new(dialect: Dialect, node: &Node) -> Talk {
        let lanes = PerKind::default();
        Talk { dialect, node: node.write(), lanes, stream: 0, connected: false, introduced: false }
    }

    /// What the proxy needs of a kind from now on. What is no longer wanted is forgotten.
    pub fn want(&mut self, kind: Kind, want: Want) -> Option<Request> {
        self.lanes[kind].want = Some(want);
        let request = self.speak(kind);
        self.lanes[kind].prune();
        request
    }

    /// A stream is open: what to say first. What came on the stream before must have been judged: the control plane is
    /// told here what is in use.
    pub fn connected(&mut self) -> Vec<Request> {
        (self.connected, self.introduced) = (true, false);
        self.stream += 1;
        for kind in Kind::ALL {
            self.lanes[kind].restart();
        }
        Kind::ALL.into_iter().filter_map(|kind| self.speak(kind)).collect()
    }

    /// The stream is gone. What is held stays held.
    pub fn disconnected(&mut self) {
        self.connected = false;
    }

    /// Whether anything is wanted at all.
    pub fn wants_something(&self) -> bool {
        self.lanes.iter().any(|(_, lane)| matches!(&lane.want, Some(want) if *want != Want::named([""; 0])))
    }

    /// What is held of a kind, by name.
    pub fn held(&self, kind: Kind) -> impl Iterator<Item = &Arc<Resource>> {
        let lane = &self.lanes[kind];
        lane.held.values().filter(|held| lane.want.as_ref().is_some_and(|want| want.contains(&held.name)))
    }

    /// The version of the last response that was accepted whole.
    pub fn version(&self, kind: Kind) -> &str {
        &self.lanes[kind].version
    }

    /// A state-of-the-world response.
    pub fn hear(&mut self, response: &DiscoveryResponse) -> Outcome {
        let Some(kind) = self.asked_for(&response.type_url) else { return Outcome::Ignore };
        let (received, unreadable) = read_listed(kind, &response.resources, &response.version_info);
        let lane = &mut self.lanes[kind];
        let received = lane.wanted(received);
        let mut removed = Vec::new();
        if kind.is_whole() && unreadable.is_empty() {
            let there: Names = received.iter().map(|resource| resource.name.clone()).collect();
            removed.extend(lane.told_of().filter(|name| !there.contains(name)).cloned());
        }
        let changed = lane.changed(received, false);
        let (version, nonce) = (response.version_info.clone(), response.nonce.clone());
        self.arrive(Arrival { kind, changed, removed, unreadable, version, nonce, stream: self.stream })
    }

    /// An incremental response.
    pub fn hear_delta(&mut self, response: DeltaDiscoveryResponse) -> Outcome {
        let Some(kind) = self.asked_for(&response.type_url) else { return Outcome::Ignore };
        let (received, unreadable) = read_delta(kind, response.resources);
        let lane = &mut self.lanes[kind];
        let received = lane.wanted(received);
        let named = |name: &str| matches!(&lane.want, Some(Want::Named(names)) if names.contains(name));
        let gone = response.removed_resources.iter().map(String::as_str);
        let removed = gone.filter(|name| lane.knows(name) || named(name)).map(Arc::from).collect();
        let changed = lane.changed(received, true);
        let (version, nonce) = (response.system_version_info, response.nonce);
        self.arrive(Arrival { kind, changed, removed, unreadable, version, nonce, stream: self.stream })
    }

    /// The user has decided: what was accepted is held from now on, and the control plane is told. None where the stream
    /// on which it came has gone.
    pub fn judge(&mut self, arrival: &Arrival, verdict: &Verdict) -> Option<Request> {
        let mut verdict = verdict.clone();
        verdict.refused.extend(arrival.unreadable.iter().cloned());
        let lane = &mut self.lanes[arrival.kind];
        lane.apply(&arrival.changed, &arrival.removed, &verdict);
        lane.unreadable.clone_from(&arrival.unreadable);
        let accepted = verdict.refused.is_empty();
        if accepted {
            lane.version.clone_from(&arrival.version);
        }
        if !self.connected || arrival.stream != self.stream {
            return None;
        }
        lane.open = false;
        let text = verdict.text(arrival.kind);
        let error = (!accepted).then_some(Status { code: INTERNAL, message: text });
        Some(self.acknowledge(arrival.kind, error))
    }

    /// What was refused before and has come again: see [`Outcome::Repeat`]. The cause may be over - an address that
    /// somebody else had - so the user decides anew. None where something was said since.
    pub fn reconsider(&mut self, kind: Kind) -> Option<Arrival> {
        let lane = &mut self.lanes[kind];
        let (_, arrival) = lane.owed.take().filter(|_| self.connected)?;
        lane.open = true;
        Some(arrival)
    }

    fn asked_for(&self, url: &str) -> Option<Kind> {
        Kind::of(url).filter(|kind| self.lanes[*kind].told.is_some())
    }

    fn arrive(&mut self, arrival: Arrival) -> Outcome {
        let lane = &mut self.lanes[arrival.kind];
        lane.nonce.clone_from(&arrival.nonce);
        let first = !std::mem::replace(&mut lane.answered, true);
        let nothing = arrival.changed.is_empty() && arrival.removed.is_empty() && arrival.unreadable.is_empty();
        lane.owed = None;
        if !nothing && arrival.removed.is_empty() && lane.has_refused(&arrival.changed, &arrival.unreadable) {
            let (kind, message) = (arrival.kind, lane.refusal(arrival.kind, &arrival.unreadable));
            lane.owed = Some((Status { code: INTERNAL, message }, arrival));
            return Outcome::Repeat(kind);
        }
        lane.open = true;
        // The very first response is told even if it is empty: somebody waits to know that there is nothing.
        if !nothing || first {
            return Outcome::Judge(arrival);
        }
        self.judge(&arrival, &Verdict::default()).map_or(Outcome::Ignore, |request| Outcome::Say(Box::new(request)))
    }

    /// What has to be said for the control plane to know what is wanted; none if it knows.
    fn speak(&mut self, kind: Kind) -> Option<Request> {
        let lane = &self.lanes[kind];
        let want = lane.want.as_ref().filter(|_| self.connected)?;
        let silent = lane.told.is_none() && *want == Want::Named(Names::default());
        // In the state of the world the answer to the open response will say it: anything before would be stale.
        let later = self.dialect == Dialect::Sotw && lane.open;
        if silent || later || lane.told.as_ref() == Some(want) {
            return None;
        }
        Some(match self.dialect {
            Dialect::Sotw => {
                let owed = self.lanes[kind].owed.take();
                self.sotw(kind, owed.map(|(error, _)| error))
            }
            Dialect::Delta => self.delta(kind),
        })
    }

    fn acknowledge(&mut self, kind: Kind, error_detail: Option<Status>) -> Request {
        match self.dialect {
            Dialect::Sotw => self.sotw(kind, error_detail),
            Dialect::Delta => Request::Delta(DeltaDiscoveryRequest {
                type_url: kind.url().to_owned(),
                response_nonce: self.lanes[kind].nonce.clone(),
                error_detail,
                ..DeltaDiscoveryRequest::default()
            }),
        }
    }

    fn sotw(&mut self, kind: Kind, error_detail: Option<Status>) -> Request {
        let node = self.introduction();
        let lane = &mut self.lanes[kind];
        lane.told.clone_from(&lane.want);
        lane.prune();
        Request::Sotw(DiscoveryRequest {
            version_info: lane.version.clone(),
            node,
            resource_names: lane.want.as_ref().map(Want::names).unwrap_or_default().to_strings(),
            type_url: kind.url().to_owned(),
            response_nonce: lane.nonce.clone(),
            error_detail,
        })
    }

    fn delta(&mut self, kind: Kind) -> Request {
        let node = self.introduction();
        let lane = &mut self.lanes[kind];
        let (told, want) = (lane.told.clone(), lane.want.clone().unwrap_or(Want::Everything));
        lane.told = Some(want.clone());
        let before = told.as_ref().map(Want::names).unwrap_or_default();
        let mut subscribe = want.names().without(&before).to_strings();
        let mut unsubscribe = before.without(&want.names()).to_strings();
        match (&told, &want) {
            (Some(Want::Everything), Want::Named(_)) => unsubscribe.push("*".to_owned()),
            (Some(Want::Named(_)), Want::Everything) => subscribe.push("*".to_owned()),
            _ => {}
        }
        let held = lane.held.values().filter(|_| told.is_none());
        Request::Delta(DeltaDiscoveryRequest {
            node,
            type_url: kind.url().to_owned(),
            resource_names_subscribe: subscribe,
            resource_names_unsubscribe: unsubscribe,
            initial_resource_versions: held.map(|held| (held.name.to_string(), held.version.to_string())).collect(),
            ..DeltaDiscoveryRequest::default()
        })
    }

    /// The node is named once a stream.
    fn introduction(&mut self) -> Option<proto::Node> {
        let first = !std::mem::replace(&mut self.introduced, true);
        first.then(|| self.node.clone())
    }
}

#[cfg(test)]
mod tests;
