//! A message of Envoy's schema to what it means: defaults applied, contradictions and unsupported fields refused.
//!
//! Each function here takes a [`Reader`], which remembers what was read; what is set and was not read is refused when
//! the reader goes. So a field can be forgotten here, but never ignored.

mod reader;

mod bootstrap;
mod sources;

// Listeners.
mod listener;

mod inspectors;

mod chain;
mod chain_match;

// The filters that end chains.
mod redis_proxy;
mod routes;

mod faults;
mod key_format;

mod tcp_proxy;

mod http;

// Clusters.
mod cluster;

mod balance;
mod endpoints;
mod redis_cluster;
mod sockets;
mod upstream;

// TLS.
mod socket;
mod tls;

mod certificate;
mod secret_source;
mod trust;

// Where configuration comes from.
mod config_source;
mod control_plane;

// All of them.
mod address;
mod source;

use crate::delivered::Sources;
use crate::notes::Subject;
use crate::report::Report;
use crate::rules::Rules;
use crate::schema::Schema;
use bootstrap::Bootstrap;
use prost_reflect::DynamicMessage;
use reader::Reader;
use std::rc::Rc;

/// What every reader needs.
pub(crate) struct Context<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) report: &'a Report,
    pub(crate) rules: &'a Rules<'a>,
    pub(crate) sources: &'a Sources,
}

/// What may be named that stands in the bootstrap.
pub(crate) fn sources(context: &Context<'_>, bootstrap: DynamicMessage) -> Sources {
    let reader = Reader::new(context, bootstrap, String::new());
    reader.covered();
    sources::sources(&reader)
}

/// What the bootstrap means, and of what something may have been told. Only to be used if the report stays empty: what
/// is wrong is filled in somehow.
pub(crate) fn proxy(context: &Context<'_>, bootstrap: DynamicMessage) -> (meant::Proxy, Vec<Rc<Subject>>) {
    Bootstrap::new(Reader::new(context, bootstrap, String::new())).proxy()
}

/// A resource that a control plane sent.
pub(crate) struct Sent<'a> {
    reader: Reader<'a>,
}

impl<'a> Sent<'a> {
    pub(crate) fn new(context: &'a Context<'a>, message: DynamicMessage, subject: Rc<Subject>) -> Self {
        Self { reader: Reader::new(context, message, String::new()).lenient(subject) }
    }

    /// An `envoy.config.listener.v3.Listener`.
    pub(crate) fn listener(self) -> Option<meant::Listener> {
        if self.reader.text("name").is_empty() {
            self.reader.wrong("name", "is required of what is delivered");
        }
        listener::listener(&self.reader)
    }

    /// An `envoy.config.cluster.v3.Cluster`.
    pub(crate) fn cluster(self) -> Option<meant::Cluster> {
        Some(cluster::cluster(&self.reader))
    }

    /// An `envoy.config.endpoint.v3.ClusterLoadAssignment`.
    pub(crate) fn assignment(self) -> Option<meant::Assignment> {
        Some(endpoints::assignment(&self.reader))
    }

    /// An `envoy.extensions.transport_sockets.tls.v3.Secret`.
    pub(crate) fn secret(self) -> Option<(String, meant::Delivered)> {
        secret_source::secret(&self.reader)
    }
}

#[cfg(test)]
mod tests;
