//! Typed resources bound to the services that they are for.
//!
//! Who decides what for a port of a service: a RedisService its nodes and settings, a RedisRoute its traffic. Of two that
//! decide the same the older does, one of the root namespace last, and the other is refused. A resource in the service's namespace or in the root
//! namespace is for all proxies, one elsewhere for the proxies of its own namespace, which follow it before any other.

use super::fault::Fault;
use super::filter::{Parts, filter};
use super::spec::{Clients, RedisRoute, RedisService, Settings};
use super::traffic::Traffic;
use super::upstream::Upstream;
use super::world::{Place, World, port};
use super::{Declared, aeraki};
use crate::object::{Body, Key, Labels, Object, Objection, selects};
use crate::registry::service::Service;
use crate::written::mesh::Mesh;
use config::Problem;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// A port of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What holds for a port of a service, for some proxies.
#[derive(Clone, PartialEq)]
pub(crate) struct Bound {
    pub(crate) at: Target,
    /// The only namespace whose proxies heed it; `None` for all.
    pub(crate) only: Option<String>,
    pub(crate) clients: Option<Clients>,
    /// The namespace and labels of the service's own nodes.
    nodes: Option<(String, Labels)>,
    /// Where commands may go besides.
    uses: Vec<Target>,
    /// The `redis_proxy`.
    pub(crate) filter: Value,
    pub(crate) upstream: Upstream,
    /// The resources that it is made of: kind, namespace, name.
    pub(crate) sources: Vec<String>,
}

impl fmt::Debug for Bound {
    /// Without its values: there may be passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("at", &self.at).field("only", &self.only).finish_non_exhaustive()
    }
}

/// All of one state.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub(crate) bounds: Vec<Arc<Bound>>,
    /// The last version of each resource that was accepted.
    pub(crate) accepted: BTreeMap<Key, Arc<Object>>,
    /// What is refused.
    pub(crate) refused: Vec<Problem>,
    /// The same by resource.
    pub(crate) objections: Vec<Objection>,
    /// What of this a change of another object can mend.
    pub(crate) awaiting: Vec<Problem>,
}

/// What a resource decides, and for what.
struct Claim<'o> {
    at: Target,
    only: Option<String>,
    service: &'o Service,
    object: &'o Arc<Object>,
    path: String,
    /// What its nodes are taken for if nobody says.
    found_out: Upstream,
    upstream: Option<(Upstream, Option<Clients>)>,
    settings: Option<Settings>,
    traffic: Option<Traffic>,
}

