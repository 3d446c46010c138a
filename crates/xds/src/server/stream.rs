//! One stream: requests, new snapshots and time go in, responses come out. No socket, no clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::kind::{Kind, PerKind};
use crate::nack::Nack;
use crate::names::Names;
use crate::proto::{
    ControlPlane, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DeltaResource, DiscoveryRequest, DiscoveryResponse,
};
use crate::resource::{Resource, ResourceSet, endpoints_name};

use super::interest::{Interest, shared};
use super::lane::{Answer, Lane, Plan};
use super::source::Snapshot;
use super::status::{LaneStatus, Stamp};

/// The two protocols of ADS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// State of the world: requests repeat all names, responses of clusters and listeners repeat all resources.
    Sotw,
    /// Incremental: only differences, in both directions.
    Delta,
}

/// A point in time: one clock for decisions, one for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never goes backwards.
    pub steady: Instant,
    /// What a calendar says.
    pub wall: SystemTime,
}

impl Moment {
    /// For drivers; the cores are told the time.
    pub fn now() -> Moment {
        Moment { steady: Instant::now(), wall: SystemTime::now() }
    }
}

/// What a request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It asks for something, and may acknowledge as well.
    Asked(Kind),
    /// It accepts a response.
    Acked(Kind),
    /// It refuses a response: see [`Stream::nack`].
    Refused(Kind),
    /// It speaks of a response that has been overtaken; names in it were heard.
    Stale(Kind),
    /// It asks for a type that is not served.
    UnknownType,
}

/// A response of either protocol.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// State of the world.
    Sotw(DiscoveryResponse),
    /// Incremental.
    Delta(DeltaDiscoveryResponse),
}

/// What one proxy asked for, has, and is to have.
#[derive(Debug)]
pub struct Stream {
    dialect: Dialect,
    target: Arc<Snapshot>,
    lanes: PerKind<Lane>,
    patience: Duration,
    nonces: u64,
}

impl Stream {
    /// `patience`: how long an unanswered response holds back the next one of its kind, and unacknowledged clusters hold
    /// back listeners.
    pub fn new(dialect: Dialect, target: Arc<Snapshot>, patience: Duration) -> Stream {
        Stream { dialect, target, lanes: PerKind::default(), patience, nonces: 0 }
    }

    /// Lets `share` put one allocation in the place of equal lists of names of many streams.
    pub(super) fn share_names(&mut self, kind: Kind, share: impl FnOnce(&Names) -> Names) {
        if let Some(interest) = &mut self.lanes[kind].interest {
            interest.names = share(&interest.names);
        }
    }

    /// What the proxy is to have from now on.
    pub fn aim(&mut self, target: Arc<Snapshot>) {
        self.target = target;
    }

    /// Which protocol it speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A state-of-the-world request.
    pub fn hear(&mut self, request: &DiscoveryRequest, now: Moment) -> Heard {
        let Some(kind) = Kind::of(&request.type_url) else { return Heard::UnknownType };
        let target = self.target.set(kind);
        let lane = &mut self.lanes[kind];
        let interest = Interest::listed(kind, &request.resource_names, lane.interest.as_ref(), target);
        let before = lane.interest.replace(interest.clone());
        let Some(before) = before.filter(|_| !request.response_nonce.is_empty()) else {
            // Also where the proxy says that it has this very version: it may have accepted a part of another one since.
            lane.due.all = true;
            return Heard::Asked(kind);
        };
        let answer = lane.answer(kind, &request.response_nonce, request.error_detail.as_ref(), true, now.wall);
        // Names count even in a request that is overtaken: one that is dropped there and asked for again in the next must
        // be sent.
        let added = interest.names.without(&before.names);
        lane.due.names.extend(added.iter().cloned());
        lane.due.names.retain(|name| interest.contains(name));
        // Envoy repeats its last request where it wants the same names once more, for a cluster that it warms anew.
        lane.due.all |= answer == Answer::Repeated && added.is_empty() && request.error_detail.is_none();
        lane.due.all |= interest.wildcard && !before.wildcard;
        heard(kind, &answer, !added.is_empty())
    }

