//! A service as a proxy has to know it, whoever declared it.

use super::Protocol;
use crate::object::Labels;
use crate::written::value::{Cidr, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Who declared a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A Kubernetes `Service`.
    Kubernetes,
    /// A `ServiceEntry`.
    ServiceEntry,
}

/// How the endpoints of a service are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// The registry knows them.
    Endpoints,
    /// The registry knows them, and clients address them one by one: `clusterIP: None`.
    Headless,
    /// The proxy looks their names up, and uses every address.
    Dns,
    /// The proxy looks their names up, and uses one address at a time.
    DnsRoundRobin,
    /// Connections go on to where they were going.
    OriginalDestination,
}

/// Who sees something: the words of `exportTo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    everybody: bool,
    namespaces: BTreeSet<String>,
}

impl Export {
    /// The meaning of `words` for something in the namespace `own`; an empty list is no answer, so ask with the
    /// mesh's default then.
    #[must_use]
    pub fn new<'w>(words: impl IntoIterator<Item = &'w str>, own: &str) -> Self {
        let mut export = Self { everybody: false, namespaces: BTreeSet::new() };
        for word in words.into_iter().map(str::trim) {
            match word {
                "*" => export.everybody = true,
                "." => _ = export.namespaces.insert(own.to_owned()),
                "~" | "" => {}
                name => _ = export.namespaces.insert(name.to_owned()),
            }
        }
        export
    }

    /// Whether the proxies of `namespace` see it.
    #[must_use]
    pub fn reaches(&self, namespace: &str) -> bool {
        self.everybody || self.namespaces.contains(namespace)
    }
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name; may be empty if it is the only one.
    pub name: String,
    /// The number that clients use.
    pub number: u16,
    /// The port of the endpoints.
    pub(crate) target: Target,
    /// What it speaks.
    pub protocol: Protocol,
}

/// Where an endpoint stands; empty where it is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// The region.
    pub region: String,
    /// The zone in it.
    pub zone: String,
    /// A part of the zone.
    pub subzone: String,
}

impl Locality {
    /// `region/zone/subzone`, of which the later ones may be missing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self { region: next(), zone: next(), subzone: next() }
    }
}

/// Whether an endpoint takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Nobody says.
    Unknown,
    /// It does.
    Healthy,
    /// It does not (it is still sent, so that a proxy can tell it from one that is gone).
    Unhealthy,
}

/// One endpoint of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// An IP address; a name only where the proxy looks names up.
    pub address: String,
    /// Its port for each of the service's ports, by the name of that.
    pub ports: Arc<BTreeMap<String, u16>>,
    /// Whether it takes requests.
    pub health: Health,
    /// Its share of requests, at least 1.
    pub weight: u32,
    /// Where it stands.
    pub locality: Locality,
    /// The labels of its workload, for subsets.
    pub labels: Arc<Labels>,
    /// The machine it is on; empty where it is not known.
    pub machine: String,
    /// Whether its workload has a sidecar that speaks Istio's mutual TLS.
    pub speaks_mtls: bool,
    /// Its identity as `namespace/service account`; empty where it is not known.
    pub identity: String,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The full name that clients use.
    pub host: String,
    /// Its name in its namespace; for a `ServiceEntry` the host.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Who declared it.
    pub origin: Origin,
    /// When that was, as RFC 3339 text.
    pub created: Option<String>,
    /// The addresses that clients connect to.
    pub(crate) addresses: Vec<Cidr>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// How its endpoints are found.
    pub resolution: Resolution,
    /// Whether it lies outside of the mesh.
    pub external: bool,
    /// Who sees it.
    pub export: Export,
    /// The labels of the workloads that serve it; none if it is not found by labels.
    pub selector: Option<Labels>,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Whether clients use only endpoints on their own machine.
    pub machine_local: bool,
}

impl Service {
    /// Its single addresses, without ranges.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().filter(|cidr| cidr.prefix.is_none()).map(|cidr| cidr.ip)
    }

    /// What services are sorted by: age, then Kubernetes first, then name. The first one wins a contested address.
    pub(crate) fn order(&self) -> (Option<&str>, Origin, &str, &str) {
        (self.created.as_deref(), self.origin, &self.name, &self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::{Export, Locality};

    #[test]
    fn exports() {
        let reaches = |words: &[&str], namespace| Export::new(words.iter().copied(), "own").reaches(namespace);
        assert!(reaches(&["*"], "x") && reaches(&["."], "own") && reaches(&["a", " b"], "b"));
        assert!(!reaches(&["."], "x") && !reaches(&["~"], "own") && !reaches(&["a"], "own"));
    }

    #[test]
    fn localities() {
        let parsed = Locality::parse("eu/eu-1/rack/7");
        assert_eq!((parsed.region.as_str(), parsed.zone.as_str(), parsed.subzone.as_str()), ("eu", "eu-1", "rack/7"));
        assert_eq!(Locality::parse(""), Locality::default());
    }
}