impl Typed {
    /// What the typed resources among `objects` mean. Where one is refused, its last accepted version counts.
    pub(crate) fn new<'o>(
        objects: &[&'o Arc<Object>],
        services: &'o [Arc<Service>],
        mesh: &'o Mesh,
        former: Option<&'o Self>,
    ) -> Self {
        let world = World::new(objects.iter().map(|object: &&'o Arc<Object>| &***object), services, mesh);
        let mut typed = Self::default();
        let mut claims: Vec<Claim<'o>> = Vec::new();
        // Who owns a service knows better than a default for the whole mesh.
        let is_default = |object: &&&'o Arc<Object>| object.meta.namespace == mesh.root_namespace;
        let own = objects.iter().filter(|object| !is_default(object));
        for object in own.chain(objects.iter().filter(is_default)).copied() {
            let Body::Redis(declared) = &object.body else { continue };
            let faults = match claims_of(object, declared, &world, &claims) {
                Ok(found) => {
                    typed.accepted.insert(object.key(), Arc::clone(object));
                    claims.extend(found);
                    continue;
                }
                Err(faults) => faults,
            };
            let before = former.and_then(|former| former.accepted.get(&object.key()));
            let mut kept = "";
            if let Some(before) = before
                && let Body::Redis(declared) = &before.body
                && let Ok(found) = claims_of(before, declared, &world, &claims)
            {
                typed.accepted.insert(object.key(), Arc::clone(before));
                claims.extend(found);
                if !Arc::ptr_eq(before, object) {
                    kept = "; its version before stays in force";
                }
            }
            let told: Vec<String> = faults.iter().map(Fault::told).collect();
            let is_conflict = faults.iter().all(|fault| fault.is_conflict);
            let is_kept = typed.accepted.contains_key(&object.key());
            typed.objections.push(Objection { is_conflict, is_kept, ..Objection::to(object, told.join("; ")) });
            for fault in faults {
                let text = format!("{} {}: {}{kept}", declared.word(), object.meta.name, fault.text);
                let problem = Fault { text, ..fault.clone() }.problem(object, &declared.document);
                typed.awaiting.extend(fault.awaits.then(|| problem.clone()));
                typed.refused.push(problem);
            }
        }
        typed.bounds = bounds(claims, former.map_or(&[][..], |former| &former.bounds));
        typed
    }

    /// Which of all concern a proxy: those whose clients it is among, and what their commands need.
    pub(crate) fn chosen_for(&self, namespace: &str, labels: &Labels) -> Vec<bool> {
        let mut chosen: Vec<bool> = self.bounds.iter().map(|bound| bound.is_for(namespace, labels)).collect();
        let in_reach = |bound: &Bound| bound.only.as_ref().is_none_or(|only| only == namespace);
        loop {
            let wanted: Vec<&Target> =
                self.bounds.iter().zip(&chosen).filter(|(_, is)| **is).flat_map(|(bound, _)| &bound.uses).collect();
            let missing: Vec<usize> = (0..chosen.len())
                .filter(|index| {
                    !chosen[*index] && in_reach(&self.bounds[*index]) && wanted.contains(&&self.bounds[*index].at)
                })
                .collect();
            if missing.is_empty() {
                return chosen;
            }
            missing.into_iter().for_each(|index| chosen[index] = true);
        }
    }

    /// What holds for the ports of `service`, for a proxy for which `chosen` was found.
    pub(crate) fn of(&self, service: &Service, chosen: &[bool]) -> Vec<Arc<Bound>> {
        let here = self.bounds.iter().zip(chosen).filter(|(bound, is)| **is && bound.at.host == service.host);
        let mut found: Vec<Arc<Bound>> = Vec::new();
        for (bound, _) in here {
            match found.iter_mut().find(|known| known.at == bound.at) {
                // That of the proxy's own namespace comes first.
                Some(known) if known.only.is_none() => *known = Arc::clone(bound),
                Some(_) => {}
                None => found.push(Arc::clone(bound)),
            }
        }
        found
    }
}

impl Bound {
    fn is_for(&self, namespace: &str, labels: &Labels) -> bool {
        if self.only.as_ref().is_some_and(|only| only != namespace) {
            return false;
        }
        match (&self.clients, &self.nodes) {
            (Some(clients), _) => {
                let is_here = clients.namespaces.is_empty() || clients.namespaces.iter().any(|name| name == namespace);
                is_here && selects(&clients.match_labels, labels)
            }
            (None, Some((home, selector))) => home != namespace || !selects(selector, labels),
            (None, None) => true,
        }
    }
}

/// What a resource decides, if nothing is wrong with it and nobody has decided it before.
fn claims_of<'o>(
    object: &'o Arc<Object>,
    declared: &Declared,
    world: &World<'o>,
    before: &[Claim<'o>],
) -> Result<Vec<Claim<'o>>, Vec<Fault>> {
    let mut place = Place { world, namespace: &object.meta.namespace, faults: Vec::new() };
    let found = match &declared.what {
        super::What::Service(written) => of_service(object, written, &mut place).into_iter().collect(),
        super::What::Route(written) => of_route(object, written, &mut place).into_iter().collect(),
        super::What::AerakiService(written) => aeraki_service(object, written, &mut place),
        super::What::AerakiDestination(written) => {
            let written = written.as_service();
            let claim = of_service(object, &written, &mut place);
            claim.into_iter().map(|claim| Claim { settings: None, ..claim }).collect()
        }
    };
    for claim in &found {
        place.faults.extend(before.iter().find_map(|other| claim.conflict(other)));
        place.faults.extend(before.iter().find_map(|other| claim.namesake(other)));
    }
    if place.faults.is_empty() { Ok(found) } else { Err(place.faults) }
}

impl<'o> Claim<'o> {
    fn new(
        object: &'o Arc<Object>,
        host: &str,
        number: Option<u16>,
        path: &str,
        place: &mut Place<'_, 'o>,
    ) -> Option<Self> {
        let namespace = &object.meta.namespace;
        let service = match place.world.service(host, namespace) {
            Ok(service) => service,
            Err(text) => return place.lacks(path, format!("host {text}")),
        };
        let port = match port(service, number) {
            Ok(port) => port,
            Err(text) => return place.lacks("spec.port", text),
        };
        let found_out = Upstream::found_out(service, port, place);
        let is_wide = *namespace == service.namespace || *namespace == place.world.mesh.root_namespace;
        let at = Target { host: service.host.clone(), port: port.number };
        let only = (!is_wide).then(|| namespace.clone());
        let path = path.to_owned();
        Some(Self { at, only, service, object, path, found_out, upstream: None, settings: None, traffic: None })
    }

    fn cluster_name(&self) -> Option<&str> {
        self.upstream.as_ref().and_then(|(upstream, _)| upstream.name())
    }

    /// That `other` has given the same name to another cluster, which a proxy would get as well.
    fn namesake(&self, other: &Self) -> Option<Fault> {
        let name = self.cluster_name().filter(|name| other.cluster_name() == Some(name))?;
        let never_meet = self.only.is_some() && other.only.is_some() && self.only != other.only;
        if self.at == other.at || never_meet {
            return None;
        }
        let meta = &other.object.meta;
        let text = format!("`{name}` is the name of a cluster of the RedisService {}/{}", meta.namespace, meta.name);
        Some(Fault { is_conflict: true, ..Fault::awaiting("spec.clusterName", text) })
    }