    /// An incremental request.
    pub fn hear_delta(&mut self, request: &DeltaDiscoveryRequest, now: Moment) -> Heard {
        let Some(kind) = Kind::of(&request.type_url) else { return Heard::UnknownType };
        let lane = &mut self.lanes[kind];
        let answer = lane.answer(kind, &request.response_nonce, request.error_detail.as_ref(), false, now.wall);
        let (subscribe, unsubscribe) = (&request.resource_names_subscribe, &request.resource_names_unsubscribe);
        let target = self.target.set(kind).clone();
        match &mut lane.interest {
            None => self.first_delta(kind, request, now),
            Some(interest) => {
                let wildcard = interest.wildcard;
                interest.change(subscribe, unsubscribe, &target);
                lane.due.answer |= interest.wildcard && !wildcard;
                lane.due.all |= interest.wildcard && !wildcard;
                lane.due.names.extend(shared(subscribe, &target));
                if interest.wildcard {
                    // No longer wanted by name, but still as part of everything: told again.
                    lane.due.names.extend(shared(unsubscribe, &target));
                }
            }
        }
        heard(kind, &answer, !subscribe.is_empty() || !unsubscribe.is_empty())
    }

    fn first_delta(&mut self, kind: Kind, request: &DeltaDiscoveryRequest, now: Moment) {
        let target = self.target.set(kind).clone();
        let brought = &request.initial_resource_versions;
        let lane = &mut self.lanes[kind];
        let interest = Interest::first(kind, &request.resource_names_subscribe, &target);
        let asked = shared(&request.resource_names_subscribe, &target);
        lane.due.names = asked.filter(|name| !brought.contains_key(&**name)).collect();
        lane.due.answer = brought.is_empty();
        lane.interest = Some(interest);
        if !brought.is_empty() {
            lane.resume(Arc::new(brought_along(brought, &target)), self.target.version(), now);
        }
    }

    /// The refusal that a proxy sent last for a kind, if it accepted nothing of the kind since.
    pub fn nack(&self, kind: Kind) -> Option<&Nack> {
        self.lanes[kind].nack()
    }

    /// The next response to send now, if any. To be called until there is none, after each request, each new snapshot
    /// and at [`Stream::wake`].
    pub fn next(&mut self, now: Moment) -> Option<(Kind, Response)> {
        // Twice: clusters wait for listeners that may turn out to be unchanged.
        let kinds = Kind::ALL.into_iter().chain(Kind::ALL);
        kinds.into_iter().find_map(|kind| self.offer(kind, now).map(|response| (kind, response)))
    }

    /// When something that is held back may go out although no answer came.
    pub fn wake(&self, now: Moment) -> Option<Instant> {
        let waits = self.lanes.iter().filter_map(|(_, lane)| lane.waits_since());
        waits.map(|at| at.steady + self.patience).filter(|at| *at > now.steady).min()
    }

    /// Whether everything that was asked for has been sent and answered.
    pub fn is_settled(&self) -> bool {
        self.lanes.iter().all(|(kind, lane)| {
            let reached = Arc::ptr_eq(&lane.known, self.target.set(kind)) && lane.due.is_none();
            lane.interest.is_none() || (reached && lane.is_answered())
        })
    }

    /// For tables: the kinds it has asked for.
    pub fn status(&self) -> Vec<LaneStatus> {
        self.lanes.iter().filter_map(|(kind, lane)| lane.status(kind)).collect()
    }

    fn offer(&mut self, kind: Kind, now: Moment) -> Option<Response> {
        if self.lanes[kind].interest.is_none() || self.must_wait(kind, now) {
            return None;
        }
        let goal = self.goal(kind, now);
        let lane = &mut self.lanes[kind];
        if Arc::ptr_eq(&lane.known, &goal) && lane.due.is_none() {
            return None;
        }
        let Some(plan) = lane.plan(&goal, self.dialect, kind) else {
            lane.reached(goal);
            return None;
        };
        if kind == Kind::Cluster {
            self.owe_endpoints(&plan, &goal);
        }
        Some(self.send(kind, &plan, goal, now))
    }

    fn must_wait(&self, kind: Kind, now: Moment) -> bool {
        let waiting = |kind: Kind| self.lanes[kind].is_waiting(now, self.patience);
        let asked = !self.lanes[kind].due.is_none() && self.dialect == Dialect::Delta;
        let clusters_first = kind == Kind::Listener && (waiting(Kind::Cluster) || waiting(Kind::Endpoints));
        clusters_first || (waiting(kind) && !asked)
    }

