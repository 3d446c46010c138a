//! The whole bootstrap.

use super::reader::Reader;
use super::{address, cluster, config_source, listener, sources};
use crate::notes::Subject;
use meant::ConfigSource;
use prost::Message;
use prost_reflect::Value;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// A bootstrap that is being read, and of what something may have to be told.
pub(super) struct Bootstrap<'a> {
    reader: Reader<'a>,
    /// Whether the proxy is driven by a control plane; then what is not known is told and not refused.
    is_driven: bool,
    subjects: Vec<Rc<Subject>>,
}

impl<'a> Bootstrap<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        let is_driven = reader.has("dynamic_resources");
        let mut bootstrap = Self { reader, is_driven, subjects: Vec::new() };
        if is_driven {
            let subject = bootstrap.subject("bootstrap".to_owned(), "");
            bootstrap.reader = bootstrap.reader.lenient(subject);
        }
        bootstrap
    }

    fn subject(&mut self, label: String, root: &str) -> Rc<Subject> {
        let subject = Subject::new(label, root);
        self.subjects.push(Rc::clone(&subject));
        subject
    }

    /// What `envoy.config.bootstrap.v3.Bootstrap` means, and of what something may have been told.
    pub(super) fn proxy(mut self) -> (meant::Proxy, Vec<Rc<Subject>>) {
        self.reader.only_empty("layered_runtime");
        self.reader.only_empty("cluster_manager");
        let mut proxy = meant::Proxy {
            node: node(&self.reader),
            admin: admin(&self.reader),
            dynamic: dynamic(&self.reader),
            ..meant::Proxy::default()
        };
        if let Some(resources) = self.reader.one("static_resources") {
            // Read before anything else.
            resources.without_effect(&["secrets"]);
            proxy.listeners = self.listeners(&resources);
            proxy.clusters = self.clusters(&resources);
        }
        (proxy, self.subjects)
    }

    /// A static resource in the manner of this bootstrap.
    fn in_manner(&mut self, word: &str, reader: Reader<'a>) -> Reader<'a> {
        if !self.is_driven {
            return reader;
        }
        let subject = self.subject(format!("{word} {}", reader.text("name")), reader.path());
        reader.lenient(subject)
    }

    fn listeners(&mut self, resources: &Reader<'a>) -> Vec<Arc<meant::Listener>> {
        let mut listeners: Vec<Arc<meant::Listener>> = Vec::new();
        let mut first = HashMap::new();
        for reader in resources.all("listeners") {
            let reader = self.in_manner("listener", reader);
            let name = reader.text("name");
            if !name.is_empty() {
                unique(&mut first, &reader, name);
            }
            let Some(mut listener) = listener::listener(&reader) else { continue };
            if listener.name.is_empty() {
                listener.name = unused_name(&listener.address.to_string(), &listeners);
            }
            listeners.push(Arc::new(listener));
        }
        listeners
    }

    fn clusters(&mut self, resources: &Reader<'a>) -> Vec<Arc<meant::Cluster>> {
        let servers = sources::named_servers(&self.reader);
        let mut clusters = Vec::new();
        let mut first = HashMap::new();
        for reader in resources.all("clusters") {
            if is_only_server(&reader, &servers, self.is_driven) {
                unique(&mut first, &reader, reader.text("name"));
                reader.covered();
                continue;
            }
            let reader = self.in_manner("cluster", reader);
            let cluster = cluster::cluster(&reader);
            unique(&mut first, &reader, cluster.name.clone());
            clusters.push(Arc::new(cluster));
        }
        clusters
    }
}

/// Whether no traffic of clients can be meant for the cluster: it is a server of configuration, or behind a Unix socket,
/// as the servers of a driven proxy's own agent are.
fn is_only_server(cluster: &Reader<'_>, servers: &BTreeSet<String>, is_driven: bool) -> bool {
    let is_unix = |server: &meant::ControlPlane| {
        server.addresses.iter().all(|address| matches!(address, meant::ControlAddress::Unix(_)))
    };
    let name = cluster.text("name");
    let found = cluster.sources().server(&name);
    servers.contains(&name) || is_driven && matches!(found, Some(Ok(server)) if is_unix(server))
}

/// What the proxy says of itself.
const AGENT: &str = "slotmesh";

fn node(bootstrap: &Reader<'_>) -> meant::Node {
    let Some(node) = bootstrap.one("node") else { return meant::Node::default() };
    // What else a node says of itself is for a control plane, which is given all of it.
    node.covered();
    let mut message = node.message().clone();
    message.set_field_by_name("user_agent_name", Value::String(AGENT.to_owned()));
    message.set_field_by_name("user_agent_version", Value::String(env!("CARGO_PKG_VERSION").to_owned()));
    let zone = node.one("locality").filter(Reader::covers).map(|locality| locality.text("zone"));
    let zone = zone.filter(|zone| !zone.is_empty());
    meant::Node { id: node.text("id"), cluster: node.text("cluster"), zone, message: message.encode_to_vec() }
}

/// As in Envoy, there is no HTTP face without an address.
fn admin(bootstrap: &Reader<'_>) -> Option<meant::Admin> {
    let admin = bootstrap.one("admin")?;
    Some(meant::Admin { address: address::bound(&admin, "address")? })
}

fn dynamic(bootstrap: &Reader<'_>) -> Option<meant::Dynamic> {
    let resources = bootstrap.one("dynamic_resources")?;
    for name in ["lds_resources_locator", "cds_resources_locator"] {
        resources.guard(name, "not supported yet: use lds_config and cds_config");
    }
    let source = |name: &str| resources.one(name).and_then(|config| config_source::source(&config));
    let dynamic = meant::Dynamic {
        ads: resources.one("ads_config").and_then(|ads| config_source::server(&ads)),
        listeners: source("lds_config"),
        clusters: source("cds_config"),
    };
    let needs_node = dynamic.ads.is_some() || matches!(dynamic.listeners, Some(ConfigSource::Server(_)));
    if needs_node && bootstrap.one("node").filter(Reader::covers).is_none_or(|node| node.text("id").is_empty()) {
        bootstrap.wrong("node", "`node.id` is required: a control plane knows a proxy by it");
    }
    Some(dynamic)
}

/// No two listeners, and no two clusters, have the same name.
fn unique(first: &mut HashMap<String, String>, reader: &Reader<'_>, name: String) {
    if let Some(earlier) = first.get(&name) {
        reader.wrong("name", format!("`{name}` is also the name of {earlier}: names must differ"));
    }
    first.entry(name).or_insert_with(|| reader.path().to_owned());
}

/// The address names a listener that has no name; several may share `127.0.0.1:0`.
fn unused_name(address: &str, listeners: &[Arc<meant::Listener>]) -> String {
    let taken = |name: &str| listeners.iter().any(|listener| listener.name == name);
    let numbered = (2..).map(|number| format!("{address}#{number}"));
    std::iter::once(address.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}
