//! What is watched: the kinds that files may hold, and where an API server has them.

/// One kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The group of its API; empty for Kubernetes' oldest.
    pub(crate) group: &'static str,
    /// As in `Service`.
    pub(crate) name: &'static str,
    /// As in `services`: the name in paths and in RBAC rules.
    pub(crate) plural: &'static str,
    /// The versions in which it can be read, the best first.
    pub(crate) versions: &'static [&'static str],
    /// Whether its objects stand in namespaces.
    pub(crate) namespaced: bool,
    /// What is read of an object; see [`super::trim`].
    pub(crate) needed: &'static [&'static str],
    /// Which objects are left out by the server already, as a field selector; empty for none.
    pub(crate) selector: &'static str,
    /// Whether it is watched only if that is asked for.
    pub(crate) on_demand: bool,
}

/// Of an object whose labels alone count.
const LABELS: &[&str] = &[];
const WORKLOAD: &[&str] = &["spec.template.metadata.labels"];
const WHOLE_SPEC: &[&str] = &["metadata.annotations", "spec"];
/// Of a kind whose every version gets a verdict.
const JUDGED: &[&str] = &["metadata.annotations", "metadata.generation", "spec"];
const ISTIO: &[&str] = &["v1", "v1beta1", "v1alpha3"];

const FIRST: &[&str] = &["v1alpha1"];
/// Secrets that are large or many, and never hold a password for Redis.
const NO_PASSWORDS: &str =
    "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token,type!=kubernetes.io/dockerconfigjson";

/// The RBAC rule without which no Events can be made.
pub(super) const EVENTS_RULE: &str = "apiGroups: [\"\"], resources: [\"events\"], verbs: [\"create\", \"patch\"]";

/// All kinds.
pub(crate) const KINDS: &[Kind] = &[
    kind("slotmesh.io", "RedisService", "redisservices", FIRST, JUDGED),
    kind("slotmesh.io", "RedisRoute", "redisroutes", FIRST, JUDGED),
    kind("redis.aeraki.io", "RedisService", "redisservices", FIRST, JUDGED),
    kind("redis.aeraki.io", "RedisDestination", "redisdestinations", FIRST, JUDGED),
    Kind { selector: NO_PASSWORDS, on_demand: true, ..core("Secret", "secrets", true, &["data"]) },
    core("Namespace", "namespaces", false, LABELS),
    core("Node", "nodes", false, LABELS),
    core("Service", "services", true, WHOLE_SPEC),
    core("Endpoints", "endpoints", true, &["subsets"]),
    core(
        "Pod",
        "pods",
        true,
        &[
            "spec.serviceAccountName",
            "spec.nodeName",
            "spec.hostNetwork",
            "spec.containers.ports",
            "status.podIP",
            "status.podIPs",
            "status.phase",
            "status.conditions.type",
            "status.conditions.status",
        ],
    ),
    kind("discovery.k8s.io", "EndpointSlice", "endpointslices", &["v1"], &["addressType", "endpoints", "ports"]),
    kind("apps", "StatefulSet", "statefulsets", &["v1"], WORKLOAD),
    kind("apps", "Deployment", "deployments", &["v1"], WORKLOAD),
    kind("networking.istio.io", "ServiceEntry", "serviceentries", ISTIO, WHOLE_SPEC),
    kind("networking.istio.io", "WorkloadEntry", "workloadentries", ISTIO, WHOLE_SPEC),
    kind("networking.istio.io", "DestinationRule", "destinationrules", ISTIO, WHOLE_SPEC),
    kind("networking.istio.io", "Sidecar", "sidecars", ISTIO, WHOLE_SPEC),
    kind("networking.istio.io", "EnvoyFilter", "envoyfilters", &["v1alpha3"], JUDGED),
    kind("security.istio.io", "PeerAuthentication", "peerauthentications", &["v1", "v1beta1"], WHOLE_SPEC),
];

const fn core(name: &'static str, plural: &'static str, namespaced: bool, needed: &'static [&'static str]) -> Kind {
    Kind { group: "", name, plural, versions: &["v1"], namespaced, needed, selector: "", on_demand: false }
}

const fn kind(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    versions: &'static [&'static str],
    needed: &'static [&'static str],
) -> Kind {
    Kind { group, name, plural, versions, namespaced: true, needed, selector: "", on_demand: false }
}

/// The kind of that group and name.
pub(crate) fn kind_of(group: &str, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| (kind.group, kind.name) == (group, name))
}

impl Kind {
    /// Whether a cluster may be without it: it comes with a CustomResourceDefinition.
    pub(crate) fn may_be_absent(&self) -> bool {
        !matches!(self.group, "" | "apps" | "discovery.k8s.io")
    }