    /// What the proxy is to have of a kind: the target, and as long as listeners or routes are still to follow, what
    /// clusters and endpoints the old ones may use.
    fn goal(&self, kind: Kind, now: Moment) -> Arc<ResourceSet> {
        let (known, target) = (&self.lanes[kind].known, self.target.set(kind));
        let keeps = matches!(kind, Kind::Cluster | Kind::Endpoints) && self.users_follow(now);
        if !keeps || Arc::ptr_eq(known, target) {
            return target.clone();
        }
        let kept = known.difference(target).removed;
        if kept.is_empty() { target.clone() } else { Arc::new(target.with(kept)) }
    }

    fn users_follow(&self, now: Moment) -> bool {
        [Kind::Listener, Kind::Routes].into_iter().any(|kind| {
            let lane = &self.lanes[kind];
            let reached = Arc::ptr_eq(&lane.known, self.target.set(kind));
            lane.interest.is_some() && (!reached || lane.is_waiting(now, self.patience))
        })
    }

    /// Clusters that change are warmed anew and need their endpoints once more.
    fn owe_endpoints(&mut self, plan: &Plan, goal: &ResourceSet) {
        let lane = &mut self.lanes[Kind::Endpoints];
        let Some(interest) = &lane.interest else { return };
        let names = plan.updated.iter().filter_map(|&at| goal.at(at)).map(|cluster| endpoints_name(cluster));
        lane.due.names.extend(names.filter(|name| interest.contains(name)));
    }

    fn send(&mut self, kind: Kind, plan: &Plan, goal: Arc<ResourceSet>, now: Moment) -> Response {
        self.nonces += 1;
        let nonce = format!("{}/{}", self.target.version(), self.nonces);
        let resources = plan.positions.iter().filter_map(|&at| goal.at(at));
        let response = match self.dialect {
            Dialect::Sotw => Response::Sotw(DiscoveryResponse {
                version_info: version_of(&goal),
                resources: resources.map(|resource| resource.any.clone()).collect(),
                type_url: kind.url().to_owned(),
                nonce: nonce.clone(),
                control_plane: Some(control_plane()),
            }),
            Dialect::Delta => Response::Delta(DeltaDiscoveryResponse {
                system_version_info: self.target.version().to_string(),
                resources: resources.map(|resource| delta_resource(resource)).collect(),
                type_url: kind.url().to_owned(),
                nonce: nonce.clone(),
                removed_resources: plan.removed.iter().map(|name| name.to_string()).collect(),
                control_plane: Some(control_plane()),
            }),
        };
        let stamp = Stamp { nonce, version: self.target.version().clone(), at: now.wall };
        let only = plan.positions.first().filter(|_| plan.positions.len() == 1).and_then(|&at| goal.at(at));
        let only = only.map(|resource| resource.name.clone());
        self.lanes[kind].sent(stamp, goal, only, now);
        response
    }
}

fn heard(kind: Kind, answer: &Answer, asks: bool) -> Heard {
    match answer {
        Answer::Refused => Heard::Refused(kind),
        Answer::Acked if !asks => Heard::Acked(kind),
        Answer::Stale if !asks => Heard::Stale(kind),
        _ => Heard::Asked(kind),
    }
}

fn version_of(set: &ResourceSet) -> String {
    format!("{:016x}", set.digest())
}

fn delta_resource(resource: &Resource) -> DeltaResource {
    let (name, version) = (resource.name.to_string(), resource.version.to_string());
    DeltaResource { version, resource: Some(resource.any.clone()), name }
}

fn control_plane() -> ControlPlane {
    ControlPlane { identifier: concat!("slotmesh/", env!("CARGO_PKG_VERSION")).to_owned() }
}

/// What a proxy says it still has. Where name and version are ours, ours is taken: most proxies bring what others have.
fn brought_along(brought: &BTreeMap<String, String>, target: &ResourceSet) -> ResourceSet {
    ResourceSet::new(brought.iter().map(|(name, version)| {
        let same = target.get(name).filter(|resource| *resource.version == **version);
        same.cloned().unwrap_or_else(|| {
            let (name, version) = (name.as_str().into(), version.as_str().into());
            Arc::new(Resource { name, version, any: bytes::Bytes::new() })
        })
    }))
}

#[cfg(test)]
mod tests;