    /// That `other`, which is older, decides the same.
    fn conflict(&self, other: &Self) -> Option<Fault> {
        let both = (self.upstream.is_some() && other.upstream.is_some())
            || (self.settings.is_some() && other.settings.is_some())
            || (self.traffic.is_some() && other.traffic.is_some());
        if !both || self.at != other.at || self.only != other.only {
            return None;
        }
        let Target { host, port } = &self.at;
        let older = other.object;
        let (file, line) = (&older.file, older.line);
        let named = format!("{} {}/{}", older.body.kind(), older.meta.namespace, older.meta.name);
        let text = format!("host {host}, port {port}, is decided by the {named} ({file}:{line}), which comes first");
        Some(Fault { is_conflict: true, ..Fault::awaiting(self.path.as_str(), text) })
    }
}

fn of_service<'o>(object: &'o Arc<Object>, written: &RedisService, place: &mut Place<'_, 'o>) -> Option<Claim<'o>> {
    let claim = Claim::new(object, &written.host, written.port, "spec.host", place)?;
    let port = claim.service.ports.iter().find(|port| port.number == claim.at.port)?;
    let upstream = Upstream::new(written, claim.service, port, place);
    let settings = Some(written.settings.clone().unwrap_or_default());
    Some(Claim { upstream: Some((upstream, written.clients.clone())), settings, ..claim })
}

fn of_route<'o>(object: &'o Arc<Object>, written: &RedisRoute, place: &mut Place<'_, 'o>) -> Option<Claim<'o>> {
    let claim = Claim::new(object, &written.host, written.port, "spec.host", place)?;
    let traffic = Traffic::new(written, &claim.at, place);
    Some(Claim { traffic: Some(traffic), ..claim })
}

fn aeraki_service<'o>(
    object: &'o Arc<Object>,
    written: &aeraki::RedisService,
    place: &mut Place<'_, 'o>,
) -> Vec<Claim<'o>> {
    let mut found = Vec::new();
    for (index, host) in written.host.iter().enumerate() {
        let path = format!("spec.host[{index}]");
        let Some(claim) = Claim::new(object, host, None, &path, place) else { continue };
        let (settings, route) = (written.settings(), written.as_route(host));
        let before = place.faults.len();
        let traffic = Traffic::new(&route, &claim.at, place);
        // The fields have other names there.
        for fault in &mut place.faults[before..] {
            fault.path = aeraki::path(&fault.path);
        }
        found.push(Claim { settings: Some(settings), traffic: Some(traffic), ..claim });
    }
    found
}

/// Puts together what is decided for each port, in the `Arc`s of `former` where it is equal.
fn bounds(claims: Vec<Claim>, former: &[Arc<Bound>]) -> Vec<Arc<Bound>> {
    let mut by_place: BTreeMap<(Target, Option<String>), Vec<Claim>> = BTreeMap::new();
    for claim in claims {
        by_place.entry((claim.at.clone(), claim.only.clone())).or_default().push(claim);
    }
    let names: HashMap<Target, String> = by_place
        .iter()
        .filter_map(|((at, _), claims)| {
            let (upstream, _) = claims.iter().find_map(|claim| claim.upstream.as_ref())?;
            Some((at.clone(), upstream.name.clone()?))
        })
        .collect();
    let cluster = |to: &Target| names.get(to).cloned().unwrap_or_else(|| to.plain());
    let keep = |bound: Bound| {
        let same = former.iter().find(|known| ***known == bound);
        same.map_or_else(|| Arc::new(bound.clone()), Arc::clone)
    };
    by_place.into_iter().map(|((at, only), claims)| keep(bound(at, only, claims, &cluster))).collect()
}

fn bound(at: Target, only: Option<String>, claims: Vec<Claim>, cluster: &impl Fn(&Target) -> String) -> Bound {
    let service = claims[0].service;
    let object = Arc::clone(claims[0].object);
    let source = |claim: &Claim| {
        let meta = &claim.object.meta;
        format!("{} {}/{}", claim.object.body.kind(), meta.namespace, meta.name)
    };
    let sources = claims.iter().map(source).collect();
    let found_out = claims[0].found_out.clone();
    let (mut upstream, mut clients, mut settings, mut traffic) = (None, None, None, None);
    for claim in claims {
        if let Some((found, among)) = claim.upstream {
            (upstream, clients) = (Some(found), among);
        }
        settings = settings.or(claim.settings);
        traffic = traffic.or(claim.traffic);
    }
    let (upstream, settings) = (upstream.unwrap_or(found_out), settings.unwrap_or_default());
    let traffic = traffic.unwrap_or_default();
    let own = upstream.name.clone().unwrap_or_else(|| at.plain());
    let (name, namespace) = (object.meta.name.clone(), object.meta.namespace.clone());
    let parts = Parts { settings: &settings, traffic: &traffic, mode: upstream.mode, name, namespace };
    Bound {
        filter: filter(&parts, &own, cluster),
        nodes: service.selector.clone().map(|labels| (service.namespace.clone(), labels)),
        uses: traffic.uses(),
        at,
        only,
        clients,
        upstream,
        sources,
    }
}
