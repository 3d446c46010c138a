//! The types of resources, in the order in which they are pushed.

use std::fmt;
use std::ops::{Index, IndexMut};

/// A type of resource that is discovered. The order of the variants is the order of a push: what is named comes before
/// what names it, as Envoy's documentation of ADS asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Kind {
    /// `envoy.config.cluster.v3.Cluster`
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`
    Endpoints,
    /// `envoy.config.listener.v3.Listener`
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration`
    Routes,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`
    Secret,
    /// `envoy.config.core.v3.TypedExtensionConfig`
    Extension,
}

impl Kind {
    /// All, in the order of a push.
    pub const ALL: [Kind; 6] =
        [Kind::Cluster, Kind::Endpoints, Kind::Listener, Kind::Routes, Kind::Secret, Kind::Extension];

    /// The type's name as it stands in requests, responses and `Any`.
    pub fn url(self) -> &'static str {
        match self {
            Kind::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Kind::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Kind::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Kind::Routes => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Kind::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Kind::Extension => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        }
    }

    /// The kind of a type URL; none for a type that this room does not serve.
    pub fn of(url: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.url() == url)
    }

    /// The three letters that people, logs and metrics use.
    pub fn short(self) -> &'static str {
        match self {
            Kind::Cluster => "cds",
            Kind::Endpoints => "eds",
            Kind::Listener => "lds",
            Kind::Routes => "rds",
            Kind::Secret => "sds",
            Kind::Extension => "ecds",
        }
    }

    /// Whether a first request without names asks for everything, and whether a state-of-the-world response is
    /// complete: what it lacks is removed. For the other kinds a response may hold a part of what was asked for.
    pub fn is_whole(self) -> bool {
        matches!(self, Kind::Cluster | Kind::Listener)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// One value for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerKind<T>([T; 6]);

impl<T> PerKind<T> {
    /// With the values in the order of [`Kind::ALL`].
    pub fn each(make: impl FnMut(Kind) -> T) -> PerKind<T> {
        PerKind(Kind::ALL.map(make))
    }

    /// Kinds and values in the order of a push.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &T)> {
        Kind::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Kind> for PerKind<T> {
    type Output = T;

    fn index(&self, kind: Kind) -> &T {
        &self.0[kind as usize]
    }
}

impl<T> IndexMut<Kind> for PerKind<T> {
    fn index_mut(&mut self, kind: Kind) -> &mut T {
        &mut self.0[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_leads_back_to_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind.url()), Some(kind));
        }
        assert_eq!(Kind::of("type.googleapis.com/istio.networking.nds.v1.NameTable"), None);
    }

    #[test]
    fn values_are_found_under_their_kind() {
        let mut urls = PerKind::each(Kind::url);
        urls[Kind::Secret] = "changed";
        assert_eq!(urls[Kind::Routes], Kind::Routes.url());
        assert_eq!(
            urls.iter().filter(|(kind, url)| kind.url() != **url).map(|(kind, _)| kind).next(),
            Some(Kind::Secret)
        );
    }
}