    /// Where its objects are, all or those of one namespace.
    pub(crate) fn path(&self, version: &str, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        let place = namespace.map_or_else(String::new, |namespace| format!("namespaces/{namespace}/"));
        format!("{root}/{version}/{place}{}", self.plural)
    }

    /// As an object's `apiVersion` says it.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// As in `envoyfilters.networking.istio.io`: the name by which people and `kubectl` know the kind.
    pub(crate) fn full_name(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The kind as objects of it call themselves here: see [`crate::object::Body::kind`].
    pub(crate) fn word(&self) -> &'static str {
        match (self.group, self.name) {
            ("redis.aeraki.io", "RedisService") => "Aeraki's RedisService",
            ("redis.aeraki.io", "RedisDestination") => "Aeraki's RedisDestination",
            (_, name) => name,
        }
    }

    /// What stands for a file where an object of an API server is told of: `kube:Service/redis/cluster`. With its group
    /// where the kind is a namesake of ours.
    pub(crate) fn source(&self, namespace: &str, name: &str) -> String {
        let is_namesake = self.group == "redis.aeraki.io" && self.name == "RedisService";
        let kind = if is_namesake { format!("{}.{}", self.name, self.group) } else { self.name.to_owned() };
        if namespace.is_empty() { format!("kube:{kind}/{name}") } else { format!("kube:{kind}/{namespace}/{name}") }
    }

    /// Whether its objects get a verdict.
    pub(crate) fn is_judged(&self) -> bool {
        self.needed == JUDGED
    }

    /// Whether that is written into their status. Not into that of Aeraki's: it is Aeraki's to write, which has no
    /// conditions there, and other readers than ours.
    pub(crate) fn is_written(&self) -> bool {
        self.is_judged() && self.group != "redis.aeraki.io"
    }

    /// The RBAC rule without which its status cannot be written.
    pub(crate) fn status_rule(&self) -> String {
        format!("apiGroups: [\"{}\"], resources: [\"{}/status\"], verbs: [\"patch\"]", self.group, self.plural)
    }

    /// The RBAC rule without which it cannot be watched.
    pub(crate) fn rule(&self) -> String {
        format!(
            "apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"get\", \"list\", \"watch\"]",
            self.group, self.plural
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENTS_RULE, KINDS};
    use crate::written::{KINDS as READ, object};
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn every_kind_that_files_may_hold_is_watched() {
        for (group, name) in READ {
            assert!(KINDS.iter().any(|kind| (kind.group, kind.name) == (group, name)), "{group} {name}");
        }
        for kind in KINDS {
            let written =
                json!({"kind": kind.name, "apiVersion": kind.api_version(kind.versions[0]), "metadata": {"name": "x"}});
            let read = object(&written, "x");
            assert!(read.found.is_some() || !read.problems.is_empty(), "{} means nothing", kind.full_name());
        }
    }

    #[test]
    fn no_two_kinds_have_the_same_sources() {
        let sources: HashSet<String> = KINDS.iter().map(|kind| kind.source("n", "a")).collect();
        assert_eq!(sources.len(), KINDS.len());
        assert!(sources.contains("kube:RedisService/n/a") && sources.contains("kube:RedisService.redis.aeraki.io/n/a"));
    }

    #[test]
    fn paths() {
        let of = |name: &str| KINDS.iter().find(|kind| kind.name == name).unwrap();
        assert_eq!(of("Pod").path("v1", Some("redis")), "/api/v1/namespaces/redis/pods");
        let filter = of("EnvoyFilter");
        assert_eq!(filter.path("v1alpha3", None), "/apis/networking.istio.io/v1alpha3/envoyfilters");
        assert_eq!(filter.full_name(), "envoyfilters.networking.istio.io");
    }

    #[test]
    fn the_rules_that_are_deployed_are_these_and_no_more() {
        let files =
            [include_str!("../../../../deploy/rbac.yaml"), include_str!("../../../../deploy/rbac-secrets.yaml")];
        for (written, on_demand) in files.into_iter().zip([false, true]) {
            let rules = written.lines().filter_map(|line| line.trim().strip_prefix("- { ")?.strip_suffix(" }"));
            let mut rules: Vec<&str> = rules.filter(|rule| rule.starts_with("apiGroups:")).collect();
            let kinds = KINDS.iter().filter(|kind| kind.on_demand == on_demand);
            let mut needed: Vec<String> = kinds.map(|kind| kind.rule()).collect();
            if !on_demand {
                needed.extend(KINDS.iter().filter(|kind| kind.is_written()).map(|kind| kind.status_rule()));
                needed.push(EVENTS_RULE.to_owned());
            }
            rules.sort_unstable();
            needed.sort();
            assert_eq!(rules, needed);
            assert_eq!(written.matches("apiGroups:").count(), needed.len());
            assert!(!written.contains("\"*\""));
        }
    }
}
