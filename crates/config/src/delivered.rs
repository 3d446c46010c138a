//! What a control plane sends: resources as protobuf bytes, to what they mean.
//!
//! It does not know for whom it writes, so it is read **leniently**: in a listener or cluster that is not of Redis, what is
//! not known degrades to bytes that pass through, and is told in one clear line for each resource. Refused is what breaks
//! Envoy's own rules, what guards something (a certificate that must be verified otherwise than is possible here), and
//! whatever is not honoured in the messages of Redis themselves, by its path. A policy that refuses connections and is
//! not enforced is told in a line of its own.
//!
//! A static configuration that is driven by a control plane (`dynamic_resources`) is read in the same manner.

use crate::dump;
use crate::meaning::{Context, Sent};
use crate::notes::Subject;
use crate::problem::Problems;
use crate::report::Report;
use crate::rules::Rules;
use crate::schema::{Schema, names};
use meant::{ControlPlane, Delivered};
use prost_reflect::DynamicMessage;
use std::collections::BTreeMap;
use std::sync::Arc;

mod file;

pub use file::{File, Resource, file};

/// A resource, and what it says that has no effect here.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// What it means.
    pub meant: T,
    /// What degrades or has no effect, one clear line each, for an operator; mostly none or one.
    pub notes: Vec<String>,
}

/// What delivered resources may name of the bootstrap: its clusters, as servers of configuration, and its secrets. Comes
/// with [`crate::Loaded`].
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// By the name of the cluster; or why it is no server.
    servers: BTreeMap<String, Result<ControlPlane, String>>,
    secrets: BTreeMap<String, Delivered>,
    /// There is no `ads_config`, so nothing can come from it.
    lacks_ads: bool,
}

impl Sources {
    pub(crate) fn set_ads(&mut self, is_there: bool) {
        self.lacks_ads = !is_there;
    }

    pub(crate) fn has_ads(&self) -> bool {
        !self.lacks_ads
    }

    pub(crate) fn add_server(&mut self, cluster: String, server: Result<ControlPlane, String>) {
        self.servers.insert(cluster, server);
    }

    pub(crate) fn add_secret(&mut self, name: String, secret: Delivered) {
        self.secrets.insert(name, secret);
    }

    pub(crate) fn server(&self, cluster: &str) -> Option<&Result<ControlPlane, String>> {
        self.servers.get(cluster)
    }

    pub(crate) fn secret(&self, name: &str) -> Option<&Delivered> {
        self.secrets.get(name)
    }
}

/// What an encoded `envoy.config.listener.v3.Listener` means.
///
/// # Errors
/// Everything for which it cannot be used; to be told the control plane.
pub fn listener(schema: &Schema, sources: &Sources, message: &[u8]) -> Result<Reading<Arc<meant::Listener>>, Problems> {
    read(schema, sources, ("listener", names::LISTENER), message, |sent| sent.listener().map(Arc::new))
}

/// What an encoded `envoy.config.cluster.v3.Cluster` means.
///
/// # Errors
/// Everything for which it cannot be used; to be told the control plane.
pub fn cluster(schema: &Schema, sources: &Sources, message: &[u8]) -> Result<Reading<Arc<meant::Cluster>>, Problems> {
    read(schema, sources, ("cluster", names::CLUSTER), message, |sent| sent.cluster().map(Arc::new))
}

/// What an encoded `envoy.config.endpoint.v3.ClusterLoadAssignment` means: the members that may be used.
///
/// # Errors
/// Everything for which it cannot be used; to be told the control plane.
pub fn endpoints(schema: &Schema, message: &[u8]) -> Result<Reading<meant::Assignment>, Problems> {
    read(schema, &Sources::default(), ("endpoints", names::ASSIGNMENT), message, |sent| sent.assignment())
}

/// What an encoded `envoy.extensions.transport_sockets.tls.v3.Secret` means, with its name.
///
/// # Errors
/// Everything for which it cannot be used; to be told the control plane. The secret itself is not in it.
pub fn secret(schema: &Schema, message: &[u8]) -> Result<Reading<(String, Delivered)>, Problems> {
    read(schema, &Sources::default(), ("secret", names::SECRET), message, |sent| sent.secret())
}

/// The encoded message of a type, by its full name or URL, as protobuf's JSON form with Envoy's field names; what Envoy
/// marks as sensitive is `[redacted]`. Of values whose type the schema does not know only the type is shown: ask
/// [`Schema::load_mesh`] for those of Istio.
///
/// # Errors
/// An unknown type, or bytes that are not of it.
pub fn dump(schema: &Schema, type_url: &str, message: &[u8]) -> Result<serde_json::Value, Problems> {
    let name = type_url.rsplit_once('/').map_or(type_url, |(_, name)| name);
    let decoded = decode(schema, name, name, message)?;
    dump::value(schema, decoded).map_err(|error| Problems::whole(name, error))
}

fn read<T>(
    schema: &Schema,
    sources: &Sources,
    (word, type_name): (&str, &str),
    message: &[u8],
    meaning: impl FnOnce(Sent<'_>) -> Option<T>,
) -> Result<Reading<T>, Problems> {
    let decoded = decode(schema, type_name, word, message)?;
    let named = ["name", "cluster_name"].iter().find_map(|field| decoded.get_field_by_name(field));
    let name = named.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    let label = format!("{word} {name}");
    let report = Report::new(&label);
    let rules = Rules::new(schema, &report);
    rules.check(&decoded, "");
    let subject = Subject::new(label.clone(), "");
    let context = Context { schema, report: &report, rules: &rules, sources };
    let meant = meaning(Sent::new(&context, decoded, subject.clone()));
    report.finish()?;
    let meant = meant.ok_or_else(|| Problems::whole(&label, "lacks what it needs to be used"))?;
    Ok(Reading { meant, notes: subject.lines() })
}

fn decode(schema: &Schema, type_name: &str, told: &str, message: &[u8]) -> Result<DynamicMessage, Problems> {
    let descriptor = schema.message(type_name);
    let descriptor = descriptor.ok_or_else(|| Problems::whole(told, format!("{type_name} is not known")))?;
    DynamicMessage::decode(descriptor, message)
        .map_err(|error| Problems::whole(told, format!("these bytes are no {type_name}: {error}")))
}
